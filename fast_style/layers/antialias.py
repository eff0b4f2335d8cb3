"""Low-pass filters that keep down- and upsampling from aliasing."""

from math import comb

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def binomial(taps: int) -> Tensor:
    """Make a binomial low-pass filter, (taps): of 3 taps (1, 2, 1)/4, of 5 (1, 4, 6, 4, 1)/16.

    Args:
        taps: odd, at least 1.
    """
    row = torch.tensor([float(comb(taps - 1, k)) for k in range(taps)], device="cpu")
    return row / row.sum()


class Blur(nn.Module):
    """Makes a convolution blur first: kernel ↦ kernel ∗ filter, a kernel of K + taps − 1 pixels.

    A convolution of stride two or four that sees frequencies above what its output can hold folds them onto others, and
    one after nearest-neighbour upsampling lays a grid over flat ground. Blurring before (Zhang 2019, "Making
    Convolutional Networks Shift-Invariant Again", https://arxiv.org/abs/1904.11486) prevents both. Since both are
    linear, blur and convolution are one convolution, of a larger kernel: this module computes that kernel, as a
    parametrization of `torch.nn.utils.parametrize`; only the small kernel is learned.

    Args:
        taps: width of the binomial filter, see `binomial`.
    """

    taps: Tensor

    def __init__(self, taps: int) -> None:
        super().__init__()
        # Not on the device of the network, which may be "meta" while it is built to be loaded.
        self.register_buffer("taps", binomial(taps), persistent=False)

    def forward(self, kernel: Tensor) -> Tensor:
        """Map (C', C, K, K) to (C', C, K + taps − 1, K + taps − 1), computed in float32."""
        reach = len(self.taps) - 1
        blur = torch.outer(self.taps, self.taps)[None, None]
        with torch.autocast(kernel.device.type, enabled=False):
            # The filter is symmetric, so correlation and convolution are the same.
            wide = F.conv2d(kernel.flatten(0, 1)[:, None], blur.to(kernel), padding=reach)  # (C'·C, 1, k, k)
        return wide.view(*kernel.shape[:2], *wide.shape[2:])

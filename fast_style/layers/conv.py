"""Convolutions of the image-transformation networks."""

import copy
import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from fast_style.layers.antialias import Blur
from fast_style.layers.kernels import padded, thin_conv, upsampled_conv
from fast_style.layers.winograd import winograd_conv, winograd_pays


class ConvLayer(nn.Conv2d):
    """Convolution with padding of `kernel_size // 2`, by reflection so that no border darkens: (N, C, H, W).

    Args:
        in_channels, out_channels: C and C'.
        kernel_size: odd.
        stride: of the convolution.
        padding_mode: `reflect`, or `zeros` as in networks of other programs.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding_mode: Literal["reflect", "zeros"] = "reflect",
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, padding_mode=padding_mode
        )

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.padding_mode == "reflect" and torch.is_grad_enabled() and x.requires_grad:
            if self.out_channels <= 4 and self.kernel_size[0] >= 5 and self.stride == (1, 1) and x.device.type == "cpu":
                return thin_conv(padded(x, int(self.padding[0]), "reflect"), weight, bias)
            if self.stride == (1, 1) and weight.requires_grad and winograd_pays(x, weight):
                return winograd_conv(padded(x, 1, "reflect"), weight, bias, 0)
            return F.conv2d(padded(x, int(self.padding[0]), "reflect"), weight, bias, self.stride)
        return super()._conv_forward(x, weight, bias)


class BlurredConv(ConvLayer):
    """Convolution with reflection padding that blurs first, so that a stride does not alias: see `Blur`.

    Args:
        in_channels, out_channels: C and C'.
        kernel_size: odd, of the kernel that is learned, `parametrizations.weight.original`.
        stride: of the convolution.
        taps: odd, width of the blur; the convolution that is computed has a kernel of kernel_size + taps − 1 pixels.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, taps: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size + taps - 1, stride)
        kernel = nn.Conv2d(in_channels, out_channels, kernel_size)  # for its random weights
        self.weight = nn.Parameter(kernel.weight.detach())
        self.bias = kernel.bias
        parametrize.register_parametrization(self, "weight", Blur(taps), unsafe=True)


class UpsampleConv(ConvLayer):
    """Nearest-neighbour upsampling by two, then a convolution: (N, C, H, W) → (N, C', 2H, 2W).

    Free of the checkerboards of transposed convolution (Odena et al. 2016, "Deconvolution and Checkerboard
    Artifacts").
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', 2H, 2W)."""
        if torch.is_grad_enabled() and x.requires_grad and self.kernel_size == (3, 3):
            return upsampled_conv(x, self.weight, self.bias)
        return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class TransposedConv(nn.ConvTranspose2d):
    """Transposed 3×3 convolution of stride two, as in Johnson et al. 2016: (N, C, H, W) → (N, C', 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=2, padding=kernel_size // 2, output_padding=1)


class SubpixelConv(ConvLayer):
    """Nearest-neighbour upsampling, then a convolution, computed at the small size; `nn.PixelShuffle` lays it out.

    (N, C, H, W) → (N, C'·factor², H, W), the factor × factor pixels of each position (Shi et al. 2016,
    https://arxiv.org/abs/1609.05158). With weights of their own, these pixels repeat a pattern wherever the input is
    flat; so they share those of one kernel of the large size, as `torch.nn.utils.parametrize` does it:
    `parametrizations.weight.original` is that kernel, (C', C, kernel_size, kernel_size).

    Args:
        in_channels: C.
        out_channels: C'.
        kernel_size: odd, at the large size.
        factor: of the upsampling.
        taps: odd, width of a blur of what is upsampled (see `Blur`), which makes nearest-neighbour upsampling of two
            nearly linear with 3 taps; 1: none.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, factor: int, taps: int = 1) -> None:
        wide = kernel_size + taps - 1
        super().__init__(in_channels, out_channels * factor**2, 2 * math.ceil(wide // 2 / factor) + 1)
        kernel = nn.Conv2d(in_channels, out_channels, kernel_size)  # for its random weights
        self.weight = nn.Parameter(kernel.weight.detach())
        self.bias = kernel.bias
        if taps > 1:
            parametrize.register_parametrization(self, "weight", Blur(taps), unsafe=True)
        parametrize.register_parametrization(self, "weight", _Spread(wide, factor), unsafe=True)
        parametrize.register_parametrization(self, "bias", _Repeat(factor**2), unsafe=True)


class _Spread(nn.Module):
    """Weight of the convolution at the small size: for each pixel, sums of the taps that fall on the same input."""

    taps: Tensor

    def __init__(self, kernel_size: int, factor: int) -> None:
        super().__init__()
        half = kernel_size // 2
        reach = math.ceil(half / factor)
        # Not on the device of the network, which may be "meta" while it is built to be loaded.
        taps = torch.zeros(factor, 2 * reach + 1, kernel_size, device="cpu")
        for pixel in range(factor):
            for tap in range(kernel_size):
                taps[pixel, (pixel + tap - half) // factor + reach, tap] = 1
        self.register_buffer("taps", taps, persistent=False)

    def forward(self, kernel: Tensor) -> Tensor:
        """Map (C', C, K, K) to (C'·factor², C, k, k)."""
        return torch.einsum("ayk,bxl,ockl->oabcyx", self.taps, self.taps, kernel).flatten(0, 2)


class _Repeat(nn.Module):
    """One number for all pixels of a position."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, bias: Tensor) -> Tensor:
        """Map (C') to (C'·times)."""
        return bias.repeat_interleave(self.times)


def frozen(network: nn.Module) -> nn.Module:
    """Copy a network for use: in evaluation mode, without gradients, computed weights settled."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for parent in list(network.modules()):
        for name, conv in list(parent.named_children()):
            if isinstance(conv, nn.Conv2d) and parametrize.is_parametrized(conv):
                setattr(parent, name, _settled(conv))
    return network


def _settled(conv: nn.Conv2d) -> nn.Conv2d:
    plain = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        padding=conv.padding,  # type: ignore[arg-type]
        padding_mode=conv.padding_mode,
    )
    plain.load_state_dict({"weight": conv.weight, "bias": conv.bias})
    return plain.to(conv.weight).eval().requires_grad_(False)

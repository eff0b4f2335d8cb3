"""The U-Net of pix2pix."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.layers import apply, norm_layer
from fast_style.networks.size import check_number, doubled
from fast_style.networks.style_network import StyleNetwork

SLOPE = 0.2  # of the leaky ReLU


class UnetGenerator(StyleNetwork):
    """Levels of 4×4 convolutions that halve the size down to a few pixels, and of transposed ones that see the former.

    Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks"
    (https://arxiv.org/abs/1611.07004), section 6.1, without its dropout: x ↦ 2x − 1 – `depth` convolutions of stride
    two, each after the first behind a leaky ReLU (0.2) and with a norm but for the first and the last – as many
    transposed ones behind a ReLU, each with a norm but for the last, whose input is joined with that of the
    convolution of its size – y = 0.5 + 0.5·tanh(x). All pad with zeros. It is not a chain, so it does not run in tiles.

    Args:
        width: channels of the first level, 1 to 512; each level has twice those of the one before, up to eight times.
        depth: number of times that the size is halved, 2 to 10: 7 for pix2pix at 128 px (`unet_128`), 8 at 256.
        norm: see `layers.norm_layer`; pix2pix has `batch`.
        styles: their names, with `norm="conditional"`, see `StyleNetwork`.

    Raises:
        ValueError: if an argument is outside its range.
    """

    def __init__(self, width: int = 64, depth: int = 8, norm: str = "instance", styles: Sequence[str] = ()) -> None:
        super().__init__()
        check_number("width", width, 1, 512, "channels")
        check_number("depth", depth, 2, 10, "levels")
        self.arguments = {"width": width, "depth": depth, "norm": norm} | self.style_arguments(styles)
        norm_of = partial(norm_layer, norm, styles=len(styles))
        widths = doubled(width, depth)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, (above, below) in enumerate(pairwise([3, *widths]), start=1):
            first, last = level == 1, level == depth
            down = nn.Conv2d(above, below, 4, stride=2, padding=1)
            up = nn.ConvTranspose2d(below if last else 2 * below, above, 4, stride=2, padding=1)
            self.down.append(nn.Sequential(down, nn.Identity() if first or last else norm_of(below)))
            self.up.append(nn.Sequential(up, nn.Identity() if first else norm_of(above)))

    def padded(self, side: int) -> int:
        """Round a side up to a multiple of 2^depth."""
        step = 2 ** self.arguments["depth"]
        return step * ((side + step - 1) // step)

    def of_padded(self, x: Tensor, styles: Tensor | None = None) -> Tensor:
        """Make pictures of (N, 3, H, W) of padded sides."""
        levels = [apply([self.down[0]], 2 * x - 1, styles)]
        for down in list(self.down)[1:]:
            levels.append(apply([down], F.leaky_relu(levels[-1], SLOPE), styles))
        x = levels.pop()
        for up in reversed(list(self.up)[1:]):
            x = torch.cat([levels.pop(), apply([up], F.relu(x), styles)], dim=1)
        return self.to_rgb(self.up[0](F.relu(x)))

    def to_rgb(self, x: Tensor) -> Tensor:
        """Map what the last layer gives to [0, 1]."""
        return 0.5 + 0.5 * torch.tanh(x)

"""A generator with connections between the two sides."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from fast_style.layers import ConvLayer, UpsampleConv, apply, norm_layer
from fast_style.networks.generator import GAIN
from fast_style.networks.size import check_number, doubled
from fast_style.networks.style_network import StyleNetwork


class UNet(StyleNetwork):
    """U-Net: levels that halve the size, and levels that double it and see what was there on the way down.

    Ronneberger et al. 2015 (https://arxiv.org/abs/1505.04597), in the manner of pix2pix (Isola et al. 2017,
    https://arxiv.org/abs/1611.07004): 7×7 – `depth` strided 3×3 – as many of upsampling + 3×3, each joined with the
    level of its size – 7×7. Unlike theirs it is padded by reflection, has ReLU throughout, enlarges by nearest
    neighbours and keeps no dropout. It is not a chain, so it does not run in tiles.

    Args:
        width: channels of the first level, 1 to 512; each level has twice those of the one before, up to eight times.
        depth: number of times that the size is halved, 1 to 8.
        norm: see `layers.norm_layer`.
        styles: their names, with `norm="conditional"`, see `StyleNetwork`.
        residual: the picture is the photo plus what the layers make, which is nothing in a fresh network. For pairs of
            which one side is much like the other, such as a drawing and the drawing coloured: what both have in common
            need not be learned. The default has the layers make the picture.

    Raises:
        ValueError: if an argument is outside its range.
    """

    def __init__(
        self,
        width: int = 32,
        depth: int = 4,
        norm: str = "instance",
        styles: Sequence[str] = (),
        residual: bool = False,
    ) -> None:
        super().__init__()
        check_number("width", width, 1, 512, "channels")
        check_number("depth", depth, 1, 8, "levels")
        self.arguments = {"width": width, "depth": depth, "norm": norm} | self.style_arguments(styles)
        if residual:  # otherwise left out, as in files of networks that have no such argument
            self.arguments["residual"] = True
        norm_of = partial(norm_layer, norm, styles=len(styles))
        widths = doubled(width, depth + 1)
        self.first = nn.Sequential(ConvLayer(3, width, 7), norm_of(width), nn.ReLU())
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, (above, below) in enumerate(pairwise(widths), start=1):
            self.down.append(nn.Sequential(ConvLayer(above, below, 3, stride=2), norm_of(below), nn.ReLU()))
            inputs = below if level == depth else 2 * below
            self.up.append(nn.Sequential(UpsampleConv(inputs, above, 3), norm_of(above), nn.ReLU()))
        self.last = ConvLayer(2 * width, 3, 7)
        self.residual = residual
        if residual:
            for parameter in self.last.parameters():
                nn.init.zeros_(parameter)

    def padded(self, side: int) -> int:
        """Round a side up to a multiple of 2^depth, at least twice that, so that norms at the bottom have pixels."""
        step = 2 ** self.arguments["depth"]
        return step * ((side + step - 1) // step + (2 * step - 1) // (side + step - 1))

    def of_padded(self, x: Tensor, styles: Tensor | None = None) -> Tensor:
        """Stylise (N, 3, H, W) of padded sides."""
        photos, levels = x, [apply([self.first], x, styles)]
        for down in self.down:
            levels.append(apply([down], levels[-1], styles))
        x = levels.pop()
        for up, level in zip(reversed(self.up), reversed(levels), strict=True):
            x = torch.cat([apply([up], x, styles), level], dim=1)
        made = self.last(x)
        return photos + GAIN * made if self.residual else self.to_rgb(made)

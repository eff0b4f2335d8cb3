"""A small image-transformation network for video and phones."""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.layers import BlurredConv, ConvLayer, Layer, ResidualBlock, SubpixelConv, norm_layer
from fast_style.networks.chain import ChainNetwork
from fast_style.networks.size import check_number


class SlimNetwork(ChainNetwork):
    """Residual network at a quarter of the size: 7×7 of stride four – residual blocks – up by two, up by two.

    Johnson et al. 2016 spend most of their time at full and at half size. Here one convolution goes down to a quarter
    of it, and each of the last two is computed at the size before it (`SubpixelConv`); half the channels are left
    between them.

    Args:
        width: channels, 2 to 512.
        blocks: number of residual blocks, 0 to 64.
        norm: `instance`, for several styles in one network `conditional`, or for comparison another of
            `layers.norm_layer`.
        styles: their names, see `StyleNetwork`.
        antialias: blur before the convolution that goes down and after each that goes up (see `BlurredConv`), so that
            pictures have no grid of four pixels and move with the photo.

    Raises:
        ValueError: if an argument is outside its range.
    """

    def __init__(
        self,
        width: int = 48,
        blocks: int = 3,
        norm: str = "instance",
        styles: Sequence[str] = (),
        antialias: bool = False,
    ) -> None:
        super().__init__()
        check_number("width", width, 2, 512, "channels")
        check_number("blocks", blocks, 0, 64)
        self.arguments = {
            "width": width,
            "blocks": blocks,
            "norm": norm,
            "antialias": antialias,
        } | self.style_arguments(styles)
        norm_of = partial(norm_layer, norm, styles=len(styles))
        self.conv1 = BlurredConv(3, width, 7, stride=4, taps=5) if antialias else ConvLayer(3, width, 7, stride=4)
        self.norm1 = norm_of(width)
        self.residuals = nn.Sequential(*(ResidualBlock(width, norm, len(styles)) for _ in range(blocks)))
        up = {"kernel_size": 3, "taps": 3} if antialias else {"kernel_size": 5}
        self.conv2 = SubpixelConv(width, width // 2, **up, factor=2)
        self.norm2 = norm_of(width // 2)
        self.conv3 = SubpixelConv(width // 2, 3, **up, factor=2)
        self.shuffle = nn.PixelShuffle(2)

    @property
    def chain(self) -> list[Layer]:
        """All layers in order, from the padded input to what `to_rgb` takes."""
        return [
            *(self.conv1, self.norm1, F.relu),
            *self.residuals,
            *(self.conv2, self.shuffle, self.norm2, F.relu),
            *(self.conv3, super().to_rgb, self.shuffle),
        ]

    def to_rgb(self, x: Tensor) -> Tensor:
        """Do nothing: the chain scales the colours before it lays them out, where backends make it part of `conv3`."""
        return x

"""Johnson's residual image-transformation network."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.layers import (
    BlurredConv,
    ConvLayer,
    Layer,
    ResidualBlock,
    SubpixelConv,
    TransposedConv,
    UpsampleConv,
    norm_layer,
)
from fast_style.networks.chain import ChainNetwork
from fast_style.networks.size import check_number

UPSAMPLINGS = {"nearest": UpsampleConv, "transposed": TransposedConv}
OUTPUTS = ("linear", "tanh", "sigmoid")
PADDINGS = ("reflect", "zeros")


class TransformerNetwork(ChainNetwork):
    """Residual image-transformation network: 9×9 – two strided 3×3 – residual blocks – two upsampling – 9×9.

    Johnson et al. 2016 (https://arxiv.org/abs/1603.08155, supplementary table 1) with the changes the field has kept:
    instance normalisation (Ulyanov et al. 2016, https://arxiv.org/abs/1607.08022), reflection padding in every
    convolution instead of 40 pixels once, and upsampling followed by convolution (Odena et al. 2016,
    https://distill.pub/2016/deconv-checkerboard). Only the convolutions of `upsampling="transposed"` and, with
    `padding="zeros"`, the strided ones pad with zeros.

    Args:
        width: channels after the first convolution, 1 to 512; the residual blocks have four times as many.
        blocks: number of residual blocks, 0 to 64.
        norm: `instance`, for several styles in one network `conditional`, or for comparison another of
            `layers.norm_layer`.
        styles: their names, see `StyleNetwork`.
        upsampling: `nearest` (nearest-neighbour upsampling + convolution) or `transposed` (transposed convolution).
        output: `linear`, 0.5 + 150/255·x; `tanh`, 0.5 + 150/255·tanh(x), Johnson's scaled tanh in [0, 1]-space;
            `sigmoid`, 1/(1 + e⁻ˣ) = 0.5 + 0.5·tanh(x/2), CycleGAN's tanh in [0, 1]-space. Where tanh saturates a huge
            activation costs nothing, and networks grow pure black blobs (seen with starry_night after 1500 steps); a
            linear output keeps them in check.
        antialias: blur before each convolution that goes down and after each that goes up (see `BlurredConv`), so that
            pictures have no grid of four pixels and move with the photo. Needs `upsampling="nearest"` and
            `padding="reflect"`.
        padding: of the two strided convolutions, `reflect`, or `zeros` as in CycleGAN.

    Raises:
        ValueError: if an argument is outside its range.
    """

    kernel_size = 9  # of the first and the last convolution

    def __init__(
        self,
        width: int = 32,
        blocks: int = 5,
        norm: str = "instance",
        upsampling: str = "nearest",
        output: str = "linear",
        styles: Sequence[str] = (),
        antialias: bool = False,
        padding: Literal["reflect", "zeros"] = "reflect",
    ) -> None:
        super().__init__()
        check_number("width", width, 1, 512, "channels")
        check_number("blocks", blocks, 0, 64)
        if upsampling not in UPSAMPLINGS:
            raise ValueError(f"upsampling must be one of {', '.join(UPSAMPLINGS)}, got {upsampling!r}")
        if output not in OUTPUTS:
            raise ValueError(f"output must be one of {', '.join(OUTPUTS)}, got {output!r}")
        if padding not in PADDINGS:
            raise ValueError(f"padding must be one of {', '.join(PADDINGS)}, got {padding!r}")
        if antialias and padding != "reflect":
            raise ValueError(f"antialias goes with padding: reflect, got padding: {padding}")
        if antialias and upsampling != "nearest":
            raise ValueError(f"antialias goes with upsampling: nearest, got upsampling: {upsampling}")
        self.arguments = {
            "width": width,
            "blocks": blocks,
            "norm": norm,
            "upsampling": upsampling,
            "output": output,
            "antialias": antialias,
            "padding": padding,
        } | self.style_arguments(styles)
        norm_of = partial(norm_layer, norm, styles=len(styles))
        down = partial(BlurredConv, taps=3) if antialias else partial(ConvLayer, padding_mode=padding)
        up = partial(SubpixelConv, factor=2, taps=3) if antialias else UPSAMPLINGS[upsampling]
        self.conv1 = ConvLayer(3, width, self.kernel_size)
        self.norm1 = norm_of(width)
        self.conv2 = down(width, 2 * width, 3, stride=2)
        self.norm2 = norm_of(2 * width)
        self.conv3 = down(2 * width, 4 * width, 3, stride=2)
        self.norm3 = norm_of(4 * width)
        self.residuals = nn.Sequential(*(ResidualBlock(4 * width, norm, len(styles)) for _ in range(blocks)))
        self.up1 = up(4 * width, 2 * width, 3)
        self.norm4 = norm_of(2 * width)
        self.up2 = up(2 * width, width, 3)
        self.norm5 = norm_of(width)
        self.conv4 = ConvLayer(width, 3, self.kernel_size)

    @property
    def chain(self) -> list[Layer]:
        """All layers in order, from the padded input to what `to_rgb` takes."""
        shuffle = [nn.PixelShuffle(2)] if self.arguments["antialias"] else []
        return [
            *(self.conv1, self.norm1, F.relu),
            *(self.conv2, self.norm2, F.relu),
            *(self.conv3, self.norm3, F.relu),
            *self.residuals,
            *(self.up1, *shuffle, self.norm4, F.relu),
            *(self.up2, *shuffle, self.norm5, F.relu),
            self.conv4,
        ]

    def to_rgb(self, x: Tensor) -> Tensor:
        """Map what the last layer gives to [0, 1]-space."""
        if self.arguments["output"] == "sigmoid":
            return torch.sigmoid(x)
        return super().to_rgb(torch.tanh(x) if self.arguments["output"] == "tanh" else x)

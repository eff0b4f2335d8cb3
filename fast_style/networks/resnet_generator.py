"""The generator of CycleGAN."""

from collections.abc import Sequence
from typing import Literal

from fast_style.networks.transformer import TransformerNetwork


class ResnetGenerator(TransformerNetwork):
    """Johnson's architecture, wider and deeper: 7×7 – two strided 3×3 – residual blocks – two upsampling – 7×7.

    Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks"
    (https://arxiv.org/abs/1703.10593), which has 6 blocks at 128 px and 9 from 256 px on, `upsampling="transposed"`,
    `padding="zeros"` and `output="sigmoid"`; the other defaults here are those of `TransformerNetwork`.

    Args:
        width: channels after the first convolution, 1 to 512; the residual blocks have four times as many.
        blocks: number of residual blocks, 0 to 64.
        norm: `instance`, for several styles in one network `conditional`, or for comparison another of
            `layers.norm_layer`.
        upsampling: `nearest` (nearest-neighbour upsampling + convolution) or `transposed` (transposed convolution).
        output: `linear`, 0.5 + 150/255·x, `tanh`, 0.5 + 150/255·tanh(x), or `sigmoid`, 1/(1 + e⁻ˣ).
        styles: their names, with `norm="conditional"`, see `StyleNetwork`.
        antialias: blur before each convolution that goes down and after each that goes up, see `BlurredConv`.
        padding: of the two strided convolutions, `reflect` or `zeros`.

    Raises:
        ValueError: if an argument is outside its range.
    """

    kernel_size = 7

    def __init__(
        self,
        width: int = 64,
        blocks: int = 9,
        norm: str = "instance",
        upsampling: str = "nearest",
        output: str = "linear",
        styles: Sequence[str] = (),
        antialias: bool = False,
        padding: Literal["reflect", "zeros"] = "reflect",
    ) -> None:
        super().__init__(width, blocks, norm, upsampling, output, styles, antialias, padding)

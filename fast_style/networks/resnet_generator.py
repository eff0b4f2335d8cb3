"""The generator of CycleGAN."""

from collections.abc import Sequence

from fast_style.networks.transformer import TransformerNetwork


class ResnetGenerator(TransformerNetwork):
    """Johnson's architecture, wider and deeper: 7×7 – two strided 3×3 – residual blocks – two upsampling – 7×7.

    Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks"
    (https://arxiv.org/abs/1703.10593), which has 6 blocks at 128 px and 9 from 256 px on, transposed convolutions and
    tanh; the defaults here are those of `TransformerNetwork`.

    Args, Raises: as of `TransformerNetwork`.
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
    ) -> None:
        super().__init__(width, blocks, norm, upsampling, output, styles)

"""Building blocks of the image-transformation networks."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

# A function that is no module works pixel by pixel.
Layer = Callable[[Tensor], Tensor]

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "batch": nn.BatchNorm2d,
}


def norm_layer(name: str, channels: int) -> nn.Module:
    """Build a normalisation layer by name.

    Args:
        name: `instance` (Ulyanov et al. 2016, "Instance Normalization: The Missing Ingredient for Fast Stylization")
            or `batch` (Ioffe & Szegedy 2015), both with a learned scale and shift per channel.
        channels: number of channels.

    Raises:
        ValueError: if the name is not one of them.
    """
    if name not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {name!r}")
    return NORMS[name](channels)


class ConvLayer(nn.Conv2d):
    """Convolution with reflection padding of `kernel_size // 2`, so that no border darkens: (N, C, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, padding_mode="reflect"
        )


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions around an identity: y = x + norm(conv(relu(norm(conv(x))))).

    Without a nonlinearity after the addition (Gross & Wilber 2016, "Training and investigating Residual Nets"), as in
    Johnson et al. 2016, but padded by reflection instead of cropped.

    Args:
        channels: channels in and out.
        norm: name of the normalisation, see `norm_layer`.
    """

    def __init__(self, channels: int, norm: str = "instance") -> None:
        super().__init__()
        self.conv1 = ConvLayer(channels, channels, 3)
        self.norm1 = norm_layer(norm, channels)
        self.conv2 = ConvLayer(channels, channels, 3)
        self.norm2 = norm_layer(norm, channels)

    @property
    def branch(self) -> list[Layer]:
        """What is added to the identity, in order."""
        return [self.conv1, self.norm1, F.relu, self.conv2, self.norm2]

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        y = x
        for layer in self.branch:
            y = layer(y)
        return x + y


class UpsampleConv(ConvLayer):
    """Nearest-neighbour upsampling by two, then a convolution: (N, C, H, W) → (N, C', 2H, 2W).

    Free of the checkerboards of transposed convolution (Odena et al. 2016, "Deconvolution and Checkerboard
    Artifacts").
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', 2H, 2W)."""
        return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class TransposedConv(nn.ConvTranspose2d):
    """Transposed 3×3 convolution of stride two, as in Johnson et al. 2016: (N, C, H, W) → (N, C', 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=2, padding=kernel_size // 2, output_padding=1)


class SubpixelConv(ConvLayer):
    """Convolution that gives the factor × factor pixels of each position, for `nn.PixelShuffle` to lay out.

    (N, C, H, W) → (N, C'·factor², H, W). Before training they are all the same, as of nearest-neighbour upsampling
    (Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution", https://arxiv.org/abs/1707.02937).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, factor: int) -> None:
        super().__init__(in_channels, out_channels * factor**2, kernel_size)
        for parameter in (self.weight, self.bias):
            if parameter is not None:
                parameter.data = parameter.data[:: factor**2].repeat_interleave(factor**2, dim=0)

"""Residual blocks, and how layers follow one another."""

from collections.abc import Callable, Iterable

from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.layers.conv import ConvLayer
from fast_style.layers.norm import ConditionalInstanceNorm, norm_layer

# A function that is no module works pixel by pixel.
Layer = Callable[[Tensor], Tensor]


def apply(layers: "Iterable[Layer]", x: Tensor, styles: Tensor | None = None) -> Tensor:
    """Apply layers one after the other, and tell those that ask for it which style: see `ConditionalInstanceNorm`."""
    for layer in layers:
        if isinstance(layer, nn.Sequential):
            x = apply(layer, x, styles)
        else:
            x = layer(x, styles) if isinstance(layer, ConditionalInstanceNorm | ResidualBlock) else layer(x)
    return x


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions around an identity: y = x + norm(conv(relu(norm(conv(x))))).

    Without a nonlinearity after the addition (Gross & Wilber 2016, "Training and investigating Residual Nets"), as in
    Johnson et al. 2016, but padded by reflection instead of cropped.

    Args:
        channels: channels in and out.
        norm: name of the normalisation after each convolution, as `norm_layer` takes it.
        styles: how many styles the normalisations keep scales and shifts of, with `norm="conditional"`; else 0.

    Raises:
        ValueError: if `norm_layer` refuses the normalisation or the number of styles.
    """

    def __init__(self, channels: int, norm: str = "instance", styles: int = 0) -> None:
        super().__init__()
        self.conv1 = ConvLayer(channels, channels, 3)
        self.norm1 = norm_layer(norm, channels, styles)
        self.conv2 = ConvLayer(channels, channels, 3)
        self.norm2 = norm_layer(norm, channels, styles)

    @property
    def branch(self) -> list[Layer]:
        """What is added to the identity, in order."""
        return [self.conv1, self.norm1, F.relu, self.conv2, self.norm2]

    def forward(self, x: Tensor, styles: Tensor | None = None) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W), in styles of shares (N, S) where the norm is conditional."""
        return x + apply(self.branch, x, styles)

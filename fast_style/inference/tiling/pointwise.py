"""What is done to each pixel of a part of a picture, or to each square of pixels."""

from torch import Tensor
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _NormBase

from fast_style.inference.tiling.regions import Box, Region, Size, Span, crop
from fast_style.layers import FilterResponseNorm, Layer, StyleMap


class Pointwise(Region):
    """A function of each pixel."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    def __call__(self, x: Tensor, have: Box, want: Box, size: Size) -> Tensor:
        """Apply it."""
        return self.layer(crop(x, have, want))


class Normalisation(Region):
    """Normalisation with statistics that are known: weight·(x − mean)/√(variance + eps) + bias, each of shape (C,)."""

    def __init__(self, norm: _NormBase | FilterResponseNorm, mean: Tensor, variance: Tensor) -> None:
        # Float32 also beside 16-bit activations: batch_norm rounds once, at its end.
        self.mean, self.variance, self.eps = mean.float(), variance.float(), norm.eps
        self.weight, self.bias = (None if each is None else each.float() for each in (norm.weight, norm.bias))

    def __call__(self, x: Tensor, have: Box, want: Box, size: Size) -> Tensor:
        """Apply it."""
        x = crop(x, have, want)
        return F.batch_norm(x, self.mean, self.variance, self.weight, self.bias, training=False, eps=self.eps)


class Modulation(Region):
    """Normalisation in styles that differ from place to place, with known statistics of each alone, (K, C)."""

    def __init__(self, style_map: StyleMap, mean: Tensor, variance: Tensor) -> None:
        self.style_map, self.mean, self.variance = style_map, mean, variance

    def __call__(self, x: Tensor, have: Box, want: Box, size: Size) -> Tensor:
        """Apply those of the place."""
        return self.style_map.part(crop(x, have, want), *want, size[1:], self.mean, self.variance)


class Enlargement(Region):
    """Every pixel becomes a square of `factor` · `factor` pixels; there are `shrink` times fewer channels."""

    def __init__(self, layer: Layer, factor: int, shrink: int = 1) -> None:
        self.layer, self.factor, self.shrink = layer, factor, shrink

    def resize(self, size: Size) -> Size:
        """Size of the output for an input of a size."""
        return size[0] // self.shrink, size[1] * self.factor, size[2] * self.factor

    def needs(self, want: Span, length: int, axis: int) -> Span:
        """Span of the input."""
        return want[0] // self.factor, -(-want[1] // self.factor)

    def __call__(self, x: Tensor, have: Box, want: Box, size: Size) -> Tensor:
        """Enlarge all of the input, cut out what is wanted."""
        (top, bottom), (left, right) = ((first * self.factor, last * self.factor) for first, last in have)
        return crop(self.layer(x), ((top, bottom), (left, right)), want)


class Folding(Region):
    """Every square of `factor` · `factor` pixels becomes one with `grow` times as many channels."""

    def __init__(self, layer: Layer, factor: int, grow: int = 1) -> None:
        self.layer, self.factor, self.grow = layer, factor, grow

    def resize(self, size: Size) -> Size:
        """Size of the output for an input of a size."""
        return size[0] * self.grow, size[1] // self.factor, size[2] // self.factor

    def needs(self, want: Span, length: int, axis: int) -> Span:
        """Span of the input."""
        return want[0] * self.factor, want[1] * self.factor

    def __call__(self, x: Tensor, have: Box, want: Box, size: Size) -> Tensor:
        """Fold exactly what is wanted."""
        (top, bottom), (left, right) = (self.needs(span, 0, 0) for span in want)
        return self.layer(crop(x, have, ((top, bottom), (left, right))))

"""Layers applied to a part of a picture: each knows which part of its input a part of its output needs.

What comes out is what the layer gives there for the whole picture: it pads at the picture's own border only.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

Span = tuple[int, int]  # first, and one beyond the last, along one axis
Box = tuple[Span, Span]  # rows, columns
Size = tuple[int, int, int]  # channels, height, width of the whole picture at some layer


def crop(x: Tensor, have: Box, want: Box) -> Tensor:
    """Cut the region `want` out of a tensor (1, C, h, w) that covers `have`."""
    (top, _), (left, _) = have
    (first, last), (start, stop) = want
    return x[..., first - top : last - top, start - left : stop - left]


class Region(ABC):
    """A layer that computes any part of its output from a part of its input; by default, pixel by pixel."""

    def resize(self, size: Size) -> Size:
        """Size of the output for an input of a size."""
        return size

    def needs(self, want: Span, length: int, axis: int) -> Span:
        """Span of the input, which is `length` long, for a span of the output; axis 0 rows, 1 columns."""
        del length, axis
        return want

    def work(self, size: Size) -> int:
        """Multiply-adds for an input of a size."""
        del size
        return 0

    @abstractmethod
    def __call__(self, x: Tensor, have: Box, want: Box, size: Size) -> Tensor:
        """Compute a part of the output.

        Args:
            x: the input on `have`, (1, C, h, w).
            have: region of the input, at least what `want` needs.
            want: region of the output.
            size: of the whole input.

        Returns:
            The output on `want`, (1, C', h', w').
        """


class Residual(Region):
    """An identity and a branch of layers that is added to it."""

    def __init__(self, branch: Sequence[Region]) -> None:
        self.branch = branch

    def needs(self, want: Span, length: int, axis: int) -> Span:
        """Span of the input."""
        start, stop = Path(self.branch, (1, length, length)).needs((want, want))[axis]
        return min(start, want[0]), max(stop, want[1])

    def work(self, size: Size) -> int:
        """Multiply-adds for an input of a size."""
        return Path(self.branch, size).work

    def __call__(self, x: Tensor, have: Box, want: Box, size: Size) -> Tensor:
        """Add the branch."""
        return crop(x, have, want) + Path(self.branch, size)(x, have, want)


class Path:
    """Layers one after the other, for an input of a size.

    Attributes:
        sizes: of the input of each layer, and of the last output.
        work: multiply-adds for the whole picture.
    """

    def __init__(self, layers: Sequence[Region], size: Size) -> None:
        self.layers, self.sizes, self.work = layers, [size], 0
        for layer in layers:
            self.work += layer.work(self.sizes[-1])
            self.sizes.append(layer.resize(self.sizes[-1]))

    def needs(self, want: Box) -> Box:
        """Region of the input for a region of the output."""
        return self._boxes(want)[0]

    def __call__(self, x: Tensor, have: Box, want: Box) -> Tensor:
        """Compute a part of the last output from the input on `have`, as `Region.__call__`."""
        for layer, box, size in zip(self.layers, self._boxes(want)[1:], self.sizes, strict=False):
            x, have = layer(x, have, box, size), box
        return crop(x, have, want)

    def _boxes(self, want: Box) -> list[Box]:
        boxes = [want]
        for layer, (_, h, w) in zip(reversed(self.layers), self.sizes[-2::-1], strict=True):
            rows, columns = boxes[-1]
            boxes.append((layer.needs(rows, h, 0), layer.needs(columns, w, 1)))
        return boxes[::-1]

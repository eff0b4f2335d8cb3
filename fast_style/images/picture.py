"""A picture: everything that a file holds and that shall be there again in the file that is written."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

from torch import Tensor

from fast_style.images.tensors import one_image, resize, resize_long_side, to_depth, to_float

__all__ = ["Frame", "Frames", "Metadata", "Picture"]


@dataclass(frozen=True, eq=False)
class Frame:
    """One of the images of a file, mostly the only one.

    Attributes:
        pixels: RGB of shape (3, H, W): uint8, uint16, or float in [0, 1].
        alpha: opacity of shape (1, H, W), uint8 or uint16, with which the pixels are not multiplied; None: opaque.
        duration: milliseconds for which it is shown; 0 in a still.
    """

    pixels: Tensor
    alpha: Tensor | None = None
    duration: float = 0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.pixels.shape[-2:]
        return height, width

    def to_float(self) -> Tensor:
        """Return the colours for a network: float32 in [0, 1], shape (1, 3, H, W)."""
        pixels = self.pixels if self.pixels.is_floating_point() else to_float(self.pixels)
        return pixels.float()[None]

    def recoloured(self, image: Tensor) -> "Frame":
        """Return the frame with other colours; alpha and duration stay.

        Args:
            image: RGB of shape (3, H, W) or (1, 3, H, W): uint8, uint16, or float in [0, 1]. If it has another size,
                alpha is resized to it.

        Raises:
            ValueError: if it has another shape.
        """
        pixels, alpha = one_image(image), self.alpha
        if alpha is not None and alpha.shape[-2:] != pixels.shape[-2:]:
            height, width = pixels.shape[-2:]
            alpha = to_depth(resize(alpha[None], (height, width), "bilinear")[0], 8 * alpha.element_size())
        return replace(self, pixels=pixels, alpha=alpha)


class Frames(Protocol):
    """Frames in their order: a list, or what makes each of them anew whenever it is iterated."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Frame]: ...


@dataclass(frozen=True)
class Metadata:
    """What a file tells about its picture.

    Attributes:
        exif: an EXIF block, beginning with "Exif"; without orientation, which is applied, and without thumbnail.
        xmp: an XMP packet.
        dpi: pixels per inch across and down.
        text: what else is written there, by keyword: the text of PNG, the comment of JPEG and GIF.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture file, upright.

    Attributes:
        frames: a list for a still; those of an animation are decoded while they are iterated.
        bits: per channel, 8 or 16.
        loop: how often an animation is played; 0: forever.
        icc_profile: what the pixels' values mean; None: sRGB.
        metadata: what it tells about itself.
        notes: what was wrong with the file though its pixels are whole, each a sentence that names the file.
    """

    frames: Frames
    bits: int = 8
    loop: int = 1
    icc_profile: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the first frame, which is decoded for that if it is one of an animation."""
        return next(iter(self.frames)).size

    @property
    def animated(self) -> bool:
        """Whether there are several frames."""
        return len(self.frames) > 1

    def map(self, function: Callable[[Tensor], Tensor]) -> "Picture":
        """Let a function, such as a stylizer, change the colours and perhaps the size.

        Args:
            function: from and to float in [0, 1], shape (1, 3, H, W). It is called at once for a still; for the frames
                of an animation one by one, whenever they are iterated.

        Returns:
            A picture whose frames are float; alpha, durations and the rest are as they were.
        """
        return self._changed(lambda frame: frame.recoloured(function(frame.to_float())))

    def resized(self, side: int) -> "Picture":
        """Resize the frames so that the long side has `side` pixels; the aspect is kept.

        Args:
            side: pixels, at least 1.

        Returns:
            A picture whose frames are float, without a copy of the larger ones in floating point.

        Raises:
            ValueError: if `side` is below 1.
        """
        return self._changed(lambda frame: frame.recoloured(resize_long_side(frame.pixels[None], side)))

    def still(self) -> "Picture":
        """Return the first frame alone."""
        return replace(self, frames=[replace(next(iter(self.frames)), duration=0)])

    def _changed(self, function: Callable[[Frame], Frame]) -> "Picture":
        changed = _Changed(self.frames, function)
        return replace(self, frames=changed if self.animated else list(changed))


@dataclass(frozen=True)
class _Changed:
    frames: Frames
    function: Callable[[Frame], Frame]

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[Frame]:
        return map(self.function, self.frames)

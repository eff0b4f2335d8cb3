"""What an image file says of itself before its pixels are decoded."""

from dataclasses import dataclass
from typing import BinaryIO

from PIL.Image import Image

from fast_style.images import deep, metadata
from fast_style.images.opening import Source, with_opened


@dataclass(frozen=True)
class Header:
    """What is known of an image without its pixels.

    Attributes:
        height: pixels, upright.
        width: pixels, upright.
        is_grey: whether it has no colours.
        is_deep: whether it has 16 bits per channel.
    """

    height: int
    width: int
    is_grey: bool
    is_deep: bool


def read_header(source: Source) -> Header:
    """Read what an image file says of itself.

    Args:
        source: a path, or an open binary file that can seek.

    Raises:
        FileNotFoundError: if the file does not exist.
        OSError: if it cannot be opened.
        ValueError: if it is not an image, or has more than `MAX_PIXELS` pixels.
    """

    def look(image: Image, file: BinaryIO, _: tuple[str, ...]) -> Header:
        width, height = image.size
        if metadata.orientation(image) in (5, 6, 7, 8):
            height, width = width, height
        grey = image.mode in ("1", "L", "LA", "La", "I") or image.mode.startswith("I;16")
        return Header(height, width, grey, deep.is_deep(image, file) or image.mode.startswith("I"))

    return with_opened(source, None, look)

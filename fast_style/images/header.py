"""What the beginning of an image file says, before anything is decoded."""

from dataclasses import dataclass
from typing import BinaryIO

from PIL.Image import Image

from fast_style.images import deep
from fast_style.images.formats import FORMATS
from fast_style.images.metadata import orientation
from fast_style.images.opening import Source, UnknownImageError, with_opened

TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
ALSO_JPEG = ("MPO",)  # as Pillow calls a JPEG with several pictures
GREY = ("1", "L", "LA", "La", "I")


@dataclass(frozen=True)
class Header:
    """What a file says of its image.

    Attributes:
        format: such as `JPEG`, see `images.formats`.
        suffix: of files of this format, such as `.jpg`.
        size: height and width in pixels, upright.
        frames: how many pictures it holds; 1 unless it is an animation.
        is_grey: whether it has no colours.
        is_deep: whether it has 16 bits per channel.
    """

    format: str
    suffix: str
    size: tuple[int, int]
    frames: int
    is_grey: bool
    is_deep: bool

    @property
    def pixels(self) -> int:
        """Pixels of all frames together, which is what decoding costs."""
        return self.size[0] * self.size[1] * self.frames


def read_header(source: Source) -> Header:
    """Read what an image file says of itself; no pixel is decoded, so that a small file of many pixels costs nothing.

    Args:
        source: a path, or an open binary file that can seek.

    Raises:
        FileNotFoundError: if the file does not exist.
        OSError: if it cannot be opened.
        UnknownImageError: if it is no image of a format that is read.
        LargeImageError: if it has more than `MAX_PIXELS` pixels.
        ValueError: if its beginning is damaged.
    """

    def look(image: Image, file: BinaryIO, _: tuple[str, ...]) -> Header:
        name = str(image.format)
        wanted = "JPEG" if name in ALSO_JPEG else name
        form = next((form for form in FORMATS if form.name.upper() == wanted), None)
        if form is None:
            raise UnknownImageError(f"images of the format {name} are not read")
        # Pillow itself tells the size of a TIFF as it is upright.
        turned = form.name != "TIFF" and orientation(image) in TURNED
        still = form.name == "TIFF" or name in ALSO_JPEG  # of whose pages the first is read
        return Header(
            format=form.name,
            suffix=form.suffixes[0],
            size=(image.width, image.height) if turned else (image.height, image.width),
            frames=1 if still else getattr(image, "n_frames", 1),
            is_grey=image.mode in GREY or image.mode.startswith("I;16"),
            is_deep=deep.is_deep(image, file) or image.mode.startswith("I"),
        )

    return with_opened(source, None, look)

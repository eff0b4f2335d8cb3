"""EXIF, XMP and the rest of what a file tells about its picture."""

import math
import re
import warnings
from contextlib import suppress
from typing import Any

from PIL.Image import Exif, Image
from PIL.PngImagePlugin import PngInfo

from fast_style.images.picture import Metadata

ORIENTATION, EXIF_IFD, GPS_IFD, INTEROP_IFD, WIDTH, HEIGHT = 0x0112, 0x8769, 0x8825, 0xA005, 0xA002, 0xA003
DIRECTORIES = (EXIF_IFD, GPS_IFD)
# What tells about the picture in a TIFF's directory, whose other tags tell how the file is laid out: description, make,
# model, resolution, software, date, artist, host, rating, copyright, and what Windows adds.
DESCRIPTIVE = {270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 0x4746, 0x4749, 33432, *range(0x9C9B, 0x9CA0)}
# What damaged EXIF raises in Pillow.
DAMAGED = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, AttributeError, ArithmeticError)
XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>))[0-9]")
XMP_KEY = "XML:com.adobe.xmp"


def orientation(image: Image) -> int:
    """Return how a loaded image is to be turned: 1 to 8 as EXIF counts, 1 if it does not say."""
    # Damaged metadata does not make the picture unreadable.
    with suppress(*DAMAGED), warnings.catch_warnings(action="ignore"):
        value = image.getexif().get(ORIENTATION, 1)
        return value if isinstance(value, int) else 1
    return 1


def gather(image: Image) -> Metadata:
    """Take what a loaded image tells about itself, as of an upright picture; what is damaged is left out."""
    with warnings.catch_warnings(action="ignore"):
        return Metadata(_exif(image), _xmp(image), _dpi(image), _text(image))


def _exif(image: Image) -> bytes | None:
    with suppress(*DAMAGED):
        source, exif = image.getexif(), Exif()
        exif.endian = source.endian
        for tag in source:
            if tag not in DIRECTORIES and tag != ORIENTATION and (image.format != "TIFF" or tag in DESCRIPTIVE):
                exif[tag] = source[tag]
        for tag, directory in directories(source).items():
            exif[tag] = directory
        return exif.tobytes() if exif else None
    return None


def directories(exif: Exif) -> dict[int, dict[int, Any]]:
    """Read the directories inside an EXIF block: what the camera tells, and the place."""
    found = {tag: dict(exif.get_ifd(tag)) for tag in DIRECTORIES}
    if INTEROP_IFD in found[EXIF_IFD]:
        found[EXIF_IFD][INTEROP_IFD] = exif.get_ifd(INTEROP_IFD)
    return {tag: directory for tag, directory in found.items() if directory}


def exif_of_size(exif: bytes, size: tuple[int, int]) -> Exif:
    """Load an EXIF block for a picture of this height and width, which it may tell."""
    result = Exif()
    result.load(exif)
    for tag in directories(result):
        directory = result.get_ifd(tag)
        directory |= {inner: length for inner, length in zip((HEIGHT, WIDTH), size, strict=True) if inner in directory}
        result[tag] = directory
    return result


def png_text(metadata: Metadata) -> PngInfo:
    """Gather XMP and text for a PNG, whose keywords have at most 79 letters of Latin-1."""
    info = PngInfo()
    if metadata.xmp:
        info.add_itxt(XMP_KEY, metadata.xmp.decode("utf-8", "replace"))
    for key, text in metadata.text.items():
        info.add_itxt(key.encode("latin-1", "replace")[:79].decode("latin-1"), text)
    return info


def _xmp(image: Image) -> bytes | None:
    xmp = image.info.get("xmp") or image.info.get(XMP_KEY)
    if isinstance(xmp, str):
        xmp = xmp.encode()
    return XMP_ORIENTATION.sub(rb"\g<1>1", xmp) if isinstance(xmp, bytes) else None


def _dpi(image: Image) -> tuple[float, float] | None:
    with suppress(*DAMAGED):
        across, down = (float(value) for value in image.info["dpi"])
        if all(math.isfinite(value) and 1 < value < 2**16 for value in (across, down)):
            return across, down
    return None


def _text(image: Image) -> dict[str, str]:
    comment = image.info.get("comment")
    if isinstance(comment, bytes):
        return {"Comment": _decoded(comment)}
    text = getattr(image, "text", {})
    return {key: str(value) for key, value in text.items() if key != XMP_KEY and not key.startswith("Raw profile")}


def _decoded(comment: bytes) -> str:
    """Read a comment, of which JPEG and GIF do not say how it is encoded: as Latin-1 where it is not UTF-8."""
    try:
        return comment.decode()
    except UnicodeDecodeError:
        return comment.decode("latin-1")

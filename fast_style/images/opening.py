"""Opening image files, and sentences for what is wrong with them."""

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

import PIL.Image
from PIL.Image import Image
from PIL.JpegImagePlugin import JpegImageFile

from fast_style.files import Place
from fast_style.images.folders import FOREIGN
from fast_style.images.formats import FORMATS, MAX_PIXELS, NAMES, SUFFIXES
from fast_style.images.mending import mended
from fast_style.remote import RemoteFile

Source = str | Place | BinaryIO
T = TypeVar("T")
# What Pillow raises on damaged files, and on what it cannot write; most are no OSError.
CODEC_ERRORS: tuple[type[Exception], ...] = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError)
CODEC_ERRORS += (RuntimeError, ArithmeticError, struct.error, zlib.error)
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis")
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAX_REDUCED = 4 * MAX_PIXELS  # of a JPEG, which is decoded up to eight times smaller


class UnknownImageError(ValueError):
    """A file is no image of a format that is read."""


class LargeImageError(ValueError):
    """An image has too many pixels."""


def with_opened(source: Source, min_side: int | None, use: Callable[[Image, BinaryIO, tuple[str, ...]], T]) -> T:
    """Open an image file and decode something of it.

    Args:
        source: a path, a file behind an address, or an open binary file that can seek.
        min_side: how long the short side must stay where a smaller decode is possible; None: as it is.
        use: given the image, not loaded, the file it lies in, and sentences about what was wrong with it. It is called
            once more, without what is damaged in the file, if it fails for that and the pixels are whole.

    Returns:
        What `use` returns.

    Raises:
        FileNotFoundError: if the file does not exist.
        OSError: if it cannot be opened.
        ValueError: if it cannot be decoded, has too many pixels, or `min_side` is below 1.
    """
    if min_side is not None and min_side < 1:
        raise ValueError(f"min_side must be at least 1 pixel, got {min_side}")
    with opened_file(source) as (file, name), in_sentences(file, name):
        try:
            with identified(file, min_side) as image:
                return use(image, file, ())
        except CODEC_ERRORS:
            with suppress(*CODEC_ERRORS), warnings.catch_warnings(action="ignore"):
                if rest := mended(file):
                    with identified(rest.file, min_side) as image:
                        if rest.icc_profile:
                            image.info["icc_profile"] = rest.icc_profile
                        return use(image, rest.file, (f"{name}: {rest.note}",))
            raise


@contextmanager
def opened_file(source: Source) -> Iterator[tuple[BinaryIO, str]]:
    """Open a source; yields it with its name."""
    if isinstance(source, RemoteFile):
        yield io.BytesIO(source.read()), str(source)
        return
    if not isinstance(source, str | Path):
        yield source, str(getattr(source, "name", "of a stream"))
        return
    try:
        file = Path(source).open("rb")  # noqa: SIM115 - closed below, where errors are no longer of opening it
    except FileNotFoundError:
        raise FileNotFoundError(f"image {source} does not exist") from None
    except OSError as error:
        raise OSError(f"cannot read image {source}: {error.strerror}") from error
    with file:
        yield file, str(source)


@contextmanager
def in_sentences(file: BinaryIO, name: str) -> Iterator[None]:
    """Turn whatever is wrong with a file into a sentence that names it."""
    try:
        yield
    except PIL.UnidentifiedImageError:
        raise UnknownImageError(f"cannot read image {name}: {_what_it_is_not(file, name)}") from None
    except PIL.Image.DecompressionBombError:
        sentence = f"it has more than {MAX_PIXELS} pixels, make it smaller first"
        raise LargeImageError(f"cannot read image {name}: {sentence}") from None
    except LargeImageError as error:
        raise LargeImageError(f"cannot read image {name}: {error}") from None
    except CODEC_ERRORS as error:
        raise ValueError(f"cannot read image {name}: {error}") from error


@contextmanager
def identified(file: BinaryIO, min_side: int | None) -> Iterator[Image]:
    """Open a file for Pillow, a JPEG so that it will be decoded smaller where that is allowed.

    Args:
        file: open for reading, able to seek.
        min_side: how long the short side must stay; None: as it is.

    Yields:
        An image that is not loaded.

    Raises:
        LargeImageError: if it has too many pixels.
        OSError, SyntaxError: if Pillow does not know what it is.
    """
    file.seek(0)
    is_jpeg = file.read(3) == b"\xff\xd8\xff"
    file.seek(0)
    # Pillow warns of large images, which we judge ourselves, and of damaged metadata, which we do without.
    with warnings.catch_warnings(action="ignore"):
        # A JPEG is opened as nothing else, lest its size is judged before it is decoded smaller.
        image = (
            JpegImageFile(file) if is_jpeg else PIL.Image.open(file, formats=[form.name.upper() for form in FORMATS])
        )
    with image:
        full = image.width * image.height
        if min_side is not None:
            # A square request bounds the short side, whichever way EXIF turns the image afterwards.
            image.draft(None, (min_side, min_side))
        if full > MAX_REDUCED or image.width * image.height > MAX_PIXELS:
            advice = "ask for a smaller size" if is_jpeg and min_side is None else "make it smaller first"
            raise LargeImageError(f"{image.width}×{image.height} pixels are more than {MAX_PIXELS}, {advice}")
        yield image


def _what_it_is_not(file: BinaryIO, name: str) -> str:
    if not file.seek(0, os.SEEK_END):
        return "it is empty"
    file.seek(0)
    beginning = file.read(12)
    if beginning[:4] in TIFF_MAGIC:
        return "it is a TIFF file of a kind that is not read: save it as RGB of 8 or 16 bits"
    suffix = "" if (ending := Path(name).suffix.lower()) in SUFFIXES else ending
    kind = "HEIC" if beginning[8:] in HEIC_BRANDS else FOREIGN.get(suffix)
    return f"it is not a {NAMES} file" + (f", but {kind}: convert it to JPEG or PNG first" if kind else "")

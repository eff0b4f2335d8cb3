"""PNG and TIFF of 16 bits per channel, of which Pillow keeps 8."""

from importlib.util import find_spec
from io import BytesIO
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
from PIL.Image import Image

from fast_style.images.mending import png_chunks, png_pixels

MISSING = "its 16 bits per channel need another package: pip install 'fast-style[deep]'"
TOP = 65_535
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
UNKNOWN_RANGE = {2: "signed numbers", 3: "floating point numbers", 5: "complex numbers", 6: "complex numbers"}
ASSOCIATED, STRAIGHT = 1, 2  # kinds of alpha in a TIFF: colours are multiplied with it, or are not
KINDS = WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
SEPARATE = 2
COMPRESSION_LEVEL = 6


def is_deep(image: Image, file: BinaryIO) -> bool:
    """Tell whether a still has more than 8 bits per channel that are read; of CMYK, Pillow reads 8.

    Args:
        image: what Pillow has opened, not loaded.
        file: what it was opened from.

    Raises:
        ValueError: if the image is a TIFF whose numbers are no shares of white: signed, floating point, or of more
            than 16 bits.
    """
    if image.format == "PNG":
        file.seek(24)
        return file.read(1) == b"\x10"
    if image.format != "TIFF":
        return False
    tags: Any = image.tag_v2  # type: ignore[attr-defined]  # of a TIFF
    kind, bits = (int(np.max(tags.get(tag, 1))) for tag in (SAMPLE_FORMAT, BITS_PER_SAMPLE))
    if kind in UNKNOWN_RANGE:
        raise ValueError(f"its pixels are {UNKNOWN_RANGE[kind]}, whose range is unknown: save it with 16 bits")
    if bits > 16:
        raise ValueError(f"its pixels are numbers of {bits} bits, whose range is unknown: save it with 16 bits")
    return bits > 8 and tags.get(PHOTOMETRIC) in KINDS


def samples(image: Image, file: BinaryIO) -> np.ndarray:
    """Decode an image that `is_deep`.

    Returns:
        uint16 of shape (H, W, C), with 1 to 4 channels: grey or RGB, and perhaps alpha, with which the colours are not
        multiplied. White is 65535, however many bits the file has and whichever way round it counts.

    Raises:
        ValueError: if a package is missing.
    """
    if image.format == "TIFF":
        return _tiff(file)
    array = codecs().png_decode(png_pixels(file))
    return array.reshape(*array.shape[:2], -1)


def is_installed() -> bool:
    """Tell whether the package that reads and writes 16 bits is there."""
    return find_spec("imagecodecs") is not None


def codecs() -> ModuleType:
    """Import what reads and writes 16 bits.

    Raises:
        ValueError: if it is not installed.
    """
    if not is_installed():
        raise ValueError(MISSING)
    import imagecodecs

    return imagecodecs


def write_png(file: BinaryIO, array: np.ndarray, options: dict[str, Any]) -> None:
    """Write a PNG of 16 bits.

    Args:
        file: open for writing.
        array: uint16 of shape (H, W, 3) or (H, W, 4).
        options: profile and metadata, as Pillow's PNG takes them.
    """
    encoded = codecs().png_encode(np.ascontiguousarray(array), COMPRESSION_LEVEL)
    buffer = BytesIO()
    PIL.Image.new("RGB", (1, 1)).save(buffer, "PNG", **options)
    told = b"".join(chunk for name, chunk in png_chunks(buffer) if name not in (b"IHDR", b"IDAT", b"IEND"))
    end = 8 + 25  # of the signature and the first chunk, which tells the size
    file.write(encoded[:end] + told + encoded[end:])


def _tiff(file: BinaryIO) -> np.ndarray:
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page: Any = tiff.pages[0]
        try:
            array = page.asarray()
        except ValueError as error:
            raise ValueError(MISSING) if "imagecodecs" in str(error) else error from None
    kind, top = page.photometric, (1 << int(np.max(page.bitspersample))) - 1
    array = np.moveaxis(array, 0, -1) if page.planarconfig == SEPARATE and array.ndim == 3 else array
    array = array.reshape(*array.shape[:2], -1)
    colours = 3 if kind == RGB else 1
    if top < TOP:
        array = ((array.astype(np.uint32) * TOP + top // 2) // top).astype(np.uint16)
    if kind == WHITE_IS_ZERO:
        array = np.concatenate([TOP - array[..., :1], array[..., 1:]], axis=2)
    alpha = page.extrasamples[0] if page.extrasamples else None
    if alpha == ASSOCIATED:
        return _divided(array[..., : colours + 1].copy())
    return array[..., : colours + (alpha == STRAIGHT)]


def _divided(array: np.ndarray) -> np.ndarray:
    """Divide colours by the alpha with which they are multiplied, in place, a row at a time to save memory."""
    for row in array:
        alpha = np.maximum(row[:, -1:].astype(np.uint32), 1)
        row[:, :-1] = np.minimum((row[:, :-1] * np.uint32(TOP) + alpha // 2) // alpha, TOP)
    return array

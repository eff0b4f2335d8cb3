"""TIFF of 8 or 16 bits, compressed without loss (TIFF revision 6.0, 1992)."""

import os
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import PIL.Image

from fast_style.images.metadata import DESCRIPTIVE, DIRECTORIES, exif_of_size
from fast_style.images.picture import Metadata

BAND = 64  # rows of a strip
WIDTH, HEIGHT, BITS, COMPRESSION, OFFSETS, ROWS, COUNTS, PREDICTOR, XMP = 256, 257, 258, 259, 273, 278, 279, 317, 700
DEFLATE, HORIZONTAL = 8, 2


def write_tiff(file: BinaryIO, array: np.ndarray, profile: bytes | None, metadata: Metadata) -> None:
    """Write a TIFF.

    Pillow writes a file of one pixel with all that is told about the picture; its directory is then led to the real
    pixels, which Pillow would write with 8 bits, and without EXIF if compressed.

    Args:
        file: open for writing.
        array: uint8 or uint16 of shape (H, W, 3), or (H, W, 4) with an alpha that the colours are not multiplied with.
        profile: the ICC profile.
        metadata: EXIF, XMP and resolution; text is left out.
    """
    import tifffile

    height, width, channels = array.shape
    buffer = BytesIO()
    image = PIL.Image.new("RGB" if channels == 3 else "RGBA", (1, 1))
    image.save(buffer, "TIFF", **_told(profile, metadata, (height, width)))
    buffer.seek(0, os.SEEK_END)
    offsets, counts = [], []
    for strip in _strips(array):
        offsets.append(buffer.tell())
        counts.append(buffer.write(strip + b"\0" * (len(strip) % 2)))
    buffer.seek(0)
    with tifffile.TiffFile(buffer, mode="r+") as tiff:
        tags = tiff.pages.first.tags
        tags[OFFSETS].overwrite(offsets, dtype="I")
        tags[COUNTS].overwrite(counts, dtype="I")
        bits = (8 * array.itemsize,) * channels
        values = {WIDTH: width, HEIGHT: height, BITS: bits, COMPRESSION: DEFLATE, ROWS: BAND}
        for tag, value in values.items():
            tags[tag].overwrite(value)
    file.write(buffer.getbuffer())


def _told(profile: bytes | None, metadata: Metadata, size: tuple[int, int]) -> dict[str, Any]:
    exif = exif_of_size(metadata.exif, size) if metadata.exif else PIL.Image.Exif()
    for tag in set(exif) - DESCRIPTIVE - set(DIRECTORIES):
        del exif[tag]
    exif[PREDICTOR] = HORIZONTAL
    if metadata.xmp:
        exif[XMP] = metadata.xmp
    options = {"exif": exif, "icc_profile": profile, "dpi": metadata.dpi}
    return {key: value for key, value in options.items() if value}


def _strips(array: np.ndarray) -> Iterator[bytes]:
    for start in range(0, len(array), BAND):
        strip = array[start : start + BAND].astype(array.dtype.newbyteorder("<"))
        strip[:, 1:] -= strip[:, :-1].copy()
        yield zlib.compress(strip.tobytes())

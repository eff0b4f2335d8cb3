"""TIFF of 8 or 16 bits, compressed without loss, written as it is made (TIFF revision 6.0, 1992)."""

import itertools
import zlib
from typing import BinaryIO

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from fast_style.images.metadata import DESCRIPTIVE, DIRECTORIES, exif_of_size
from fast_style.images.picture import Frame, Metadata
from fast_style.images.tensors import to_array

BAND = 64  # rows of a strip
LONG = 4
HEAD = b"II*\0\x08\0\0\0"  # and the directory
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, SAMPLES, ROWS, COUNTS = (
    256,
    257,
    258,
    259,
    262,
    273,
    277,
    278,
    279,
)
X_DPI, Y_DPI, UNIT, PREDICTOR, EXTRA, XMP, PROFILE = 282, 283, 296, 317, 338, 700, 34675
DEFLATE, RGB, HORIZONTAL, STRAIGHT_ALPHA, INCH = 8, 2, 2, 2, 2


def write_tiff(file: BinaryIO, frame: Frame, profile: bytes | None, metadata: Metadata) -> None:
    """Write a frame of uint8 or uint16, with alpha or without."""
    array = to_array(frame.pixels, frame.alpha)  # (H, W, 3 or 4)
    height, width, channels = array.shape
    directory = ImageFileDirectory_v2(HEAD)
    _describe(directory, profile, metadata, frame.size)
    directory[WIDTH], directory[HEIGHT], directory[ROWS] = width, height, BAND
    directory[BITS], directory[SAMPLES] = (8 * array.itemsize,) * channels, channels
    directory[COMPRESSION], directory[PREDICTOR], directory[PHOTOMETRIC] = DEFLATE, HORIZONTAL, RGB
    if channels == 4:
        directory[EXTRA] = STRAIGHT_ALPHA
    strips = range(0, height, BAND)
    directory.tagtype |= {OFFSETS: LONG, COUNTS: LONG}
    # The directory stands first, and is as long before its values are known as afterwards.
    directory[OFFSETS] = directory[COUNTS] = (0,) * len(strips)
    file.write(HEAD + directory.tobytes(len(HEAD)))
    counts = []
    for start in strips:
        strip = array[start : start + BAND].astype(array.dtype.newbyteorder("<"))
        strip[:, 1:] -= strip[:, :-1].copy()
        counts.append(file.write(zlib.compress(strip.tobytes())))
    # Pillow counts from the end of the directory.
    directory[OFFSETS], directory[COUNTS] = tuple(itertools.accumulate(counts[:-1], initial=0)), tuple(counts)
    file.seek(len(HEAD))
    file.write(directory.tobytes(len(HEAD)))


def _describe(
    directory: ImageFileDirectory_v2, profile: bytes | None, metadata: Metadata, size: tuple[int, int]
) -> None:
    if metadata.exif:
        exif = exif_of_size(metadata.exif, size)
        for tag in exif:
            if tag in DESCRIPTIVE or tag in DIRECTORIES:
                directory[tag] = exif[tag]
    if metadata.dpi:
        directory[X_DPI], directory[Y_DPI] = metadata.dpi
        directory[UNIT] = INCH
    if metadata.xmp:
        directory[XMP] = metadata.xmp
    if profile:
        directory[PROFILE] = profile

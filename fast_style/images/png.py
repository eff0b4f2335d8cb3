"""PNG of 8 or 16 bits, still or animated, written as it is made (PNG specification, third edition, W3C 2025)."""

import itertools
import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from typing import BinaryIO

import numpy as np
import PIL.Image

from fast_style.images.metadata import XMP_KEY, exif_of_size
from fast_style.images.picture import Frame, Metadata
from fast_style.images.tensors import to_array

BAND = 64  # rows that are compressed at once
LEVEL = 6


def write_png(
    file: BinaryIO, frames: Iterator[Frame], count: int, loop: int, profile: bytes | None, metadata: Metadata
) -> None:
    """Write frames of uint8 or uint16; an animation if `count` is above 1, all of the same size and RGBA."""
    frame = next(frames)
    height, width = frame.size
    bits = 8 * frame.pixels.element_size()
    colour_type = 2 if frame.alpha is None and count == 1 else 6
    file.write(b"\x89PNG\r\n\x1a\n")
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    for name, data in _ancillary(profile, metadata, frame.size):
        _chunk(file, name, data)
    if count > 1:
        _chunk(file, b"acTL", struct.pack(">II", count, loop))
        _control(file, 0, frame)
    for data in _compressed(frame, colour_type):
        _chunk(file, b"IDAT", data)
    numbers = itertools.count(1)
    for later in frames:
        _control(file, next(numbers), later)
        for data in _compressed(later, colour_type):
            _chunk(file, b"fdAT", struct.pack(">I", next(numbers)) + data)
    _chunk(file, b"IEND", b"")


def _chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + name)
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))


def _control(file: BinaryIO, number: int, frame: Frame) -> None:
    """Write what an animation says of a frame: the whole picture, which replaces the one before."""
    height, width = frame.size
    delay = Fraction(min(frame.duration / 1000, 65_535)).limit_denominator(1000)
    if delay.numerator > 65_535:
        delay = Fraction(round(delay))
    data = struct.pack(">IIIIIHHBB", number, width, height, 0, 0, delay.numerator, delay.denominator, 0, 0)
    _chunk(file, b"fcTL", data)


def _ancillary(profile: bytes | None, metadata: Metadata, size: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    if profile:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)
    if metadata.dpi:
        yield b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in metadata.dpi), 1)
    if metadata.exif:
        yield b"eXIf", exif_of_size(metadata.exif, size).tobytes().removeprefix(b"Exif\0\0")
    if metadata.xmp:
        yield b"iTXt", XMP_KEY.encode() + b"\0\0\0\0\0" + metadata.xmp
    for key, text in metadata.text.items():
        yield b"iTXt", key.encode("latin-1", "replace")[:79] + b"\0\0\0\0\0" + text.encode()


def _compressed(frame: Frame, colour_type: int) -> Iterator[bytes]:
    array = to_array(frame.pixels, frame.alpha)  # (H, W, 3 or 4)
    if array.shape[2] == 3 and colour_type == 6:
        opaque = np.full_like(array[..., :1], np.iinfo(array.dtype).max)
        array = np.concatenate([array, opaque], axis=2)
    return _compressed_16(array) if array.dtype == np.uint16 else _compressed_8(array)


def _compressed_8(array: np.ndarray) -> Iterator[bytes]:
    buffer = BytesIO()
    PIL.Image.fromarray(array).save(buffer, "PNG")
    view, position = buffer.getbuffer(), 8
    while position < len(view):
        length, name = struct.unpack_from(">I4s", view, position)
        if name == b"IDAT":
            yield bytes(view[position + 8 : position + 8 + length])
        position += 12 + length


def _compressed_16(array: np.ndarray) -> Iterator[bytes]:
    height, width, channels = array.shape
    pixel, row = 2 * channels, 2 * channels * width
    compressor = zlib.compressobj(LEVEL)
    above = np.zeros((1, row), dtype=np.uint8)
    for start in range(0, height, BAND):
        band = array[start : start + BAND].astype(">u2").view(np.uint8).reshape(-1, row)  # (rows, bytes)
        yield compressor.compress(_filtered(band, np.concatenate([above, band[:-1]]), pixel).tobytes())
        above = band[-1:]
    yield compressor.flush()


def _filtered(rows: np.ndarray, above: np.ndarray, pixel: int) -> np.ndarray:
    """Predict each byte from those left and above, by the filter whose errors are smallest in sum (12.7 there)."""
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, pixel:], corner[:, pixel:] = rows[:, :-pixel], above[:, :-pixel]
    predictions = {1: left, 2: above, 4: _paeth(left, above, corner)}
    errors = {kind: rows - prediction for kind, prediction in predictions.items()}
    costs = np.stack([np.abs(error.view(np.int8), dtype=np.int16).sum(axis=1) for error in errors.values()])
    best = np.array(list(errors))[costs.argmin(axis=0)]  # (rows,)
    result = np.empty((len(rows), 1 + rows.shape[1]), dtype=np.uint8)
    result[:, 0] = best
    for kind, error in errors.items():
        result[best == kind, 1:] = error[best == kind]
    return result


def _paeth(left: np.ndarray, above: np.ndarray, corner: np.ndarray) -> np.ndarray:
    a, b, c = (values.astype(np.int16) for values in (left, above, corner))
    from_left, from_above, from_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest = np.where(from_above <= from_corner, above, corner)
    return np.where((from_left <= from_above) & (from_left <= from_corner), left, nearest)

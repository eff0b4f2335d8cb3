"""Animated GIF and WebP, written frame by frame; Pillow would hold all frames at once and merge equal ones."""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
from PIL.GifImagePlugin import getdata
from PIL.Image import Dither, Image, Quantize

from fast_style.images.metadata import exif_of_size
from fast_style.images.picture import Frame, Metadata
from fast_style.images.tensors import to_array

RESTORE_BACKGROUND = 2


def write_gif(file: BinaryIO, frames: Iterator[Frame], loop: int, metadata: Metadata) -> None:
    """Write frames of uint8 in up to 256 colours each; alpha is 0 or 255 (GIF89a, CompuServe 1990)."""
    frame = next(frames)
    height, width = frame.size
    file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0b0111_0000, 0, 0))
    if loop != 1:  # tells how often it is repeated
        file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", min(max(loop - 1, 0), 65_535)) + b"\0")
    if comment := metadata.text.get("Comment"):
        data = comment.encode()
        blocks = [data[start : start + 255] for start in range(0, len(data), 255)]
        file.write(b"!\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0")
    _write_gif_frame(file, frame)
    for later in frames:
        _write_gif_frame(file, later)
    file.write(b";")


def _write_gif_frame(file: BinaryIO, frame: Frame) -> None:
    options: dict[str, Any] = {"duration": min(round(frame.duration / 10), 65_535) * 10, "include_color_table": True}
    hidden = None if frame.alpha is None else frame.alpha.numpy()[0] == 0
    image = _palette(PIL.Image.fromarray(to_array(frame.pixels)), 256 if hidden is None else 255)
    if hidden is not None:
        indices = np.array(image)
        indices[hidden] = 255
        colours = image.getpalette() or []
        image = PIL.Image.fromarray(indices)
        image.putpalette(colours[: 255 * 3] + [0] * (256 * 3 - len(colours[: 255 * 3])))
        options |= {"transparency": 255, "disposal": RESTORE_BACKGROUND}
    file.write(b"".join(getdata(image, **options)))


def _palette(image: Image, count: int) -> Image:
    """Reduce RGB to a palette: without loss if it has few colours, else dithered."""
    if image.getcolors(count) is None:
        return image.quantize(palette=image.quantize(count, Quantize.MEDIANCUT), dither=Dither.FLOYDSTEINBERG)
    array = np.asarray(image)
    colours, indices = np.unique(array.reshape(-1, 3), axis=0, return_inverse=True)
    result = PIL.Image.fromarray(indices.reshape(array.shape[:2]).astype(np.uint8))
    result.putpalette(colours.tobytes())
    return result


def write_webp(
    file: BinaryIO, frames: Iterator[Frame], quality: int, loop: int, profile: bytes | None, metadata: Metadata
) -> None:
    """Write frames of uint8, each complete (WebP container specification, RFC 9649, section 2.7)."""
    frame = next(frames)
    height, width = frame.size
    features = 0x02 | 0x10 | (0x20 if profile else 0) | (0x08 if metadata.exif else 0) | (0x04 if metadata.xmp else 0)
    file.write(b"RIFF\0\0\0\0WEBP")
    _chunk(file, b"VP8X", struct.pack("<I", features) + _three(width - 1) + _three(height - 1))
    if profile:
        _chunk(file, b"ICCP", profile)
    _chunk(file, b"ANIM", struct.pack("<IH", 0, min(loop, 65_535)))
    _write_webp_frame(file, frame, quality)
    for later in frames:
        _write_webp_frame(file, later, quality)
    if metadata.exif:
        _chunk(file, b"EXIF", exif_of_size(metadata.exif, frame.size).tobytes().removeprefix(b"Exif\0\0"))
    if metadata.xmp:
        _chunk(file, b"XMP ", metadata.xmp)
    length = file.tell() - 8
    file.seek(4)
    file.write(struct.pack("<I", length))


def _write_webp_frame(file: BinaryIO, frame: Frame, quality: int) -> None:
    height, width = frame.size
    buffer = BytesIO()
    save_webp(buffer, PIL.Image.fromarray(to_array(frame.pixels, frame.alpha)), quality)
    data, view, position = b"", buffer.getbuffer(), 12
    while position < len(view):
        name, length = struct.unpack_from("<4sI", view, position)
        end = position + 8 + length + length % 2
        if name in (b"ALPH", b"VP8 ", b"VP8L"):
            data += bytes(view[position:end])
        position = end
    replaces = b"\x02"
    header = _three(0) * 2 + _three(width - 1) + _three(height - 1) + _three(round(frame.duration)) + replaces
    _chunk(file, b"ANMF", header + data)


def save_webp(file: BinaryIO, image: Image, quality: int, **options: bytes) -> None:
    """Save a still; without loss if the quality is 100. Alpha never loses anything."""
    image.save(file, "WEBP", quality=quality, lossless=quality == 100, **options)


def _chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2))


def _three(value: int) -> bytes:
    return min(value, 2**24 - 1).to_bytes(3, "little")

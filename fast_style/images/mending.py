"""Files whose pixels are whole though something else in them is damaged or too large."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from fast_style.images.formats import MAX_PIXELS

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END_OF_JPEG = b"\xff\xd9"
FILLERS = (b"", b"\xfe" * 2048, b"\xaa" * 2048)
MAX_PROFILE = 1 << 26  # bytes


@dataclass(frozen=True)
class Mended:
    """What is left of a file.

    Attributes:
        file: the same picture, without what was damaged.
        note: what has been left out, as a sentence without its beginning.
        icc_profile: the colour profile, if it is not in the file.
    """

    file: BinaryIO
    note: str
    icc_profile: bytes | None = None


def mended(file: BinaryIO) -> Mended | None:
    """Take out of a PNG or JPEG what keeps it from being read; None if that is the pixels themselves.

    Of a PNG, pixels, transparency, animation, EXIF and profile are kept where their checksums are right. A JPEG that
    stops before its end marker is given one, if no pixel is missing.
    """
    file.seek(0)
    start = file.read(8)
    if start == SIGNATURE:
        return _mended_png(file)
    return _mended_jpeg(file) if start.startswith(b"\xff\xd8") else None


def png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Read the chunks of a PNG: their names, and the whole of them with length and checksum."""
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        yield name, head + file.read(length + 4)


def png_pixels(file: BinaryIO) -> bytes:
    """Return a PNG with nothing but pixels and transparency."""
    needed = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
    return SIGNATURE + b"".join(chunk for name, chunk in png_chunks(file) if name in needed)


def _mended_png(file: BinaryIO) -> Mended:
    kept, profile, opaque = [SIGNATURE], None, False
    for name, chunk in png_chunks(file):
        is_sound = zlib.crc32(chunk[4:-4]).to_bytes(4, "big") == chunk[-4:]
        if name == b"iCCP" and is_sound:
            profile = _profile(chunk[8:-4])
        elif name[:1].isupper() or (is_sound and name in (b"tRNS", b"acTL", b"fcTL", b"fdAT", b"eXIf")):
            kept.append(chunk)
        elif name == b"tRNS":
            opaque = True
    what = "its transparency is damaged" if opaque else "its text is damaged or too large"
    return Mended(BytesIO(b"".join(kept)), f"{what}, and left out", profile)


def _profile(data: bytes) -> bytes | None:
    _, _, compressed = data.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(compressed[1:], MAX_PROFILE)
    except zlib.error:
        return None


def _mended_jpeg(file: BinaryIO) -> Mended | None:
    file.seek(0)
    content = file.read().removesuffix(b"\xff")  # half a marker
    pictures = []
    # Where pixels are missing, they are made of whatever follows.
    for filler in FILLERS:
        with JpegImageFile(BytesIO(content + filler + END_OF_JPEG)) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            pictures.append(np.asarray(image))
    if not all(np.array_equal(pictures[0], other) for other in pictures[1:]):
        return None
    return Mended(BytesIO(content + END_OF_JPEG), "its end marker is missing, though no pixel is")

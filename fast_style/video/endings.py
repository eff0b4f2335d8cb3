"""Whether a film or an animation has its end, as its format tells, whatever can be decoded of it."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

HEAD, TAIL = 4096, 1 << 17  # bytes; pages of Ogg are shorter than half of the latter
ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # begins what tells the length of a file of WMV
BOXES = b"ftyp styp pdin moov mdat moof mfra sidx ssix prft emsg free skip wide meta udta uuid".split()  # of MP4
SEGMENT = bytes.fromhex("18538067")  # of Matroska, which holds all


def is_cut_off(path: Path) -> bool:
    """Tell whether a file lacks its end.

    Known are GIF, PNG, AVI, FLV, MP4, Matroska, MPEG-TS, Ogg and WMV, by the lengths that they tell, or by what they
    end with. Others, and those that do not tell, count as whole.
    """
    if not path.is_file():
        return False
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD)
        file.seek(max(0, size - TAIL))
        tail = file.read()
        blocks = _blocks_of(head)
        goes_on = blocks is not None and _goes_on(file, size, *blocks)
    return goes_on or _lacks_its_last(head, tail) or _told_length(head) > size or _has_part_of_a_packet(head, size)


def _blocks_of(head: bytes) -> tuple[int, int, Callable[[bytes], int]] | None:
    """Tell where the first block of a file begins, how long headers are, and what reads their lengths."""
    if head.startswith(b"RIFF"):
        return 0, 8, _riff
    if head.startswith(b"FLV"):
        return 13, 11, _flv
    return (0, 16, _mp4) if head[4:8] == b"ftyp" else None


def _lacks_its_last(head: bytes, tail: bytes) -> bool:
    """Tell whether a GIF, a PNG or an Ogg file does not end as such files do."""
    if head.startswith(b"GIF8"):
        return not tail.rstrip(b"\0\r\n ").endswith(b";")
    if head.startswith(b"\x89PNG"):
        return b"IEND" not in tail
    return head.startswith(b"OggS") and _lacks_last_page(tail)


def _goes_on(file: BinaryIO, size: int, place: int, header: int, length: Callable[[bytes], int]) -> bool:
    """Go from block to block, by their headers, to the last: tell whether it ends after the file."""
    while place + header <= size:
        file.seek(place)
        block = length(file.read(header))
        if not block:
            return False
        place += block
    return place > size


def _riff(header: bytes) -> int:
    """Return how long a list of AVI is, of which long films have several; 0: unknown."""
    kind, length = struct.unpack("<4sI", header)
    return 8 + length + length % 2 if kind == b"RIFF" and length else 0


def _flv(header: bytes) -> int:
    """Return how long a tag is, with its length that follows it; 0: it is none."""
    return 11 + int.from_bytes(header[1:4]) + 4 if header[0] in (8, 9, 18) else 0


def _mp4(header: bytes) -> int:
    """Return how long a box is; 0: up to the end of the file, or it is none, as what cameras append."""
    short, kind, long = struct.unpack(">I4sQ", header)
    if kind not in BOXES:
        return 0
    return long if short == 1 else short


def _lacks_last_page(tail: bytes) -> bool:
    """Tell whether an Ogg file does not end with a whole page that says it is the last (RFC 3533, section 6)."""
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    return len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]]) or not page[5] & 4


def _told_length(head: bytes) -> int:
    """Return how many bytes a file of Matroska or WMV has at least, as it says; 0: it does not."""
    if (place := head.find(SEGMENT)) >= 0 and len(number := head[place + 4 : place + 12]) == 8 and number[0]:
        width = 9 - number[0].bit_length()  # of the number, in bytes
        most = (1 << 7 * width) - 1  # stands for an unknown length
        length = int.from_bytes(number[:width]) & most
        return 0 if length == most else place + 4 + width + length
    if (place := head.find(ASF_FILE)) >= 0:
        return int.from_bytes(head[place + 40 : place + 48], "little")
    return 0


def _has_part_of_a_packet(head: bytes, size: int) -> bool:
    """Tell whether a file of MPEG-TS, whose packets all have one length and begin alike, ends within one."""
    for begin, length in ((0, 188), (4, 192)):
        if len(head) > begin + 2 * length and {head[begin + number * length] for number in range(3)} == {0x47}:
            return size % length > 0
    return False

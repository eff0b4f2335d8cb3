"""Archives of photos: ranges of their names, and what a tar holds."""

import os
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

# An encoded photo above this size is taken for a decompression bomb: COCO's largest has 1 MB, 100-megapixel ones 100.
MAX_BYTES = 512 * 2**20


def expand(names: str | Path | Iterable[str | Path]) -> list[str]:
    """Write out ranges of numbers in addresses and paths: `a-{00..02}.tar` is `a-00.tar`, `a-01.tar`, `a-02.tar`."""
    given = [names] if isinstance(names, str | Path) else names
    return [written for name in given for written in _expand(str(name))]


def list_members(file: BinaryIO) -> tuple[list[tarfile.TarInfo], str]:
    """List the files of a tar, of which a member's bytes lie at `offset_data`.

    Args:
        file: open for reading, able to seek.

    Returns:
        The files, of a damaged tar those before the damage; and what is wrong with it, empty if nothing is.
    """
    members: list[tarfile.TarInfo] = []
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                if member.offset_data + member.size > end:
                    raise tarfile.ReadError(f"it ends within {member.name}")
                if member.isfile():
                    members.append(member)
            file.seek(archive.offset)
            if (file.read(tarfile.BLOCKSIZE) or b"cut off").strip(b"\0"):  # tarfile takes this for the end
                raise tarfile.ReadError("a header is damaged, or it is cut off there")
    except tarfile.TarError as error:
        return members, str(error)
    return members, ""


def _expand(address: str) -> list[str]:
    found = re.search(r"\{(\d+)\.\.(\d+)\}", address)
    if found is None:
        return [address]
    first, last = found.groups()
    numbers = (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))
    return [
        further for number in numbers for further in _expand(address[: found.start()] + number + address[found.end() :])
    ]

"""Which files of a folder are photos of the user's, the same for every command, and what else was there."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from fast_style.images.formats import SUFFIXES

# Folders and files that a NAS, a trash can, an archiver or a system leaves among photos; compared in lower case.
SYSTEM = {"@eadir", "#recycle", "$recycle.bin", "__macosx", "thumbs.db", "system volume information"}
# Images that are not read here, by suffix, as people call them.
FOREIGN = {
    f".{name}": name.upper() for name in ("bmp", "heic", "jxl", "avif", "psd", "svg", "tga", "ico", "exr", "hdr")
}
FOREIGN |= {f".{name}": "raw" for name in ("dng", "cr2", "cr3", "nef", "arw", "orf", "raf", "rw2")}
FOREIGN |= {f".{name}": "PPM" for name in ("ppm", "pgm", "pbm", "pnm")}
FOREIGN |= {".heif": "HEIC", ".hif": "HEIC", ".jp2": "JPEG 2000", ".j2k": "JPEG 2000"}
CONVERT = "(convert them first)"
HIDDEN_FILE, HIDDEN_FOLDER = "hidden or of the system", "hidden folders or of the system"
UNREADABLE_FILE, UNREADABLE_FOLDER = "unreadable", "unreadable folders"


@dataclass
class Listing:
    """The images of a folder, of an archive, or of several of these.

    Attributes:
        names: their paths relative to the folder, with `/` between the parts.
        left_out: how many files and folders were left out, by the reason. What is no image at all is not counted, nor
            is what a folder that was left out holds.
    """

    names: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """Tell what was left out, such as `2 files left out: 2 HEIC (convert them first)`; empty if nothing was."""
        total = self.left_out.total()
        if not total:
            return ""
        folders = any("folders" in reason for reason in self.left_out)
        what = "files and folders" if folders else "file" if total == 1 else "files"
        return f"{total} {what} left out: " + ", ".join(
            f"{count} {reason}" for reason, count in sorted(self.left_out.items())
        )


def list_images(folder: str | Path, deep: bool = True) -> Listing:
    """List the images of a folder, in an order that depends on their names alone.

    Symbolic links are followed; a folder that is reached twice, such as through a link back up, is visited once. Left
    out and counted are hidden files and folders, those of the system (`SYSTEM`), images of other formats (`FOREIGN`)
    and what cannot be opened.

    Args:
        folder: where to look.
        deep: whether to look into the folders in it as well.

    Raises:
        OSError: if the folder itself cannot be read.
    """
    found = Listing()
    pending, visited = [(Path(folder), "")], set[tuple[int, int]]()
    while pending:
        path, prefix = pending.pop()
        try:
            status = path.stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError:
            if not prefix:
                raise
            found.left_out[UNREADABLE_FOLDER] += 1
            continue
        folders = [entry for entry in entries if _is(entry, "dir")]
        for entry in entries:
            if entry not in folders:
                _sort(found, prefix + entry.name, _is(entry, "file"))
        if deep:
            hidden = sum(_is_hidden(entry.name) for entry in folders)
            found.left_out += Counter({HIDDEN_FOLDER: hidden})
            pending += [(Path(e), f"{prefix}{e.name}/") for e in reversed(folders) if not _is_hidden(e.name)]
    found.names.sort()
    return found


def _is(entry: os.DirEntry[str], kind: Literal["dir", "file"]) -> bool:
    """Tell whether an entry is a folder or a file, also by way of links; a link that leads nowhere is neither."""
    try:
        return entry.is_dir() if kind == "dir" else entry.is_file()
    except OSError:
        return False


def sift(names: Iterable[str]) -> Listing:
    """List the images among the paths of an archive or an object store, as `list_images` does those of a folder.

    Args:
        names: paths with `/` between their parts, in whatever order.
    """
    found, hidden = Listing(), set[str]()
    for name in sorted(set(names)):
        parts = name.split("/")
        place = next((place for place, folder in enumerate(parts[:-1]) if _is_hidden(folder)), None)
        if place is not None:
            hidden.add("/".join(parts[: place + 1]))
        elif parts[-1]:  # else it is a folder
            _sort(found, name)
    found.left_out += Counter({HIDDEN_FOLDER: len(hidden)})
    return found


def is_image(name: str) -> bool:
    """Tell by the path of a file, with `/` between its parts, whether it is taken for an image of the user's."""
    return bool(sift([name]).names)


def _sort(found: Listing, name: str, openable: bool = True) -> None:
    """Take a file for an image, or count why not."""
    suffix = PurePosixPath(name).suffix.lower()
    file = name.rpartition("/")[2]
    if _is_hidden(file):
        if suffix in SUFFIXES or file.lower() in SYSTEM:
            found.left_out[HIDDEN_FILE] += 1
    elif suffix in SUFFIXES:
        if openable:
            found.names.append(name)
        else:
            found.left_out[UNREADABLE_FILE] += 1
    elif suffix in FOREIGN:
        found.left_out[f"{FOREIGN[suffix]} {CONVERT}"] += 1


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part.lower() in SYSTEM

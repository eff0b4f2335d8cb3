"""Where photos come from: folders, zip files and folders of object stores, read alike."""

import io
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from torch import Tensor

from fast_style.archives import MAX_BYTES
from fast_style.files import as_path
from fast_style.images import SUFFIXES, Listing, list_images, read, sift
from fast_style.remote import RemoteFolder, is_address

Roots = str | Path | Sequence[str | Path]
ENCRYPTED = "encrypted (unpack them first)"


class Images(Protocol):
    """Images by number, and their names."""

    names: list[str]

    def __len__(self) -> int: ...

    def subset(self, indices: Sequence[int]) -> Self:
        """Return the images at these positions only, in this order."""
        ...

    def read(self, index: int, min_side: int | None = None) -> Tensor:
        """Read an image, (C, H, W) uint8; a large one may come back smaller, its short side at least `min_side`."""
        ...

    def path(self, index: int) -> Path | None:
        """Return the file of an image; None if it is in none of its own."""
        ...


class ImageSource:
    """The images of one or several folders, zip files or addresses, in an order that depends on their names alone.

    Folders are searched in depth, through symbolic links; each folder is visited once. What is no photo of the user's
    is left out and counted, as `images.list_images` describes it. Safe in the workers of a DataLoader: each process
    opens zip files for itself.

    Args:
        roots: a folder, a `.zip`, the address of a folder (`s3://…`, see `RemoteFolder`), or a list of these.

    Attributes:
        names: sorted paths relative to the root, with `/` between their parts; with several roots, each is preceded
            by the position of its root in the list, such as `1/beach.jpg`.
        left_out: one line that tells what was left out and why; empty if nothing was.

    Raises:
        FileNotFoundError: if a root does not exist or holds no image.
        ValueError: if a root is empty, neither a folder nor a complete zip file, or encrypted, an address cannot be
            opened, or the list is empty.
        OSError: if a root cannot be read.
        ConnectionError: if an address does not answer.
    """

    def __init__(self, roots: Roots) -> None:
        given = [roots] if isinstance(roots, str | Path) else roots
        self.roots = [
            RemoteFolder(str(root)) if is_address(root) else as_path(root, "a folder of photos") for root in given
        ]
        if not self.roots:
            raise ValueError("the list of photo folders is empty: name at least one folder or .zip")
        found: list[tuple[str, int, str]] = []
        total = Listing()
        for position, root in enumerate(self.roots):
            prefix = f"{position}/" if len(self.roots) > 1 else ""
            listing = _list(root)
            total.left_out += listing.left_out
            found += [(prefix + name, position, name) for name in listing.names]
        found.sort()
        self.left_out = str(total)
        self.names = [name for name, _, _ in found]
        self._files = [(position, name) for _, position, name in found]
        self._zips: dict[tuple[int, int], zipfile.ZipFile] = {}

    def __len__(self) -> int:
        return len(self.names)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_zips": {}}  # open files cannot be pickled

    def path(self, index: int) -> Path | None:
        """Return the file of an image in a folder; None of one in a zip file or at an address."""
        position, name = self._files[index]
        root = self.roots[position]
        return root / name if isinstance(root, Path) and root.is_dir() else None

    @property
    def paths(self) -> list[Path]:
        """The files of the images that lie in folders."""
        return [path for index in range(len(self)) if (path := self.path(index)) is not None]

    def subset(self, indices: Sequence[int]) -> Self:
        """Return a source of the images at these positions only, in this order."""
        chosen = object.__new__(type(self))
        chosen.roots = self.roots
        chosen.left_out = self.left_out
        chosen.names = [self.names[index] for index in indices]
        chosen._files = [self._files[index] for index in indices]
        chosen._zips = {}
        return chosen

    def read(self, index: int, min_side: int | None = None) -> Tensor:
        """Read one image.

        Args:
            index: position in `names`.
            min_side: if given, a large image may come back smaller, its shorter side at least this long, which is
                faster.

        Returns:
            RGB of shape (3, H, W), uint8.

        Raises:
            ValueError: if the file is not a readable image.
            FileNotFoundError: if it has gone since it was listed.
            ConnectionError: if an address does not answer any more.
        """
        position, name = self._files[index]
        root = self.roots[position]
        if isinstance(root, RemoteFolder):
            return decode(root.read(name), f"{root.address}/{name}", min_side)
        if root.is_dir():
            return read(root / name, min_side)
        return decode(self._unzip(position, root, name), f"{name} in {root}", min_side)

    def _unzip(self, position: int, root: Path, name: str) -> bytes:
        # A file opened before a fork shares its position with the child's: each process opens its own.
        key = (os.getpid(), position)
        if key not in self._zips:
            self._zips[key] = zipfile.ZipFile(root)
        archive = self._zips[key]
        size = archive.getinfo(name).file_size
        if size > MAX_BYTES:
            raise ValueError(f"cannot read image {name} in {root}: it unpacks to {size} bytes")
        try:
            return archive.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise ValueError(f"cannot read image {name} in {root}: {error}") from error


class _Member(io.BytesIO):
    name: str  # what `images.read` calls it when it is damaged


def decode(data: bytes, name: str, min_side: int | None = None) -> Tensor:
    """Decode an image that is no file, as `images.read` does; an error calls it `name`."""
    member = _Member(data)
    member.name = name
    return read(member, min_side)


def _list(root: Path | RemoteFolder) -> Listing:
    if isinstance(root, RemoteFolder):
        listing = sift(root.list())
    elif root.is_dir():
        listing = list_images(root)
    elif root.is_file():
        listing = _list_zip(root)
    else:
        raise FileNotFoundError(f"there is no folder or zip file of photos at {root}")
    if not listing.names:
        where = root.address if isinstance(root, RemoteFolder) else root
        note = f"; {listing}" if listing.left_out else ""
        raise FileNotFoundError(f"{where} holds no photo: looked for {', '.join(sorted(SUFFIXES))} at any depth{note}")
    return listing


def _list_zip(path: Path) -> Listing:
    try:
        with zipfile.ZipFile(path) as archive:
            listing = sift(archive.namelist())
            locked = {name for name in listing.names if archive.getinfo(name).flag_bits & 1}
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"{path} is neither a folder nor a complete zip file of photos ({error})") from error
    if locked and len(locked) == len(listing.names):
        raise ValueError(f"{path} is encrypted: unpack it, and give the folder")
    listing.names = [name for name in listing.names if name not in locked]
    listing.left_out += Counter({ENCRYPTED: len(locked)})
    return listing

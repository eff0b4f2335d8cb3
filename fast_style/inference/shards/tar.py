"""Tar files as folders whose files are read and written one by one."""

import io
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from fast_style.archives import MAX_BYTES, list_members
from fast_style.images import sift
from fast_style.remote import RemoteFile

FORMAT = tarfile.GNU_FORMAT  # which every reader of shards knows, with names of any length


class TarSource:
    """The files of a tar on this disk; see `remote.Folder`. Several threads may read.

    Args:
        path: of the tar.
        called: what the user calls it, such as its address.

    Attributes:
        members: the files by their names, without a leading `./`, in their order.
        listing: the images among them, and what was left out, see `images.sift`.
        damage: what is wrong from some place on, behind which nothing is read; empty if nothing is.

    Raises:
        ValueError: if it is no tar.
        OSError: if it cannot be read.
    """

    def __init__(self, path: Path, called: str) -> None:
        self.path, self.called = path, called
        try:
            with path.open("rb") as file:
                members, self.damage = list_members(file)
        except OSError as error:
            raise OSError(f"cannot read shard {called}: {error.strerror}") from error
        if self.damage and not members:
            raise ValueError(f"cannot read shard {called}: {self.damage}")
        self.members = {member.name.removeprefix("./"): member for member in members}
        self.listing = sift(self.members)

    def __str__(self) -> str:
        return self.called

    def __truediv__(self, name: str) -> RemoteFile:
        return RemoteFile(self, name)

    def list(self) -> list[str]:
        """List the files by their names, sorted."""
        return sorted(self.members)

    def pictures(self) -> Iterator[str]:
        """Yield the names of the images, in their order."""
        images = set(self.listing.names)
        return (name for name in self.members if name in images)

    def exists(self, name: str) -> bool:
        """Tell whether there is a file."""
        return name in self.members

    def read(self, name: str) -> bytes:
        """Read a file whole.

        Raises:
            ValueError: if it is too large for an image.
            OSError: if it cannot be read.
        """
        member = self.members[name]
        if member.size > MAX_BYTES:
            raise ValueError(f"cannot read {name} in {self.called}: it has {member.size} bytes")
        with self.path.open("rb") as file:
            file.seek(member.offset_data)
            return file.read(member.size)

    def write(self, name: str, data: bytes) -> None:
        """Raise ValueError, since a shard is only read."""
        del name, data
        self.check_writable()

    def check_writable(self) -> None:
        """Raise ValueError, since a shard is only read."""
        raise ValueError(f"cannot write to {self.called}: a shard is only read")


class TarTarget:
    """The files of a tar to be, in the order of the shard that they are made from; see `remote.Folder`.

    Until `save` they lie in a temporary file, since they are made in whatever order, by several threads.

    Args:
        source: the shard that the pictures are made from, whose other files go with them.
        before: an earlier target, whose pictures are there already; None: there is none.
    """

    def __init__(self, source: TarSource, before: TarSource | None) -> None:
        self.source, self.before = source, before
        self._there = set() if before is None else set(before.pictures()) & set(source.listing.names)
        self._made: dict[str, tuple[int, int]] = {}  # offset and size in the temporary file
        self._writing = threading.Lock()

    def __enter__(self) -> Self:
        self._file = tempfile.TemporaryFile(prefix="fast_style_")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __truediv__(self, name: str) -> RemoteFile:
        return RemoteFile(self, name)

    def list(self) -> list[str]:
        """List the pictures that are there, by their names, sorted."""
        return sorted(self._there | self._made.keys())

    def exists(self, name: str) -> bool:
        """Tell whether a picture is there."""
        return name in self._there or name in self._made

    def read(self, name: str) -> bytes:
        """Read a picture whole."""
        if name not in self._made:
            assert self.before is not None  # noqa: S101 - as `exists` has told
            return self.before.read(name)
        offset, size = self._made[name]
        with self._writing:
            self._file.seek(offset)
            return self._file.read(size)

    def write(self, name: str, data: bytes) -> None:
        """Keep a picture.

        Raises:
            OSError: if there is no room for it.
        """
        with self._writing:
            offset = self._file.seek(0, io.SEEK_END)
            self._file.write(data)
            self._made[name] = offset, len(data)

    def check_writable(self) -> None:
        """Do nothing, since it is written."""

    def save(self, file: BinaryIO) -> None:
        """Write the tar: pictures, and what other files go with them; nothing of a sample whose pictures failed.

        Raises:
            OSError: if it cannot be written.
        """
        images = set(self.source.listing.names)
        made = {_key(name) for name in self.list()}
        failed = {_key(name) for name in images} - made
        with tarfile.open(fileobj=file, mode="w", format=FORMAT) as archive:
            for name, member in self.source.members.items():
                if self.exists(name):
                    add(archive, name, self.read(name), int(member.mtime))
                elif name not in images and _key(name) not in failed:
                    add(archive, name, self.source.read(name), int(member.mtime))


def add(archive: tarfile.TarFile, name: str, data: bytes, mtime: int = 0) -> None:
    """Append a file to a tar."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(data), mtime
    archive.addfile(info, io.BytesIO(data))


def _key(name: str) -> str:
    """Return what the files of one sample have in common: the path up to the first dot of the last part."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(".")[0]

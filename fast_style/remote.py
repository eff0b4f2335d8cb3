"""Files of object stores and web servers, read and written through fsspec."""

import logging
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

log = logging.getLogger(__name__)

ATTEMPTS = 5
WAIT = 0.5  # seconds before the second attempt, twice as long before each further one
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub", "http": "aiohttp", "https": "aiohttp"}
# Where a file appears whole or not at all; elsewhere it is written under another name, and renamed.
WHOLE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "hf", "memory"}
READ_ONLY = {"http", "https"}
T = TypeVar("T")


def is_address(root: object) -> bool:
    """Tell an address, such as `s3://bucket/photos`, from a path."""
    return "://" in str(root)


class Folder(Protocol):
    """What holds files under names that are no paths of this machine: an address, or an archive."""

    def list(self) -> list[str]:
        """List the files, by their names, sorted."""
        ...

    def read(self, name: str) -> bytes:
        """Read a file whole."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write or replace a file."""
        ...

    def exists(self, name: str) -> bool:
        """Tell whether there is a file."""
        ...

    def check_writable(self) -> None:
        """Raise ValueError if it can only be read."""
        ...


class RemoteFolder:
    """A folder behind an address that fsspec knows: `s3://`, `gs://`, `hf://`, `https://`, ….

    What fails is tried five times, with longer and longer pauses. Safe in the workers of a DataLoader: each process
    connects for itself. Two are equal if their addresses are.

    Args:
        address: the folder, or a single file.

    Raises:
        ValueError: if the protocol is unknown, or needs a package that is not installed.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._connections: dict[int, tuple[Any, str]] = {}
        self._connect()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_connections": {}}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteFolder) and other.address == self.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __str__(self) -> str:
        return self.address

    def __truediv__(self, name: str) -> "RemoteFile":
        return RemoteFile(self, name)

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2]

    @property
    def protocol(self) -> str:
        """What the address begins with, such as `s3`."""
        return self.address.partition("://")[0]

    def list(self) -> list[str]:
        """List the files at any depth, by their paths relative to the address, sorted.

        Raises:
            FileNotFoundError: if there is no such folder.
            ConnectionError: if the address does not answer, five times in a row.
        """
        files, path = self._connect()
        files.invalidate_cache()  # others write there as well
        # find would leave out, without a word, the folders that do not answer.
        tree = self._persist("list", lambda: [*files.walk(path, on_error="raise")])
        files.invalidate_cache()  # which holds far more than the names
        found = [f"{folder}/{name}" for folder, _, names in tree for name in names]
        prefix = path.rstrip("/") + "/"
        return sorted(name.removeprefix(prefix) for name in found if name.startswith(prefix))

    def read(self, name: str) -> bytes:
        """Read the file `name` whole.

        Args:
            name: path of the file relative to the address, as `list` returns it.

        Raises:
            FileNotFoundError: if there is no such file any more.
            ConnectionError: if the address does not answer, five times in a row.
        """
        files, path = self._connect()
        return self._persist(f"read {name} of", lambda: files.cat_file(f"{path}/{name}"))

    def write(self, name: str, data: bytes) -> None:
        """Write the file `name`, or replace it; it appears whole or not at all, missing folders are made.

        Args:
            name: path of the file relative to the address.
            data: all that it shall hold.

        Raises:
            FileNotFoundError: if there is no such bucket.
            PermissionError: if it must not be written.
            ValueError: if the address is one that can only be read.
            ConnectionError: if the address does not answer, five times in a row.
        """
        self._put(name, lambda files, target: files.pipe_file(target, data))

    def upload(self, name: str, source: Path) -> None:
        """Write the file `name` as `write` does, from a file of this machine, which is not held in memory.

        Args:
            name: path of the file relative to the address.
            source: what it shall hold.

        Raises:
            FileNotFoundError, PermissionError, ValueError, ConnectionError: as `write`.
        """
        self._put(name, lambda files, target: files.put_file(str(source), target))

    def exists(self, name: str) -> bool:
        """Tell whether there is a file `name`.

        Raises:
            ConnectionError: if the address does not answer, five times in a row.
        """
        files, path = self._connect()
        files.invalidate_cache()
        return bool(self._persist(f"look for {name} in", lambda: files.isfile(f"{path}/{name}")))

    def check_writable(self) -> None:
        """Raise ValueError if the address is one that can only be read."""
        if self.protocol in READ_ONLY:
            raise ValueError(f"cannot write to {self.address}: a web server is only read, give a folder or a store")

    def fetch(self, target: Path) -> None:
        """Copy the file at the address itself, whole.

        Args:
            target: the file to write or to replace.

        Raises:
            FileNotFoundError: if there is no file at the address.
            ConnectionError: if the address does not answer, five times in a row.
        """
        files, path = self._connect()
        self._persist("fetch", lambda: files.get_file(path, str(target)))

    def size(self) -> int:
        """Tell how many bytes the file at the address itself has.

        Raises:
            FileNotFoundError: if there is no file at the address.
            ConnectionError: if the address does not answer, five times in a row.
        """
        files, path = self._connect()
        return int(self._persist("look at", lambda: files.info(path)["size"]) or 0)

    def _put(self, name: str, send: Callable[[Any, str], None]) -> None:
        """Have a file sent, where it appears whole or not at all."""
        self.check_writable()
        files, path = self._connect()
        target = f"{path}/{name}"
        folder, _, last = target.rpartition("/")
        temporary = f"{folder}/.{last[:20]}.{uuid.uuid4().hex}.tmp"

        def put() -> None:
            if self.protocol in WHOLE:
                send(files, target)
                return
            files.makedirs(folder, exist_ok=True)
            send(files, temporary)
            files.mv(temporary, target)

        self._persist(f"write {name} to", put)

    def _connect(self) -> tuple[Any, str]:
        process = os.getpid()  # a connection from before a fork would be shared with the child
        if process not in self._connections:
            import fsspec  # not for --help

            try:
                self._connections = {process: fsspec.core.url_to_fs(self.address)}
            except (ImportError, ValueError) as error:
                package = PACKAGES.get(self.address.partition("://")[0])
                advice = f"; pip install {package}" if package else ""
                raise ValueError(f"cannot open {self.address}: {error}{advice}") from error
        return self._connections[process]

    def _persist(self, what: str, action: Callable[[], T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return action()
            except (FileNotFoundError, PermissionError) as error:
                raise type(error)(f"cannot {what} {self.address}: {error}") from error
            except Exception as error:  # each protocol has errors of its own
                if "Credential" in type(error).__name__:
                    advice = f"cannot {what} {self.address}: {error}; log in, or set the variables of {self.protocol}"
                    raise PermissionError(advice) from error
                reason = f"{type(error).__name__}: {error}"
                if attempt == ATTEMPTS:
                    raise ConnectionError(
                        f"cannot {what} {self.address} after {ATTEMPTS} attempts ({reason}); is the address right?"
                    ) from error
                log.warning("could not %s %s (%s), trying again", what, self.address, reason)
                time.sleep(WAIT * 2 ** (attempt - 1))
        raise AssertionError


@dataclass(frozen=True)
class RemoteFile:
    """A file behind an address or in an archive, which is named and joined like a `Path`.

    Attributes:
        folder: some folder above it, whose connection it shares, or the archive.
        inner: its path relative to that folder, with `/` between the parts.
    """

    folder: Folder
    inner: str

    def __str__(self) -> str:
        return f"{self.folder}/{self.inner}"

    def __truediv__(self, name: str) -> "RemoteFile":
        return RemoteFile(self.folder, f"{self.inner}/{name}")

    @property
    def name(self) -> str:
        """The last part of the address."""
        return PurePosixPath(self.inner).name

    @property
    def stem(self) -> str:
        """Its name without the suffix."""
        return PurePosixPath(self.inner).stem

    @property
    def suffix(self) -> str:
        """The end of its name, such as `.jpg`."""
        return PurePosixPath(self.inner).suffix

    def read(self) -> bytes:
        """Read it whole; raises what `RemoteFolder.read` raises."""
        return self.folder.read(self.inner)

    def write(self, data: bytes) -> None:
        """Write or replace it; raises what `RemoteFolder.write` raises."""
        self.folder.write(self.inner, data)

    def exists(self) -> bool:
        """Tell whether it is there; raises what `RemoteFolder.exists` raises."""
        return self.folder.exists(self.inner)

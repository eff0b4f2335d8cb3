"""Files of object stores and web servers, read through fsspec."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import fsspec

log = logging.getLogger(__name__)

ATTEMPTS = 5
WAIT = 0.5  # seconds before the second attempt, twice as long before each further one
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub", "http": "aiohttp", "https": "aiohttp"}
T = TypeVar("T")


def is_address(root: object) -> bool:
    """Tell an address, such as `s3://bucket/photos`, from a path."""
    return "://" in str(root)


class RemoteFolder:
    """A folder behind an address that fsspec knows: `s3://`, `gs://`, `hf://`, `https://`, ….

    What fails is tried five times, with longer and longer pauses. Safe in the workers of a DataLoader: each process
    connects for itself.

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

    def list(self) -> list[str]:
        """List the files at any depth, by their paths relative to the address, sorted.

        Raises:
            FileNotFoundError: if there is no such folder.
            ConnectionError: if the address does not answer, five times in a row.
        """
        files, path = self._connect()
        # find would leave out, without a word, the folders that do not answer.
        tree = self._persist("list", lambda: [*files.walk(path, on_error="raise")])
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

    def _connect(self) -> tuple[Any, str]:
        process = os.getpid()  # a connection from before a fork would be shared with the child
        if process not in self._connections:
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
                reason = f"{type(error).__name__}: {error}"
                if attempt == ATTEMPTS:
                    raise ConnectionError(
                        f"cannot {what} {self.address} after {ATTEMPTS} attempts ({reason}); is the address right?"
                    ) from error
                log.warning("could not %s %s (%s), trying again", what, self.address, reason)
                time.sleep(WAIT * 2 ** (attempt - 1))
        raise AssertionError

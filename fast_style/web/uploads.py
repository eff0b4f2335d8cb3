"""What visitors bring and take away: files under names that the server makes, removed after a day."""

import asyncio
import json
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request

from fast_style.files import replacing
from fast_style.web.refusal import RefusedError, of_disk
from fast_style.web.settings import Settings

ID = re.compile(r"[0-9a-f]{32}")
SLOWEST = 10_000.0  # bytes a second, on average, after a while
PART = ".part"  # of a file that is still arriving


def new_id() -> str:
    """Make a name that nobody guesses."""
    return secrets.token_hex(16)


@dataclass
class Kept:
    """A file that is kept for a while.

    Attributes:
        id: its name here.
        kind: `image`, `film` or `result`.
        name: what the visitor called it; shown and offered for saving, never a path.
        suffix: of the file, by its content.
        created: seconds since 1970.
        about: what is known of it, to be told.
    """

    id: str
    kind: str
    name: str
    suffix: str
    created: float
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """Its name without a suffix."""
        return self.name.rpartition(".")[0] or self.name


class Shelf:
    """The folder of what is kept for a while: for each a file, one `.json` about it, and small pictures of it.

    Args:
        settings: limits, and where.

    Raises:
        OSError: if the folder cannot be made.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.folder = settings, settings.folder / "uploads"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._arriving: dict[Path, int] = {}  # files, and the bytes for which there must be room until all are there

    def path(self, kept: Kept) -> Path:
        """Where its file lies."""
        return self.folder / f"{kept.id}{kept.suffix}"

    def beside(self, kept: Kept, what: str) -> Path:
        """Where a file of the server's own about it lies, such as a small picture; removed with it."""
        return self.folder / f"{kept.id}.{what}"

    async def receive(self, request: Request, limit: int) -> Path:
        """Write the body of a request to a file that no one else knows.

        Raises:
            RefusedError: with 413 if it is larger than the limit, told before it is read where the client says so;
                with 408 if it stands still, 400 if it breaks off, 422 if it is empty, 429 if too many arrive at once,
                507 if there is no room. Nothing of it is left then.
        """
        told = request.headers.get("content-length", "")
        if told.isdecimal() and int(told) > limit:
            raise RefusedError(413, too_large(limit))
        if len(self._arriving) >= self.settings.uploads:
            raise RefusedError(429, "too many files arrive at once: try again in a few seconds", retry=3)
        size = int(told) if told.isdecimal() else limit
        self.check_room(size)
        path = self.folder / f"{new_id()}{PART}"
        self._arriving[path] = size
        try:
            await self._write(path, request.stream(), limit)
            if told.isdecimal() and path.stat().st_size != int(told):
                raise RefusedError(400, "the file broke off on its way: send it again")
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise of_disk(error) from error
            raise
        finally:
            del self._arriving[path]
        return path

    async def _write(self, path: Path, chunks: AsyncIterator[bytes], limit: int) -> None:
        size, began = 0, time.monotonic()
        with path.open("xb") as file:
            while True:
                try:
                    chunk = await asyncio.wait_for(anext(chunks), self.settings.patience)
                except StopAsyncIteration:
                    break
                except TimeoutError:
                    raise RefusedError(408, "the file stopped on its way: send it again") from None
                except ClientDisconnect:
                    raise RefusedError(400, "the file broke off on its way: send it again") from None
                size += len(chunk)
                if size > limit:
                    raise RefusedError(413, too_large(limit))
                took = time.monotonic() - began
                if took > 4 * self.settings.patience and size < SLOWEST * took:
                    raise RefusedError(408, "the file comes too slowly: send it again, or make it smaller first")
                file.write(chunk)
        if not size:
            raise RefusedError(422, "the file is empty: send one with a picture in it")

    def check_room(self, more: int = 0) -> None:
        """Tell whether more bytes may be kept beside what is there and what arrives; RefusedError with 507 if not."""
        sizes = {}  # by file, since jobs share films with the uploads
        for folder, _, names in os.walk(self.settings.folder):
            for path in (Path(folder, name) for name in names):
                if path not in self._arriving:
                    with suppress(FileNotFoundError):  # removed meanwhile
                        status = path.stat()
                        sizes[status.st_dev, status.st_ino] = status.st_size
        used = sum(sizes.values()) + sum(self._arriving.values())
        if used + more > self.settings.stored_bytes:
            raise RefusedError(507, "no room is left for more files on this server: wait until older ones are removed")

    def add(self, path: Path, kept: Kept) -> Kept:
        """Keep a file of this folder under the name of what it is."""
        path.replace(self.path(kept))
        self.note(kept)
        return kept

    def note(self, kept: Kept) -> None:
        """Write down what is known of a file, which makes it there for everybody."""
        with replacing(self.beside(kept, "json")) as file:
            file.write(json.dumps(asdict(kept)).encode())

    def get(self, name: object, kind: str) -> Kept:
        """Find what is kept under a name.

        Raises:
            RefusedError: with 404 if there is nothing of this kind, or no longer.
        """
        if isinstance(name, str) and ID.fullmatch(name):
            with suppress(OSError, ValueError, TypeError):
                kept = Kept(**json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8")))
                if kept.kind == kind and self.path(kept).is_file():
                    return kept
        raise RefusedError(404, f"there is no such {kind}, or no longer: files are removed after a day")

    def named(self, sentence: str, name: str) -> str:
        """Call a file in a sentence as the visitor does; where it lies is the server's affair."""
        return re.sub(rf"{re.escape(str(self.folder))}[/\\\\][\w.]+", lambda _: name, sentence)

    def remove(self, kept: Kept) -> None:
        """Remove a file, and all that belongs to it."""
        for path in self.folder.glob(f"{kept.id}*"):
            path.unlink(missing_ok=True)

    def remove_old(self, now: float | None = None) -> None:
        """Remove what has been kept long enough, and what is left of files that never arrived.

        Args:
            now: seconds since 1970; None: now.
        """
        now = time.time() if now is None else now
        for path in self._files(list(self.folder.iterdir())):
            with suppress(OSError):
                if now - path.stat().st_mtime > self.settings.kept:
                    path.unlink()

    @staticmethod
    def _files(paths: Iterable[Path]) -> Iterable[Path]:
        return (path for path in paths if path.is_file())


def too_large(limit: int) -> str:
    """Say that a file has too many bytes."""
    return f"the file is larger than {limit / 1e6:,.0f} MB, which is the limit here: make it smaller first"


def plain_name(text: str, otherwise: str) -> str:
    """Make of what a client calls its file a name to show: no folders, nothing invisible, at most 100 letters."""
    return plain_title(re.split(r"[/\\]", text)[-1], otherwise)


def plain_title(text: str, otherwise: str) -> str:
    """Make of what a client calls its work a name to show: nothing invisible, at most 100 letters."""
    shown = "".join(letter for letter in text if letter.isprintable()).strip(". ")
    return shown[:100] or otherwise

"""Where text becomes a path, files that are written whole or not at all, and a place for those nobody asked for."""

import hashlib
import io
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from fast_style.remote import RemoteFile

Place = Path | RemoteFile  # where a file lies: on this machine, or behind an address
T = TypeVar("T")


def as_path(text: str | Path, name: str = "the path") -> Path:
    """Make a path of what a user gave: the one place where this happens.

    Args:
        text: the path as it stands; `~` and `~NAME` at its beginning are a home folder, if there is one.
        name: what the user calls it, such as `data.root`, for the error.

    Raises:
        ValueError: if it is empty, which would mean the current folder, or holds a NUL.
    """
    if not str(text).strip() or "\0" in str(text):
        raise ValueError(f"{name} is empty: give a path, or leave it out")
    return home_expanded(text)


def home_expanded(text: str | Path) -> Path:
    """Put a home folder in the place of `~` or `~NAME` at the beginning; where there is none, it stays as it is."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - which raises where there is none


def as_place(path: str | Place) -> Place:
    """Return what is named by a program: a path unless it is a file behind an address."""
    return path if isinstance(path, RemoteFile) else Path(path)


def absolute(place: T) -> T:
    """Make a path absolute, so that it means the same to a program in another folder; all else is what it was."""
    return cast("T", place.absolute()) if isinstance(place, Path) else place


def is_file(text: str | Path) -> bool:
    """Tell whether there is a file at a path; False for whatever is no path, such as a text that is too long."""
    try:
        return as_path(text).is_file()
    except (OSError, ValueError, RuntimeError):  # RuntimeError: ~NAME of nobody
        return False


@contextmanager
def replacing(path: str | Place) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` which takes its place once the body is through and all is on disk.

    Missing folders are made. After a failure, what was at `path` is as before and the temporary file is gone; a
    process that is killed leaves `.NAME.….tmp` behind. What goes to an address is held in memory meanwhile.

    Args:
        path: the file to write or to replace.

    Yields:
        The temporary file, open for writing.

    Raises:
        OSError: if the file cannot be written.
        ValueError: if it is behind an address that can only be read.
    """
    if isinstance(path, RemoteFile):
        held = io.BytesIO()
        yield held
        path.write(held.getvalue())
        return
    path = Path(path)
    # Part of the name tells whose remains these are; the whole of it might leave no room for the rest.
    temporary = path.with_name(f".{path.name[:20]}.{uuid.uuid4().hex}.tmp")
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Make a folder under a temporary name beside `path`, which becomes `path` once the body is through.

    Missing folders above it are made. After a failure nothing is at `path` that was not before, and the temporary
    folder is gone; a process that is killed leaves `.NAME.….tmp` behind.

    Args:
        path: of the folder; an empty one may be there already.

    Yields:
        The temporary folder.

    Raises:
        FileExistsError: if something else is at `path`, before or after.
        OSError: if the folder cannot be written.
    """
    path = Path(path).absolute()
    _check_free(path)
    temporary = path.with_name(f".{path.name[:20]}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _check_free(path)
        if path.exists():
            path.rmdir()
        temporary.rename(path)
    except FileExistsError:
        raise
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_free(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir()))):
        raise FileExistsError(f"output {path} exists, and is no empty folder: choose another")


def digest_of(path: Path) -> str:
    """Compute the SHA-256 of a file, as 64 hexadecimal digits; OSError if it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_dir() -> Path:
    """Name the folder for what nobody chose a place for.

    Returns:
        `$FAST_STYLE_CACHE`, else `$XDG_CACHE_HOME/fast_style`, else `~/.cache/fast_style`; it may not exist yet.
    """
    chosen, shared = (os.environ.get(name) for name in ("FAST_STYLE_CACHE", "XDG_CACHE_HOME"))
    return home_expanded(chosen or Path(shared or "~/.cache", "fast_style"))

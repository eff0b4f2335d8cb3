"""PyAV, loaded only when there is a film, and what FFmpeg says in sentences."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from fast_style.errors import first_line


def pyav() -> ModuleType:
    """Load PyAV, quietly.

    Raises:
        RuntimeError: if it is not installed.
    """
    try:
        import av
        import av.logging
    except ImportError:
        raise RuntimeError("films need the package av: pip install 'fast-style[video]'") from None
    av.logging.set_level(None)
    os.environ.setdefault("SVT_LOG", "0")  # the encoder of AV1 tells its settings on stderr otherwise
    return av


def address(path: Path) -> str:
    """Name a file for FFmpeg, which takes what comes before a colon for a protocol."""
    return f"file:{path}"


class Recorded:
    """A file that is written by FFmpeg, which forgets why writing failed.

    Args:
        file: open for writing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: OSError | None = None

    def write(self, content: bytes) -> int:
        """Write, and remember what goes wrong."""
        try:
            return self._file.write(content)
        except OSError as error:
            self._error = error
            raise

    def seek(self, place: int, whence: int = 0) -> int:
        """Go elsewhere in the file."""
        return self._file.seek(place, whence)

    def tell(self) -> int:
        """Tell where in the file it is."""
        return self._file.tell()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Raise why writing failed in place of what FFmpeg makes of it.

        Raises:
            OSError: what writing, or flushing what was written, raised.
        """
        try:
            yield
        except pyav().FFmpegError:
            if self._error is not None:
                raise self._error from None
            raise


def reason_of(error: Exception) -> str:
    """Say why FFmpeg has refused something, as the end of a sentence."""
    reason = (getattr(error, "strerror", None) or first_line(error)).rstrip(".")
    return reason[:1].lower() + reason[1:]


@contextmanager
def in_sentences(what: str, path: Path) -> Iterator[None]:
    """Turn FFmpeg's errors in the body into a sentence.

    Args:
        what: cannot be done, such as `read film`.
        path: with which file.

    Raises:
        OSError: if the file cannot be reached, or the disk is full.
        ValueError: for everything else that FFmpeg refuses.
    """
    av = pyav()
    try:
        yield
    except av.FFmpegError as error:
        sentence = f"cannot {what} {path}: {reason_of(error)}"
        if isinstance(error, OSError) and not isinstance(error, ValueError):
            raise OSError(sentence) from error
        raise ValueError(sentence) from error

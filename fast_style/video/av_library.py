"""PyAV, loaded only when there is a film, and what FFmpeg says in sentences."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

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
    return av


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
        reason = (getattr(error, "strerror", None) or first_line(error)).rstrip(".")
        sentence = f"cannot {what} {path}: {reason[:1].lower()}{reason[1:]}"
        if isinstance(error, OSError) and not isinstance(error, ValueError):
            raise OSError(sentence) from error
        raise ValueError(sentence) from error

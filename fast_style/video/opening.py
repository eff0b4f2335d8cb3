"""Films that are opened, and which of their streams are the pictures."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from fast_style.video.av_library import address, in_sentences, pyav
from fast_style.video.endings import is_cut_off

THREADS = min(4, os.cpu_count() or 1)


@contextmanager
def opened(path: Path, url: str, driver: str | None) -> Iterator[tuple[Any, Any]]:
    """Open a film, as a container of PyAV and the stream of its pictures.

    Args:
        path: what it is called.
        url: what FFmpeg opens.
        driver: by which; None: by what suits the file.

    Raises:
        OSError, ValueError: if it cannot be read.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise ValueError(f"cannot read film {path}: it is empty")
    with in_sentences("read film", path), _opened(path, url, driver) as container:
        stream = pictures_in(container)
        if stream is None:
            raise ValueError(f"cannot read film {path}: there are no pictures in it{_missing(path)}")
        if stream.codec_context is None:
            raise ValueError(f"cannot read film {path}: its codec is not known here{_missing(path)}")
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = THREADS
        yield container, stream


def _opened(path: Path, url: str, driver: str | None) -> Any:
    """Open a container; of a file that cannot be read, as of MP4 without its end, it is said that it is cut off."""
    try:
        with in_sentences("read film", path):
            return pyav().open(url, format=driver)
    except ValueError as error:
        if missing := _missing(path):
            raise ValueError(f"{error}{missing}") from error
        raise


def _missing(path: Path) -> str:
    return "; its end is missing" if is_cut_off(path) else ""


def pictures_in(container: Any) -> Any | None:
    """Find the stream of pictures that players show: the first that is meant to be, else the first; no cover."""
    kinds = pyav().stream.Disposition
    streams = [stream for stream in container.streams.video if not stream.disposition & kinds.attached_pic]
    usual = [stream for stream in streams if stream.disposition & kinds.default]
    return next(iter([*usual, *streams]), None)


def refuse_encrypted(path: Path) -> None:
    """Refuse a film whose pictures are encrypted: a decoder may take some of what it holds for pictures."""
    av = pyav()
    with suppress(av.FFmpegError), av.open(address(path)) as container:
        stream = pictures_in(container)
        packets = islice(() if stream is None else container.demux(stream), 3)
        if any(packet.has_sidedata("encryption_info") for packet in packets):
            raise ValueError(f"cannot read film {path}: it is encrypted")

"""Decode, stylize and encode at once: three threads, short queues between them, constant memory."""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from fast_style import images
from fast_style.video.frame import Frame

AHEAD = 4  # frames that wait at each station

Stylize = Callable[[Tensor, Fraction], Tensor]
T = TypeVar("T")


class Source(Protocol):
    """Where frames come from."""

    @property
    def count(self) -> int:
        """How many there are about; 0: unknown."""
        ...

    def frames(self, skip: int = 0) -> Iterator[Frame]:
        """Read them, but for some at the beginning."""
        ...


class Target(Protocol):
    """Where frames go.

    Attributes:
        done: how many are there already, which are not made again.
        memory: what the frame after these depends on, by name.
    """

    done: int
    memory: Mapping[str, np.ndarray]

    @property
    def kept(self) -> int:
        """How many frames the same command does not make again."""
        ...

    def write(self, number: int, frame: Frame) -> None:
        """Take a frame."""
        ...

    def finish(self, complete: bool) -> None:
        """Write what was held back; `complete`: whether all frames were given."""
        ...

    def give_up(self) -> None:
        """After a failure, remove what is of no use."""
        ...


class Remembering(Protocol):
    """What stylizes so that frames depend on those before."""

    def memory(self) -> Mapping[str, np.ndarray]:
        """Return what the next frame depends on, which is not changed any more."""
        ...

    def restore(self, memory: Mapping[str, np.ndarray]) -> None:
        """Go on from there."""
        ...


def run(
    source: Source,
    stylize: Stylize,
    target: Target,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
    remembering: Remembering | None = None,
) -> tuple[int, bool]:
    """Stylize the frames of a film.

    Args:
        source: the frames.
        stylize: from and to RGB of shape (1, 3, H, W), uint8, or float in [0, 1] from frames of more than 8 bits; it
            gets the time in seconds as well. It is called in this thread.
        target: takes the stylized frames, in another thread.
        progress: called in this thread with how many frames are done, and of about how many.
        stop: asked in this thread before each frame; once it returns True, what is done is finished.
        remembering: what of `stylize` goes from frame to frame; None: nothing does.

    Returns:
        How many frames there are in the target, and whether these are all.

    Raises:
        Exception: what the source, the target or the network raises; what the target has kept stays.
    """
    number, complete = target.done, True
    if remembering is not None and number:
        remembering.restore(target.memory)
    with Ahead(source.frames(number)) as frames, _Behind(target.write) as writer:
        for frame in frames:
            if stop is not None and stop():
                complete = False
                break
            try:
                picture = stylized(frame, stylize)
            except KeyboardInterrupt:
                complete = False
                break
            writer.put(number, picture if remembering is None else replace(picture, memory=remembering.memory()))
            number += 1
            if progress is not None:
                progress(number, max(number, source.count))
    target.finish(complete)
    return number, complete


def stylized(frame: Frame, stylize: Stylize) -> Frame:
    """Stylize a frame; its transparency, its depth and its time stay."""
    deep = frame.pixels.dtype == torch.uint16
    photo = images.to_float(frame.pixels)[None] if deep else frame.pixels[None]
    picture = images.to_depth(stylize(photo, frame.time), 16 if deep else 8)[0]
    return Frame(picture, frame.alpha, frame.time, frame.duration)


class Ahead(Generic[T]):
    """Iterates in a thread of its own, a few steps ahead of whoever takes what it yields in the body."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._queue: queue.Queue[T | BaseException | None] = queue.Queue(AHEAD)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="decode", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._taken()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            with suppress(queue.Empty):
                self._queue.get(timeout=0.05)
        self._thread.join()

    def _work(self) -> None:
        last: BaseException | None = None
        try:
            for item in self._items:
                self._queue.put(item)
                if self._stopped.is_set():
                    break
        except Exception as error:  # raised where the items are taken
            last = error
        self._queue.put(last)

    def _taken(self) -> Iterator[T]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item


class _Behind:
    """Writes in a thread of its own; what goes wrong there is raised by the next `put`, or at the end."""

    def __init__(self, write: Callable[[int, Frame], None]) -> None:
        self._write = write
        self._queue: queue.Queue[tuple[int, Frame] | None] = queue.Queue(AHEAD)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="encode", daemon=True)

    def __enter__(self) -> "_Behind":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if kind is None:
            self._raise()

    def put(self, number: int, frame: Frame) -> None:
        """Have a frame written."""
        self._raise()
        self._queue.put((number, frame))

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is not None:
                continue
            try:
                self._write(*item)
            except Exception as error:  # raised in the thread that gives frames
                self._error = error

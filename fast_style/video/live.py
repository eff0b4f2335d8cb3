"""Films and cameras as they happen: a frame that comes too late is dropped, none waits."""

import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from torch import Tensor

from fast_style import images
from fast_style.video.av_library import pyav, reason_of
from fast_style.video.decoding import decoded
from fast_style.video.frame import Frame, Wanted
from fast_style.video.reading import Film

CAMERA = "camera"
DRIVERS = {"darwin": ("avfoundation", "{}:none"), "win32": ("vfwcap", "{}")}  # else Linux
T = TypeVar("T")


class Camera(Film):
    """A camera of this machine, with the attributes of `Film`.

    Args:
        name: `camera`, or `camera:1` for the second, and so on.
        wanted: in which size frames are read.

    Raises:
        ValueError: if it is no name of a camera.
        OSError: if there is no such camera.
    """

    def __init__(self, name: str, wanted: Wanted) -> None:
        _, _, number = name.partition(":")
        if not (number or "0").isdecimal():
            raise ValueError(f"a camera is called camera or camera:NUMBER, got {name!r}")
        self.number = int(number or 0)
        try:
            super().__init__(Path(name), wanted)
        except OSError as error:
            reason = reason_of(error.__cause__ if isinstance(error.__cause__, Exception) else error)
            raise OSError(f"there is no {name} that can be opened ({self._address()[0]}: {reason})") from error

    def times(self) -> list[Fraction]:
        """Tell nothing of frames that are still to come."""
        return []

    def _address(self) -> tuple[str, str | None]:
        driver, address = DRIVERS.get(sys.platform, ("v4l2", "/dev/video{}"))
        return address.format(self.number), driver

    def _timed(self, since: Fraction = Fraction(0)) -> Iterator[tuple[Any, Fraction, Fraction]]:
        """Yield frames as they come; how long one is shown only the next would tell, for which nobody waits."""
        del since
        with self._opened() as (container, stream):
            for raw in decoded(container, stream, None):
                yield raw, self.clock.time(raw, Fraction(stream.time_base)) or Fraction(0), 1 / self.rate


def is_camera(text: str) -> bool:
    """Tell whether an input is a camera, not a file."""
    return text == CAMERA or text.startswith(f"{CAMERA}:")


class Latest(Generic[T]):
    """The latest of some things that come one after another; who takes them gets each at most once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._thing: T | None = None
        self.number = 0
        self.ended = False
        self._error: Exception | None = None

    def put(self, thing: T) -> None:
        """Put the next thing in the place of the one before, taken or not."""
        with self._changed:
            self._thing, self.number = thing, self.number + 1
            self._changed.notify_all()

    def end(self, error: Exception | None = None) -> None:
        """Say that nothing more comes, perhaps because of an error."""
        with self._changed:
            self.ended, self._error = True, error
            self._changed.notify_all()

    def after(self, number: int) -> tuple[int, T | None]:
        """Wait for one with a higher number; returns it with its number, or None at the end.

        Raises:
            Exception: because of which it has ended.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.number > number or self.ended)
            if self.number > number:
                return self.number, self._thing
            if self._error is not None:
                raise self._error
            return number, None


def playing(film: Film | Any, latest: Latest[Frame], stopped: threading.Event) -> None:
    """Put frames when they are due, until the end of the film: to be run in a thread of its own.

    Args:
        film: a film or a folder, whose frames come at their own times, or a camera, whose frames come by themselves.
        latest: where they are put; what goes wrong is raised where they are taken.
        stopped: set from elsewhere to end it.
    """
    began = time.monotonic()
    wrong: Exception | None = None
    try:
        for frame in film.frames():
            wait = 0.0 if isinstance(film, Camera) else float(frame.time) - (time.monotonic() - began)
            if stopped.wait(max(0.0, wait)):
                break
            latest.put(frame)
    except Exception as error:  # raised in the thread that takes frames
        wrong = error
    latest.end(wrong)


class Jpegs:
    """Encodes pictures as JPEG, by PyAV; in a few milliseconds each."""

    def __init__(self) -> None:
        self._context: Any = None

    def __call__(self, pixels: Tensor) -> bytes:
        """Encode RGB of shape (3, H, W), uint8 or uint16."""
        av = pyav()
        array = np.ascontiguousarray(images.to_depth(pixels, 8).permute(1, 2, 0).numpy())
        height, width, _ = array.shape
        if self._context is None or (self._context.height, self._context.width) != (height, width):
            self._context = av.CodecContext.create("mjpeg", "w")
            self._context.height, self._context.width, self._context.pix_fmt = height, width, "yuvj420p"
            self._context.time_base, self._context.color_range = Fraction(1, 25), 2
            self._context.options = {"qmin": "2", "qmax": "3"}
        frame = av.VideoFrame.from_ndarray(array, format="rgb24")
        try:
            return b"".join(map(bytes, self._encoded(frame)))
        except av.FFmpegError as error:
            raise ValueError(f"a picture of {width}×{height} pixels cannot be shown: {reason_of(error)}") from error

    def _encoded(self, frame: Any) -> Iterator[Any]:
        converted = frame.reformat(format="yuvj420p", dst_colorspace=5, dst_color_range=2, threads=1)
        converted.pts = None
        yield from self._context.encode(converted)

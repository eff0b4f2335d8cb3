"""Frames to a film, by way of closed parts."""

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from fast_style.files import replacing
from fast_style.video import parts as closed
from fast_style.video.begun import partial_frames
from fast_style.video.encoding import Look, Part
from fast_style.video.frame import Frame
from fast_style.video.muxing import Timing, mux
from fast_style.video.parts import Parts
from fast_style.video.reading import Film


@dataclass
class FilmTarget:
    """Encodes frames into parts, and joins them with the sound and the subtitles of the film they come from.

    Args:
        film: what the frames were made from, whose other streams are copied; None: there are none.
        look: how they are encoded.
        parts: where the parts are kept.
        time_base: of the timestamps.
        audio: whether sound is copied.
        metadata: whether title, comment and chapters are.

    Attributes:
        done: how many frames are in whole parts already.
        memory: what the frame after these depends on.
    """

    film: Film | None
    look: Look
    parts: Parts
    time_base: Fraction
    audio: bool = True
    metadata: bool = True

    def __post_init__(self) -> None:
        self.done = self._whole = self.parts.frames
        self.memory = self.parts.memory() if self.parts.done else {}
        self._part: PartTarget | None = None
        self._begun = False

    @property
    def kept(self) -> int:
        """How many frames the same command does not make again."""
        return self._whole

    def write(self, number: int, frame: Frame) -> None:
        """Encode a frame; the part is closed once it is full."""
        if not self._begun:
            self.parts.begin()
            self._begun = True
        if self._part is None:
            self._part = PartTarget(self.parts.path(self.parts.done), self.look)
        self._part.write(number, frame)
        self.memory = frame.memory
        if len(self._part.timings) == closed.FRAMES:
            self._close(True)

    def take(self, number: int, order: list[int], timings: list[Timing]) -> None:
        """Count a part that another process has encoded, which was told where by `parts`, once these are begun."""
        self.parts.keep(number, order, timings, len(timings) == closed.FRAMES, {})
        self.done = self._whole = self.parts.frames
        self._begun = True

    def finish(self, complete: bool) -> None:
        """Write the film.

        Args:
            complete: whether all frames were written; otherwise the film holds what there is, and the parts stay. A
                film that was left so before stays as it is if it holds as many frames.
        """
        if self._part is not None:
            self._close(complete or len(self._part.timings) == closed.FRAMES)
        if not self.parts.done:
            self.parts.drop()
            self.parts.release()
            return
        if not complete and self.parts.frames <= partial_frames(self.parts.output):
            self.parts.release()
            return
        mux(self.parts, self.film, self.look, self.time_base, self.audio, not complete, self.metadata)
        if complete:
            self.parts.remove()
        else:
            self.parts.note_partial(self.parts.frames)
            self.parts.release()

    def give_up(self) -> None:
        """Drop the part at hand, and the folder if it is of no use."""
        if self._part is not None:
            self._part.give_up()
            self._part = None
        self.parts.drop()
        self.parts.release()

    def _close(self, complete: bool) -> None:
        part, self._part = self._part, None
        assert part is not None  # noqa: S101 - there is one wherever this is called
        part.finish(complete)
        self.parts.keep(self.parts.done, part.order, part.timings, complete, self.memory if complete else {})
        self.done = self.parts.frames
        if complete:
            self._whole = self.done


@dataclass
class PartTarget:
    """Encodes frames into one part of a film, a file that is there whole or not at all.

    Args:
        path: of the file.
        look: how the frames are encoded.

    Attributes:
        timings: of the frames that were written.
        order: once it is finished, the number of each packet's frame, in the order of the packets.
    """

    path: Path
    look: Look
    done: int = field(default=0, init=False)
    memory: Mapping[str, np.ndarray] = field(default_factory=dict, init=False)
    timings: list[Timing] = field(default_factory=list, init=False)
    order: list[int] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._open = ExitStack()
        self._part: Part | None = None

    @property
    def kept(self) -> int:
        """How many frames stay after a failure."""
        return 0

    def write(self, number: int, frame: Frame) -> None:
        """Encode a frame."""
        del number
        if self._part is None:
            self._part = Part(self._open.enter_context(replacing(self.path)), self.look)
        try:
            self._part.write(frame)
        except OSError as error:
            self.give_up()
            raise OSError(f"cannot write {self.path}: {error.strerror or error}") from error
        self.timings.append(Timing(frame.time, frame.duration))

    def finish(self, complete: bool) -> None:
        """Close the file, whether or not there are more frames."""
        del complete
        assert self._part is not None  # noqa: S101 - a part has frames
        with self._open.pop_all():
            self._part.close()
        self.order, self._part = self._part.order, None

    def give_up(self) -> None:
        """Throw the file away."""
        if self._part is not None:
            self._part.abandon()
            self._part = None
        with suppress(_DroppedError), self._open.pop_all():
            raise _DroppedError


class _DroppedError(Exception):
    """Has a file that is being written thrown away."""

"""Frames to a film, by way of closed parts."""

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction

from fast_style.files import replacing
from fast_style.video import parts as closed
from fast_style.video.begun import is_partial
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
        self.done = self.parts.frames
        self.memory = self.parts.memory() if self.parts.done else {}
        self._part: Part | None = None
        self._timings: list[Timing] = []
        self._open = ExitStack()
        self._begun = False

    @property
    def goes_on(self) -> bool:
        """Whether the same command goes on from where this one was stopped."""
        return True

    def write(self, number: int, frame: Frame) -> None:
        """Encode a frame; the part is closed once it is full."""
        del number
        if not self._begun:
            self.parts.begin()
            self._begun = True
        if self._part is None:
            file = self._open.enter_context(replacing(self.parts.path(self.parts.done)))
            self._part, self._timings = Part(file, self.look), []
        try:
            self._part.write(frame)
        except OSError as error:
            self._drop()
            raise OSError(f"cannot write {self.parts.path(self.parts.done)}: {error.strerror or error}") from error
        self._timings.append(Timing(frame.time, frame.duration))
        self.memory = frame.memory
        if len(self._timings) == closed.FRAMES:
            self._close(True)

    def finish(self, complete: bool) -> None:
        """Write the film.

        Args:
            complete: whether all frames were written; otherwise the film holds what there is, and the parts stay. A
                film that was left so before stays as it is if there is nothing new.
        """
        if self._part is not None:
            self._close(len(self._timings) == closed.FRAMES)
        if not self.parts.done:
            self.parts.drop()
            return
        if not complete and not self._begun and is_partial(self.parts.output):
            return
        mux(self.parts, self.film, self.look, self.time_base, self.audio, not complete, self.metadata)
        if complete:
            self.parts.remove()
        else:
            self.parts.note_partial()

    def give_up(self) -> None:
        """Drop the part at hand, and the folder if it is of no use."""
        self._drop()
        self.parts.drop()

    def _close(self, complete: bool) -> None:
        part, self._part = self._part, None
        assert part is not None  # noqa: S101 - there is one wherever this is called
        with self._open.pop_all():
            part.close()
        self.parts.keep(self.parts.done, part, self._timings, complete, self.memory if complete else {})
        self.done = self.parts.frames

    def _drop(self) -> None:
        if self._part is not None:
            self._part.abandon()
            self._part = None
        with suppress(_DroppedError), self._open.pop_all():
            raise _DroppedError


class _DroppedError(Exception):
    """Has a file that is being written thrown away."""

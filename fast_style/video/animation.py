"""Frames to an animation, which is written once all are there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from fast_style import images
from fast_style.video.begun import Begun, partial_frames, read_json, write_json
from fast_style.video.frame import Frame


@dataclass
class AnimationTarget:
    """Writes an animation (GIF, WebP or PNG), whose frames wait beside it until all are there.

    A frame is a file `00000.png` and `00000.json`, which is written last and tells when it is shown.

    Attributes:
        begun: where the frames wait.
        encoding: quality of the animation.
        remembers: whether a frame depends on those before it, so that what was begun is made anew.
    """

    begun: Begun
    encoding: images.Encoding
    remembers: bool = False
    done: int = field(default=0, init=False)
    memory: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        while self.begun.begun and not self.remembers and self._times(self.done) is not None:
            self.done += 1
        self.begun.done, self._new = self.done, False

    @property
    def kept(self) -> int:
        """How many frames the same command does not make again."""
        return 0 if self.remembers else self.done

    def write(self, number: int, frame: Frame) -> None:
        """Write a frame, without loss."""
        if not self._new:
            self.begun.begin()
            self._new = True
        alpha = None if frame.alpha is None else images.to_depth(frame.alpha, 8)
        picture = images.Picture([images.Frame(images.to_depth(frame.pixels, 8).contiguous(), alpha)])
        images.save_picture(self.begun.path(number, ".png"), picture)
        times = {"time": frame.time.as_integer_ratio(), "duration": frame.duration.as_integer_ratio()}
        write_json(self.begun.path(number, ".json"), times)
        self.done = self.begun.done = number + 1

    def finish(self, complete: bool) -> None:
        """Write the animation of the frames that are there, each shown until the next.

        Args:
            complete: whether these are all; otherwise they are kept. An animation that was left so before stays as it
                is if it holds as many frames.
        """
        if not self.done:
            self.begun.drop()
        elif complete or self.done > partial_frames(self.begun.output):
            images.save_picture(self.begun.output, images.Picture(_Waiting(self), loop=0), self.encoding)
            if complete:
                self.begun.remove()
            else:
                self.begun.note_partial(self.done)
        self.begun.release()

    def give_up(self) -> None:
        """What is written stays."""
        self.begun.drop()
        self.begun.release()

    def waiting(self) -> Iterator[images.Frame]:
        """Read the frames with the milliseconds for which they are shown."""
        times = [self._times(number) for number in range(self.done)]
        clock = _Hundredths() if self.begun.output.suffix.lower() == ".gif" else None
        for number, known in enumerate(times):
            if known is None:
                raise OSError(f"{self.begun.path(number, '.json')} is gone or damaged: repeat the command")
            time, duration = known
            after = times[number + 1] if number + 1 < self.done else None
            shown = duration if after is None else after[0] - time
            (frame,) = images.open_picture(self.begun.path(number, ".png")).frames
            milliseconds = float(1000 * shown) if clock is None else clock.milliseconds(shown)
            yield images.Frame(frame.pixels, frame.alpha, milliseconds)

    def _times(self, number: int) -> tuple[Fraction, Fraction] | None:
        """Read when a frame is shown and for how long; None if it is not there."""
        about = read_json(self.begun.path(number, ".json"))
        if about is None or not self.begun.path(number, ".png").is_file():
            return None
        return Fraction(*about["time"]), Fraction(*about["duration"])


class _Hundredths:
    """Rounds durations to hundredths of a second, as GIF has them, so that they add up.

    None is below two hundredths: players show a frame of one for ten.
    """

    def __init__(self) -> None:
        self._asked, self._given = Fraction(0), 0

    def milliseconds(self, shown: Fraction) -> float:
        self._asked += shown
        hundredths = max(2, round(100 * self._asked) - self._given)
        self._given += hundredths
        return 10.0 * hundredths


@dataclass(frozen=True)
class _Waiting:
    """The frames of an animation, read whenever they are iterated."""

    target: AnimationTarget

    def __len__(self) -> int:
        return self.target.done

    def __iter__(self) -> Iterator[images.Frame]:
        return self.target.waiting()

"""Films, read a frame at a time."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fast_style import images
from fast_style.images.transparency import fill_hidden
from fast_style.video.av_library import address, in_sentences, pyav
from fast_style.video.clock import clock_of, common_base
from fast_style.video.colour import KNOWN, NO_YCBCR, colours_of, to_sdr
from fast_style.video.decoding import aspect_of, decoded, length_of, scaled, times_of, to_rgb, turns_of
from fast_style.video.endings import is_cut_off
from fast_style.video.frame import Frame, Wanted
from fast_style.video.marks import Mark, Search, checksum_of
from fast_style.video.opening import opened, refuse_encrypted

BRIEF = Fraction(1, 1000)  # seconds below which nothing is shown of a frame that the start cuts
BACK = (0, 5, 30)  # seconds before --start where a frame to begin with is looked for: MPEG-TS finds a later one


@dataclass
class Film:
    """A film, of which nothing is decoded but the first frame until `frames` is iterated.

    Attributes:
        path: the file.
        wanted: which frames are read.
        size: height and width of the frames as they are read: upright, and resized.
        bits: per channel, 8 or more.
        alpha: whether frames may be transparent.
        colours: what the pixel values in the file mean.
        rate: frames a second on average; of what has no constant rate, only a hint.
        time_base: of the timestamps, in seconds.
        clock: what the file calls the time of the first frame, from which `wanted` and the frames count.
        aspect: width of a pixel by its height.
        length: seconds it lasts, as the file says; 0: unknown.
        sure: whether this is the length of the pictures, which sound may outlast.
        notes: what was wrong with it, each a sentence; grows while frames are read.
    """

    path: Path
    wanted: Wanted = field(default_factory=Wanted)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.path.is_file():
            refuse_encrypted(self.path)
        with self._opened() as (container, stream):
            first = next(decoded(container, stream, None), None)
            if first is None and stream.codec_context.name == "webp":
                raise ValueError(
                    f"cannot read film {self.path}: an animated WebP is no film; to stylize it give a .webp as --output"
                )
            if first is None:
                raise ValueError(f"cannot read film {self.path}: no picture in it can be decoded")
            self._check_matrix(first)
            self.colours = colours_of(first)
            self.bits = max(component.bits for component in first.format.components)
            self.alpha = any(component.is_alpha for component in first.format.components)
            self._mirrored, self._turns = turns_of(first)
            self.rate = Fraction(self.wanted.fps or stream.average_rate or stream.guessed_rate or 25)
            self.clock = clock_of(container, stream, first)
            base = 1 / self.wanted.fps if self.wanted.fps else Fraction(stream.time_base)
            self.time_base = common_base(base)
            if self.wanted.start and not self.wanted.fps:  # from which the frames' times are counted
                self.time_base = common_base(self.time_base, self.wanted.start)
            self.aspect = aspect_of(stream)
            self.length, self.sure = length_of(container, stream, self.clock.begin)
            self._raw_size = (first.height, first.width)
        if self._turns % 2:
            self.aspect = 1 / self.aspect
        self._scaled_size = scaled(self._raw_size, self.wanted.size)
        self.size = self._scaled_size[::-1] if self._turns % 2 else self._scaled_size
        if self.length and self.wanted.start >= self.length:
            start, length = float(self.wanted.start), float(self.length)
            raise ValueError(f"--start {start:g} is after the end of {self.path}, which lasts {length:.3f} s")
        if first.interlaced_frame:
            self.notes.append(f"{self.path} is interlaced: its frames are stylized as they are, with both fields")
        if self.colours.hdr:
            self.notes.append(f"{self.path} has high dynamic range ({self.colours.hdr}): turned into standard range")

    def size_of(self, side: int | None) -> tuple[int, int]:
        """Return height and width, upright, with so many pixels on the long side; None: its own."""
        height, width = scaled(self._raw_size, side)
        return (width, height) if self._turns % 2 else (height, width)

    @property
    def deep(self) -> bool:
        """Whether frames have more than 8 bits a channel."""
        return self.bits > 8

    @property
    def count(self) -> int:
        """How many frames there are about to be read; 0: unknown."""
        end = self.length if self.wanted.end is None else min(self.wanted.end, self.length or self.wanted.end)
        return max(0, round((end - self.wanted.start) * self.rate))

    def measure(self) -> None:
        """Read through the file for its length, if it does not tell it.

        Raises:
            OSError, ValueError: if it cannot be read.
        """
        if not self.length:
            self.length = max(self.times(), default=Fraction(0))

    def times(self) -> list[Fraction]:
        """Read through the file for when its frames are shown, in seconds after the first; errors as `measure`."""
        with self._opened() as (container, stream):
            return times_of(container, stream, self.clock)

    def frames(self, skip: int = 0) -> Iterator[Frame]:
        """Read the frames in their order, in constant memory.

        Args:
            skip: frames that are decoded and left out at the beginning.

        Yields:
            Upright frames; of a film of high dynamic range, of standard range.

        Raises:
            OSError, ValueError: if the file cannot be read. What is damaged in the middle is left out and noted.
        """
        for number, (raw, _, time, duration) in enumerate(self._chosen()):
            if number >= skip:
                yield self._converted(raw, time, duration)

    def marks(self) -> Iterator[Mark]:
        """Decode the frames that `frames` yields, without converting them, and mark them.

        Raises:
            OSError, ValueError: as `frames`.
        """
        for raw, place, time, duration in self._chosen():
            self._note_size(raw, time)
            yield Mark(place, time, duration, checksum_of(raw))

    def marked(self, marks: Sequence[Mark]) -> Iterator[Frame]:
        """Read frames that are marked, from the last frame before them that can be begun with.

        Where that gives others, since frames depend on those before in ways that the file does not tell, all frames
        from the beginning are decoded.

        Args:
            marks: some that `marks` yields, in their order.

        Raises:
            OSError: if the file cannot be read.
            ValueError: as well, or if the frames are not there.
        """
        frames = Search(self._timed(marks[0].place))
        for mark in marks:
            if not frames.find(mark):
                frames = Search(self._timed())
                if not frames.find(mark):
                    raise ValueError(
                        f"{self.path} has another picture at {float(mark.time):.3f} s than when it was read first: it "
                        "has changed, or differs from machine to machine"
                    )
            yield self._converted(frames.raw, mark.time, mark.duration)

    def _address(self) -> tuple[str, str | None]:
        """Tell FFmpeg what to open, and by which driver."""
        return address(self.path), None

    def _opened(self) -> AbstractContextManager[tuple[Any, Any]]:
        return opened(self.path, *self._address())

    def _chosen(self) -> Iterator[tuple[Any, Fraction, Fraction, Fraction]]:
        """Yield decoded frames between start and end, evenly if a rate is asked for, with their true times first."""
        timed = self._timed()
        if self.wanted.fps is None:
            yield from ((raw, time, time, duration) for raw, time, duration in timed)
            return
        step, number = 1 / self.wanted.fps, 0
        shown: tuple[Any, Fraction, Fraction] | None = None
        for raw, time, duration in timed:
            while shown is not None and number * step < time:
                yield shown[0], shown[1], number * step, step
                number += 1
            shown = raw, time, duration or step
        while shown is not None and number * step < shown[1] + shown[2]:
            yield shown[0], shown[1], number * step, step
            number += 1

    def _timed(self, since: Fraction = Fraction(0)) -> Iterator[tuple[Any, Fraction, Fraction]]:
        """Yield decoded frames between start and end with their times after the start; earlier ones may be left out.

        The frame that is shown at the start comes first, though it may have begun before.
        """
        wanted, usual, end = self.wanted, 1 / self.rate, Fraction(0)
        damaged: list[Fraction | None] = []
        held: tuple[Any, Fraction] | None = None  # the frame before, which is shown until the next
        late = 0
        place = self._place(wanted.start + since)
        with self._opened() as (container, stream):
            base = Fraction(stream.time_base)
            if place is not None:
                container.seek(place, stream=stream)
            for raw in decoded(container, stream, damaged):
                told = self.clock.time(raw, base)
                time = end if told is None else told
                if held is not None and time <= held[1]:  # too late to be shown
                    late += 1
                    continue
                if held is not None and time >= wanted.start + (BRIEF if held[1] < wanted.start else 0):
                    yield self._cut(*held, time)
                held, end = (raw, time), time + (raw.duration * base if raw.duration else usual)
                if wanted.end is not None and time >= wanted.end:
                    held = None
                    break
                if time < wanted.start:
                    damaged.clear()  # what comes before is not asked for
        if held is not None and end >= wanted.start + BRIEF:
            yield self._cut(*held, end)
        self._note_losses(damaged, end)
        if late:
            self.notes.append(
                f"{self.path} has times that go back: {late} frames, which come too late to be shown, are left out"
            )

    def _cut(self, raw: Any, begin: Fraction, end: Fraction) -> tuple[Any, Fraction, Fraction]:
        """Return a frame that is shown from one time to another, with its time after the start, and its duration."""
        begin = max(begin, self.wanted.start)
        end = end if self.wanted.end is None else min(end, self.wanted.end)
        return raw, begin - self.wanted.start, end - begin

    def _place(self, wanted: Fraction) -> int | None:
        """Find a timestamp from which on frames can be decoded up to a time; None: from the beginning."""
        for back in BACK if wanted else ():
            with self._opened() as (container, stream):
                base = Fraction(stream.time_base)
                place = int((self.clock.origin + wanted - back) / base)
                with suppress(pyav().FFmpegError):  # it cannot be sought in
                    container.seek(place, stream=stream)
                    first = next(decoded(container, stream, None), None)
                    time = None if first is None else self.clock.time(first, base)
                    if time is not None and time <= wanted:
                        return place
        return None

    def _check_matrix(self, first: Any) -> None:
        """Refuse colours that are no Y'CbCr, and note that their matrix is not converted."""
        matrix = int(first.colorspace)
        if matrix in NO_YCBCR:
            model = f"its colours are {NO_YCBCR[matrix]}, which is not converted"
            raise ValueError(f"cannot read film {self.path}: {model}: make a film with those of BT.709 of it")
        if matrix not in KNOWN:
            self.notes.append(f"{self.path} has colours of a matrix that is not converted ({matrix}): they are guessed")

    def _note_losses(self, damaged: list[Fraction | None], end: Fraction) -> None:
        """Note what could not be decoded, and that the film ends too early."""
        if damaged:
            where = "its end" if damaged[0] is None else f"{float(damaged[0] - self.clock.origin):.3f} s"
            self.notes.append(f"{self.path} is damaged at {where}: what can be read is stylized")
        if self.wanted.end is not None and end >= self.wanted.end:
            return
        if self.sure and self.length - end > 2 / self.rate:
            expected = f" of {float(self.length):.3f} s"
        elif is_cut_off(self.path):
            expected = ", without the end that its format has"
        else:
            return
        self.notes.append(f"{self.path} ends after {float(end):.3f} s{expected}: it is incomplete")

    def _note_size(self, raw: Any, time: Fraction) -> None:
        """Note once that a frame is of another size than the first."""
        if (raw.height, raw.width) != self._raw_size:
            was, now = (f"{w}×{h}" for h, w in (self._raw_size, (raw.height, raw.width)))
            note = f"the size of {self.path} changes from {was} to {now} at {float(time):.3f} s: resized to the first"
            self.notes.extend([note] if not any("changes from" in each for each in self.notes) else [])

    def _converted(self, raw: Any, time: Fraction, duration: Fraction) -> Frame:
        self._note_size(raw, time)
        hdr = self.colours.hdr is not None
        with in_sentences("read film", self.path):
            array = to_rgb(raw, self.colours, self._scaled_size, self.deep or hdr, self.alpha)
        array = np.rot90(array[::-1] if self._mirrored else array, self._turns)
        colours = array[..., :3]
        if hdr:
            colours = to_sdr(colours, self.colours.transfer)
        bits = 16 if self.deep else 8
        pixels = images.to_depth(torch.from_numpy(np.ascontiguousarray(colours)).permute(2, 0, 1), bits)  # (3, H, W)
        if not self.alpha:
            return Frame(pixels, None, time, duration)
        alpha = images.to_depth(torch.from_numpy(np.ascontiguousarray(array[None, ..., 3])), bits)
        return Frame(fill_hidden(pixels, alpha), alpha, time, duration)

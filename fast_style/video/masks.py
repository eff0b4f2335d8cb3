"""Masks that move: a film, or frames in a folder, whose light tells where something applies."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from fast_style import images
from fast_style.functional import luma
from fast_style.video.folders import FrameFolder, frame_files, stands_for_frames
from fast_style.video.formats import is_film
from fast_style.video.frame import Frame, Wanted
from fast_style.video.reading import Film


def open_frames(path: Path, wanted: Wanted) -> Film | FrameFolder:
    """Open a film, an animation, a folder of frames or a pattern such as `frames/%05d.png`.

    Raises:
        OSError, ValueError, RuntimeError: as `Film` and `FrameFolder`; if the file is not there.
    """
    if stands_for_frames(path):
        return FrameFolder(path, wanted)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    return Film(path, wanted)


def moves(path: Path) -> bool:
    """Tell whether a mask is a film, a folder of frames or an animation that is read as a film: GIF or PNG.

    Raises:
        OSError, ValueError: if what is called like an animation cannot be read.
    """
    if is_film(path) or stands_for_frames(path):
        return True
    return path.suffix.lower() in (".gif", ".png", ".apng") and path.is_file() and images.open_picture(path).animated


class MovingMask:
    """Where something applies in each frame of a film.

    Frames in a folder are those of the film, one for each, if there are as many; otherwise they are shown evenly.

    Args:
        path: a film, a folder of frames or a pattern, white where it applies.
        film: the film it is for, of the same length.

    Attributes:
        notes: what was wrong with it, each a sentence; grows while it is read.

    Raises:
        ValueError: if it is of another length, as far as both files tell that of their pictures, or cannot be read.
        OSError: if it cannot be read.
    """

    def __init__(self, path: Path, film: Film | FrameFolder) -> None:
        self.path, self._usual = path, 1 / film.rate
        self._times = _times_of_each(path, film)
        self._start = film.wanted.start
        self._mask = FrameFolder(path, Wanted(fps=film.rate)) if self._times else _of_same_length(path, film)
        self.notes = self._mask.notes
        self._slack = Fraction(0) if self._times else self._usual  # between a frame of the film and its mask
        self._ended = bool(self._times)  # with the film
        self._frames: Iterator[Frame] | None = None
        self._shown: Frame | None = None
        self._next: Frame | None = None
        self._last: Tensor | None = None

    def at(self, time: Fraction) -> Tensor:
        """Return the mask that is shown at a time: (1, 1, H, W) in [0, 1]. Times must not go back.

        A mask that is shown within half a frame counts: times of Matroska are rounded to thousandths of a second.
        """
        if self._frames is None:  # only now, since many masks may wait
            self._frames = self._read()
            self._next = next(self._frames, None)
        while self._next is not None and (self._shown is None or self._begin(self._shown, self._next) <= time):
            self._shown, self._next, self._last = self._next, next(self._frames, None), None
        if self._shown is None:
            raise ValueError(f"mask {self.path} has no picture")
        end = self._shown.time + self._shown.duration
        if self._next is None and not self._ended and time > end + self._usual:
            self._ended = True
            self.notes.append(f"mask {self.path} ends after {float(end):.3f} s: its last picture stays")
        if self._last is None:
            light = luma(images.to_float(self._shown.pixels)[None])
            alpha = self._shown.alpha
            self._last = light if alpha is None else light * images.to_float(alpha)[None]
        return torch.as_tensor(self._last)

    def _read(self) -> Iterator[Frame]:
        """Read the frames of the mask, from the one that is shown at the start on."""
        if not self._times:
            yield from self._mask.frames()
            return
        first = max(0, bisect_right(self._times, self._start) - 1)
        for time, frame in zip(self._times[first:], self._mask.frames(first), strict=True):
            yield replace(frame, time=time - self._start)

    def _begin(self, before: Frame, frame: Frame) -> Fraction:
        """Tell from when on a frame counts that comes after another."""
        return frame.time - min(frame.time - before.time, self._slack) / 2


def _times_of_each(path: Path, film: Film | FrameFolder) -> list[Fraction]:
    """Tell when each frame of a film is shown if a mask has as many in a folder; empty: it has not."""
    if not stands_for_frames(path) or not isinstance(film, Film):
        return []
    times = film.times()
    return times if len(frame_files(path)) == len(times) else []


def _of_same_length(path: Path, film: Film | FrameFolder) -> Film | FrameFolder:
    """Open a mask for a film.

    Raises:
        ValueError: if it is of another length, as far as both files tell that of their pictures.
    """
    rate = film.rate if stands_for_frames(path) else None
    mask = open_frames(path, Wanted(film.wanted.start, film.wanted.end, rate))
    known = mask.sure and film.sure and mask.count and film.count
    if known and abs(mask.length - film.length) > 1.5 / film.rate:
        lengths = f"{float(mask.length):.3f} s, {film.path} {float(film.length):.3f} s"
        raise ValueError(f"mask {path} lasts {lengths}: give one of the same length, or an image")
    return mask

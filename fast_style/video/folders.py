"""Frames in a folder: read as a film, and written."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fast_style import images
from fast_style.video.begun import difference, note_recipe
from fast_style.video.clock import common_base
from fast_style.video.colour import BT709, FULL, RGB, Colours
from fast_style.video.decoding import scaled
from fast_style.video.formats import PATTERN, is_pattern
from fast_style.video.frame import Frame, Wanted
from fast_style.video.marks import Mark

RATE = Fraction(25)  # frames a second, if none is asked for


@dataclass
class FrameFolder:
    """Pictures that are the frames of a film, with the attributes of `Film`.

    Attributes:
        path: a folder, whose pictures are taken in the order of their names, or a pattern of printf such as
            `frames/%05d.png`, whose numbers may begin anywhere and have gaps.
        wanted: which frames are read; without a rate they are taken to be shown 25 times a second.
        size: height and width of the first frame, which all others must have.
        bits: per channel, 8 or 16.
        alpha: whether the first frame has transparency.

    Raises:
        ValueError: if there is no picture, or `--start` is after the last.
    """

    path: Path
    wanted: Wanted = field(default_factory=Wanted)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.paths = _listed(self.path) if self.path.is_dir() else _numbered(self.path)
        if not self.paths:
            raise ValueError(f"no frame is there: {self.path}")
        self.rate = self.wanted.fps or RATE
        self.time_base, self.aspect = common_base(1 / self.rate), Fraction(1)
        self.colours = Colours(RGB, FULL, BT709, BT709)
        self.length, self.sure = len(self.paths) / self.rate, True
        if self.wanted.start >= self.length:
            start, length = float(self.wanted.start), float(self.length)
            raise ValueError(f"--start {start:g} is after the end of {self.path}, which lasts {length:.3f} s")
        end = self.length if self.wanted.end is None else self.wanted.end
        self._chosen = [path for number, path in enumerate(self.paths) if self.wanted.start <= number / self.rate < end]
        first = self._read(self.paths[0], Fraction(0))
        height, width = first.pixels.shape[-2:]
        self.size, self.alpha = (height, width), first.alpha is not None
        self.deep = first.pixels.dtype == torch.uint16
        self.bits = 16 if self.deep else 8
        if self.wanted.fps is None:
            self.notes.append(f"{self.path}: {RATE} frames a second; --fps sets another rate")

    def size_of(self, side: int | None) -> tuple[int, int]:
        """Return height and width with so many pixels on the long side; None: those of the first frame's file."""
        return scaled(images.open_picture(self.paths[0]).size, side)

    @property
    def count(self) -> int:
        """How many frames are read."""
        return len(self._chosen)

    def frames(self, skip: int = 0) -> Iterator[Frame]:
        """Read the frames in their order.

        Args:
            skip: frames that are left out at the beginning.

        Raises:
            OSError, ValueError: if one cannot be read.
        """
        for number, path in islice(enumerate(self._chosen), skip, None):
            yield self._read(path, number / self.rate)

    def marks(self) -> Iterator[Mark]:
        """Mark the frames that `frames` yields, without reading them."""
        for number in range(self.count):
            yield Mark(Fraction(number), number / self.rate, 1 / self.rate)

    def marked(self, marks: Sequence[Mark]) -> Iterator[Frame]:
        """Read frames that are marked.

        Raises:
            OSError, ValueError: as `frames`.
        """
        return islice(self.frames(int(marks[0].place)), len(marks))

    def _read(self, path: Path, time: Fraction) -> Frame:
        picture = images.open_picture(path).still()
        if self.wanted.size is not None:
            picture = picture.resized(self.wanted.size)
        (frame,) = picture.frames
        bits = 16 if getattr(self, "deep", picture.bits == 16) else 8
        pixels, alpha = images.to_depth(frame.pixels, bits), frame.alpha
        if getattr(self, "size", pixels.shape[-2:]) != pixels.shape[-2:]:
            height, width = pixels.shape[-2:]
            raise ValueError(f"{path} is {width}×{height}, the first frame {self.size[1]}×{self.size[0]}")
        return Frame(pixels, None if alpha is None else images.to_depth(alpha, bits), time, 1 / self.rate)


@dataclass
class FolderTarget:
    """Writes frames as pictures. Those that the same command has left unfinished are left as they are.

    While they are not all there, a hidden file beside them tells what they were made from and how.

    Attributes:
        path: a folder, for `00000.png`, `00001.png`, …, or a pattern of printf.
        overwrite: whether frames of another film, or that were made otherwise or are all there, are replaced.
        encoding: quality and depth of the pictures.
        recipe: everything on which the frames depend.
        remembers: whether a frame depends on those before it, so that an unfinished film is begun anew.

    Raises:
        FileExistsError: if there are frames that were made otherwise, or are finished, and they must not be replaced.
    """

    path: Path
    overwrite: bool
    encoding: images.Encoding
    recipe: Mapping[str, Any] = field(default_factory=dict)
    remembers: bool = False
    done: int = 0
    memory: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """How many frames the same command does not make again."""
        return 0 if self.remembers else self.done

    def __post_init__(self) -> None:
        self.pattern = self.path if is_pattern(self.path) else self.path / "%05d.png"
        self.manifest = self.pattern.with_name(f".{self.pattern.name}.json")
        same = self.manifest.is_file() and difference(self.manifest, self.recipe) is None
        if not self.overwrite and not same and (there := _numbered(self.pattern)):
            raise FileExistsError(
                f"{there[0]} exists, of another film or made otherwise: choose another place, or give --overwrite"
            )
        while same and not self.remembers and self._is_ours(self.place(self.done)):
            self.done += 1

    def place(self, number: int) -> Path:
        """Name the file of a frame."""
        return self.pattern.with_name(PATTERN.sub(lambda found: found[0] % number, self.pattern.name, count=1))

    @property
    def later(self) -> list[Path]:
        """Frames of before whose numbers are above those of this film, which stay."""
        there = _numbered(self.pattern)
        return there[there.index(last) + 1 :] if (last := self.place(self.done - 1)) in there else []

    def _is_ours(self, path: Path) -> bool:
        """Tell whether a frame was written since this film was begun, and not by another before."""
        return path.is_file() and path.stat().st_mtime_ns >= self.manifest.stat().st_mtime_ns

    def write(self, number: int, frame: Frame) -> None:
        """Write a frame."""
        if number == 0 or not self.manifest.is_file():
            self.manifest.parent.mkdir(parents=True, exist_ok=True)
            note_recipe(self.manifest, self.recipe)
        pixels = images.Frame(frame.pixels.contiguous(), frame.alpha)
        bits = 16 if frame.pixels.dtype == torch.uint16 else 8
        images.save_picture(self.place(number), images.Picture([pixels], bits=bits), self.encoding)
        self.done = number + 1

    def finish(self, complete: bool) -> None:
        """Remove what tells how to go on, once all frames are there."""
        if complete:
            self.manifest.unlink(missing_ok=True)

    def give_up(self) -> None:
        """What is written stays."""


def frame_files(path: Path) -> list[Path]:
    """List the files that a folder, a pattern of printf or a file stands for."""
    if not stands_for_frames(path):
        return [path]
    return _listed(path) if path.is_dir() else _numbered(path)


def stands_for_frames(path: Path) -> bool:
    """Tell whether a path is a folder or a pattern, not a file, though it may be called like a pattern."""
    return path.is_dir() or (is_pattern(path) and not path.is_file())


def _numbered(pattern: Path) -> list[Path]:
    """Find the files that a pattern stands for, by their numbers."""
    found = PATTERN.search(pattern.name)
    assert found is not None  # noqa: S101 - it is a pattern
    before, after = pattern.name[: found.start()], pattern.name[found.end() :]
    digits = f"\\d{{{int(found[1])},}}" if found[1] else "\\d+"
    names = re.compile(f"{re.escape(before)}({digits}){re.escape(after)}")
    if not pattern.parent.is_dir():
        return []
    matches = [(names.fullmatch(path.name), path) for path in pattern.parent.iterdir()]
    return [path for _, path in sorted((int(match[1]), path) for match, path in matches if match)]


def _listed(folder: Path) -> list[Path]:
    return [folder / name for name in images.list_images(folder, deep=False).names]

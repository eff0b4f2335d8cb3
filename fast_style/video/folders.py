"""Frames in a folder: read as a film, and written."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fast_style import images
from fast_style.video.begun import difference, note_recipe, renew_recipe
from fast_style.video.clock import common_base
from fast_style.video.colour import BT709, FULL, RGB, Colours
from fast_style.video.decoding import scaled
from fast_style.video.formats import PATTERN, is_film, is_pattern
from fast_style.video.frame import Frame, Wanted
from fast_style.video.lock import Lock
from fast_style.video.marks import Mark

RATE = Fraction(25)  # frames a second, if none is asked for


@dataclass
class FrameFolder:
    """Pictures that are the frames of a film, with the attributes of `Film`.

    Attributes:
        path: a folder, whose pictures are taken in the order of their names, or a pattern of printf such as
            `frames/%05d.png`, whose numbers may begin anywhere and have gaps.
        wanted: which frames are read; without a rate they are taken to be shown 25 times a second.
        size: height and width of the first frame that can be read, to which the others are resized.
        bits: per channel, 8 or 16.
        alpha: whether that frame has transparency.
        first: the file of that frame.
        chosen: the files of the frames that are read.
        notes: what was wrong with them, each a sentence; grows while frames are read.

    Raises:
        ValueError: if there is no picture that can be read, or `--start` is after the last.
        OSError: if one cannot be opened.
    """

    path: Path
    wanted: Wanted = field(default_factory=Wanted)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.paths = _listed(self.path) if self.path.is_dir() else _numbered(self.path)
        if not self.paths:
            films = films_in(self.path)
            raise ValueError(f"no frame is there: {self.path}{films and f'; {films}'}")
        self.rate = self.wanted.fps or RATE
        self.time_base, self.aspect = common_base(1 / self.rate), Fraction(1)
        self.colours = Colours(RGB, FULL, BT709, BT709)
        self.length, self.sure = len(self.paths) / self.rate, True
        if self.wanted.start >= self.length:
            start, length = float(self.wanted.start), float(self.length)
            raise ValueError(f"--start {start:g} is after the end of {self.path}, which lasts {length:.3f} s")
        end = self.length if self.wanted.end is None else self.wanted.end
        self.chosen = [path for number, path in enumerate(self.paths) if self.wanted.start <= number / self.rate < end]
        self._damaged: dict[Path, str] = {}
        self.first, picture = self._readable(self.paths)
        (first,) = picture.frames
        self.size, self.alpha, self.bits = first.size, first.alpha is not None, 16 if picture.bits == 16 else 8
        self.deep = self.bits == 16
        if self.wanted.fps is None:
            self.notes.append(f"{self.path}: {RATE} frames a second; --fps sets another rate")

    def size_of(self, side: int | None) -> tuple[int, int]:
        """Return height and width with so many pixels on the long side; None: those of the first frame's file."""
        return scaled(images.open_picture(self.first).size, side)

    @property
    def count(self) -> int:
        """How many frames are read."""
        return len(self.chosen)

    def frames(self, skip: int = 0) -> Iterator[Frame]:
        """Read the frames in their order.

        In the place of one that is damaged the frame before is read again, or, where there is none that is whole, the
        next; frames of another size than the first are resized to it. Both is noted.

        Args:
            skip: frames that are left out at the beginning.

        Raises:
            OSError: if one cannot be opened.
            ValueError: if none is whole.
        """
        for number in range(skip, self.count):
            nearest = chain(range(number, -1, -1), range(number + 1, self.count))
            path, picture = self._readable(self.chosen[place] for place in nearest)
            yield self._frame(path, picture, number / self.rate)

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

    def _readable(self, paths: Iterable[Path]) -> tuple[Path, images.Picture]:
        """Read the first of some pictures that is whole, and note those before it that are not."""
        for path in paths:
            if path in self._damaged:
                continue
            try:
                picture = images.open_picture(path).still()
            except ValueError as error:
                self._damaged[path] = str(error)
                self.notes.append(f"{error}: the frame beside it is shown in its place")
                continue
            return path, picture if self.wanted.size is None else picture.resized(self.wanted.size)
        raise ValueError(f"no frame of {self.path} can be read: {next(iter(self._damaged.values()))}")

    def _frame(self, path: Path, picture: images.Picture, time: Fraction) -> Frame:
        (frame,) = picture.frames
        if frame.size != self.size:
            was, now = (f"{width}×{height}" for height, width in (self.size, frame.size))
            if not any("changes from" in note for note in self.notes):
                self.notes.append(f"the size changes from {was} to {now} at {path}: resized to the first")
            frame = frame.recoloured(images.resize(frame.pixels[None], self.size))
        pixels, alpha = images.to_depth(frame.pixels, self.bits), frame.alpha
        return Frame(pixels, None if alpha is None else images.to_depth(alpha, self.bits), time, 1 / self.rate)


@dataclass
class FolderTarget:
    """Writes frames as pictures. Those that the same command has left unfinished are left as they are.

    While they are not all there, a hidden file beside them tells what they were made from and how; another keeps other
    commands from them meanwhile.

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
        self._lock = Lock(self.pattern.with_name(f".{self.pattern.name}.lock"), self.pattern)
        self._written = False  # whether this command has written a frame
        self.done = self._made()
        same = self.manifest.is_file() and difference(self.manifest, self.recipe, self.done) is None
        if not self.overwrite and not same and (there := _numbered(self.pattern)):
            raise FileExistsError(
                f"{there[0]} exists, of another film or made otherwise: choose another place, or give --overwrite"
            )
        if not same or self.remembers:
            self.done = 0

    def place(self, number: int) -> Path:
        """Name the file of a frame."""
        return self.pattern.with_name(PATTERN.sub(lambda found: found[0] % number, self.pattern.name, count=1))

    @property
    def later(self) -> list[Path]:
        """Frames of before whose numbers are above those of this film, which stay."""
        there = _numbered(self.pattern)
        return there[there.index(last) + 1 :] if (last := self.place(self.done - 1)) in there else []

    def _made(self) -> int:
        """Count the frames that were written since this film was begun, up to the first that was not."""
        return next(number for number in count() if not self._is_ours(self.place(number)))

    def _is_ours(self, path: Path) -> bool:
        """Tell whether a frame was written since this film was begun, and not by another before."""
        there = path.is_file() and self.manifest.is_file()
        return there and path.stat().st_mtime_ns >= self.manifest.stat().st_mtime_ns

    def write(self, number: int, frame: Frame) -> None:
        """Write a frame; OSError if another command is writing such frames."""
        self.manifest.parent.mkdir(parents=True, exist_ok=True)
        self._lock.hold()
        if number == 0 or not self.manifest.is_file():
            note_recipe(self.manifest, self.recipe)
        elif not self._written:
            renew_recipe(self.manifest, self.recipe)
        self._written = True
        pixels = images.Frame(frame.pixels.contiguous(), frame.alpha)
        bits = 16 if frame.pixels.dtype == torch.uint16 else 8
        images.save_picture(self.place(number), images.Picture([pixels], bits=bits), self.encoding)
        self.done = number + 1

    def finish(self, complete: bool) -> None:
        """Remove what tells how to go on, once all frames are there."""
        if complete:
            self.manifest.unlink(missing_ok=True)
        self._lock.remove()

    def give_up(self) -> None:
        """What is written stays."""
        self._lock.remove()


def frame_files(path: Path) -> list[Path]:
    """List the files that a folder, a pattern of printf or a file stands for."""
    if not stands_for_frames(path):
        return [path]
    return _listed(path) if path.is_dir() else _numbered(path)


def stands_for_frames(path: Path) -> bool:
    """Tell whether a path is a folder or a pattern, not a file, though it may be called like a pattern."""
    return path.is_dir() or (is_pattern(path) and not path.is_file())


def films_in(folder: Path) -> str:
    """Tell how the films in a folder are stylized; empty if there is none."""
    films = sorted(path.suffix for path in folder.iterdir() if is_film(path)) if folder.is_dir() else []
    return f"films ({len(films)}) are stylized if they are named: --input {folder}/*{films[0]}" if films else ""


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

"""Neighbouring frames of films, and how what they show has moved: what networks for films learn from."""

import copy
from collections.abc import Iterator
from fractions import Fraction
from itertools import count, islice
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from fast_style.data.photos import Sample, generator
from fast_style.data.shards import ShardStream
from fast_style.functional import luma
from fast_style.images import resize_short_side, to_float
from fast_style.video import FILMS, Film, Wanted, is_film
from fast_style.video.flow import at_edges, flow_between, hidden

DRAW = 7  # lest clips are drawn like anything else of a sample


class ClipPair(TypedDict):
    """A frame of a film and the next.

    Attributes:
        image: the frame, RGB of shape (3, H, W) in [0, 1].
        after: the next one, of the same shape.
        flow: from each pixel of the next to where it was, pixels to the right and down, (2, H, W).
        seen: 1 where the frame shows what the next shows, and no motion ends, else 0; (1, H, W).
        skipped: names of the films passed over.
    """

    image: Tensor
    after: Tensor
    flow: Tensor
    seen: Tensor
    skipped: list[str]


class ClipPairs(torch.utils.data.Dataset[ClipPair]):
    """Endless pairs of neighbouring frames: number `index` depends on (seed, index) alone, for any index from 0 on.

    A film is drawn, a time in it, and a square of the two frames, which are mirrored half the time. Frames whose short
    side is more than twice the size are reduced to that, smaller ones than the size are enlarged. The flow is found by
    dense inverse search in both directions; where they disagree something is hidden. A film that can no longer be read
    is replaced by the one after it.

    Args:
        root: a folder of films, at any depth.
        size: side of the squares in pixels, at least 16.
        seed: another seed, another sequence.

    Attributes:
        skipped: names of the films of which two frames cannot be read.

    Raises:
        FileNotFoundError: if there is no such folder, or no film in it.
        ValueError: if the size is too small, or two frames can be read of none of the films.
        RuntimeError: if PyAV is not installed.
    """

    def __init__(self, root: str | Path, size: int, seed: int = 0) -> None:
        if size < 16:
            raise ValueError(f"the size of squares of films must be at least 16 pixels, got {size}")
        folder = Path(root)
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder of films at {root}")
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and is_film(path))
        if not paths:
            raise FileNotFoundError(f"{root} holds no film: looked for {', '.join(FILMS)} at any depth")
        self.size = size
        self.seed = seed
        self.folder = folder
        self.skipped: list[str] = []
        self.films: list[Film] = []
        why = ""
        for path in paths:
            try:
                film = Film(path)
                _two(film, Fraction(0))
                film.measure()
                self.films.append(film)
            except (ValueError, OSError) as error:
                self.skipped.append(self._name(path))
                why = str(error)
        if not self.films:
            raise ValueError(f"of none of the {len(paths)} films in {root} two frames can be read: {why}")

    def __getitem__(self, index: int) -> ClipPair:
        """Read pair `index`.

        Raises:
            RuntimeError: if none of the films can be read any more.
        """
        draws = generator(self.seed, index, DRAW)
        first = int(torch.randint(len(self.films), (), generator=draws))
        place = Fraction(float(torch.rand((), generator=draws))).limit_denominator(100_000)
        frames, skipped = self._frames(first, place)
        before, after = (self._sized(pixels) for pixels in frames)
        was, now = (np.asarray((luma(each)[0, 0] * 255).round().byte().numpy()) for each in (before, after))
        flow, back = flow_between(now, was, accurate=True), flow_between(was, now, accurate=True)
        seen = torch.from_numpy(~(hidden(flow, back) | at_edges(flow)))[None].float()
        h, w = now.shape
        top, left = (int(torch.randint(side - self.size + 1, (), generator=draws)) for side in (h, w))
        mirrored = bool(torch.rand((), generator=draws) < 0.5)

        def cut(values: Tensor) -> Tensor:
            part = values[..., top : top + self.size, left : left + self.size]
            return part.flip(-1) if mirrored else part

        way = cut(torch.from_numpy(flow).permute(2, 0, 1)) * torch.tensor([-1.0 if mirrored else 1.0, 1])[:, None, None]
        image, following = cut(before[0]), cut(after[0])
        return {"image": image, "after": following, "flow": way, "seen": cut(seen), "skipped": skipped}

    def _frames(self, first: int, place: Fraction) -> tuple[list[Tensor], list[str]]:
        """Read two frames at a place, 0 to 1, of a film or the next that can be read; name those passed over."""
        skipped: list[str] = []
        why = ""
        for film in (*self.films[first:], *self.films[:first]):
            last = max(Fraction(0), film.length - 3 / film.rate)
            for start in (place * last, Fraction(0)):
                try:
                    return _two(film, start), skipped
                except (ValueError, OSError) as error:
                    why = str(error)
            skipped.append(self._name(film.path))
        raise RuntimeError(f"no film to learn from: none of the {len(self.films)} can be read any more: {why}")

    def _name(self, path: str | Path) -> str:
        return str(Path(path).relative_to(self.folder))

    def _sized(self, pixels: Tensor) -> Tensor:
        """Make the short side of a frame (3, H, W) one to two times the size: (1, 3, h, w) in [0, 1]."""
        short = min(pixels.shape[-2:])
        side = min(max(short, self.size), 2 * self.size)
        image = to_float(pixels)[None]
        return image if side == short else resize_short_side(image, side)


class HalfClips(torch.utils.data.Dataset[Sample]):
    """Samples of even numbers are frames of films, with what follows them, the others photos, one after the other.

    Args:
        photos: endless, by number.
        clips: the frames of even sample n are pair n.
    """

    def __init__(self, photos: torch.utils.data.Dataset[Sample], clips: ClipPairs) -> None:
        self.photos = photos
        self.clips = clips

    def __getitem__(self, index: int) -> Sample:
        """Read sample `index`."""
        return _numbered(self.photos[index // 2], index) if index % 2 else _frame(self.clips, index)


class HalfClipStream(torch.utils.data.IterableDataset[Sample]):
    """Such samples of photos that are read one after the other.

    Args:
        stream: of the photos of this process, of which as many are read as samples are photos.
        clips: see `HalfClips`.

    Attributes:
        start: the first sample of this process.
        counts: photos of each shard by its name, as far as known.
    """

    def __init__(self, stream: ShardStream, clips: ClipPairs) -> None:
        self.stream = stream
        self.clips = clips
        self.start = stream.start
        self.counts = stream.counts

    def __iter__(self) -> Iterator[Sample]:
        """Yield samples without end, see `ShardStream`."""
        self.stream.start, self.stream.counts = self.start // 2, self.counts
        photos = iter(self.stream)
        for index in map(self.stream.number, count(self.start)):
            yield _numbered(next(photos), index) if index % 2 else _frame(self.clips, index)


def _numbered(photo: Sample, index: int) -> Sample:
    photo = photo.copy()
    photo["index"] = torch.tensor(index)
    return photo


def _frame(clips: ClipPairs, index: int) -> Sample:
    pair = clips[index]
    return {
        "image": pair["image"],
        "index": torch.tensor(index),
        "skipped": pair["skipped"],
        "enlarged": [],
        "after": pair["after"],
        "flow": pair["flow"],
        "seen": pair["seen"],
    }


def _two(film: Film, start: Fraction) -> list[Tensor]:
    """Read two frames (3, H, W) from a time on.

    Raises:
        ValueError: if there are not as many.
        OSError: if the film cannot be read.
    """
    part = copy.copy(film)
    part.wanted, part.notes = Wanted(start=start), []
    frames = [frame.pixels for frame in islice(part.frames(), 2)]
    if len(frames) < 2:
        raise ValueError(f"{film.path} has a single frame: there is no motion to learn from")
    return frames

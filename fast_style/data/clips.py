"""Neighbouring frames of films, and how what they show has moved: what networks for films learn from."""

import copy
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from fast_style.data.photos import generator
from fast_style.functional import luma
from fast_style.images import resize_short_side, to_float
from fast_style.video import FILMS, Film, Wanted, is_film
from fast_style.video.flow import at_edges, flow_between, hidden

DRAW = 7  # lest clips are drawn like anything else of a sample


class ClipPair(TypedDict):
    """A frame of a film and the next, or M of each in a batch.

    Attributes:
        image: the frame, RGB of shape (3, H, W) in [0, 1], or (M, 3, H, W).
        after: the next one, of the same shape.
        flow: from each pixel of the next to where it was, pixels to the right and down, (2, H, W) or (M, 2, H, W).
        seen: 1 where the frame shows what the next shows, and no motion ends, else 0; (1, H, W) or (M, 1, H, W).
    """

    image: Tensor
    after: Tensor
    flow: Tensor
    seen: Tensor


class ClipPairs(torch.utils.data.Dataset[ClipPair]):
    """Endless pairs of neighbouring frames: number `index` depends on (seed, index) alone, for any index from 0 on.

    A film is drawn, a time in it, and a square of the two frames, which are mirrored half the time. Frames whose short
    side is more than twice the size are reduced to that, smaller ones than the size are enlarged. The flow is found by
    dense inverse search in both directions; where they disagree something is hidden.

    Args:
        root: a folder of films, at any depth.
        size: side of the squares in pixels, at least 16.
        seed: another seed, another sequence.

    Attributes:
        skipped: names of the films that cannot be read.

    Raises:
        FileNotFoundError: if there is no such folder, or no film in it.
        ValueError: if the size is too small, or none of the films can be read.
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
        self.skipped: list[str] = []
        self.films: list[Film] = []
        why = ""
        for path in paths:
            try:
                self.films.append(Film(path))
            except (ValueError, OSError) as error:
                self.skipped.append(str(path.relative_to(folder)))
                why = str(error)
        if not self.films:
            raise ValueError(f"none of the {len(paths)} films in {root} can be read: {why}")

    def __getitem__(self, index: int) -> ClipPair:
        """Read pair `index`.

        Raises:
            ValueError, OSError: if the film whose turn it is has a single frame, or cannot be read any more.
        """
        draws = generator(self.seed, index, DRAW)
        film = self.films[int(torch.randint(len(self.films), (), generator=draws))]
        last = max(Fraction(0), film.length - 3 / film.rate)
        place = Fraction(float(torch.rand((), generator=draws))).limit_denominator(100_000)
        frames = _two(film, place * last) or _two(film, Fraction(0))
        if not frames:
            raise ValueError(f"{film.path} has a single frame: there is no motion to learn from")
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
        return {"image": cut(before[0]), "after": cut(after[0]), "flow": way, "seen": cut(seen)}

    def _sized(self, pixels: Tensor) -> Tensor:
        """Make the short side of a frame (3, H, W) one to two times the size: (1, 3, h, w) in [0, 1]."""
        short = min(pixels.shape[-2:])
        side = min(max(short, self.size), 2 * self.size)
        image = to_float(pixels)[None]
        return image if side == short else resize_short_side(image, side)


def _two(film: Film, start: Fraction) -> list[Tensor]:
    """Read two frames (3, H, W) from a time on; none if there are not as many."""
    part = copy.copy(film)
    part.wanted, part.notes = Wanted(start=start), []
    frames = [frame.pixels for frame in islice(part.frames(), 2)]
    return frames if len(frames) == 2 else []

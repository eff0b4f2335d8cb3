"""How much a way of stylizing flickers on a film."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from torch import Tensor

from fast_style import images
from fast_style.evaluate.numbers import for_json
from fast_style.functional import luma
from fast_style.video.flow import at_edges, farneback, flow_between, hidden, moved

Stylize = Callable[[Tensor], Tensor]
Flow = tuple[
    np.ndarray, np.ndarray
]  # from each pixel to where it was, (H, W, 2) float32, and where it was seen, (H, W)
LONG = 10  # frames apart, of the long term
LEAST = 0.1  # share of a frame that must be found again in another to be compared


@dataclass(frozen=True)
class FilmScores:
    """What a way of stylizing scores on the frames of a film; less is better but for contrast.

    A frame's picture is compared with that of an earlier frame, moved along the flow of the film itself, where nothing
    is hidden and no motion ends.

    Attributes:
        name: name of the way of stylizing.
        stability: e_stab, root of the mean squared difference of neighbours (Ruder et al. 2016).
        warping: E_warp, mean squared difference of neighbours, times 1000 (Lai et al. 2018).
        long_term: as `stability`, of frames ten apart; NaN in a shorter film.
        flow: tOF, mean length in pixels of the difference of the pictures' flow and the film's (Chu et al. 2020).
        contrast: mean standard deviation of luma.
        objective: mean total loss of some pictures; None: no style was given.
        frames_per_second: of stylizing alone.
    """

    name: str
    stability: float
    warping: float
    long_term: float
    flow: float
    contrast: float
    objective: float | None
    frames_per_second: float

    def as_dict(self) -> dict[str, Any]:
        """Return the scores as plain values, for JSON; None stands for what is not finite."""
        plain: dict[str, Any] = for_json(asdict(self))
        return plain


class FilmMeasure:
    """Measures ways of stylizing on one film, whose flow is found once.

    Args:
        frames: at least two, RGB of shape (1, 3, H, W), uint8; all are held.
        objective: total loss of a picture and its frame; None: it is not measured.
        flow: the true flow, from a frame back to an earlier one, by their numbers; None: it is found by dense inverse
            search.

    Raises:
        ValueError: if there is only one frame.
    """

    def __init__(
        self,
        frames: Sequence[Tensor],
        objective: Callable[[Tensor, Tensor], float] | None = None,
        flow: Callable[[int, int], Flow] | None = None,
    ) -> None:
        if len(frames) < 2:
            raise ValueError("flicker is measured on two frames or more")
        self.frames, self._objective = frames, objective
        self._light = [_light(images.to_float(frame)) for frame in frames]
        pairs = {gap: list(zip(range(gap, len(frames)), range(len(frames)), strict=False)) for gap in (1, LONG)}
        self._pairs = {gap: [(flow or self._found)(*pair) for pair in each] for gap, each in pairs.items()}
        self._motion = [farneback(a, b) for a, b in pairwise(self._light)]

    def __call__(self, name: str, stylize: Stylize) -> FilmScores:
        """Stylize all frames in their order and measure the pictures.

        Args:
            name: what the scores are called.
            stylize: maps RGB of shape (1, 3, H, W), uint8, to the same shape, uint8 or float in [0, 1].
        """
        began = time.perf_counter()
        pictures = [stylize(frame) for frame in self.frames]
        seconds = time.perf_counter() - began
        floats = [each if each.is_floating_point() else images.to_float(each) for each in pictures]
        arrays = [np.ascontiguousarray(each[0].permute(1, 2, 0).numpy()) for each in floats]
        near, far = (self._error(arrays, gap) for gap in (1, LONG))
        light = [_light(each) for each in floats]
        motion = [farneback(a, b) for a, b in pairwise(light)]
        apart = [np.linalg.norm(a - b, axis=-1).mean() for a, b in zip(motion, self._motion, strict=True)]
        contrast = float(np.mean([float(luma(each).std()) for each in floats]))
        return FilmScores(
            name,
            float(np.sqrt(near)),
            1000 * near,
            float(np.sqrt(far)),
            float(np.mean(apart)),
            contrast,
            self._total(floats),
            len(pictures) / seconds,
        )

    def _found(self, later: int, earlier: int) -> Flow:
        """Find flow from a frame back to an earlier one, and where it can be compared."""
        now, before = self._light[later], self._light[earlier]
        flow, back = flow_between(now, before, accurate=True), flow_between(before, now, accurate=True)
        return flow, ~(hidden(flow, back) | at_edges(flow))

    def _error(self, pictures: Sequence[np.ndarray], gap: int) -> float:
        errors = []
        for before, now, (flow, seen) in zip(pictures, pictures[gap:], self._pairs[gap], strict=False):
            if seen.mean() >= LEAST:
                errors.append(((moved(before, flow) - now) ** 2).mean(-1)[seen].mean())
        return float(np.mean(errors)) if errors else float("nan")

    def _total(self, pictures: Sequence[Tensor]) -> float | None:
        if self._objective is None:
            return None
        chosen = sorted({0, len(pictures) // 2, len(pictures) - 1})
        return float(np.mean([self._objective(pictures[n], images.to_float(self.frames[n])) for n in chosen]))


def _light(picture: Tensor) -> np.ndarray:
    """Luma of (1, 3, H, W) in [0, 1] as uint8 (H, W)."""
    return np.asarray((luma(picture)[0, 0] * 255).round().byte().numpy())

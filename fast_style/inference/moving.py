"""What changes from frame to frame of a film: masks that move, and a style that becomes another."""

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import isfinite
from typing import Protocol

from torch import Tensor

from fast_style.data.mixtures import weighed, weight_of
from fast_style.inference.composition import Composition
from fast_style.inference.control import Control, Stylize

STEPS = 16  # mixtures from one style to the next
NEXT_TIME = re.compile(r",(?=\s*[-+\d.]+\s*:)")  # the comma before it
CLOCK = re.compile(r"((?:\d+:)?\d+:[0-5]\d(?:\.\d+)?)\s*:(?=\s*[^\s\d.])(.*)", re.DOTALL)  # [HH:]MM:SS, and a style


class Mask(Protocol):
    """A mask that moves.

    Attributes:
        notes: what was wrong with it, each a sentence; grows while it is read.
    """

    notes: list[str]

    def at(self, time: Fraction) -> Tensor:
        """Return the mask (1, 1, h, w) in [0, 1] at a time in seconds."""
        ...


class MovingComposition:
    """Networks laid over one another by masks that may move, which stylize the frames of a film.

    Args:
        stylizers: tells the networks at a time in seconds, from the lowest to the uppermost.
        control: how strong the pictures are, in which colours and with how large strokes.
        masks: for each network where it covers what is below it: of shape (1, 1, h, w), moving, or None, everywhere.

    Attributes:
        resized: whether a mask of another size than its frame was resized to it.
    """

    def __init__(
        self,
        stylizers: Callable[[Fraction], Sequence[Stylize]],
        control: Control,
        masks: Sequence[Tensor | Mask | None],
    ) -> None:
        self.stylizers, self.control, self.masks = stylizers, control, masks
        self.resized = False

    def __call__(self, photos: Tensor, time: Fraction) -> Tensor:
        """Stylize a frame.

        Args:
            photos: RGB of shape (1, 3, H, W), uint8 or float in [0, 1].
            time: seconds from the beginning.

        Returns:
            RGB of the same shape, as `Composition` returns it.
        """
        masks = [mask if mask is None or isinstance(mask, Tensor) else mask.at(time) for mask in self.masks]
        composition = Composition(self.stylizers(time), self.control, masks)
        picture = composition(photos)
        self.resized |= composition.resized
        return picture

    @property
    def notes(self) -> list[str]:
        """What was wrong with the masks so far, each a sentence."""
        return [note for mask in self.masks if mask is not None and not isinstance(mask, Tensor) for note in mask.notes]


@dataclass(frozen=True)
class StyleOverTime:
    """A style that changes: at given times it is a given one, in between it goes from one to the other in 16 steps.

    Attributes:
        keys: seconds, rising, and the style then, names with weights.
        load: makes what stylizes with a mixture of styles.
    """

    keys: Sequence[tuple[float, Mapping[str, float]]]
    load: Callable[[Mapping[str, float]], Stylize]

    def __post_init__(self) -> None:
        # The mixture at hand, and the next.
        object.__setattr__(self, "_loaded", lru_cache(maxsize=2)(lambda items: self.load(dict(items))))

    def __call__(self, time: Fraction) -> Sequence[Stylize]:
        """Return what stylizes at a time in seconds."""
        loaded: Callable[[tuple[tuple[str, float], ...]], Stylize] = getattr(self, "_loaded")  # noqa: B009
        return [loaded(tuple(self.at(float(time)).items()))]

    def at(self, time: float) -> dict[str, float]:
        """Return the names of the styles at a time, with weights whose sum is 1."""
        place = bisect_right([key for key, _ in self.keys], time)
        before, after = self.keys[max(0, place - 1)], self.keys[min(place, len(self.keys) - 1)]
        share = (time - before[0]) / (after[0] - before[0]) if after[0] > before[0] and place else 0.0
        share = round(share * STEPS) / STEPS
        mixed: dict[str, float] = {}
        for part, (_, style) in ((1 - share, before), (share, after)):
            total = sum(style.values())
            for name, weight in style.items():
                if part:
                    mixed[name] = mixed.get(name, 0.0) + part * weight / total
        return mixed


def parse_times(text: str, known: Callable[[str], bool] = lambda _: False) -> list[tuple[float, dict[str, float]]]:
    """Read which style there is at which time.

    Args:
        text: such as `0:mosaic, 4.5:great_wave`: seconds, or `1:02.5`, a colon and a style; of a mixture the parts are
            joined by `+`, as in `2:mosaic:0.5+cubist:0.5`. What begins with a digit after that is no time but a style.
        known: tells whether a text is the name of a style, which may hold `+` or a comma itself.

    Returns:
        Times in seconds, rising, and names with weights.

    Raises:
        ValueError: if it is not of this form, or the times do not rise.
    """
    keys = []
    for part in NEXT_TIME.split(text):
        clock = CLOCK.fullmatch(part.strip())
        time, colon, style = (clock[1], ":", clock[2].strip()) if clock else part.strip().partition(":")
        try:
            seconds = sum(float(each) * 60**place for place, each in enumerate(reversed(time.split(":"))))
        except ValueError:
            seconds = float("nan")
        weights = _mixture(style, known) if style else {}
        commas = any("," in name and not known(name) for name in weights)
        if not (colon and style and isfinite(seconds) and seconds >= 0) or commas:
            raise ValueError(f"a style over time is written as 0:mosaic, 4.5:great_wave (seconds:NAME), got {text!r}")
        if not any(weights.values()):
            raise ValueError(f"the weights of the styles must not all be 0, got {part.strip()!r}")
        keys.append((seconds, weights))
    if any(after <= before for (before, _), (after, _) in pairwise(keys)):
        raise ValueError(f"the times of a style over time must rise, got {text!r}")
    return keys


def _mixture(text: str, known: Callable[[str], bool]) -> dict[str, float]:
    """Read styles that are joined by `+`; the longest name that is known goes before shorter ones."""
    weights: dict[str, float] = {}
    parts = text.split("+")
    while parts:
        joined = ["+".join(parts[:count]).strip() for count in range(len(parts), 0, -1)]
        whole = next((each for each in joined if known(each) or known(weighed(each)[0])), joined[-1])
        parts = parts[whole.count("+") + 1 :]
        name, weight = (whole, "") if known(whole) else weighed(whole)
        if not name or name in weights:
            raise ValueError(f"the styles over time must be joined by +, each once, got {text!r}")
        weights[name] = weight_of(name, weight)
    return weights

"""A picture of a film, and which of them are wanted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture of a film.

    Attributes:
        pixels: RGB of shape (3, H, W), uint8 or uint16.
        alpha: opacity of shape (1, H, W), of the same type; None: opaque.
        time: seconds from `--start` on, exact.
        duration: seconds for which it is shown, of which only that of the last frame matters; 0: unknown.
        memory: what the next frame depends on once this one is stylized, by name.
    """

    pixels: Tensor
    alpha: Tensor | None
    time: Fraction
    duration: Fraction
    memory: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """Which frames are read, and in which size.

    Attributes:
        start: seconds after the first frame at which it begins.
        end: seconds after the first frame at which it ends; None: with the film.
        fps: frames a second, evenly; None: the film's own, at its own times.
        size: pixels on the long side; None: the film's own. Both sides become even.

    Raises:
        ValueError: if a value is not positive, or the end is not after the start.
    """

    start: Fraction = Fraction(0)
    end: Fraction | None = None
    fps: Fraction | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ValueError(f"--start must not be negative, got {float(self.start):g}")
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"--end must be after --start, got {float(self.end):g} after {float(self.start):g}")
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise ValueError(f"--fps must be above 0, up to 1000, got {float(self.fps):g}")

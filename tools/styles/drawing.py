"""The drawing beneath a painting: colours, noise, curves and shapes on the plane of the picture.

Lengths are in short sides of the picture; angles are in radians, clockwise from the right.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fast_style.files import replacing

Field = np.ndarray
STYLES = Path(__file__).resolve().parents[2] / "fast_style/assets/styles"


def grid(size: int, aspect: float) -> tuple[Field, Field]:
    """Coordinates x in [0, max(aspect, 1)] and y in [0, max(1/aspect, 1)] of the pixels, each (H, W)."""
    width, height = (round(size * side) for side in (max(aspect, 1), max(1 / aspect, 1)))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return (x + 0.5) / size, (y + 0.5) / size


def rgb(colours: str) -> Field:
    """Hexadecimal colours, separated by blanks: (N, 3) in [0, 1]."""
    return np.array([list(bytes.fromhex(colour)) for colour in colours.split()], np.float32) / 255


def ramp(amount: Field, colours: str) -> Field:
    """Colours that run through the given ones as the amount (H, W) goes from 0 to 1: (H, W, 3)."""
    stops = rgb(colours)
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(amount, places, stop) for stop in stops.T], axis=-1).astype(np.float32)


def mix(low: Field, high: Field, amount: Field) -> Field:
    """Blend two colours or pictures by an amount (H, W), clipped to [0, 1]."""
    return low + (high - low) * np.clip(amount, 0, 1)[..., None]


def step(distance: Field, softness: float) -> Field:
    """0 below zero, 1 above `softness`, smooth between."""
    amount = np.clip(distance / softness, 0, 1)
    return amount * amount * (3 - 2 * amount)


def noise(rng: np.random.Generator, like: Field, cells: float, octaves: int = 1, stretch: float = 1) -> Field:
    """Smooth noise of `cells` bumps a short side, flattened to a uniform spread over [0, 1]: (H, W)."""
    height, width = like.shape
    total = np.zeros_like(like)
    for octave in range(octaves):
        count = cells * 2**octave / min(height, width)
        coarse = rng.random((round(height * count) + 3, round(width * count / stretch) + 3), dtype=np.float32)
        total += np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)) / 2**octave
    levels = np.quantile(total, np.linspace(0, 1, 65))
    return np.interp(total, levels, np.linspace(0, 1, 65)).astype(np.float32)


def streaks(values: Field, angle: Field, length: float) -> Field:
    """Average values along the flow (line integral convolution, Cabral & Leedom 1993), spread over [0, 1]."""
    height, width = values.shape
    stride, steps = 0.006 * min(height, width), round(length / 0.012)
    cos, sin, total = np.cos(angle) * stride, np.sin(angle) * stride, values.copy()
    for way in (1, -1):
        y, x = np.mgrid[:height, :width].astype(np.float32)
        row, column = y.astype(int), x.astype(int)
        ahead_x, ahead_y = way * cos, way * sin
        for _ in range(steps):
            x, y = x + ahead_x, y + ahead_y
            column, row = x.astype(int).clip(0, width - 1), y.astype(int).clip(0, height - 1)
            next_x, next_y = cos[row, column], sin[row, column]
            # Angles are known up to half a turn only: keep going the way we came.
            same = np.where(next_x * ahead_x + next_y * ahead_y < 0, -1, 1)
            ahead_x, ahead_y = next_x * same, next_y * same
            total += values[row, column]
    levels = np.quantile(total, np.linspace(0, 1, 65))
    return np.interp(total, levels, np.linspace(0, 1, 65)).astype(np.float32)


def curve(points: Sequence[tuple[float, float]], count: int = 12) -> list[tuple[float, float]]:
    """Smooth line through the points (Catmull-Rom), `count` legs between neighbours."""
    p = np.array([points[0], *points, points[-1]], np.float32)
    t = np.arange(count, dtype=np.float32)[:, None, None] / count
    p0, p1, p2, p3 = p[:-3], p[1:-2], p[2:-1], p[3:]
    legs = p1 + t / 2 * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * p1 - p0 - 3 * p2 + p3)))
    return [(x, y) for x, y in [*legs.transpose(1, 0, 2).reshape(-1, 2).tolist(), points[-1]]]


def along(x: Field, y: Field, lines: Sequence[Sequence[tuple[float, float]]], power: float = 3) -> Field:
    """Angle of the lines nearby, each leg weighted by its length over distance ** `power`: (H, W)."""
    cos, sin = np.zeros_like(x), np.zeros_like(x)
    for line in lines:
        ends = np.array(line, np.float32)
        for (x0, y0), (x1, y1) in pairwise(ends):
            away = (x - (x0 + x1) / 2) ** 2 + (y - (y0 + y1) / 2) ** 2 + 1e-4
            weight = np.hypot(x1 - x0, y1 - y0) / away ** (power / 2)
            # Twice the angle, since a leg is the same either way.
            twice = 2 * np.arctan2(y1 - y0, x1 - x0)
            cos += weight * np.cos(twice)
            sin += weight * np.sin(twice)
    return np.arctan2(sin, cos) / 2


def polygon(like: Field, points: Sequence[tuple[float, float]]) -> Field:
    """Whether a pixel is inside of the polygon: (H, W)."""
    mask = Image.new("1", like.shape[::-1])
    ImageDraw.Draw(mask).polygon([(x * min(like.shape), y * min(like.shape)) for x, y in points], fill=1)
    return np.asarray(mask)


def save(name: str, picture: Field, quality: int = 92) -> None:
    """Write a painting among the styles that come with the package."""
    with replacing(STYLES / f"{name}.jpg") as file:
        Image.fromarray(picture).save(file, "jpeg", quality=quality, optimize=True)

"""Oil on a numpy canvas: bristled, lit brush strokes that are arcs along a flow field.

Lengths are in short sides of the picture and angles in radians, clockwise from the right. Whatever is random comes
from the generator a painting hands over, so a painting of one size is always the same.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from drawing import Field, noise

TEXTURE = 512  # a power of two: the bristles repeat after so many texels
SAMPLES = np.linspace(-0.5, 0.5, 7, dtype=np.float32)  # where along a stroke its colour and its room are looked up


class Canvas:
    """Wet paint: colours and thickness.

    Args:
        ground: what is there before the first stroke, (H, W, 3) in [0, 1].
        rng: source of all that is random.
    """

    def __init__(self, ground: Field, rng: np.random.Generator) -> None:
        self.colour = ground.astype(np.float32)
        self.thickness = np.zeros(ground.shape[:2], np.float32)
        self.size: int = min(self.thickness.shape)
        self.rng = rng
        fine = noise(rng, np.zeros((TEXTURE, TEXTURE), np.float32), 128, stretch=32)
        self.bristles = (0.65 * fine + 0.35 * noise(rng, fine, 40, stretch=5)).astype(np.float32)

    def layer(
        self,
        reference: Field,
        angle: Field,
        width: float,
        *,
        aspect: float = 6,
        where: Field | None = None,
        jitter: float = 0.06,
        hue: float = 0.03,
        packed: float = 0.8,
        tries: float = 6,
        **look: float,
    ) -> None:
        """Cover the canvas with strokes that take their colours from a picture.

        Args:
            reference: the picture, (H, W, 3) in [0, 1].
            angle: of the strokes, (H, W); half a turn makes no difference.
            width: of a stroke.
            aspect: length over width.
            where: chance in [0, 1] that a stroke is laid, (H, W).
            jitter: standard deviation of a stroke's brightness.
            hue: the same of each of its channels.
            packed: the part of its width a stroke keeps for itself; 0 lets strokes pile up.
            tries: how many times over the strokes tried would cover the canvas.
            look: how a stroke looks, see `stroke`.
        """
        rows, columns = self.thickness.shape
        breadth = max(width * self.size, 1.6)
        count = round(tries * rows * columns / (breadth**2 * aspect))
        # All draws come first, so that none hangs on how many strokes are laid, which rounding may decide.
        chance, sway = self.rng.random((count, 5)), self.rng.standard_normal((count, 5))
        places = (chance[:, :2] * (rows, columns)).astype(int)
        keep = chance[:, 2] < (1 if where is None else where[tuple(places.T)])
        chance, sway, at = chance[keep], sway[keep], tuple(places[keep].T)
        y, x = chance[:, 0] * rows, chance[:, 1] * columns
        length, breadths = breadth * aspect * (0.65 + 0.7 * chance[:, 3]), breadth * (0.8 + 0.4 * chance[:, 4])
        bend = curvature(angle)[at]
        length = np.minimum(length, np.maximum(2.4 / np.maximum(np.abs(bend), 1e-6), 1.5 * breadths))
        theta = angle[at] + 0.06 * sway[:, 0]
        px, py = arc(x, y, theta, bend, length)
        inside = py.astype(int).clip(0, rows - 1), px.astype(int).clip(0, columns - 1)
        colours = reference[inside].mean(1) + jitter * sway[:, 1:2] + hue * sway[:, 2:]
        taken = np.zeros(self.thickness.shape, bool)
        for i in range(len(x)):
            if packed and np.count_nonzero(taken[inside[0][i], inside[1][i]]) > 1:
                continue
            core = self.stroke(x[i], y[i], theta[i], bend[i], length[i], breadths[i], colours[i], **look)
            if packed and core is not None:
                window, across = core
                taken[window] |= across < packed * 0.5 * breadths[i]

    def line(self, points: Sequence[tuple[float, float]], width: float, colour: Field, **look: float) -> None:
        """Draw along a polyline, a stroke to each of its legs."""
        ends = np.array(points, np.float32) * self.size
        for (x0, y0), (x1, y1) in pairwise(ends):
            reach = np.hypot(x1 - x0, y1 - y0) + width * self.size
            tint = colour + self.rng.normal(0, 0.03)
            at = (x0 + x1) / 2, (y0 + y1) / 2, np.arctan2(y1 - y0, x1 - x0)
            self.stroke(*at, 0.0, reach, max(width * self.size, 1.2), tint, **look)

    def stroke(
        self,
        x: float,
        y: float,
        angle: float,
        bend: float,
        length: float,
        width: float,
        colour: Field,
        *,
        streak: float = 0.22,
        dry: float = 0.6,
        opacity: float = 1.0,
        point: float = 4,
        body: float = 1.0,
    ) -> tuple[tuple[slice, slice], Field] | None:
        """Lay one stroke, an arc; places and lengths are in pixels here.

        Args:
            x: of its middle.
            y: of its middle.
            angle: of its middle.
            bend: curvature in radians a pixel.
            length: along the arc.
            width: across.
            colour: RGB, (3,) in [0, 1].
            streak: how much the bristles differ in brightness.
            dry: how soon the bristles run out of paint.
            opacity: of wet paint.
            point: exponent of the outline; 2 is an ellipse, less is pointed, more is blunt.
            body: thickness of the paint.

        Returns:
            The window of the canvas it touched and there the distance from the arc, or None if it missed the canvas.
        """
        px, py = arc(*np.array([x, y, angle, bend, length], np.float32)[:, None])
        margin = width / 2 + 2
        left, right = max(int(px.min() - margin), 0), min(int(px.max() + margin) + 1, self.colour.shape[1])
        top, bottom = max(int(py.min() - margin), 0), min(int(py.max() + margin) + 1, self.colour.shape[0])
        if left >= right or top >= bottom:
            return None
        window = slice(top, bottom), slice(left, right)
        dx = np.arange(left, right, dtype=np.float32) + np.float32(0.5 - x)
        dy = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - y)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        along, across = dx * cos + dy * sin, dy * cos - dx * sin
        if abs(bend) * length > 0.05:
            radius = np.float32(1 / bend)
            rest = (radius - across) * np.sign(radius)
            along, across = (
                radius * np.arctan2(along * np.sign(radius), rest),
                radius - np.sign(radius) * np.hypot(along, rest),
            )
        column = (along + np.float32(131 * x % TEXTURE)).astype(np.int32) & (TEXTURE - 1)
        row = (across * np.float32(max(28 / width, 2.0)) + np.float32(197 * y % TEXTURE)).astype(np.int32) & (
            TEXTURE - 1
        )
        bristle = self.bristles[row, column]
        place = along * np.float32(2 / length)
        outline = np.clip(1 - np.abs(place) ** np.float32(point), 0, 1)
        away = np.abs(across)
        half = np.float32(width / 2) * np.sqrt(outline)
        cover = np.clip(half - away + np.float32(0.5) + (bristle - 0.7) * np.float32(0.2 * width), 0, 1)
        cover *= outline > 0
        if dry:
            cover *= np.clip(np.float32(4) * (bristle + np.float32(1.1 - dry) - np.float32(dry) * place), 0, 1)
        cover *= np.float32(opacity)
        paint = colour.astype(np.float32) + ((bristle - 0.5) * np.float32(streak))[..., None]
        self.colour[window] += cover[..., None] * (paint - self.colour[window])
        # Paint is pushed out to the rims of a stroke and stands in ridges between the bristles.
        height = np.float32(body) * (0.35 + 0.4 * bristle + 0.35 * np.clip(away / np.float32(width / 2), 0, 1) ** 3)
        self.thickness[window] += cover * (height - self.thickness[window] * np.float32(0.75))
        return window, np.where(outline > 0, away, np.float32(np.inf))

    def picture(self, impasto: float = 0.35, gloss: float = 0.12) -> Field:
        """The canvas lit from the top left: uint8 (H, W, 3)."""
        slope_y, slope_x = np.gradient(self.thickness)
        light = -(0.62 * slope_x + 0.78 * slope_y) * (self.size / 768) ** 0.5
        shade = np.clip(1 + impasto * np.tanh(2 * light), 0, 2)[..., None]
        shine = gloss * np.clip(np.tanh(2 * light) - 0.45, 0, 1)[..., None]
        return (np.clip(self.colour * shade + shine, 0, 1) * 255).round().astype(np.uint8)


def arc(x: Field, y: Field, angle: Field, bend: Field, length: Field) -> tuple[Field, Field]:
    """Points along the arcs of N strokes: x and y, each (N, 7)."""
    along = length[:, None] * SAMPLES
    turn = bend[:, None] * along
    flat = np.abs(turn) < 1e-3
    radius = 1 / np.where(flat, 1, bend[:, None])
    u = np.where(flat, along, radius * np.sin(turn))
    v = np.where(flat, along * turn / 2, radius * (1 - np.cos(turn)))
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return x[:, None] + u * cos - v * sin, y[:, None] + u * sin + v * cos


def curvature(angle: Field) -> Field:
    """How fast the flow turns along itself, in radians a pixel: (H, W)."""
    cos, sin = np.cos(2 * angle), np.sin(2 * angle)
    (cos_y, cos_x), (sin_y, sin_x) = np.gradient(cos), np.gradient(sin)
    turn_x, turn_y = (cos * sin_x - sin * cos_x) / 2, (cos * sin_y - sin * cos_y) / 2
    return np.cos(angle) * turn_x + np.sin(angle) * turn_y

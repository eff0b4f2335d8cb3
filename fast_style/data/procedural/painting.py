"""The painter of scenes: shapes with soft or hard edges, shaded, textured and coloured as things in photos are."""

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from fast_style.data.procedural.textures import Array, cut

__all__ = [
    "HALO",
    "Array",
    "Painter",
    "Patch",
    "Stuff",
    "box",
    "ellipse",
    "enlarge",
    "hsv",
    "polygon",
    "soften",
    "stick",
]

T = TypeVar("T")
# Hues by how often saturated pixels of photos have them, in twelfths of a turn from red: reds, oranges and blues.
HUES = np.cumsum([0.28, 0.30, 0.11, 0.05, 0.02, 0.02, 0.08, 0.11, 0.01, 0.0, 0.0, 0.02])
HALO = 7.0  # width of the shadow around a thing, in widths of a sharp edge
# What things are made of, unless it is said.
ANY = ("haze", "clouds", "rock", "rock", "grain", "grain", "bark", "ripples", "foliage", "clutter", "gravel", "grass")


class Patch(NamedTuple):
    """Part of a canvas: its rows and columns, and their distances from a centre in pixels, (h, 1) and (1, w)."""

    at: tuple[slice, slice, slice]
    v: Array
    u: Array


class Stuff(NamedTuple):
    """What a thing is made of.

    Attributes:
        colour: RGB of shape (3,).
        texture: a name of `textures.NAMES`.
        relief: strength of the texture, as a share of the lightness.
        tint: change of colour where the texture's second plane is 1, of shape (3,).
    """

    colour: Array
    texture: str
    relief: float
    tint: Array


class Painter:
    """Paints on a square canvas, from back to front.

    Lengths are in units of the canvas, from its left and upper edge; it starts black.

    Args:
        rng: decides all that is left open.
        size: side of the canvas in pixels.

    Attributes:
        pixels: the canvas, RGB of shape (3, size, size), about [0, 1].
        light: where the light comes from, a unit vector (x, y).
        focus: width of a sharp edge, pixels.
        palette: colours that the things of a scene share.
    """

    def __init__(self, rng: Generator, size: int) -> None:
        self.rng = rng
        self.size = size
        self.pixels = np.zeros((3, size, size), np.float32)
        angle = -np.pi / 2 + 0.8 * rng.standard_normal()
        self.light = float(np.cos(angle)), float(np.sin(angle))
        self.focus = max(1.0, size / 300)
        self.palette = [self.any_colour() for _ in range(4)]

    def uniform(self, low: float, high: float) -> float:
        """Draw a number."""
        return low + (high - low) * self.rng.random()

    def chance(self, probability: float) -> bool:
        """Toss a coin."""
        return self.rng.random() < probability

    def pick(self, choices: Sequence[T]) -> T:
        """Draw one of several."""
        return choices[int(self.rng.random() * len(choices))]

    def any_colour(self, lightness: float | None = None) -> Array:
        """Draw a colour as photos have them, mostly of low saturation: (3,)."""
        rng = self.rng
        hue = (int(np.searchsorted(HUES, rng.random() * HUES[-1])) + rng.random()) / 12
        value = rng.beta(1.3, 1.6) if lightness is None else lightness
        return hsv(hue, rng.beta(1.1, 2.2), value)

    def colour(self) -> Array:
        """Draw a colour of the scene's palette, lighter or darker: (3,)."""
        if self.chance(0.15):
            return self.any_colour()
        return np.clip(self.pick(self.palette) * float(np.exp(0.5 * self.rng.standard_normal())), 0.02, 0.97)

    def stuff(self, colour: ArrayLike | None = None, texture: str | None = None, relief: float | None = None) -> Stuff:
        """Draw what is left open of a material."""
        rng = self.rng
        base = self.colour() if colour is None else np.asarray(colour, np.float32)
        if texture is None:
            texture = self.pick(ANY)
        if relief is None:
            relief = 0.06 + rng.gamma(1.5, 0.16)
        tint = rng.standard_normal(3).astype(np.float32) * (0.3 * relief) * base
        return Stuff(base, texture, relief, tint)

    def patch(
        self, x: float, y: float, reach_x: float, reach_y: float | None = None, margin: float = 2
    ) -> Patch | None:
        """Return the part of the canvas around a point and a margin in pixels; None if it lies outside."""
        size = self.size
        wide = reach_x * size + margin
        high = wide if reach_y is None else reach_y * size + margin
        top, bottom = max(0, int(y * size - high)), min(size, int(y * size + high) + 1)
        left, right = max(0, int(x * size - wide)), min(size, int(x * size + wide) + 1)
        return self._around(x, y, slice(top, bottom), slice(left, right)) if top < bottom and left < right else None

    def everywhere(self, x: float = 0.5, y: float = 0.5) -> Patch:
        """Return the whole canvas as a patch around a point."""
        return self._around(x, y, slice(0, self.size), slice(0, self.size))

    def _around(self, x: float, y: float, rows: slice, columns: slice) -> Patch:
        v = np.arange(rows.start, rows.stop)[:, None].astype(np.float32) + np.float32(0.5 - y * self.size)
        u = np.arange(columns.start, columns.stop)[None].astype(np.float32) + np.float32(0.5 - x * self.size)
        return Patch((slice(None), rows, columns), v, u)

    def apply(
        self,
        patch: Patch,
        depth: Array,
        stuff: Stuff,
        blur: float = 1.0,
        slope: float = 0.0,
        bulge: float = 0.0,
        shadow: float = 0.0,
    ) -> None:
        """Paint a shape.

        Args:
            patch: where.
            depth: how far each pixel lies inside of the outline, negative outside, pixels of shape (h, w).
            stuff: what with.
            blur: width of the edge, in widths of a sharp one.
            slope: how much lighter the lit side is than the middle.
            bulge: 0 for flat to 1 for a ball.
            shadow: how dark the surroundings become at the edge, 0 to 1.
        """
        edge = self.focus * blur
        cover = np.clip(depth * (1 / edge) + 0.5, 0, 1)
        if shadow:
            self.pixels[patch.at] *= 1 - shadow * np.clip(1 + depth * (1 / (HALO * self.focus)), 0, 1) ** 2
        self.blend(patch, cover, self.shade(patch, depth, stuff, slope, bulge, min(1.0, 1.5 / blur)))

    def shade(
        self, patch: Patch, depth: Array, stuff: Stuff, slope: float = 0.0, bulge: float = 0.0, crisp: float = 1.0
    ) -> Array:
        """Return the colours of a surface, (3, h, w); `crisp` below 1 weakens its texture."""
        height, width = depth.shape
        relief, tint = cut(stuff.texture, self.rng, height, width)
        light = relief * (stuff.relief * crisp)
        light += 1
        if slope:
            reach = 0.5 * max(height, width)
            light += (patch.u * (slope * self.light[0] / reach)) + (patch.v * (slope * self.light[1] / reach))
        if bulge:
            inner = np.clip(depth * (1 / max(1.0, float(depth.max()))), 0, 1)
            light *= (1 - bulge * 0.6) + (bulge * 0.7) * np.sqrt(inner * (2 - inner))
        colours = stuff.colour[:, None, None] * light
        if stuff.relief > 0.08:
            colours += (stuff.tint * crisp)[:, None, None] * tint
        return colours

    def blend(self, patch: Patch, cover: Array, colours: Array) -> None:
        """Lay colours of shape (3, h, w), or (3, 1, 1), over the canvas, as opaque as `cover` of shape (h, w)."""
        below = self.pixels[patch.at]
        below += cover * (colours - below)


def hsv(hue: float, saturation: float, value: float) -> Array:
    """Convert a colour: hue in turns, saturation and value in [0, 1], to RGB of shape (3,)."""
    ramp = np.clip(np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    return (value * (1 - saturation * (1 - ramp))).astype(np.float32)


def ellipse(patch: Patch, wide: float, high: float, angle: float = 0.0) -> Array:
    """Return the depth in an ellipse of these radii in pixels, as for `Painter.apply`."""
    u, v = turned(patch, angle)
    return (1 - np.hypot(u * (1 / wide), v * (1 / high))) * min(wide, high)


def box(patch: Patch, wide: float, high: float, angle: float = 0.0) -> Array:
    """Return the depth in a rectangle of these half sides in pixels."""
    u, v = turned(patch, angle)
    return np.minimum(wide - np.abs(u), high - np.abs(v))


def stick(patch: Patch, long: float, thick: float, angle: float = 0.0, bend: float = 0.0) -> Array:
    """Return the depth in a bent stick of these half sides in pixels that thins out towards one end."""
    u, v = turned(patch, angle)
    along = u * (1 / long)
    return np.minimum(thick * (1 - 0.4 * along) - np.abs(v + (bend * long) * along**2), long - np.abs(u))


def polygon(patch: Patch, radius: float, corners: int, rng: Generator) -> Array:
    """Return the depth in an irregular convex polygon of about this radius in pixels."""
    start = rng.random() * 2 * np.pi
    sides = []
    for number in range(corners):
        angle = start + 2 * np.pi * (number + 0.6 * rng.random()) / corners
        c, s = float(np.cos(angle)), float(np.sin(angle))
        sides.append(radius * (0.5 + 0.4 * rng.random()) - c * patch.u - s * patch.v)
    return reduce(np.minimum, sides)


def turned(patch: Patch, angle: float) -> tuple[Array, Array]:
    """Return the coordinates (u, v) of a patch in a frame turned by an angle in radians."""
    if not angle:
        return patch.u, patch.v
    c, s = float(np.cos(angle)), float(np.sin(angle))
    return c * patch.u + s * patch.v, c * patch.v - s * patch.u


def enlarge(pixels: Array, size: int) -> Array:
    """Enlarge (3, h, h) to (3, size, size) with quadratic B-splines, which smooth it like a lens out of focus."""
    side = pixels.shape[-1]
    place = (np.arange(size, dtype=np.float32) + 0.5) * (side / size) - 0.5
    nearest = np.rint(place).astype(np.intp)
    t = (place - nearest).astype(np.float32)
    taps = [(nearest + step).clip(0, side - 1) for step in (-1, 0, 1)]
    weights = 0.5 * (0.5 - t) ** 2, 0.75 - t**2, 0.5 * (0.5 + t) ** 2
    rows = sum(pixels[:, tap] * weight[:, None] for tap, weight in zip(taps, weights, strict=True))
    return sum(rows[:, :, tap] * weight for tap, weight in zip(taps, weights, strict=True))


def soften(pixels: Array) -> Array:
    """Blur (3, h, w) by the binomial filter 1 2 1 in both directions."""
    for axis in (1, 2):
        pad = [(0, 0)] * 3
        pad[axis] = (1, 1)
        wide = np.pad(pixels, pad, mode="edge")
        first, middle, last = (
            wide[(slice(None),) * axis + (slice(start, start + pixels.shape[axis]),)] for start in range(3)
        )
        pixels = 0.25 * first + 0.5 * middle + 0.25 * last
    return pixels

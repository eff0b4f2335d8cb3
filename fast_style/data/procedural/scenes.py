"""Scenes made of noise and simple shapes, whose statistics are those of photos."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from fast_style.data.procedural.painting import Array, Painter, ellipse, enlarge, hsv, soften
from fast_style.data.procedural.textures import cut
from fast_style.data.procedural.things import animal, building, leaves, panes, person, rough, slab, thing, tree, twigs

TOE = 0.12  # lightness below which shadows are compressed


def paint_scene(rng: Generator, size: int) -> Array:
    """Paint a scene: a clutter, a portrait, a landscape, a street, a room or a close-up.

    Args:
        rng: decides everything.
        size: side in pixels, at least 16.

    Returns:
        RGB of shape (3, size, size) in [0, 1], float32.

    Source: shapes of radii r^−3 covering each other have the spectrum and the edges of photos, Lee, Mumford and Huang
    2001, "Occlusion models for natural images", https://doi.org/10.1023/A:1011109015675.
    """
    painter = Painter(rng, size)
    number = int(np.searchsorted(np.cumsum(WEIGHTS), rng.random() * sum(WEIGHTS)))
    SCENES[number](painter)
    return develop(painter)


def clutter(p: Painter) -> None:
    """Things of all sizes covering each other."""
    ground(p)
    leaves(p, int(p.uniform(40, 260)), smallest=p.uniform(0.012, 0.04))


def portrait(p: Painter) -> None:
    """One or two beings before a background out of focus."""
    backdrop(p)
    for _ in range(1 + p.chance(0.3)):
        (person if p.chance(0.5) else animal)(p, p.uniform(0.25, 0.75), p.uniform(0.4, 0.7), p.uniform(0.18, 0.42))
    if p.chance(0.4):
        twigs(p, int(p.uniform(3, 14)), p.uniform(0.002, 0.015))
    if p.chance(0.3):
        leaves(p, int(p.uniform(4, 20)), blur=p.uniform(2, 14), smallest=0.06)


def landscape(p: Painter) -> None:
    """Sky, mountains, ground or water, trees and small things."""
    horizon = p.uniform(0.2, 0.75)
    sky(p, horizon)
    haze = p.pixels[:, min(p.size - 1, int(horizon * p.size))].mean(axis=1)
    ridges(p, horizon, haze)
    if p.chance(0.3):
        water(p, horizon)
    else:
        field(p, horizon, haze)
    for _ in range(int(p.rng.exponential(3))):
        tree(p, p.rng.random(), horizon + p.uniform(-0.05, 0.2), p.uniform(0.05, 0.4))
    if p.chance(0.3):
        building(p, p.rng.random(), horizon + 0.02, p.uniform(0.08, 0.3), p.uniform(0.08, 0.35))
    for _ in range(int(p.rng.exponential(4))):
        y = horizon + (1 - horizon) * p.rng.random()
        (person if p.chance(0.5) else animal)(p, p.rng.random(), y, p.uniform(0.02, 0.06) + 0.12 * (y - horizon))
    if p.chance(0.3):
        twigs(p, int(p.uniform(5, 30)), p.uniform(0.001, 0.008))


def street(p: Painter) -> None:
    """Buildings under a sky, with people before them."""
    foot = p.uniform(0.6, 1.1)
    sky(p, foot)
    for _ in range(int(p.uniform(1, 7))):
        building(p, p.rng.random(), foot, p.uniform(0.1, 0.5), p.uniform(0.2, 1.1))
    if foot < 1:
        field(p, foot, p.colour())
    for _ in range(int(p.rng.exponential(6))):
        reach = p.uniform(0.03, 0.14)
        (person if p.chance(0.8) else thing)(p, p.rng.random(), foot + p.uniform(-0.3, 0.3) * reach, reach)
    if p.chance(0.4):
        twigs(p, int(p.uniform(1, 8)), p.uniform(0.002, 0.01), upright=True)


def room(p: Painter) -> None:
    """Walls, a floor, furniture and what stands on it."""
    corner, floor = p.uniform(-0.3, 1.3), p.uniform(0.5, 1.2)
    everywhere = p.everywhere(corner, floor)
    tilt = p.uniform(-0.4, 0.4)
    for side in (1, -1):
        depth = inside(p) if side > 0 else np.broadcast_to(-everywhere.u, (p.size, p.size))
        p.apply(everywhere, depth, p.stuff(relief=p.uniform(0, 0.08)), slope=p.uniform(0, 0.5))
    depth = np.subtract(everywhere.v, tilt * np.abs(everywhere.u), dtype=np.float32)
    p.apply(everywhere, depth, p.stuff(), slope=0.3, shadow=0.3)
    for _ in range(int(p.uniform(3, 22))):
        x, y = p.rng.random(), p.rng.random()
        wide, high = p.uniform(0.02, 0.35), p.uniform(0.02, 0.35)
        kind = p.rng.random()
        if kind < 0.2:
            panes(p, x, y, wide, high)
        elif kind < 0.75:
            slab(p, x, y, wide, high)
        else:
            thing(p, x, y, 0.5 * wide)
    if p.chance(0.4):
        person(p, p.rng.random(), p.uniform(0.4, 0.9), p.uniform(0.08, 0.3))


def close_up(p: Painter) -> None:
    """Grass, stones, fur or cloth, with a few things on it."""
    texture = p.pick(("rock", "grain", "bark", "grass", "foliage", "gravel", "clutter", "ripples"))
    patch = p.everywhere()
    p.apply(patch, inside(p), p.stuff(texture=texture, relief=p.uniform(0.15, 0.5)), slope=p.uniform(0, 0.6))
    if p.chance(0.7):
        leaves(p, int(p.uniform(1, 25)), smallest=0.03)


SCENES: list[Callable[[Painter], None]] = [clutter, portrait, landscape, street, room, close_up]
WEIGHTS = [0.18, 0.26, 0.22, 0.12, 0.16, 0.06]  # how often each is painted


def inside(p: Painter) -> Array:
    """Return a depth that covers the whole canvas."""
    return np.full((p.size, p.size), p.size, np.float32)


def ground(p: Painter) -> None:
    """Cover the canvas with one material, or two that meet in a line."""
    p.apply(p.everywhere(), inside(p), p.stuff(), slope=p.uniform(0, 0.7))
    if p.chance(0.5):
        patch = p.everywhere(p.rng.random(), p.rng.random())
        angle = p.rng.random() * 2 * np.pi
        depth = float(np.cos(angle)) * patch.u + float(np.sin(angle)) * patch.v
        p.apply(patch, depth, p.stuff(), blur=float(np.exp(p.uniform(0, 3))), slope=p.uniform(0, 0.7))


def backdrop(p: Painter) -> None:
    """A background out of focus: another scene at a fraction of the size, enlarged."""
    factor = 2 ** int(p.uniform(1, 6))
    small = Painter(p.rng, max(8, p.size // factor))
    small.palette = p.palette
    choice = p.rng.random()
    if choice < 0.3:
        ground(small)
    elif choice < 0.7:
        clutter(small)
    else:
        (landscape if choice < 0.85 else room)(small)
    p.pixels = enlarge(soften(small.pixels), p.size)


def sky(p: Painter, horizon: float) -> None:
    """A gradient down to the horizon, with or without clouds, over the whole canvas."""
    rng, patch = p.rng, p.everywhere()
    kind = rng.random()
    if kind < 0.55:
        high, low = (
            hsv(p.uniform(0.54, 0.62), p.uniform(0.2, 0.75), p.uniform(0.5, 0.9)),
            hsv(p.uniform(0.1, 0.6), p.uniform(0, 0.25), 0.9),
        )
    elif kind < 0.85:
        high, low = (hsv(p.uniform(0.5, 0.65), p.uniform(0, 0.1), p.uniform(0.6, 1)) for _ in range(2))
    else:
        high, low = p.any_colour(), hsv(p.uniform(0.02, 0.12), p.uniform(0.3, 0.7), p.uniform(0.7, 1))
    low = high + (low - high) * p.uniform(0.2, 0.9)
    fall = np.clip((patch.v / p.size + 0.5) / horizon, 0, 1) ** p.uniform(0.5, 2)
    column = high[:, None, None] + (low - high)[:, None, None] * fall  # (3, h, 1)
    p.pixels[:] = column
    if p.chance(0.5):
        shape, shadow = cut("clouds", rng, p.size, p.size)
        cover = np.clip((shape + p.uniform(-1.5, 0.8)) * p.uniform(0.4, 2), 0, 1)
        p.blend(patch, cover, (0.85 + 0.08 * shadow) * p.any_colour(1.0)[:, None, None] ** 0.3)


def ridges(p: Painter, horizon: float, haze: Array) -> None:
    """Mountains or hills, the nearer the clearer."""
    count = int(p.uniform(0, 4))
    stuff = p.stuff(hsv(p.uniform(0.08, 0.4), p.uniform(0.1, 0.6), p.uniform(0.1, 0.5)))
    for number in range(count):
        near = (number + 1) / (count + 0.5)
        patch = p.everywhere(0.5, horizon - p.uniform(0, 0.25) * (1 - 0.5 * near))
        line = cut("clouds" if p.chance(0.6) else "haze", p.rng, 1, p.size)[0]
        colour = haze + (stuff.colour - haze) * near
        p.apply(
            patch,
            patch.v + line * (p.uniform(0.02, 0.1) * p.size),
            stuff._replace(colour=colour, texture="rock" if p.chance(0.6) else "foliage", relief=0.35 * near),
            slope=0.2,
        )


def field(p: Painter, horizon: float, haze: Array) -> None:
    """Ground that recedes to the horizon: its texture shrinks and fades into the haze."""
    patch = p.everywhere(0.5, horizon)
    texture = p.pick(("rock", "grain", "grass", "gravel", "foliage", "ripples"))
    stuff = p.stuff(texture=texture, relief=p.uniform(0.05, 0.45))
    if p.chance(0.5):
        stuff = stuff._replace(colour=hsv(p.uniform(0.15, 0.3), p.uniform(0.2, 0.7), p.uniform(0.2, 0.6)))
    near = np.clip(patch.v / (p.size * max(0.1, 1 - horizon)), 0, 1)  # (h, 1)
    depth = np.broadcast_to(patch.v, (p.size, p.size))
    colours = p.shade(patch, depth, stuff, slope=p.uniform(-0.3, 0.5))
    colours += (p.uniform(0, 0.8) * (1 - near)) * (haze[:, None, None] - colours)
    p.blend(patch, np.clip(depth + rough(p, depth.shape, p.uniform(0, 0.01) * p.size) + 0.5, 0, 1), colours)
    for _ in range(int(p.rng.exponential(1.5))):
        y = horizon + (1 - horizon) * p.rng.random()
        strip = p.patch(p.rng.random(), y, p.uniform(0.2, 1), p.uniform(0.01, 0.12))
        if strip is not None:
            half = 0.5 * len(strip.v)
            depth = ellipse(strip, 0.5 * strip.u.size, half)
            depth = depth + rough(p, depth.shape, 0.3 * half)
            p.apply(strip, depth, p.stuff(), blur=p.uniform(1, 8))


def water(p: Painter, horizon: float) -> None:
    """The scene above the horizon mirrored and rippled."""
    first = int(horizon * p.size)
    rows = np.arange(p.size - first)
    ripples, glitter = cut("ripples", p.rng, len(rows), p.size)
    source = first - 1 - rows[:, None] + ripples * (p.uniform(0.002, 0.03) * p.size)
    mirrored = p.pixels[:, np.clip(source, 0, max(0, first - 1)).astype(np.intp), np.arange(p.size)]
    colour = hsv(p.uniform(0.4, 0.62), p.uniform(0.1, 0.6), p.uniform(0.1, 0.6))
    mirrored += p.uniform(0.1, 0.7) * (colour[:, None, None] - mirrored)
    p.pixels[:, first:] = mirrored * (1 + p.uniform(0.02, 0.2) * glitter)


def develop(p: Painter) -> Array:
    """Light, expose and tone the canvas as a camera does: (3, size, size) in [0, 1]."""
    rng, size, pixels = p.rng, p.size, p.pixels
    if p.chance(0.6):  # light and shadow over the whole scene
        pixels = pixels * (1 + p.uniform(0, 0.3) * cut("haze", rng, size, size)[0])
    if p.chance(0.2):
        pixels = soften(pixels)
    if p.chance(0.5):  # a vignette
        edge = np.linspace(-1, 1, size, dtype=np.float32) ** 2
        pixels = pixels * (1 - p.uniform(0, 0.2) * (edge[:, None] + edge))
    warmth, green = 0.08 + 0.15 * rng.standard_normal(), 0.02 * rng.standard_normal()
    pixels = pixels * np.array([1 + warmth, 1 + green, 1 - warmth], np.float32)[:, None, None]
    grey = pixels.mean(axis=0)
    saturation = 0.0 if p.chance(0.04) else p.uniform(0.55, 1.1)
    contrast = min(rng.normal(0.235, 0.06) / (float(grey.std()) + 1e-3), 3.0)
    exposure = float(np.clip(rng.normal(0.43, 0.125), 0.15, 0.8))
    tones = (
        (grey - float(grey.mean())) * contrast + exposure + p.uniform(0.003, 0.022) * cut("grain", rng, size, size)[0]
    )
    pixels = tones + (pixels - grey) * (saturation * contrast)
    # A toe instead of a cut: shadows in photos keep their drawing.
    pixels = np.where(pixels < TOE, TOE**2 / (2 * TOE - np.minimum(pixels, TOE)), pixels)
    return np.clip(pixels, 0, 1)

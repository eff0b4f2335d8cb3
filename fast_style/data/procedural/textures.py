"""Textures that scenes are painted with: noise and clutter, made once a process and cut from ever after."""

from functools import cache

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

Array = NDArray[np.float32]

SIDE = 512  # of the fields, pixels
NAMES = ("haze", "clouds", "rock", "grain", "bark", "ripples", "grass", "foliage", "gravel", "clutter")
UPRIGHT = ("ripples", "grass")  # the others are also cut lying on their side
MARGIN = 24  # strokes are no longer than this to either side, pixels


def cut(name: str, rng: Generator, height: int, width: int) -> Array:
    """Cut a random piece out of a texture.

    Args:
        name: one of `NAMES`. `haze`, `clouds` and `rock` are noise whose amplitude falls with the frequency to the
            power 2, 1.4 and 1; `grain` falls like a square root; `bark` and `ripples` are stretched; the others are
            small things covering each other.
        rng: decides which piece.
        height: of the piece, pixels.
        width: of the piece, pixels.

    Returns:
        A view of shape (2, height, width), lightness and colour, over the whole texture both of mean 0 and standard
        deviation 1. Beyond 512 pixels it repeats.
    """
    field = _fields()[name]
    if rng.random() < 0.5:
        field = field[:, :, ::-1]
    if name not in UPRIGHT and rng.random() < 0.5:
        field = field.transpose(0, 2, 1)
    top, left = (int(rng.random() * max(1, SIDE - side)) for side in (height, width))
    if height > SIDE or width > SIDE:
        field = np.tile(field, (1, -(-height // SIDE), -(-width // SIDE)))
    return field[:, top : top + height, left : left + width]


@cache
def _fields() -> dict[str, Array]:
    rng = default_rng(0)
    noise = {
        "haze": _noise(rng, 2.0),
        "clouds": _noise(rng, 1.4),
        "rock": _uneven(_noise(rng, 1.0), rng),
        "grain": _uneven(_noise(rng, 0.5), rng),
        "bark": _uneven(_noise(rng, 1.1, stretch=6.0), rng),
        "ripples": _uneven(_noise(rng, 1.1, stretch=1 / 6), rng),
    }
    things = {
        "grass": _things(rng, 6000, (0.7, 2.0), length=(6.0, 20.0), upright=0.35),
        "foliage": _things(rng, 6000, (1.4, 8.0), length=(1.3, 2.2)),
        "gravel": _things(rng, 3500, (2.2, 14.0), length=(1.0, 1.5), shading=0.9),
        "clutter": _things(rng, 3000, (2.0, 14.0), length=(1.0, 2.4), upright=0.0, boxes=True),
    }
    return noise | things


def _noise(rng: Generator, power: float, stretch: float = 1.0) -> Array:
    """Return two planes of Gaussian noise of amplitude frequency^−power, its grains `stretch` times as high as wide."""
    y, x = np.fft.fftfreq(SIDE)[:, None] * SIDE, np.fft.rfftfreq(SIDE) * SIDE
    frequency = np.hypot(y * stretch**0.5, x / stretch**0.5)
    frequency[0, 0] = np.inf
    planes = [np.fft.irfft2(np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) * frequency**-power) for _ in range(2)]
    return _normalise(np.stack(planes))


def _uneven(field: Array, rng: Generator) -> Array:
    """Let the strength vary from place to place, as that of textures in photos does."""
    return _normalise(field * np.exp(0.6 * _noise(rng, 1.4)[:1]))


def _things(
    rng: Generator,
    count: int,
    radii: tuple[float, float],
    length: tuple[float, float],
    upright: float | None = None,
    shading: float = 0.4,
    boxes: bool = False,
) -> Array:
    """Cover two planes with ellipses or boxes of radii r distributed as r^−3, each of its own lightness and colour.

    `upright` is the deviation of their angle from the vertical in radians, None for any; `shading` how much they darken
    to one side.
    """
    planes = 0.7 * np.pad(_noise(rng, 1.0), ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)), mode="wrap")
    low, high = radii
    for _ in range(count):
        radius = (low**-2 - rng.random() * (low**-2 - high**-2)) ** -0.5
        reach = min(radius * (length[0] + rng.random() * (length[1] - length[0])), MARGIN - 2.0)
        angle = rng.random() * np.pi if upright is None else np.pi / 2 + upright * rng.standard_normal()
        c, s = float(np.cos(angle)), float(np.sin(angle))
        side = int(reach) + 2
        y, x = (MARGIN + int(rng.random() * SIDE) for _ in range(2))
        v, u = np.ogrid[-side : side + 1, -side : side + 1]
        along, across = np.abs(c * u + s * v) / reach, np.abs(c * v - s * u) / radius
        inside = np.maximum(along, across) if boxes else np.hypot(along, across)
        cover = np.clip((1 - inside) * radius + 0.5, 0, 1)
        shade = 0.8 * rng.standard_normal() - shading * (u + 2 * v) / (2 * reach)
        at = np.s_[:, y - side : y + side + 1, x - side : x + side + 1]
        paint = np.stack([shade, np.full_like(shade, rng.standard_normal())])
        planes[at] += cover * (paint - planes[at])
    return _normalise(planes[:, MARGIN:-MARGIN, MARGIN:-MARGIN])


def _normalise(planes: Array) -> Array:
    planes = planes - planes.mean(axis=(1, 2), keepdims=True)
    return (planes / planes.std(axis=(1, 2), keepdims=True)).astype(np.float32)

"""A schooner runs before a red sun over heavy swell.

White-line woodcut: pointed gouges follow the form and free cream, ochre and vermilion paper from a black block.

python tools/styles/woodcut_sea.py
"""

import numpy as np
from drawing import Field, along, curve, grid, polygon, rgb, save
from strokes import Canvas

SEED, ASPECT = 1921, 1.22
INK, PAPER, OCHRE, RED = rgb("1a1512 f3e6c8 e2a53f d5391f")
SUN = 0.66, 0.37, 0.215
SWELLS = [  # crests, far to near
    curve([(-0.1, 0.63), (0.14, 0.645), (0.33, 0.620), (0.56, 0.650), (0.84, 0.625), (1.06, 0.645), (1.4, 0.63)]),
    curve([(-0.1, 0.70), (0.10, 0.66), (0.20, 0.645), (0.36, 0.71), (0.64, 0.72), (0.92, 0.645), (1.4, 0.75)]),
    curve([(-0.1, 0.74), (0.10, 0.80), (0.34, 0.79), (0.54, 0.735), (0.68, 0.76), (0.86, 0.81), (1.1, 0.75)]),
    curve([(-0.1, 0.91), (0.08, 0.85), (0.20, 0.805), (0.36, 0.87), (0.60, 0.915), (0.96, 0.83), (1.4, 0.95)]),
    curve([(-0.1, 0.95), (0.20, 0.98), (0.40, 0.93), (0.52, 0.895), (0.70, 0.955), (0.94, 0.985), (1.4, 0.93)]),
]
MASTS = [[(0.475, 0.68), (0.470, 0.175)], [(0.610, 0.68), (0.612, 0.235)], [(0.385, 0.665), (0.225, 0.605)]]
HULL = curve(
    [(0.325, 0.645), (0.45, 0.672), (0.60, 0.677), (0.755, 0.635), (0.725, 0.73), (0.58, 0.77), (0.40, 0.76)], 4
)
SAILS = [  # corners: peak, foot at the mast, clew; all bellied to the right
    [(0.478, 0.190), (0.486, 0.640), (0.600, 0.625), (0.592, 0.330)],
    [(0.620, 0.250), (0.624, 0.635), (0.750, 0.610), (0.722, 0.375)],
    [(0.464, 0.210), (0.455, 0.600), (0.350, 0.640), (0.400, 0.430)],
    [(0.452, 0.330), (0.375, 0.625), (0.250, 0.620), (0.330, 0.500)],
]
GULLS = [(0.14, 0.30, 0.05), (0.235, 0.235, 0.035), (1.02, 0.19, 0.045), (0.10, 0.18, 0.03), (1.11, 0.29, 0.03)]


def cut(canvas: Canvas, colour: Field, angle: Field, width: float, where: Field, packed: float, aspect: float) -> None:
    """Carve pointed cuts of one flat colour."""
    flat = np.broadcast_to(colour, (*angle.shape, 3))
    look = {"streak": 0.06, "dry": 0.15, "point": 1.6, "body": 0.25}
    canvas.layer(flat, angle, width, aspect=aspect, where=where, packed=packed, jitter=0.02, hue=0.012, **look)


def inlay(canvas: Canvas, inside: Field, colour: Field, angle: Field, width: float, packed: float) -> None:
    """Cuts that stay within a shape."""
    before = np.where(inside[..., None], INK, canvas.colour)
    canvas.colour[inside] = INK
    cut(canvas, colour, angle, width, inside * 1.0, packed, 9)
    canvas.colour = np.where(inside[..., None], canvas.colour, before)


def sky(canvas: Canvas, x: Field, y: Field) -> None:
    """Rings of light around a sun of rings, and gulls."""
    r, around = np.hypot(x - SUN[0], y - SUN[1]), np.arctan2(x - SUN[0], SUN[1] - y)
    outside, glow = r > SUN[2] + 0.014, np.clip(4 - 15 * (r - SUN[2]), 0, 1)
    cut(canvas, OCHRE, around, 0.0105, outside * glow, 1.3, 11)
    cut(canvas, PAPER, around, 0.0105, outside * (1 - glow), 1.3, 12)
    sun = np.broadcast_to(RED, (*x.shape, 3))
    canvas.layer(sun, around, 0.014, aspect=5, where=r < SUN[2] - 0.008, packed=0, streak=0.1, hue=0.01)
    cut(canvas, INK, around, 0.0055, (r < SUN[2] - 0.02) * np.clip(2.5 * (y - SUN[1]) + 0.35, 0, 1), 1.8, 12)
    for u, v, span in GULLS:
        wings = [(-1, -0.15), (-0.6, -0.42), (0, 0), (0.55, -0.5), (1, -0.3)]
        line = curve([(u + span * across, v + span * down) for across, down in wings], 4)
        canvas.line(line, 0.34 * span, INK, dry=0)
        canvas.line(line, 0.15 * span, PAPER, dry=0)


def ship(canvas: Canvas, x: Field, y: Field) -> None:
    """A schooner under full sail, heeling a little."""
    for mast in MASTS:
        canvas.line(mast, 0.013, INK, dry=0)
    for number, corners in enumerate(SAILS):
        leech = along(x, y, [corners[:2], curve([corners[0], corners[3], corners[2]], 5)])
        inlay(canvas, polygon(x, corners), PAPER, leech, 0.0105, 1.0 + 0.15 * (number % 2))
        canvas.line([*corners, corners[0]], 0.012, INK, dry=0)
    hull, sheer = polygon(x, HULL), along(x, y, [HULL[:13]])
    inlay(canvas, hull, RED, sheer, 0.0075, 1.2)
    canvas.line([*HULL, HULL[0]], 0.012, INK, dry=0)
    canvas.line([(u, v + 0.016) for u, v in HULL[:13]], 0.006, PAPER, dry=0)


def paint(size: int = 768) -> np.ndarray:
    """Paint the picture: uint8 (H, W, 3), `size` pixels at the short side."""
    rng = np.random.default_rng(SEED)
    x, y = grid(size, ASPECT)
    canvas = Canvas(np.broadcast_to(INK, (*x.shape, 3)), rng)
    sky(canvas, x, y)
    for number, crest in enumerate(SWELLS):
        if number == 2:
            ship(canvas, x, y)
        water = polygon(x, [*crest, (1.4, 1.1), (-0.2, 1.1)])
        canvas.colour[water] = INK
        deep = y - np.interp(x[0], *np.array(crest).T)
        flow = along(x, y, SWELLS[number : number + 2])
        # Facets of each swell: light on the shoulders, black in the troughs.
        facet = 0.5 + 0.5 * np.cos(80 * deep + 2 * np.sin(9 * x + 2 * number))
        gleam = np.exp(-(((x - SUN[0]) / (0.14 + 0.3 * (y - 0.6))) ** 2))
        cut(canvas, RED, flow, 0.0095, water * (facet > 0.35) * gleam, 1.3, 10)
        cut(canvas, OCHRE, flow, 0.0075, water * (facet > 0.7) * gleam, 1.6, 10)
        cut(canvas, PAPER, flow, 0.0070, water * (facet > 0.45) * (1 - 0.85 * gleam), 1.6, 14)
        cut(canvas, PAPER, flow, 0.0110, water * (deep < 0.018) * 1.0, 0.9, 8)
        canvas.line(crest, 0.010, INK, dry=0)
    return canvas.picture(impasto=0.15)


if __name__ == "__main__":
    save("woodcut_sea", paint(), quality=88)

"""A village sleeps under a sky of swirls, after Vincent van Gogh's Starry Night (1889).

Thick oil: strokes lie side by side along a flow of vortices over a dark ground and are lit from the top left.

python tools/styles/starry_night.py
"""

import numpy as np
from drawing import Field, grid, mix, noise, polygon, ramp, rgb, save, step, streaks
from strokes import Canvas

SEED, ASPECT = 1889, 1.26
NIGHT = "0b1640 12246a 1b3a92 2656b0 3f7fc4 6fb0cf a9d3d0 dfe6c0"
GLOW = "fffbe0 fdf0a0 f6d64f f0dc6c d3dd86 9fcbb4 6fb0cf 4a8cc8"
MOON = 1.115, 0.15, 0.11
STARS = [  # x, y, radius of the halo
    (0.09, 0.34, 0.055), (0.335, 0.10, 0.06), (0.43, 0.28, 0.05), (0.58, 0.085, 0.068), (0.80, 0.12, 0.05),
    (0.95, 0.33, 0.06), (0.06, 0.08, 0.055), (0.37, 0.50, 0.09), (1.20, 0.40, 0.05), (0.72, 0.60, 0.040),
]  # fmt: skip
SWIRLS = [  # x, y, radius, sense
    (0.61, 0.34, 0.165, 1), (0.83, 0.44, 0.105, -1), (0.10, 0.55, 0.09, 1), (1.08, 0.53, 0.08, 1),
]  # fmt: skip
HOUSES = [  # x of the left wall, y of the foot, width, height of the wall, of the roof
    (0.42, 0.835, 0.060, 0.028, 0.030), (0.52, 0.825, 0.050, 0.030, 0.028), (0.71, 0.815, 0.055, 0.026, 0.030),
    (0.82, 0.825, 0.070, 0.028, 0.034), (0.93, 0.815, 0.050, 0.028, 0.026), (0.36, 0.880, 0.075, 0.040, 0.036),
    (0.48, 0.890, 0.070, 0.045, 0.034), (0.745, 0.880, 0.080, 0.040, 0.040), (0.87, 0.890, 0.085, 0.042, 0.042),
    (1.01, 0.875, 0.075, 0.038, 0.036), (0.41, 0.960, 0.095, 0.050, 0.046), (0.80, 0.965, 0.100, 0.052, 0.050),
    (0.96, 0.960, 0.090, 0.050, 0.044), (1.12, 0.955, 0.095, 0.048, 0.046),
]  # fmt: skip


def sky(rng: np.random.Generator, x: Field, y: Field) -> tuple[Field, Field]:
    """Wind that curls around swirls and stars: picture (H, W, 3) and angle (H, W)."""
    flow_x, flow_y = np.ones_like(x), 0.45 * np.sin(5.2 * x + 3 * y + 0.5)
    whirls = [(*swirl[:2], 1.25 * swirl[2], swirl[3], 0.28) for swirl in SWIRLS]
    for centre_x, centre_y, radius, sense, pull in [*whirls, *((*s[:2], 1.5 * s[2], 1, 0) for s in [*STARS, MOON])]:
        dx, dy = x - centre_x, y - centre_y
        r = np.hypot(dx, dy) + 1e-6
        hold = np.exp(-((r / radius) ** 4))
        flow_x = flow_x * (1 - hold) - hold * (dy * sense + pull * dx) / r
        flow_y = flow_y * (1 - hold) + hold * (dx * sense - pull * dy) / r
    angle = np.arctan2(flow_y, flow_x)
    tone = streaks(noise(rng, x, 26, 2), angle, 0.30)
    picture = ramp(0.05 + 0.82 * tone**1.5 + 0.35 * np.exp(-(((y - 0.665) / 0.05) ** 2)) * tone**0.5, NIGHT)
    for number, (centre_x, centre_y, radius) in enumerate([*STARS, MOON]):
        r = np.hypot(x - centre_x, y - centre_y) / radius
        rings = 0.6 + 0.4 * np.cos(r * (12 + number % 3) + 4 * tone)
        picture = mix(picture, ramp(r / 1.9, GLOW), np.clip(1.95 - r, 0, 1) ** 0.7 * np.where(r < 0.5, 1, rings))
    return picture, angle


def moon(canvas: Canvas, x: Field, y: Field) -> None:
    """An orange crescent, open to the top left."""
    centre_x, centre_y, radius = MOON
    dx, dy = x - centre_x, y - centre_y
    disc = np.hypot(dx, dy) < 0.50 * radius
    inner = np.hypot(dx + 0.020, dy + 0.012) < 0.42 * radius
    turn = np.arctan2(dx + 0.010, -dy - 0.006)
    light, horn = (np.broadcast_to(colour, (*x.shape, 3)) for colour in rgb("f9efb0 f29a16"))
    canvas.layer(light, turn, 0.012, aspect=3, where=disc * 1.0, packed=0, tries=4)
    canvas.layer(light, turn, 0.010, aspect=4, where=disc * 1.0, packed=0.8)
    canvas.layer(horn, turn, 0.011, aspect=4, where=(disc & ~inner) * 1.0, packed=0.4, body=1.3)


def hills(x: Field) -> list[Field]:
    """Heights of three ridges and of the fields below them, far to near: each (H, W)."""
    rise = 0.10 * step(x - 0.55, 0.75)
    return [
        0.70 - rise + 0.022 * np.sin(9 * x + 0.6),
        0.735 - 0.8 * rise + 0.020 * np.sin(12 * x + 2.4),
        0.765 - 0.35 * rise + 0.012 * np.sin(15 * x),
        0.80 + 0.012 * np.sin(8 * x + 2),
    ]


def land(rng: np.random.Generator, x: Field, y: Field) -> tuple[Field, Field]:
    """Blue hills over dark gardens: picture (H, W, 3) and angle (H, W)."""
    picture, angle = np.zeros((*x.shape, 3), np.float32), np.zeros_like(x)
    curls = 2.6 * noise(rng, x, 9) + 1.2 * noise(rng, x, 22)
    ranges = ["3f6fb0 6f9fce a9c8d8", "1d3f86 3a68b0 7fb0c8", "142a5e 2f5b96 5f9a9c", "0a1a34 143c50 2c6658 6f9a58"]
    for ridge, colours in zip(hills(x), ranges, strict=True):
        below = y > ridge
        slope = np.arctan(np.gradient(ridge, axis=1) * min(x.shape) * 1.8)
        garden = colours == ranges[-1]
        angle = np.where(below, curls if garden else slope + 0.5 * np.sin(60 * (y - ridge)), angle)
        tone = streaks(noise(rng, x, 34), angle, 0.06 if garden else 0.14)
        shade = ramp(tone - 0.25 + 0.5 * np.exp((ridge - y) / 0.012), colours)
        picture = np.where(below[..., None], shade, picture)
    return picture, angle


def village(canvas: Canvas, x: Field, y: Field) -> None:
    """Houses with lit windows, outlined in dark blue, around a church."""
    ink, upright, level = rgb("0a1230")[0], np.full_like(x, np.pi / 2), np.zeros_like(x)
    walls, roofs = rgb("4a6f9f 6b93ad 3c5c90 7a9c96"), rgb("1f3d7a 7a4636 2d5188 1a2f60 8a6038")

    def panel(colour: Field, corners: list[tuple[float, float]], angle: Field, outline: float = 0.0035) -> None:
        inside = polygon(x, corners)
        paint = np.broadcast_to(colour, (*x.shape, 3))
        canvas.layer(paint * 0.8, angle, 0.007, aspect=2.5, where=inside, packed=0, tries=3)
        canvas.layer(paint, angle, 0.006, aspect=3.5, where=inside, packed=0.7, jitter=0.08, hue=0.05)
        canvas.line([*corners, corners[0]], outline, ink, dry=0.2)

    def house(number: int, left: float, foot: float, width: float, wall: float, roof: float) -> None:
        right, eaves, middle = left + width, foot - wall, left + width / 2
        panel(walls[number % 4], [(left, foot), (left, eaves), (right, eaves), (right, foot)], upright)
        tilt = level + (0.9 if number % 2 else -0.9)
        ridge = [(left - 0.006, eaves), (middle - width * 0.28, eaves - roof), (middle + width * 0.28, eaves - roof)]
        panel(roofs[number % 5], [*ridge, (right + 0.006, eaves)], tilt)
        for place in (0.3, 0.7) if number % 3 else (0.35,):
            column = left + place * width
            glow = rgb("ffd23c fff0a0")[number % 2]
            canvas.line([(column, foot - wall * 0.70), (column, foot - wall * 0.35)], 0.009, glow, dry=0, body=1.5)

    for number, place in enumerate(HOUSES[:5]):
        house(number, *place)
    panel(walls[0], [(0.615, 0.86), (0.615, 0.755), (0.655, 0.755), (0.655, 0.86)], upright)
    panel(roofs[0], [(0.609, 0.757), (0.635, 0.555), (0.661, 0.757)], upright)
    panel(walls[1], [(0.655, 0.86), (0.655, 0.81), (0.72, 0.81), (0.72, 0.86)], upright)
    panel(roofs[3], [(0.650, 0.812), (0.668, 0.775), (0.71, 0.775), (0.726, 0.812)], level - 0.9)
    for column in (0.635, 0.674, 0.700):
        canvas.line([(column, 0.825), (column, 0.845)], 0.010, rgb("ffd23c")[0], dry=0, body=1.5)
    for number, place in enumerate(HOUSES[5:]):
        house(number + 1, *place)


def bushes(canvas: Canvas, rng: np.random.Generator, x: Field, y: Field) -> None:
    """Round trees that curl at the feet of the houses."""
    for left, foot, width, *_ in sorted(HOUSES, key=lambda house: house[1]):
        for _ in range(3):
            centre_x, centre_y = left + rng.uniform(-0.25, 1.3) * width, foot + rng.uniform(0.004, 0.016)
            radius = rng.uniform(0.018, 0.032)
            dx, dy = x - centre_x, (y - centre_y) * 1.35
            r = np.hypot(dx, dy) / radius
            leaf = ramp(0.55 - 0.4 * (dx + 1.5 * dy) / radius, "0a1a34 12384c 27604f 5f8f58")
            canvas.layer(leaf, np.arctan2(dx, -dy) + 0.5, 0.007, aspect=4, where=(r < 1) * 1.0, packed=0.5)


def cypress(canvas: Canvas, rng: np.random.Generator, x: Field, y: Field) -> None:
    """A dark flame before it all."""
    for foot, tip, reach, lean in ((0.285, 0.40, 0.055, 0.02), (0.19, 0.035, 0.105, 0.03)):
        up = np.clip((1.02 - y) / (1.02 - tip), 0, 1)
        sway = foot + lean * up + 0.014 * np.sin(9 * up + foot * 30) * (1 - up)
        half = reach * (1 - up) ** 0.8 * (0.62 + 0.38 * np.sin(2.6 * up + 0.5)) * (1 + 0.22 * np.sin(23 * up))
        across = (x - sway) / (half + 1e-3)
        angle = np.pi / 2 + 0.42 * np.sin(24 * up + 3 * across) * (1 - up) ** 0.5 + 0.3 * across * np.cos(11 * up)
        bark = ramp(streaks(noise(rng, x, 40), angle, 0.16) ** 1.6, "0a1420 0f2430 16352a 2a4628 50522a 8a8538")
        inside = np.where((np.abs(across) < 1) & (y > tip), 1.0, 0.0)
        canvas.layer(bark * 0.6, angle, 0.012, aspect=4, where=inside, packed=0)
        canvas.layer(bark, angle, 0.0095, aspect=8, where=inside, packed=0.8, point=2.2)


def paint(size: int = 768) -> np.ndarray:
    """Paint the picture: uint8 (H, W, 3), `size` pixels at the short side."""
    rng = np.random.default_rng(SEED)
    x, y = grid(size, ASPECT)
    air, wind = sky(rng, x, y)
    earth, lie = land(rng, x, y)
    canvas = Canvas(air * 0.35, rng)
    canvas.layer(air * 0.8, wind, 0.016, packed=0)
    canvas.layer(air, wind, 0.0115, aspect=6.5, jitter=0.05, packed=0.9)
    for centre_x, centre_y, radius in STARS:
        heart = np.hypot(x - centre_x, y - centre_y) < 0.3 * radius
        canvas.layer(air, wind, 0.012, aspect=2, where=heart, packed=0, body=1.3)
        canvas.line([(centre_x, centre_y), (centre_x + 0.002, centre_y)], 0.011, rgb("fffbe0")[0], dry=0, point=2)
    moon(canvas, x, y)
    ground = y > hills(x)[0]
    canvas.colour[ground] = 0.3 * earth[ground]
    canvas.layer(earth * 0.4, lie, 0.016, where=ground, packed=0)
    canvas.layer(earth, lie, 0.0095, aspect=5.5, where=ground, packed=0.85)
    for ridge in hills(x)[:3]:
        crest = list(zip(x[0, :: size // 24], ridge[0, :: size // 24], strict=True))
        canvas.line(crest, 0.006, rgb("0e1a45")[0], dry=0.3)
    village(canvas, x, y)
    bushes(canvas, rng, x, y)
    cypress(canvas, rng, x, y)
    return canvas.picture()


if __name__ == "__main__":
    save("starry_night", paint())

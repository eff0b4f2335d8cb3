"""A blazing evening over a dark fjord and a lonely pier, after Edvard Munch.

Expressionism: long, dry strokes flow in waves; sky, water and land are bands of one current.

python tools/styles/crimson_sky.py
"""

import numpy as np
from drawing import Field, along, curve, grid, noise, polygon, ramp, rgb, save, streaks
from strokes import Canvas

SEED, ASPECT = 1893, 0.84
SKY = "6b1018 a8161c d92a1a ee5b1c f68c24 fbb53a f9d878 e4d9a6"
WATER = "050a1a 0a1738 142e5e 1f4f7c 3f7f8f 86ab90 e0b060"
LAND = "090d1a 12203a 1e3b40 3a5638 6d6a2e b0662c"
PLANKS = "1a0f20 3c1d24 6e3424 98552e bd8848 d8b67c"
HORIZON = curve([(-0.1, 0.475), (0.12, 0.462), (0.34, 0.480), (0.56, 0.452), (0.78, 0.415), (1.1, 0.43)])
SHORE = curve(
    [
        *[(1.1, 0.505), (0.90, 0.498), (0.72, 0.520), (0.60, 0.575), (0.60, 0.640), (0.72, 0.690)],
        *[(0.84, 0.745), (0.86, 0.820), (0.78, 0.920), (0.74, 1.060), (0.80, 1.30)],
    ]
)
WAVES = [
    curve([(-0.1, top), (0.12, top + 0.035), (0.33, top - 0.03), (0.56, top + 0.045), (0.80, top - 0.02), (1.1, top)])
    for top in (0.03, 0.20, 0.36)
] + [
    curve([(-0.1, 0.60), (0.10, 0.575), (0.28, 0.60), (0.42, 0.575), (0.50, 0.60), (0.54, 0.68), (0.64, 0.76)]),
    curve([(-0.1, 0.74), (0.10, 0.70), (0.28, 0.725), (0.40, 0.73), (0.52, 0.80), (0.60, 0.90), (0.62, 1.2)]),
]
PIER = [(-0.02, 0.835), (0.075, 0.74), (0.115, 0.74), (0.70, 1.22), (-0.02, 1.22)]


def picture(rng: np.random.Generator, x: Field, y: Field) -> tuple[Field, Field]:
    """Sky, fjord and headland in one current: picture (H, W, 3) and angle (H, W)."""
    angle = along(x, y, [HORIZON, SHORE, *WAVES]) + 0.25 * (noise(rng, x, 3) - 0.5)
    tone = streaks(noise(rng, x, 30, 2, stretch=2), angle, 0.45)
    blaze = np.exp(-((np.hypot((x - 0.60) / 1.7, y - 0.33) / 0.16) ** 2))
    sky = ramp(0.05 + 0.72 * tone**1.1 + 0.22 * blaze - 0.12 * (y < 0.1), SKY)
    depth = (y - 0.46) / 0.75
    water = ramp(0.06 + 0.60 * tone**1.2 + 0.45 * np.exp(-depth * 14) * (tone > 0.45), WATER)
    below = polygon(x, [*HORIZON, (1.3, 1.3), (-0.2, 1.3)])
    land = ramp(0.80 * tone**1.2 + 0.12 * depth, LAND)
    far = polygon(x, [*HORIZON, *SHORE[:10], (0.66, 0.505), (0.3, 0.497), (-0.1, 0.495)])
    scene = np.where(below[..., None], water, sky)
    scene = np.where(far[..., None], ramp(0.1 + 0.5 * tone, "101633 1d2f5c 3a4a7a 7a5a78"), scene)
    return np.where(polygon(x, [*SHORE, (1.4, 1.3)])[..., None], land, scene), angle


def pier(canvas: Canvas, rng: np.random.Generator, x: Field, y: Field) -> None:
    """Planks that run to a vanishing point, a railing, and two walkers far off."""
    angle = np.arctan2(y - 0.70, x - 0.085)
    inside = polygon(x, PIER) * 1.0
    boards = np.floor(angle * 34) % 4 / 5 + 0.5 * streaks(noise(rng, x, 30), angle, 0.2)
    boards = ramp(boards, PLANKS)
    canvas.layer(boards * 0.5, angle, 0.018, where=inside, packed=0)
    canvas.layer(boards, angle, 0.011, aspect=12, where=inside, packed=0.8, dry=0.8)
    dark, warm = rgb("140b1c b8562a")
    for offset, width in ((0.0, 0.020), (0.075, 0.014), (0.15, 0.016)):
        rail = curve([(0.115, 0.70 + offset * 0.27), (0.36, 0.815 + offset * 0.75), (1.20, 1.22 + offset * 1.9)], 8)
        canvas.line(rail, width * 1.5, dark, dry=0.2)
        canvas.line([(u, v - 0.003) for u, v in rail], width * 0.55, warm, dry=0.9)
    for near in (0.0, 0.10, 0.26, 0.52, 0.9):
        post = 0.115 + 0.62 * near, 0.695 + 0.31 * near
        canvas.line([post, (post[0] - 0.004, post[1] + 0.055 + 0.24 * near)], 0.010 + 0.014 * near, dark, dry=0.3)
    for place, height in ((0.066, 0.098), (0.102, 0.088)):
        canvas.line([(place, 0.765), (place + 0.002, 0.765 - height)], 0.022, dark, dry=0, point=2.5)
        head = place + 0.002, 0.762 - height
        canvas.line([head, (head[0], head[1] - 0.006)], 0.012, rgb("c98f62")[0], dry=0, point=2)
        canvas.line([(head[0] - 0.004, head[1] - 0.012), (head[0] + 0.004, head[1] - 0.012)], 0.010, dark, dry=0)


def paint(size: int = 768) -> np.ndarray:
    """Paint the picture: uint8 (H, W, 3), `size` pixels at the short side."""
    rng = np.random.default_rng(SEED)
    x, y = grid(size, ASPECT)
    scene, flow = picture(rng, x, y)
    canvas = Canvas(scene * 0.4, rng)
    canvas.layer(scene * 0.75, flow, 0.020, aspect=7, packed=0)
    canvas.layer(scene, flow, 0.013, aspect=14, jitter=0.05, hue=0.035, packed=0.85, dry=0.75, streak=0.26)
    canvas.layer(scene**0.8, flow, 0.006, aspect=18, packed=2, tries=0.5, dry=0.9)
    pier(canvas, rng, x, y)
    return canvas.picture()


if __name__ == "__main__":
    save("crimson_sky", paint())

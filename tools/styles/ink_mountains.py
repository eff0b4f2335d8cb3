"""Mountains rise out of the mist above a lake, pines cling to the nearer rocks: East Asian ink painting.

Sumi-e: graded washes granulate in the paper's grain; dry, split brush strokes model the rock; one red seal.

python tools/styles/ink_mountains.py
"""

import numpy as np
from drawing import Field, curve, grid, noise, rgb, save, step
from strokes import Canvas

SEED, ASPECT = 1427, 0.82
PAPER, INK, SEAL = rgb("ece0c6 191b22 b5271d")
RANGES = [  # foot, height and cells of the outline, darkness, peaks as (x, width, height), pines as (x, height)
    (0.50, 0.05, 7, 0.40, [(0.78, 0.16, 0.30), (0.20, 0.20, 0.14)], []),
    (0.68, 0.05, 9, 0.58, [(0.36, 0.12, 0.46), (0.54, 0.09, 0.26), (0.96, 0.12, 0.18)], [(0.60, 0.03), (0.23, 0.035)]),
    (
        0.88,
        0.04,
        10,
        0.78,
        [(0.90, 0.13, 0.42), (0.70, 0.08, 0.16), (0.00, 0.14, 0.20)],
        [(0.80, 0.07), (0.72, 0.05), (0.96, 0.06)],
    ),
    (
        1.12,
        0.03,
        11,
        1.00,
        [(0.06, 0.16, 0.38), (0.30, 0.09, 0.13)],
        [(0.03, 0.1), (0.11, 0.15), (0.2, 0.12), (0.29, 0.1)],
    ),
]


def pine(canvas: Canvas, x: float, y: float, height: float) -> None:
    """A leaning trunk with tiers of needles in fans."""
    rng, lean = canvas.rng, canvas.rng.uniform(-0.5, 0.5)
    bend = [(0, 0), (0.10 + 0.5 * lean, 0.3), (lean - 0.08, 0.65), (lean, 1.0)]
    trunk = curve([(x + 0.5 * height * across, y - height * up) for across, up in bend], 6)
    canvas.line(trunk, 0.055 * height + 0.002, INK, dry=0.7)
    for at in range(5, len(trunk)):
        u, v = trunk[at]
        reach = height * (0.46 - 0.018 * at) * rng.uniform(0.6, 1.1) * (-1) ** at
        canvas.line(
            curve([(u, v), (u + 0.5 * reach, v + 0.03 * height), (u + reach, v - 0.02 * height)], 3), 0.003, INK
        )
        for share in (0.35, 0.7, 1.0):
            for turn in rng.uniform(-2.9, -0.25, 16):
                root = np.array([u + share * reach, v]) + rng.normal(0, 0.012 * height, 2)
                tip = root + 0.15 * height * np.array([np.cos(turn), 0.75 * np.sin(turn)])
                canvas.line([tuple(root), tuple(tip)], 0.0026, INK, dry=0.4, point=2, opacity=0.85)


def details(canvas: Canvas) -> None:
    """A fishing boat, birds, and the seal."""
    canvas.line(curve([(0.60, 0.985), (0.65, 1.003), (0.72, 1.002), (0.77, 0.978)], 4), 0.010, INK, dry=0.5)
    canvas.line(curve([(0.655, 0.992), (0.675, 0.968), (0.705, 0.968), (0.722, 0.992)], 4), 0.007, INK, dry=0.7)
    canvas.line([(0.752, 0.985), (0.755, 0.948)], 0.010, INK, dry=0.3)
    canvas.line([(0.735, 0.948), (0.773, 0.950)], 0.006, INK, dry=0.2)
    canvas.line([(0.70, 0.915), (0.84, 1.03)], 0.003, INK, dry=0.5)
    for u, v in ((0.50, 0.14), (0.555, 0.115), (0.60, 0.155), (0.455, 0.10), (0.66, 0.125)):
        canvas.line(
            curve([(u - 0.020, v - 0.008), (u - 0.008, v - 0.010), (u, v), (u + 0.012, v - 0.013)], 3), 0.004, INK
        )
    left, top, side = 0.885, 1.085, 0.062
    for row in np.linspace(0, side, 9):
        canvas.line([(left, top + row), (left + side, top + row)], 0.011, SEAL, dry=0.35)
    # The character for mountain.
    marks = [(0.5, 0.15, 0.5, 0.85), (0.18, 0.42, 0.18, 0.85), (0.18, 0.85, 0.82, 0.85), (0.82, 0.42, 0.82, 0.85)]
    for u0, v0, u1, v1 in marks:
        canvas.line([(left + side * u0, top + side * v0), (left + side * u1, top + side * v1)], 0.006, PAPER, dry=0.2)


def paint(size: int = 768) -> np.ndarray:
    """Paint the picture: uint8 (H, W, 3), `size` pixels at the short side."""
    rng = np.random.default_rng(SEED)
    x, y = grid(size, ASPECT)
    grain = 0.5 * noise(rng, x, 150, 2) + 0.5 * noise(rng, x, 60, 2, stretch=6)
    blot, drift = noise(rng, x, 6, 5), 0.3 * (noise(rng, x, 3) - 0.5)
    canvas = Canvas(PAPER * (0.93 + 0.08 * grain + 0.06 * (blot - 0.5))[..., None], rng)

    def wash(amount: Field, colour: Field) -> None:
        canvas.colour += np.clip(amount * (0.7 + 0.6 * grain), 0, 0.95)[..., None] * (colour - canvas.colour)

    def brush(angle: Field, width: float, chance: Field, opacity: float, **look: float) -> None:
        tint = np.broadcast_to(INK, (*x.shape, 3))
        dry = {"dry": 1.05, "body": 0.35, "jitter": 0.03, "hue": 0.006, "point": 2.2, "aspect": 7} | look
        canvas.layer(tint, angle, width, where=chance, opacity=opacity, **dry)

    wash(0.75 * step(0.075 - np.hypot(x - 0.20, y - 0.17), 0.004) * (0.45 + 0.75 * y / 0.2 * blot), SEAL)
    wash(0.13 * blot**2 * step(0.5 - y, 0.5), INK + 0.15)
    brush(drift, 0.026, np.full_like(x, 0.55), 0.07, aspect=11)
    for foot, height, cells, dark, peaks, pines in RANGES:
        rough = np.repeat(noise(rng, x, cells, 5)[:1], len(x), 0) - 0.5
        crest = foot - height * rough - sum(h * np.exp(-(np.abs((x - at) / wide) ** 1.4)) for at, wide, h in peaks)
        depth, inside = np.clip((y - crest) / (foot - crest + 0.05), 0, 1), step(y - crest, 0.005)
        cracks, folds = noise(rng, x, 10, 5, stretch=0.4), noise(rng, x, 6)
        wash(inside * (1 - dark * 0.2) * step(1 - depth, 0.3), PAPER * 0.95)
        wash(
            inside * dark * ((1 - depth) ** 1.1 * (0.35 + 0.75 * cracks**1.5) + 0.25 * np.exp((crest - y) / 0.03)), INK
        )
        slope = np.arctan(np.gradient(crest, axis=1) * size)
        # Rock falls away from the ridge to both sides.
        fall = np.where(slope > 0, 1, -1) * (1.0 + 0.7 * (folds - 0.5)) + 0.3 * slope
        rock = inside * (1 - depth) ** 1.3
        brush(fall, 0.022, rock * 0.5, 0.22 * dark, packed=0.4, aspect=4)
        brush(fall, 0.0110, rock * (cracks > 0.5), 0.10 + 0.35 * dark, packed=0.6, aspect=5)
        brush(fall, 0.0060, rock * (cracks > 0.5), 0.15 + 0.45 * dark, packed=0.9, tries=7)
        brush(fall, 0.0034, rock * (cracks > 0.3), 0.25 + 0.55 * dark, packed=1.2, tries=6, aspect=10)
        ridge = list(zip(x[0, :: max(size // 64, 1)], crest[0, :: max(size // 64, 1)], strict=True))
        canvas.line(ridge, 0.0025 + 0.003 * dark, INK, dry=0.9, opacity=0.3 + 0.6 * dark)
        moss = np.exp(-(((y - crest) / 0.012) ** 2)) * (blot > 0.45)
        brush(x * 0 + 1.4, 0.006, moss, 0.3 + 0.6 * dark, aspect=2, tries=2.5, packed=0.6)
        for place, tall in pines:
            pine(canvas, place, crest[0, round(place * size)] + 0.012, tall)
    lake = step(y - 1.02, 0.05) * step(x - 0.30 - 0.4 * drift, 0.1)
    brush(drift * 0.3, 0.005, lake * (blot > 0.4) * 0.8, 0.45, aspect=18, packed=1.5, tries=2)
    details(canvas)
    return canvas.picture(impasto=0.14, gloss=0)


if __name__ == "__main__":
    save("ink_mountains", paint())

"""Boats come home to a harbour at sunset, after Georges Seurat and Paul Signac.

Pointillism: round dots of pure paint; beside every colour sits its complement, and the eye mixes them.

python tools/styles/harbor_dots.py
"""

import numpy as np
from drawing import Field, grid, mix, noise, polygon, ramp, rgb, save, step
from strokes import Canvas

SEED, ASPECT, HORIZON = 1886, 1.25, 0.47
SUN = 0.80, 0.37
BOATS = [  # x, y of the waterline, height, lean, sail
    (0.25, 0.510, 0.10, 1, "e8c8b8"), (0.40, 0.500, 0.07, -1, "d9a9b8"), (1.13, 0.505, 0.09, -1, "e9b9a0"),
    (0.62, 0.615, 0.26, 1, "d0557e"), (1.02, 0.700, 0.34, -1, "e06c3c"), (0.27, 0.720, 0.30, 1, "3f93a6"),
]  # fmt: skip


def scenery(rng: np.random.Generator, x: Field, y: Field) -> Field:
    """Sunset over a far town, mirrored in the water: (H, W, 3)."""
    haze = noise(rng, x, 3, 3, stretch=4) - 0.5
    sky = ramp(y / HORIZON + 0.16 * haze, "4660a6 6673b4 9a80b8 d18fa6 ee9c7c f7b866 fbd988")
    away = np.hypot(x - SUN[0], y - SUN[1])
    sky = mix(sky, rgb("fff0a0")[0], 0.9 * np.exp(-((away / 0.16) ** 1.5)))
    sky = mix(sky, rgb("fffbe2")[0], step(0.055 - away, 0.01))
    depth = (y - HORIZON) / (1 - HORIZON)
    ripple, flicker = noise(rng, x, 22, 2, stretch=5), noise(rng, x, 45, stretch=4)
    sea = ramp(0.95 - 1.0 * depth + 0.30 * (ripple - 0.5), "1c2f66 27508c 397aa2 5c9fae a596b4 df9f92 f5c283")
    glitter = np.exp(-(((x - SUN[0]) / (0.06 + 0.12 * depth)) ** 2)) * step(flicker - 0.30 - 0.25 * depth, 0.15)
    sea = mix(sea, ramp(depth, "fff2b0 ffcf5a ff9a3c"), glitter)
    roofs = np.repeat(rng.random(60), 2)[np.minimum(x * 70, 99).astype(int)]
    town = HORIZON - 0.012 - (0.025 + 0.035 * roofs) * step(0.60 - x, 0.25)
    town = np.minimum(town, HORIZON - 0.085 * step(x - 1.0, 0.25) * (0.75 + 0.25 * np.sin(17 * x)))
    sky = mix(sky, ramp(noise(rng, x, 26, 2), "4b3f8f 6f5aa8 9a6aa0 c9829a"), step(y - town, 0.004))
    return np.where((y > HORIZON)[..., None], sea, sky)


def lighthouse(picture: Field, x: Field, y: Field) -> Field:
    """A mole with a striped tower at the left: (H, W, 3)."""
    quay = polygon(x, [(-0.1, 0.545), (0.06, 0.540), (0.135, 0.550), (0.15, 0.59), (-0.1, 0.60)])
    picture = mix(picture, ramp((y - 0.54) / 0.05, "c98a7a 6a4a86 2c2560"), quay)
    tower = polygon(x, [(0.045, 0.545), (0.058, 0.27), (0.092, 0.27), (0.105, 0.545)])
    stripes = np.where((np.sin((y - 0.27) * 70) > 0)[..., None], rgb("d8483c")[0], rgb("f8ead2")[0])
    picture = mix(picture, stripes * (0.55 + 8 * np.clip(x - 0.045, 0, 0.055))[..., None], tower)
    picture = mix(picture, rgb("fff3a0")[0], polygon(x, [(0.060, 0.27), (0.060, 0.235), (0.090, 0.235), (0.090, 0.27)]))
    return mix(picture, rgb("5a2a5c")[0], polygon(x, [(0.052, 0.237), (0.075, 0.20), (0.098, 0.237)]))


def boats(picture: Field, x: Field, y: Field) -> Field:
    """Sails and hulls over their broken reflections: (H, W, 3)."""
    shiver = (0.012 * min(x.shape) * np.sin(150 * y + 9 * np.sin(31 * x))).astype(int)
    broken = (np.arange(x.shape[1]) + shiver) % x.shape[1]
    for left, foot, height, lean, sail in BOATS:
        parts: list[tuple[str, list[tuple[float, float]]]] = [  # colour; corners across and up, in heights
            (sail, [(-0.02, 1.0), (-0.06, 0.14), (-0.46, 0.18)]),
            ("8a6ab0" if lean > 0 else "a8486c", [(0.02, 0.92), (0.03, 0.14), (0.30, 0.16)]),
            ("2a1f52", [(-0.012, 1.04), (0.012, 1.04), (0.016, 0.08), (-0.016, 0.08)]),
            ("3a1f4f", [(-0.50, 0.12), (0.42, 0.12), (0.30, -0.02), (-0.38, -0.02)]),
            ("d8503c", [(-0.50, 0.13), (0.42, 0.13), (0.40, 0.09), (-0.48, 0.09)]),
        ]
        light = 1.05 - 0.30 * np.abs(foot - y) / height + 0.15 * lean * (x - left) / height
        for mirror, strength in ((-0.62, 0.62), (1, 1.0)):
            for colour, corners in parts:
                at = [(left + lean * across * height, foot - up * height * mirror) for across, up in corners]
                inside = polygon(x, at)
                inside = inside if mirror > 0 else np.take_along_axis(inside, broken, 1)
                picture = mix(picture, rgb(colour)[0] * light[..., None], inside * strength)
    return picture


def paint(size: int = 768) -> np.ndarray:
    """Paint the picture: uint8 (H, W, 3), `size` pixels at the short side."""
    rng = np.random.default_rng(SEED)
    x, y = grid(size, ASPECT)
    scene = boats(lighthouse(scenery(rng, x, y), x, y), x, y)
    canvas = Canvas(scene * 0.9, rng)
    angle = np.pi * noise(rng, x, 40)
    # Shadows are answered in blue and violet, lights in their own colour and its complement.
    value = scene.mean(-1, keepdims=True)
    vivid = np.clip(value + 1.3 * (scene - value), 0, 1)
    complement = np.clip(value + 0.9 * (value - scene) + 0.06, 0, 1)
    dot = {"aspect": 1.15, "streak": 0.12, "dry": 0.15, "point": 2.4}
    canvas.layer(scene, angle * 0, 0.014, aspect=1.6, packed=0, tries=4, opacity=0.85, dry=0.4)
    canvas.layer(vivid, angle, 0.0135, packed=0.8, jitter=0.05, hue=0.085, body=1.2, **dot)
    canvas.layer(complement, angle, 0.0105, packed=1.4, tries=0.30, hue=0.06, **dot)
    canvas.layer(vivid * 1.08, angle, 0.0095, packed=1.2, tries=1.0, jitter=0.07, hue=0.10, body=1.3, **dot)
    return canvas.picture(impasto=0.25)


if __name__ == "__main__":
    save("harbor_dots", paint(), quality=88)

"""A breaking wave of many claws before a snowy mountain, after Hokusai, as a colour woodblock print.

Every wave is two Bézier curves with stripes between them and foam of tapered hooks; the sky is a pattern of scales.
"""

import numpy as np
import tiles
from PIL import Image, ImageDraw

LINE, FOAM, SHADE = "#14264f", "#f7efd9", "#c3d5d8"
BLUES = [
    ["#1d3a78", "#6f9fc0", "#24488c", "#d5e0d8", "#2f5fa3", "#1a3169", "#8fb6cb", "#24488c"],
    ["#23427f", "#3b6ea8", "#b9d0d4", "#1a3169", "#4f86b4", "#e3e6d6", "#2a559a", "#1a3169"],
    ["#1a3169", "#5b90b8", "#1f3f82", "#9fc0cd", "#1d3a78", "#3f74ab", "#dde4d8", "#2a559a"],
]
BACK = [(-1.5, -0.1), (-0.55, 0.0), (-0.55, 1.05), (0.10, 1.0), (0.50, 0.97), (0.75, 0.78), (0.64, 0.50)]
FACE = [(1.15, -0.1), (0.15, -0.1), (-0.12, 0.42), (0.05, 0.70), (0.14, 0.85), (0.45, 0.83), (0.64, 0.50)]


def bezier(points: list[tuple[float, float]], steps: int = 60) -> np.ndarray:
    """Follow cubic Bézier curves through every third point: (N, 2)."""
    t = np.linspace(0, 1, steps)[:, None]
    p = np.array(points)
    parts = [
        (1 - t) ** 3 * p[i] + 3 * t * (1 - t) ** 2 * p[i + 1] + 3 * t**2 * (1 - t) * p[i + 2] + t**3 * p[i + 3]
        for i in range(0, len(p) - 1, 3)
    ]
    return np.concatenate(parts)


class Print:
    """A sheet whose short side is 1, drawn `scale` pixels tall."""

    def __init__(self, width: int, scale: int, rng: np.random.Generator):
        self.image = Image.new("RGB", (width, scale))
        self.draw, self.scale, self.rng = ImageDraw.Draw(self.image), scale, rng

    def fill(self, points: np.ndarray, colour: str) -> None:
        """Fill a polygon, (N, 2)."""
        self.draw.polygon([(float(x), float(y)) for x, y in points * self.scale], colour)

    def line(self, points: np.ndarray, colour: str, width: float) -> None:
        """Draw a line through (N, 2) points."""
        pixels = [(float(x), float(y)) for x, y in points * self.scale]
        self.draw.line(pixels, colour, max(1, round(width * self.scale)), joint="curve")

    def discs(self, discs: np.ndarray, colour: str, grow: float = 0) -> None:
        """Draw discs, rows of x, y and radius."""
        for x, y, radius in discs * self.scale:
            r = max(0, radius + grow * self.scale)
            self.draw.ellipse([x - r, y - r, x + r, y + r], colour)

    def hook(self, x: float, y: float, heading: float, length: float, bend: float) -> np.ndarray:
        """Discs along a claw that bends and thins: (N, 3)."""
        t = np.linspace(0, 1, 26)
        angle = heading + bend * t
        step = length / len(t)
        return np.stack([x + np.cumsum(np.cos(angle)) * step, y + np.cumsum(np.sin(angle)) * step,
                         length * (0.17 - 0.145 * t)], axis=-1)  # fmt: skip

    def wave(self, x: float, base: float, size: float, blues: list[str], claws: int) -> None:
        """Draw a wave of this height, its foot at (x, base)."""
        rng, unit = self.rng, size * np.array([1, -1])
        wide = np.array([rng.uniform(0.9, 1.15), 1])
        back, face = (bezier(p) * wide * unit + (x, base) for p in (BACK, FACE))
        stripes = len(blues)
        bands = np.append(0, np.cumsum(rng.uniform(0.5, 1.5, stripes)))
        edges = [back + (face - back) * (k / bands[-1]) ** 0.9 for k in bands]
        pen = 0.0016 + 0.0022 * size
        for lower, upper, blue in zip(edges, edges[1:], blues, strict=False):
            self.fill(np.concatenate([lower, upper[::-1]]), blue)
            self.line(lower, LINE, pen)
        self.line(edges[-1], LINE, 1.5 * pen)
        foot = np.array([back[0], face[0], face[0] + (0, size), back[0] + (0, size)])
        self.fill(foot, blues[0])

        foam = []
        for i in np.linspace(50, 119, claws).astype(int):
            lip = np.clip((i - 62) / 45, 0, 1)
            length = size * rng.uniform(0.07, 0.13) * (0.5 + 0.7 * lip)
            forward = np.arctan2(*(back[i] - back[i - 1])[::-1])
            foam.append(self.hook(*back[i], forward - 0.9 + 0.75 * lip, length, rng.uniform(1.6, 2.6)))
            for _ in range(round(4 * lip)):
                place = back[i] + rng.uniform(0, 0.75) * lip * (face[i] - back[i])
                foam.append(self.hook(*place, forward + rng.uniform(0.2, 1.6), length, rng.uniform(0.8, 2.2)))
            if i > 76:
                under = np.arctan2(*(face[i] - face[i - 1])[::-1])
                foam.append(self.hook(*face[i], under + rng.uniform(0.5, 1.3), length, rng.uniform(0.5, 1.6)))
        order = rng.permutation(len(foam))
        for start in range(0, len(foam), 4):
            some = np.concatenate([foam[k] for k in order[start : start + 4]])
            self.discs(some, LINE, 0.9 * pen)
            self.discs(some, FOAM)
            self.discs(some[::7] + np.array([0.004, 0.005, 0]) * size, SHADE, -0.012 * size)


def sky(sheet: Print, width: float) -> None:
    """Draw a sunset graded downwards, made of overlapping scales (seigaiha), and the mountain."""
    fades = tiles.palette("4f93a3 9cc7bb f3e4b6 f6c183 e98458")
    radius = 0.042
    for row in range(34):
        y = row * radius * 0.5
        for column in range(-1, round(width / radius / 2) + 2):
            x = (column + row % 2 / 2) * 2 * radius
            tone = tiles.ramp(np.clip(y / 0.62 + sheet.rng.normal(0, 0.045), 0, 1), fades)
            for ring in range(4):
                shade = tone * (1 - 0.09 * (ring % 2)) + 0.05 * (ring == 3)
                colour = "#" + "".join(f"{round(min(1, c) * 255):02x}" for c in shade)
                disc = np.array([[x, y, radius * (1 - 0.24 * ring)]])
                sheet.discs(disc, "#8a5f50" if ring == 0 else "#b98a6c")
                sheet.discs(disc, colour, -0.0016)
    peak, foot, top = width * 0.735, 0.70, 0.30
    t = np.linspace(0, 1, 50)
    slope = 0.33 * t**1.25
    right, left = (np.stack([peak + s * (0.025 + slope), top + (foot - top) * t], axis=-1) for s in (1, -1))
    sheet.fill(np.concatenate([left[::-1], right]), "#3d5a80")
    for k in range(-9, 10):
        ridge = np.stack([peak + (0.025 + slope) * k / 10 + 0.004 * np.sin(20 * t + k), right[:, 1]], axis=-1)
        sheet.line(ridge, "#24406e", 0.003)
    teeth = 0.40 + 0.045 * np.where(np.arange(21) % 2, 1, -1) * sheet.rng.uniform(0.4, 1, 21)
    half = np.interp(teeth, right[:, 1], right[:, 0]) - peak
    snow = np.stack([peak - half * np.linspace(-1, 1, 21), teeth], axis=-1)
    summit = right[:, 1] < teeth.min()
    cap = np.concatenate([left[summit][::-1], right[summit], snow])
    sheet.fill(cap, FOAM)
    for outline in (left, right, snow):
        sheet.line(outline, LINE, 0.004)


def paint(size: int = 768) -> np.ndarray:
    """Paint the picture: uint8 (size, 3/2 size, 3)."""
    rng = np.random.default_rng(31)
    h, w = size, round(1.5 * size)
    sheet = Print(4 * w, 4 * h, rng)
    sky(sheet, 1.5)
    rows = [(0.66, 0.09), (0.72, 0.11), (0.79, 0.14), (0.87, 0.17), (0.96, 0.20), (1.06, 0.24), (1.17, 0.27)]
    sheet.fill(np.array([(0, 0.66), (1.5, 0.66), (1.5, 1), (0, 1)]), BLUES[2][0])
    for number, (base, tall) in enumerate(rows):
        if number == 3:
            sheet.wave(0.50, 1.02, 0.86, BLUES[0] + BLUES[1] + BLUES[2], 54)
            spray = np.stack(
                [rng.normal(0.93, 0.17, 260), rng.normal(0.36, 0.14, 260), rng.gamma(2.5, 0.0013, 260)], -1
            )
            sheet.discs(spray, LINE, 0.0012)
            sheet.discs(spray, FOAM)
        for x in np.arange(-0.1 + rng.uniform(0, 1) * tall, 1.7, 1.25 * tall):
            sheet.wave(x, base + rng.normal(0, 0.012), tall * rng.uniform(0.85, 1.15), BLUES[rng.integers(3)], 16)
    picture = np.asarray(sheet.image.reduce(4), np.float32) / 255

    # Ink on paper: wood grain, an uneven rub and fibres.
    bend = 0.05 * tiles.noise((h, w), 2, rng, 3)
    grain = np.sin(((np.mgrid[:h, :w][0] / h + bend) * 240) + 2 * tiles.noise((h, w), (60, 3), rng, 3))
    rub = tiles.noise((h, w), (90, 40), rng, 4, 0.7)
    dark = 1 - picture.mean(-1)
    picture = tiles.mix(picture, tiles.palette("efe0bf")[0], (0.10 + 0.07 * grain + 0.07 * rub) * (0.4 + dark))
    return tiles.develop(picture * (1 + 0.025 * rub)[..., None], 1)


if __name__ == "__main__":
    tiles.save(paint(), "great_wave", quality=88)

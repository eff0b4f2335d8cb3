"""A guitar, a bottle and a newspaper on a table, seen from several sides at once.

The still life is cut into facets, each of which shows it shifted, turned and shaded, in rows of short parallel dabs.
"""

import numpy as np
import tiles
from PIL import Image, ImageDraw

PLANES = tiles.palette("c99a4e 8a5a2b e8d3a2 4a5f73 6d4a33 93a3a6 b5713a 2f3a46 d8b877 5f6b52")
INK = np.array([0.10, 0.08, 0.08], np.float32)


def still_life(w: int, h: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the objects plainly: colours (H, W, 3) and ink lines (H, W), both in [0, 1]."""
    colours, lines = Image.new("RGB", (w, h), "#8d7f66"), Image.new("L", (w, h))
    draw, ink = ImageDraw.Draw(colours), ImageDraw.Draw(lines)
    pen = max(1, round(w * 0.0035))

    def shape(fill: str, *corners: tuple[float, float]) -> None:
        points = [(x * w, y * w) for x, y in corners]
        draw.polygon(points, fill)
        ink.polygon(points, fill=0, outline=200, width=pen)

    def disc(fill: str, x: float, y: float, radius: float) -> None:
        box = [(x - radius) * w, (y - radius) * w, (x + radius) * w, (y + radius) * w]
        draw.ellipse(box, fill)
        ink.ellipse(box, fill=0, outline=255, width=pen)

    def stroke(fill: int, *points: tuple[float, float]) -> None:
        ink.line([(x * w, y * w) for x, y in points], fill, pen)

    shape("#53687a", (0, 0), (0.45, 0), (0.45, 0.8), (0, 0.8))
    shape("#3a4650", (0.72, 0), (1, 0), (1, 0.8), (0.72, 0.8))
    shape("#7a4a26", (0, 0.86), (1, 0.76), (1, 1.25), (0, 1.25))
    shape("#d9c08a", (0.05, 0.95), (0.98, 0.86), (0.90, 1.2), (0.1, 1.2))
    shape("#efe4c4", (0.04, 0.98), (0.40, 0.90), (0.50, 1.16), (0.12, 1.25))
    for line in range(14):
        y, x = 0.985 + 0.019 * line, 0.07 + 0.006 * line
        stroke(230, *[(x + 0.3 * k / 12, y - 0.06 * k / 12 - 0.006 * (k % 2)) for k in range(13)])
    shape("#24564a", (0.72, 0.92), (0.72, 0.48), (0.78, 0.36), (0.78, 0.18), (0.86, 0.18), (0.86, 0.36), (0.92, 0.48),
          (0.92, 0.92))  # fmt: skip
    shape("#e9d8aa", (0.74, 0.58), (0.90, 0.58), (0.90, 0.76), (0.74, 0.76))
    for line in range(5):
        stroke(255, (0.76, 0.62 + 0.025 * line), (0.88, 0.62 + 0.025 * line))
    for x, y, radius in [(0.40, 0.85, 0.235), (0.46, 0.56, 0.17)]:
        disc("#b5662a", x, y, radius)
        disc("#e0a04a", x - 0.02, y - 0.02, radius * 0.84)
    disc("#f0dcae", 0.44, 0.69, 0.085)
    disc("#1c1512", 0.44, 0.69, 0.066)
    shape("#33200f", (0.43, 0.66), (0.50, 0.67), (0.59, 0.10), (0.54, 0.09))
    shape("#9b5a2a", (0.525, 0.12), (0.61, 0.13), (0.63, 0.01), (0.54, 0.0))
    shape("#33200f", (0.27, 0.95), (0.47, 0.98), (0.465, 1.01), (0.265, 0.98))
    for string in range(5):
        stroke(0 if string % 2 else 255, (0.32 + 0.028 * string, 0.97), (0.548 + 0.01 * string, 0.05))
    for fret in range(9):
        stroke(190, (0.45 + 0.013 * fret, 0.6 - 0.062 * fret), (0.515 + 0.0095 * fret, 0.61 - 0.062 * fret))
    disc("#b03f28", 0.72, 0.98, 0.075)
    disc("#d29a34", 0.84, 1.0, 0.07)
    disc("#7f8f4a", 0.78, 1.07, 0.065)
    return np.asarray(colours, np.float32) / 255, np.asarray(lines, np.float32) / 255


def facets(h: int, w: int, rng: np.random.Generator, cuts: int = 7) -> np.ndarray:
    """Cut the canvas again and again, each part along a slanted line near its middle: labels (H, W)."""
    place = np.stack(np.mgrid[:h, :w], axis=-1).astype(np.float32)
    label = np.zeros((h, w), np.int64)
    for _ in range(cuts):
        middle = tiles.means(label, place)
        spread = tiles.means(label, (place - middle[label]) ** 2)
        n = len(middle)
        tilt = rng.choice([-0.55, -0.3, 0.2, 0.4, 0.6], n) + rng.normal(0, 0.09, n)
        angle = np.where(spread[:, 0] > spread[:, 1], 0, np.pi / 2) + tilt  # of the normal, from the downward axis
        normal = np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float32)
        middle += rng.normal(0, 0.28, (n, 2)) * np.sqrt(spread)
        cut = rng.random(n) < 0.88  # the others stay whole
        side = (((place - middle[label]) * normal[label]).sum(-1) > 0) & cut[label]
        label = np.unique(label * 2 + side, return_inverse=True)[1].reshape(h, w)
    return label


def paint(size: int = 768) -> np.ndarray:
    """Paint the picture: uint8 (5/4 size, size, 3)."""
    rng = np.random.default_rng(23)
    w, h = 2 * size, 2 * round(size * 1.25)
    label = facets(h, w, rng)
    n = label.max() + 1
    place = np.stack(np.mgrid[:h, :w], axis=-1).astype(np.float32)
    middle = tiles.means(label, place)

    # Dabs: rows across, staggered along the facet's own direction; each is one colour, that of its centre.
    angle = rng.choice([-0.9, -0.5, 0.1, 0.6, 1.0], n) + rng.normal(0, 0.12, n)
    along = np.stack([np.sin(angle), np.cos(angle)], axis=-1).astype(np.float32)
    across = along[:, ::-1] * np.float32([1, -1])
    wobble = np.stack([tiles.noise((h, w), 34, rng, 2) for _ in range(2)], axis=-1) * (0.0022 * w)
    broad, long = 0.0105 * w, 0.031 * w
    row = ((place + wobble) * across[label]).sum(-1) / broad
    stagger = rng.random(1009).astype(np.float32)[np.int64(np.floor(row)) % 1009]
    column = ((place + wobble) * along[label]).sum(-1) / long + stagger
    i, j = np.int64(np.floor(row)), np.int64(np.floor(column))
    dab = (i * 7919 + j * 104729 + label * 1299709) % 65521
    centre = (i + 0.5)[..., None] * broad * across[label] + (j + 0.5 - stagger)[..., None] * long * along[label]
    centre = place + 0.85 * (centre - place)

    # What a facet shows: the still life shifted, turned and scaled about the facet's middle.
    turn, zoom = rng.normal(0, 0.13, n), rng.uniform(0.8, 1.05, n)
    cos, sin = (np.cos(turn) * zoom)[label], (np.sin(turn) * zoom)[label]
    shift = (middle + rng.normal(0, 0.02 * w, (n, 2)))[label]

    def view(picture: np.ndarray, offset: np.ndarray) -> np.ndarray:
        y = shift[..., 0] + cos * offset[..., 0] - sin * offset[..., 1]
        x = shift[..., 1] + sin * offset[..., 0] + cos * offset[..., 1]
        return picture[np.clip(y, 0, h - 1).astype(int), np.clip(x, 0, w - 1).astype(int)]

    colours, lines = still_life(w, h)
    offset = centre - middle[label]
    paintwork = view(colours, offset)

    plane = PLANES[rng.integers(0, len(PLANES), n)]
    paintwork = tiles.mix(paintwork, plane[label], rng.choice([0.1, 0.2, 0.3, 0.75], n)[label])
    light = rng.uniform(0, 2 * np.pi, n)
    slope = offset[..., 0] * np.sin(light)[label] + offset[..., 1] * np.cos(light)[label]
    slope /= np.sqrt(tiles.means(label, slope**2))[label]
    paintwork = tiles.mix(paintwork, np.float32([0.97, 0.90, 0.72]), 0.30 * slope)
    paintwork = tiles.mix(paintwork, INK * 1.4, -0.40 * slope)
    paintwork = paintwork * rng.normal(1, 0.10, (65521, 1))[dab] + rng.normal(0, 0.022, (65521, 3))[dab]

    grey = paintwork.mean(-1, keepdims=True)
    paintwork = 0.46 + 1.22 * (grey - 0.46) + 1.35 * (paintwork - grey)  # mixing has dulled the colours

    gap = tiles.distance(tiles.borders(label), round(0.02 * w))
    strength = np.clip(0.75 + 0.6 * tiles.noise((h, w), 9, rng, 3), 0, 0.95)
    drawn = view(tiles.blur(lines, 0.8), place - middle[label])
    paintwork = tiles.mix(paintwork, INK, drawn * np.clip(strength + 0.15, 0, 0.85))
    paintwork = tiles.mix(paintwork, INK, strength * np.clip(1.3 - gap / (0.0016 * w), 0, 1))
    bristle = tiles.noise((h, w), 200, rng, 2)
    bulge = np.abs(row - i - 0.5) ** 2 + 0.35 * np.abs(column - j - 0.5) ** 3
    height = -1.6 * bulge * broad / 6 + 0.25 * bristle
    return tiles.develop(paintwork * tiles.relief(tiles.blur(height, 1.2), 0.40), 2)


if __name__ == "__main__":
    tiles.save(paint(), "cubist")

"""Leaping fish between lapis waves under a golden sun, as a Byzantine floor.

Bands of equal width follow the contours of each shape (andamento) and are cut into tesserae by a Voronoi tiling.
"""

import numpy as np
import tiles

GOLD = tiles.palette("8a5a14 b67c1c d9a32e efc65a fbe6a0")
SUN = tiles.palette("b3261a d8481f ef7d2a f8b84a fff0b8")
SEA = [tiles.palette(c) for c in ("0d1f57 17398c 2f62b8", "0f4f73 1a83a0 49b3bd", "122a70 2149a3 3f7fd0")]
FISH = tiles.palette("6e1420 b8261f e2562a f39a4a fbdca0 fff6dc")
FOAM, INK = tiles.palette("f6f1dc 101a33")


class Cartoon:
    """The motif before it is cut into tiles: colour, region and depth below the region's contour, all in heights."""

    def __init__(self, h: int, w: int, unit: float):
        self.v, self.u = (np.mgrid[:h, :w] + 0.5) / h
        self.unit = unit
        self.colour = np.zeros((h, w, 3), np.float32)
        self.region = np.zeros((h, w), np.int32)
        self.depth = np.zeros((h, w))

    def put(self, mask: np.ndarray, colour: np.ndarray, depth: np.ndarray) -> None:
        """Lay another region over the others."""
        self.colour[mask] = np.broadcast_to(colour, self.colour.shape)[mask]
        self.depth[mask] = depth[mask]
        self.region[mask] = self.region.max() + 1

    def sun(self, x: float, y: float) -> None:
        """Draw a sun of 18 beams and the golden sky in circles about it."""
        unit = self.unit
        radius, turn = np.hypot(self.u - x, self.v - y), np.arctan2(self.v - y, self.u - x) / (2 * np.pi)
        beam = 2 * np.abs(turn * 18 % 1 - 0.5)  # 1 on the axis of each
        self.put(radius >= 0, tiles.ramp(1.05 - radius / 1.1 - 0.28 * (beam < 0.5), GOLD), radius)
        self.put(radius < (12.5 + 7 * beam) * unit, np.where((radius < 14 * unit)[..., None], FOAM, SUN[1]), radius)
        self.put(radius < 12 * unit, tiles.ramp(1 - radius / 12 / unit, SUN), radius)

    def wave(self, number: int) -> None:
        """Draw a wave below a row of foam; the higher its number, the nearer."""
        phase = self.u * (9.5 - 0.5 * number) + 1.9 * number
        hollow = np.abs(np.sin(phase + 0.35 * np.sin(2 * phase)))
        crest = 0.50 + 0.088 * number - 0.055 * (1 - hollow) ** 1.3
        below = (self.v - crest) / np.hypot(1, np.gradient(crest, axis=1) * len(crest))
        water = tiles.ramp(1 - below / 0.12 + 0.1 * np.sin(self.u * 40 + number), SEA[number % 3])
        self.put(below > 0, np.where((below < 1.05 * self.unit)[..., None], FOAM, water), below)

    def fish(self, x: float, y: float, length: float, tilt: float) -> None:
        """Draw a fish: tail and fins, body, eye."""
        right, down = (self.u - x) / length, (self.v - y) / length
        along = right * np.cos(tilt) + down * np.sin(tilt)  # −1 at the tail, 1 at the mouth
        across = down * np.cos(tilt) - right * np.sin(tilt) + 0.14 * (along**2 - 0.4)
        wide, back = np.abs(across), -0.72 - along
        body = 0.36 * np.sqrt(np.clip(1 - along**2, 0, 1)) * (1 - 0.35 * np.clip(-along, 0, 1)) - wide
        tail = (back > 0) & (back < np.minimum(0.55, 0.30 + 0.6 * wide)) & (wide < 0.05 + 0.75 * back)
        fin = (wide < 0.53 - 1.4 * (along + 0.05) ** 2) & (body < 0) & (across < 0.45)
        self.put(tail | fin, tiles.ramp(0.5 + 0.5 * np.sin(along * 45), FISH[1:5]), along * length + 9)
        scales = 0.16 * np.sin(along * 26 + 2.2 * np.cos(across * 34)) * (along < 0.5)
        skin = tiles.ramp(0.42 + across * 1.5 + scales, FISH)
        skin[body * length < 1.05 * self.unit] = INK
        skin[np.abs(along - 0.5 + across**2) * length < 0.5 * self.unit] = FOAM
        self.put(body > 0, skin, body * length)
        eye = np.hypot(along - 0.7, across + 0.06) * length
        self.put(eye < 2.1 * self.unit, np.where((eye < self.unit)[..., None], INK, FOAM), eye)

    def frame(self) -> None:
        """Draw five rows of border, two of which make a zigzag."""
        width = self.u.max() + self.u.min()
        across, down = np.minimum(self.u, width - self.u), np.minimum(self.v, 1 - self.v)
        rim, side = np.minimum(across, down) / self.unit, np.where(across < down, self.v, self.u) / self.unit
        zigzag = np.where((2 * np.abs(side / 5 % 1 - 0.5) > rim / 2 - 0.5)[..., None], FOAM, SUN[0])
        for i, band in enumerate([INK, zigzag, zigzag, GOLD[3], INK]):
            self.put((rim >= i) & (rim < i + 1), band, (rim - i) * self.unit)


def draw(h: int, w: int, unit: float) -> Cartoon:
    """Draw the whole motif for tiles of this size."""
    cartoon = Cartoon(h, w, unit)
    cartoon.sun(0.93, 0.25)
    fish = {0: (0.44, 0.39, 0.25, -0.55), 3: (0.93, 0.67, 0.27, 0.28), 5: (0.44, 0.82, 0.24, 0.12)}
    for number in range(6):
        cartoon.wave(number)
        if number in fish:
            cartoon.fish(*fish[number])
    cartoon.frame()
    return cartoon


def paint(size: int = 768) -> np.ndarray:
    """Paint the picture: uint8 (size, 4/3 size, 3)."""
    rng = np.random.default_rng(11)
    h, w = 2 * size, 2 * round(size * 4 / 3)
    tile = h / 62
    cartoon = draw(h, w, tile / h)
    depth = cartoon.depth * h / tile
    row = np.int32(np.floor(depth))
    label = tiles.scatter(cartoon.region * 1000 + row, tile, rng, np.abs(depth - row - 0.5) < 0.12)
    stones = tiles.means(label, cartoon.colour)
    n = len(stones)
    stones = stones * rng.normal(1, 0.13, (n, 1)) + rng.normal(0, 0.028, (n, 3))
    stones[rng.random(n) < 0.05] *= 1.25
    rows, columns = np.mgrid[:h, :w].astype(np.float32) / tile
    centre = tiles.means(label, np.stack([rows, columns], axis=-1))
    tilt = rng.normal(0, 0.10, (n, 2))
    gap = tiles.distance(tiles.borders(label) | (label < 0), round(tile / 2))
    slant = (rows - centre[label, 0]) * tilt[label, 0] + (columns - centre[label, 1]) * tilt[label, 1]
    grain = 0.035 * tiles.noise((h, w), 160, rng, 3)
    stone = stones[label] * (1 + slant + grain)[..., None]
    stone = stone * tiles.relief(tiles.blur(np.minimum(gap, 0.24 * tile), tile / 20), 0.28)
    grout = np.array([0.20, 0.16, 0.14], np.float32) * (1 + 0.15 * tiles.noise((h, w), 90, rng))[..., None]
    return tiles.develop(tiles.mix(grout, stone, (gap - 0.055 * tile) / (0.06 * tile)), 2)


if __name__ == "__main__":
    tiles.save(paint(), "mosaic", quality=88)

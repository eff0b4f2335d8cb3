"""A Gothic rose window: medallions, lancets and roundels of streaky antique glass, lit from behind.

The pieces are cut in polar coordinates, the fields between them by a Voronoi tiling; lead came runs along every cut.
"""

import numpy as np
import tiles

RUBY = tiles.palette("7a0716 b00d1f d81e2c")
COBALT = tiles.palette("0b1c7a 1433b8 2a5be0")
EMERALD = tiles.palette("075a3a 0b8a4e 35b56a")
AMBER = tiles.palette("e08a12 f6b52a ffd96b")
VIOLET = tiles.palette("3d1273 6a22a8 9a4fd0")
AQUA = tiles.palette("0f7f9c 2fb0c4 8fdde0")
PEARL = tiles.palette("f3e6c0 fff4d6 e6f0e4")
LEAD = np.array([0.035, 0.035, 0.045], np.float32)


class Window:
    """Pieces of glass cut from a square, in polar coordinates about its centre, whose half side is 1."""

    def __init__(self, side: int, rng: np.random.Generator):
        y, x = (np.mgrid[:side, :side] + 0.5) / side * 2 - 1
        self.y, self.x, self.r, self.turn = y, x, np.hypot(x, y), np.arctan2(y, x) / (2 * np.pi) + 0.5
        self.piece = np.zeros((side, side), np.int64)
        self.glass = np.zeros((side, side, 3), np.float32)
        self.rng = rng

    def petals(self, count: int, shift: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Divide the circle: number of the sector, coordinates along and across its axis."""
        place = self.turn * count + shift
        number = np.floor(place).astype(int)
        angle = (place - number - 0.5) * 2 * np.pi / count
        return number % count, self.r * np.cos(angle), self.r * np.sin(angle)

    @staticmethod
    def polar(right: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance from a roundel's centre and angle about it, in [0, 2π)."""
        return np.hypot(right, down), np.arctan2(down, right) % (2 * np.pi)

    def cut(self, mask: np.ndarray, names: np.ndarray | int, *glass: np.ndarray) -> None:
        """Cut one piece for each of the `names` in the mask; piece i is of the kind i modulo the kinds of glass."""
        names = np.broadcast_to(names, mask.shape)[mask]
        shades = np.stack([g[self.rng.integers(0, 3, names.max() + 1)] for g in glass])  # (kinds, names, 3)
        self.piece[mask] = self.piece.max() + 1 + names
        self.glass[mask] = shades[names % len(glass), names]


def cut_rose(side: int, rng: np.random.Generator) -> Window:
    """Lay out the window from the outside to the centre."""
    rose = Window(side, rng)
    r = rose.r
    field = tiles.scatter(np.int32(r < 0.96), side / 22, rng)
    rose.cut(r >= 0, field, VIOLET, COBALT, VIOLET, AQUA, COBALT)
    disc, angle = rose.polar(np.abs(rose.x) - 0.83, np.abs(rose.y) - 0.83)
    corner = 2 * (rose.x > 0) + (rose.y > 0)
    rose.cut(disc < 0.165, corner * 16 + np.int64(angle / np.pi * 8), EMERALD, COBALT)
    rose.cut(disc - 0.03 * np.abs(np.cos(4 * angle)) < 0.105, corner * 8 + np.int64(angle / np.pi * 4 + 0.5) % 8, RUBY)
    rose.cut(disc < 0.05, corner, AMBER)

    number, along, across = rose.petals(48)
    rose.cut((r > 0.905) & (r < 0.975), number, RUBY, AMBER, COBALT, PEARL)
    number, along, across = rose.petals(24)
    side_of = number * 2 + (across > 0)
    rose.cut((r > 0.66) & (r < 0.905), side_of, COBALT, COBALT, VIOLET, VIOLET)
    disc, angle = rose.polar(along - 0.795, across)
    lobes = disc - 0.022 * np.abs(np.cos(3 * angle))
    rose.cut(disc < 0.098, number, AMBER, AQUA, RUBY, PEARL)
    rose.cut(
        lobes < 0.068, number * 6 + np.int64(angle / np.pi * 3 + 0.5) % 6, *6 * [RUBY], *6 * [EMERALD], *6 * [COBALT]
    )
    rose.cut(disc < 0.036, number, PEARL, AMBER)

    number, along, across = rose.petals(12)
    half = number * 2 + (across > 0)
    arch = np.minimum(along * np.tan(np.pi / 12) - 0.006, 0.52 * np.sqrt(np.clip(0.705 - along, 0, 1))) - np.abs(across)
    rose.cut((r > 0.25) & (r < 0.705), half, EMERALD, EMERALD, AQUA, AQUA)
    rose.cut((arch > 0) & (r > 0.30), half * 8 + np.int64(along * 9), COBALT, VIOLET)
    rose.cut((arch > 0.038) & (r > 0.30), number * 16 + np.int64((along - np.abs(across)) * 15), RUBY, AMBER, RUBY)
    disc, angle = rose.polar(along - 0.57, across)
    lobes = disc - 0.024 * np.abs(np.cos(4 * angle))
    rose.cut(disc < 0.118, half, COBALT)
    rose.cut(lobes < 0.080, number * 8 + np.int64(angle / np.pi * 4 + 0.5) % 8, AMBER, PEARL)
    rose.cut(disc < 0.042, number, RUBY, EMERALD)

    number, along, across = rose.petals(32)
    rose.cut((r > 0.245) & (r < 0.30), number, AMBER, RUBY, PEARL, COBALT)
    number, along, across = rose.petals(16)
    rose.cut(r < 0.245, number, VIOLET, COBALT)
    number, along, across = rose.petals(8)
    lens = 0.075 * np.sin(np.clip((along - 0.03) / 0.21, 0, 1) * np.pi) ** 0.8 - np.abs(across)
    rose.cut((lens > 0) & (r < 0.245), number * 2 + (across > 0), RUBY, RUBY, AMBER, AMBER)
    rose.cut(r < 0.075, np.int64(rose.turn * 8) % 8, AQUA, COBALT)
    rose.cut(r < 0.045, 0, AMBER)
    return rose


def paint(size: int = 768) -> np.ndarray:
    """Paint the picture: uint8 (size, size, 3)."""
    rng = np.random.default_rng(5)
    side = 2 * size
    rose = cut_rose(side, rng)
    piece = np.unique(rose.piece, return_inverse=True)[1].reshape(side, side)
    gap = tiles.distance(tiles.borders(piece), side // 40)
    pieces = piece.max() + 1

    warp = rng.uniform(0, side, (pieces, 2)).astype(int)  # each piece comes from another sheet
    rows, columns = np.mgrid[:side, :side]
    sheet = tiles.noise((side, side), (9, 40), rng, 5, 0.6)
    streaks = sheet[(rows + warp[piece, 0]) % side, (columns + warp[piece, 1]) % side]
    seeds = np.clip(tiles.noise((side, side), 150, rng, 2) - 1.6, 0, 1)
    sun = np.exp(-(((rose.x + 0.25) ** 2 + (rose.y + 0.3) ** 2) / 1.1))
    light = rng.normal(1, 0.13, pieces)[piece] * (0.8 + 0.45 * sun) * (1 + 0.20 * streaks + 0.5 * seeds)
    light *= 0.50 + 0.62 * np.clip(gap / (0.016 * side), 0, 1) ** 0.7
    glass = rose.glass * light[..., None]
    glass += (0.10 * np.clip(streaks, 0, None) * sun)[..., None] * np.sqrt(rose.glass)
    glass *= tiles.relief(tiles.noise((side, side), 60, rng, 3) * side / 500, 0.16)

    width = 0.0042 * side
    came = width * np.sqrt(np.clip(1 - (gap / width) ** 2, 0, 1))
    lead = LEAD + 0.10 * np.clip(tiles.relief(tiles.blur(came, 1.5), 1) - 1, 0, 1)
    window = tiles.mix(lead, glass, (gap - width + 0.7) / 1.4)
    window += 0.16 * tiles.blur(np.clip(window, 0, 1) ** 2, side / 120)
    return tiles.develop(window, 2)


if __name__ == "__main__":
    tiles.save(paint(), "stained_glass")

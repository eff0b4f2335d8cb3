"""A tree of spirals on gold leaf above a meadow of flowers, after the ornaments of Klimt's golden phase.

Circles are packed ever smaller around the trunk; each becomes a raised spiral, an eye, a triangle, a ring or a flower.
"""

import numpy as np
import tiles
from PIL import Image, ImageChops, ImageDraw

GOLD = tiles.palette("7d5214 a8741c cf9a2c e8bd4c f7df8e")
MEADOW = ["#1f4a2e", "#2f6b3a", "#1b3f4a"]
PETALS = ["#c8321f", "#e8742a", "#f4e7c3", "#5b3a9a", "#2a58b0", "#e0a93a", "#d45a86", "#3aa39a"]
ROBE = ["#15110f", "#f3ead0", "#d9a83a", "#8a8f94", "#6b3f1d", "#f0cf73", "#2b1d16"]
TWIGS = [("#c98f2b", "#f9e9b0"), ("#8a5420", "#f2c65a"), ("#dba438", "#7d4a16")]
UMBER, CREAM, INK, BEAD = "#4a2a12", "#f6ead0", "#15110f", "#fbe9b2"


class Panel:
    """A picture and the height of what is laid on it, drawn together; x, y and lengths in sides of the square."""

    def __init__(self, side: int):
        self.side = side
        self.picture, self.raised = Image.new("RGBA", (side, side)), Image.new("L", (side, side))
        self.colour, self.height = ImageDraw.Draw(self.picture), ImageDraw.Draw(self.raised)

    def disc(self, x: float, y: float, r: float, fill: str, height: int = 90) -> None:
        """Draw a disc."""
        box = [(x - r) * self.side, (y - r) * self.side, (x + r) * self.side, (y + r) * self.side]
        self.colour.ellipse(box, fill)
        self.height.ellipse(box, height)

    def shape(self, points: np.ndarray, fill: str, height: int = 90) -> None:
        """Draw a polygon, (N, 2)."""
        corners = [(float(x), float(y)) for x, y in np.asarray(points) * self.side]
        self.colour.polygon(corners, fill)
        self.height.polygon(corners, height)

    def spiral(
        self, x: float, y: float, r: float, turns: float, start: float, hand: int, fills: tuple[str, str]
    ) -> None:
        """Draw a spiral that fills the disc, thinning towards its eye."""
        t = np.linspace(0, 1, 40 + round(r * 4500))
        radius, angle = r * (1 - t) ** 0.8 * 0.93, start + hand * 2 * np.pi * turns * t
        px, py, thick = x + radius * np.cos(angle), y + radius * np.sin(angle), r * (0.105 - 0.05 * t)
        for grow, fill, height in ((0.0024 + 0.2 * thick, UMBER, 60), (0 * thick, fills[0], 200)):
            for place in zip(px, py, thick + grow, strict=True):
                self.disc(*place, fill, height)
        for k in range(0, len(t), 9):
            self.disc(px[k], py[k], thick[k] * 0.38, fills[1], 255)
        self.disc(x, y, r * 0.15, UMBER, 60)
        self.disc(x, y, r * 0.10, CREAM, 200)

    def hem(self, mask: np.ndarray) -> None:
        """Run a beaded cord along the outline of the mask."""
        places = (np.argwhere(tiles.borders(mask)) + 1) / len(mask)
        for radius, fill, height in ((0.0062, UMBER, 60), (0.0042, "#d9a136", 200)):
            for y, x in places:
                self.disc(x, y, radius, fill, height)
        for y, x in places[::5]:
            self.disc(x, y, 0.0022, BEAD, 255)

    def eye(self, x: float, y: float, r: float, turn: float, iris: str) -> None:
        """Draw an almond with an iris."""
        t = np.linspace(0, 2 * np.pi, 40)
        almond = np.stack([np.cos(t), 0.62 * np.sin(t) * np.abs(np.sin(t)) ** 0.5], axis=-1)
        almond = almond @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        for size, fill in ((1, UMBER), (0.82, CREAM)):
            self.shape(almond * r * size + (x, y), fill, 140)
        self.disc(x, y, r * 0.42, iris, 180)
        self.disc(x, y, r * 0.2, INK, 200)

    def triangle(self, x: float, y: float, r: float, turn: float, outer: str, inner: str) -> None:
        """Draw a triangle within a triangle."""
        corners = turn + np.arange(3) * 2 * np.pi / 3
        for size, fill in ((1, UMBER), (0.8, outer), (0.4, inner)):
            self.shape(np.stack([np.cos(corners), np.sin(corners)], axis=-1) * r * size + (x, y), fill, 140)

    def flower(self, x: float, y: float, r: float, turn: float, petal: str, eye: str, ground: str) -> None:
        """Draw a ring of petals about an eye."""
        count = 6 + round(r * 150)
        self.disc(x, y, r, ground, 60)
        for angle in turn + np.arange(count) * 2 * np.pi / count:
            self.disc(x + 0.68 * r * np.cos(angle), y + 0.68 * r * np.sin(angle), 2.0 * r / count, petal, 170)
        self.disc(x, y, r * 0.40, eye, 200)
        self.disc(x, y, r * 0.18, ground, 120)


def pack(free: np.ndarray, radii: list[tuple[float, float]], rng: np.random.Generator) -> np.ndarray:
    """Pack discs into the mask, for each (largest, smallest) radius until no more fit: x, y, radius, (N, 3)."""
    side = len(free)
    room = tiles.distance(~free, side // 3) / side
    discs = np.zeros((0, 3))
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    for largest, smallest in radii:
        while True:
            fits = np.flatnonzero(room >= smallest)
            if not len(fits):
                break
            tries = rng.choice(fits, 12)
            place = tries[np.argmax(np.minimum(room.flat[tries], largest))]
            disc = x.flat[place], y.flat[place], min(room.flat[place], largest)
            discs = np.vstack([discs, disc])
            np.minimum(room, np.hypot(x - disc[0], y - disc[1]) - disc[2], out=room)
    return discs


def mosaic(panel: Panel, inside: np.ndarray, rows: int, rng: np.random.Generator) -> None:
    """Fill the mask with courses of upright rectangles, some of which hold a smaller one."""
    tall = 1 / rows
    for row in range(rows):
        x, y = -0.02 * rng.random(), row * tall
        while x < 1:
            wide = tall * rng.choice([0.4, 0.6, 0.9])
            box = np.array([(0, 0), (wide, 0), (wide, tall), (0, tall)])
            middle, corner = box[2] / 2, np.array([x, y])
            outer, inner = rng.choice(ROBE, 2).tolist()
            layers = [(1, UMBER, 20), (0.84, outer, 120), (0.4, inner, 200)]
            for scale, fill, height in layers[: 3 if rng.random() < 0.4 else 2]:
                panel.shape((box - middle) * scale + middle + corner, fill, height)
            x += wide
    mask = Image.fromarray(np.uint8(inside * 255)).resize((panel.side, panel.side), Image.Resampling.BICUBIC)
    panel.picture.putalpha(mask)
    panel.raised.paste(0, mask=ImageChops.invert(mask))


def draw(panel: Panel, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw everything that lies on the gold: the masks of the flowered robe and of the meadow, which stay bare."""
    y, x = (np.mgrid[:384, :384] + 0.5) / 384
    meadow = y > 0.80 + 0.035 * np.sin(x * 9 + 1) + 0.02 * np.sin(x * 23)
    bend = 0.508 + 0.02 * np.sin(np.clip(y - 0.3, 0, 1) * 11)
    trunk = (np.abs(x - bend) < 0.024 + 0.35 * np.clip(y - 0.3, 0, 1) ** 1.6) & (y > 0.19) & ~meadow
    left = (((x - 0.15) / 0.125) ** 2 + np.clip((0.66 - y) / 0.20, 0, 1) ** 2 < 1) & ~meadow
    right = (((x - 0.85) / 0.125) ** 2 + np.clip((0.62 - y) / 0.20, 0, 1) ** 2 < 1) & ~meadow

    def pick(fills: list[str], count: int = 2) -> tuple[str, ...]:
        return tuple(rng.choice(fills, count, replace=False).tolist())

    mosaic(panel, left | trunk, 36, rng)
    panel.hem(left | trunk | right)
    free = ~(meadow | trunk | left | right)
    for px, py, r, turn, hand in ((0.338, 0.20, 0.165, 0, -1), (0.685, 0.255, 0.163, np.pi, 1)):  # the boughs
        panel.spiral(px, py, r, 3, turn, hand, TWIGS[2])
        free &= np.hypot(x - px, y - py) > r
    for px, py, r in pack(free, [(0.15, 0.1), (0.08, 0.028), (0.022, 0.009), (0.008, 0.004)], rng):
        turn, kind = rng.uniform(0, 2 * np.pi), rng.random()
        if r > 0.027:
            panel.spiral(px, py, r, 2.1 + 6 * r, turn, rng.choice([-1, 1]), TWIGS[rng.integers(3)])
        elif r < 0.0085:
            panel.disc(px, py, r * 0.8, UMBER, 60)
            panel.disc(px, py, r * 0.5, BEAD, 200)
        elif kind < 0.4:
            panel.eye(px, py, r, turn, *pick(["#2a58b0", "#2f6b3a", "#6b3f1d"], 1))
        elif kind < 0.75:
            panel.triangle(px, py, r, turn, *pick([CREAM, "#8a5420", "#d9a83a", INK]))
        else:
            panel.flower(px, py, r, turn, *pick(["#c8321f", CREAM, "#2a58b0"]), UMBER)
    for mask, grounds, largest in ((right, [INK, "#6b1d18", "#2b2a5a"], 0.035), (meadow, MEADOW, 0.034)):
        for px, py, r in pack(mask, [(largest, 0.02), (0.019, 0.01), (0.009, 0.0045)], rng):
            panel.flower(px, py, r, rng.uniform(0, 6), *pick(PETALS), *pick(grounds, 1))
    return right, meadow


def paint(size: int = 768) -> np.ndarray:
    """Paint the picture: uint8 (size, size, 3)."""
    rng = np.random.default_rng(9)
    side = 2 * size
    panel = Panel(side)
    robe, meadow = draw(panel, rng)
    leaf = np.int32(np.mgrid[:side, :side] / side * 13 + 0.06 * tiles.noise((side, side), 8, rng)[None])
    sheen = rng.normal(0, 0.10, (16, 16))[leaf[0], leaf[1]]
    gold = tiles.ramp(0.52 + sheen + 0.13 * tiles.noise((side, side), 5, rng, 7, 0.62), GOLD)
    gold *= 1 - 0.25 * tiles.borders(leaf[0] * 16 + leaf[1])[..., None]
    for mask, colour in ((robe, "3a1a1c"), (meadow, "16331f")):
        amount = np.asarray(Image.fromarray(np.float32(mask)).resize((side, side)))
        gold = tiles.mix(gold, tiles.palette(colour)[0], amount)
    drawn = np.asarray(panel.picture, np.float32) / 255
    picture = tiles.mix(gold, drawn[..., :3], drawn[..., 3])
    height = tiles.blur(np.asarray(panel.raised, np.float32) / 255, side / 900) * side / 300
    height += (0.22 - 0.14 * drawn[..., 3]) * tiles.noise((side, side), 90, rng, 3) * side / 1536
    picture *= tiles.relief(height, 0.45) * (1 + 0.07 * tiles.noise((side, side), 70, rng, 4))[..., None]
    return tiles.develop(picture, 2)


if __name__ == "__main__":
    tiles.save(paint(), "gilded")

"""Things in scenes: shapes, trees, buildings, furniture, people and animals.

Each is painted around a point (x, y), in units of the canvas.
"""

import numpy as np

from fast_style.data.procedural.painting import HALO, Array, Painter, Stuff, box, ellipse, hsv, polygon, stick
from fast_style.data.procedural.textures import cut


def leaves(p: Painter, count: int, blur: float = 1.0, smallest: float = 0.012) -> None:
    """Scatter shapes of radii r distributed as r^−3."""
    for _ in range(count):
        radius = min(0.45, smallest * (1 - p.rng.random()) ** -0.5)
        thing(p, p.uniform(-0.1, 1.1), p.uniform(-0.1, 1.1), radius, blur)


def thing(p: Painter, x: float, y: float, radius: float, blur: float = 1.0) -> None:
    """One shape of any kind and material."""
    if p.chance(0.2):
        blur *= p.uniform(1, 6)
    shadow = p.chance(0.5) * 0.4
    patch = p.patch(x, y, radius * 1.2, margin=p.focus * max(blur, HALO * (shadow > 0)))
    if patch is None:
        return
    r, kind = radius * p.size, p.rng.random()
    angle = 0.0 if p.chance(0.4) else p.uniform(0, np.pi)
    aspect = p.uniform(0.25, 1)
    if kind < 0.45:
        depth = ellipse(patch, r, r * aspect, angle)
    elif kind < 0.65:
        depth = box(patch, r * 0.8, r * aspect * 0.8, angle)
    elif kind < 0.85:
        depth = polygon(patch, 1.3 * r, int(p.uniform(3, 7)), p.rng)
    else:
        depth = stick(patch, r, max(0.6, 0.1 * aspect * r), angle, p.uniform(-0.2, 0.2))
    if r > 5 and p.chance(0.4):
        depth = depth + rough(p, depth.shape, 0.15 * r)
    p.apply(patch, depth, p.stuff(), blur, p.uniform(0, 0.6), p.chance(0.4) * p.rng.random(), shadow)


def tree(p: Painter, x: float, foot: float, height: float) -> None:
    """A trunk, and a crown of ragged leaves."""
    trunk = p.patch(x, foot - 0.4 * height, 0.05 * height, 0.4 * height)
    bark = p.stuff(p.any_colour(p.uniform(0.05, 0.4)), "bark", 0.4)
    if trunk is not None:
        p.apply(trunk, box(trunk, 0.035 * height * p.size, 0.4 * height * p.size), bark, slope=0.5)
    green = hsv(p.uniform(0.13, 0.36), p.uniform(0.2, 0.7), p.uniform(0.1, 0.5))
    leafage = p.stuff(green, "foliage", p.uniform(0.3, 0.6))
    for _ in range(int(p.uniform(1, 5))):
        radius = height * p.uniform(0.15, 0.45)
        crown = p.patch(x + p.uniform(-0.2, 0.2) * height, foot - height * p.uniform(0.5, 1), 1.4 * radius)
        if crown is not None:
            r = radius * p.size
            depth = ellipse(crown, r, r * p.uniform(0.5, 1))
            depth = depth + cut("rock", p.rng, *depth.shape)[0] * (0.3 * r)
            p.apply(crown, depth, leafage, slope=0.5, bulge=0.4)


def building(p: Painter, x: float, foot: float, wide: float, high: float) -> None:
    """A wall with rows of windows, and perhaps a roof."""
    half = 0.5 * wide
    panes(p, x, foot - 0.5 * high, half, 0.5 * high)
    if p.chance(0.4):
        roof = p.patch(x, foot - high, 1.2 * half, 0.5 * half)
        if roof is not None:
            pitch = p.uniform(0.2, 0.8)
            depth = np.minimum(0.5 * half * p.size * pitch - np.abs(roof.u) * (0.5 * pitch) + roof.v, -roof.v)
            p.apply(roof, depth, p.stuff(texture="clutter" if p.chance(0.4) else "ripples"), shadow=0.2)


def panes(p: Painter, x: float, y: float, half_wide: float, half_high: float) -> None:
    """A box in regular cells, as windows, tiles, shelves or bars are, each cell of its own lightness."""
    patch = p.patch(x, y, half_wide, half_high, HALO * p.focus)
    if patch is None:
        return
    depth = box(patch, half_wide * p.size, half_high * p.size)
    p.apply(patch, depth, p.stuff(relief=p.uniform(0, 0.15)), slope=p.uniform(0, 0.4), shadow=0.3)
    columns, rows = int(p.uniform(1, 9)), int(p.uniform(1, 9))
    lean = p.uniform(-0.2, 0.2) * p.chance(0.5)
    across = (patch.u / (2 * half_wide * p.size) + 0.5) * columns
    down = (patch.v / (2 * half_high * p.size) + 0.5 + lean * (patch.u / (2 * half_wide * p.size))) * rows
    column, row = np.floor(across), np.floor(down)
    cell = p.rng.random((rows + 4, columns + 2)).astype(np.float32)
    places = (row + 1).clip(0, rows + 3).astype(np.intp), (column + 1).clip(0, columns + 1).astype(np.intp)
    light = 1 + p.uniform(0, 1) * (cell[places] - 0.5)
    width, height = 2 * half_wide * p.size / columns, 2 * half_high * p.size / rows
    pane = np.minimum(
        (0.5 - p.uniform(0.02, 0.35) - np.abs(across - column - 0.5)) * width,
        (0.5 - p.uniform(0.02, 0.35) - np.abs(down - row - 0.5)) * height,
    )
    glass = p.colour()[:, None, None] * light + p.uniform(0, 0.1) * cut("haze", p.rng, *depth.shape)[0]
    p.blend(patch, np.clip(np.minimum(pane, depth) / p.focus + 0.5, 0, 1), glass)


def slab(p: Painter, x: float, y: float, wide: float, high: float) -> None:
    """A box seen from the front: a lit top, a face, and the shadow they cast."""
    patch = p.patch(x, y, 1.1 * wide, 1.1 * high, HALO * p.focus)
    if patch is None:
        return
    stuff = p.stuff()
    angle = p.uniform(-0.3, 0.3) * p.chance(0.3)
    depth = box(patch, wide * p.size, high * p.size, angle)
    p.apply(patch, depth, stuff, slope=p.uniform(0, 0.5), shadow=p.uniform(0, 0.5))
    if p.chance(0.5):
        top = np.minimum(depth, -patch.v - (1 - p.uniform(0.05, 0.4)) * high * p.size)
        p.apply(patch, top, stuff._replace(colour=np.clip(stuff.colour * p.uniform(0.6, 1.6), 0, 1)))


def person(p: Painter, x: float, y: float, radius: float) -> None:
    """Somebody down to the hips: head, hair, face, shoulders and arms; the head is 0.9 radii high."""
    cloth = p.stuff(relief=p.uniform(0.02, 0.25))
    skin = p.stuff(hsv(p.uniform(0.03, 0.1), p.uniform(0.2, 0.6), p.uniform(0.25, 0.95)), "haze", 0.06)
    hair = p.stuff(hsv(p.uniform(0.03, 0.12), p.uniform(0, 0.6), p.uniform(0.03, 0.6)), "bark", 0.4)
    head = 0.45 * radius
    body(p, x + 0.1 * head, y + 2.6 * head, 1.3 * head * p.uniform(0.8, 1.3), 2.1 * head, cloth, rugged=0.05)
    if p.chance(0.6):
        body(p, x - 1.2 * head, y + 2.4 * head, 0.4 * head, 1.5 * head, cloth, angle=p.uniform(-0.2, 0.6))
        body(p, x + 1.3 * head, y + 2.4 * head, 0.4 * head, 1.5 * head, cloth, angle=p.uniform(-0.6, 0.2))
    body(p, x, y + head, 0.4 * head, 0.6 * head, skin._replace(colour=skin.colour * 0.8))
    tilt = p.uniform(-0.3, 0.3)
    turn = p.uniform(-0.4, 0.4) * head
    body(p, x, y - 0.2 * head, 0.95 * head, 1.15 * head, hair, tilt)
    body(p, x + turn, y, 0.75 * head, head, skin, tilt, bulge=0.7)
    if head * p.size > 4:
        dark = p.stuff(skin.colour * 0.3, "haze", 0.1)
        for side in (-0.33, 0.33):
            body(p, x + 1.3 * turn + side * head, y - 0.12 * head, 0.14 * head, 0.08 * head, dark)
            body(p, x + 1.3 * turn + side * head, y - 0.3 * head, 0.2 * head, 0.05 * head, hair)
        body(p, x + 1.5 * turn, y + 0.2 * head, 0.1 * head, 0.14 * head, skin._replace(colour=skin.colour * 0.85))
        red = skin._replace(colour=skin.colour * np.array([0.8, 0.5, 0.5], np.float32))
        body(p, x + 1.3 * turn, y + 0.48 * head, 0.28 * head, 0.08 * head, red)


def animal(p: Painter, x: float, y: float, radius: float) -> None:
    """A body on legs, neck and head, all of one fur."""
    fur = p.stuff(texture=p.pick(("bark", "rock", "grain", "grass", "haze")), relief=p.uniform(0.08, 0.4))
    way = 1 if p.chance(0.5) else -1
    for leg in (-0.6, -0.35, 0.35, 0.6):
        body(p, x + leg * radius, y + 0.75 * radius, 0.1 * radius, 0.55 * radius, fur, shadow=0.0)
    body(p, x, y, radius, p.uniform(0.4, 0.65) * radius, fur, p.uniform(-0.2, 0.2), rugged=0.08, bulge=0.6)
    neck_x, neck_y = x + way * 0.8 * radius, y - p.uniform(0.2, 0.7) * radius
    body(p, neck_x, neck_y + 0.15 * radius, 0.22 * radius, 0.45 * radius, fur, way * 0.5, bulge=0.4)
    head = p.uniform(0.25, 0.45) * radius
    for side in (-0.5, 0.5):
        body(p, neck_x + side * head, neck_y - 0.9 * head, 0.22 * head, 0.4 * head, fur, side)
    other = fur if p.chance(0.6) else p.stuff(texture=fur.texture, relief=fur.relief)
    body(p, neck_x + way * 0.3 * head, neck_y, 1.2 * head, 0.85 * head, other, way * 0.3, bulge=0.6)
    if head * p.size > 4:
        black = p.stuff((0.04, 0.03, 0.03), "haze", 0.0)
        for place in (0.2, 0.8):
            body(p, neck_x + way * place * head, neck_y - 0.25 * head, 0.12 * head, 0.12 * head, black)
        body(p, neck_x + way * 1.2 * head, neck_y + 0.2 * head, 0.2 * head, 0.16 * head, black)


def body(
    p: Painter,
    x: float,
    y: float,
    wide: float,
    high: float,
    stuff: Stuff,
    angle: float = 0.0,
    rugged: float = 0.0,
    bulge: float = 0.5,
    shadow: float = 0.2,
) -> None:
    """An ellipse with the shading of a ball."""
    reach = 1.1 * max(wide, high)
    margin = HALO * p.focus if shadow else 2.0
    patch = p.patch(x, y, reach, margin=margin) if angle else p.patch(x, y, 1.1 * wide, 1.1 * high, margin)
    if patch is None:
        return
    depth = ellipse(patch, wide * p.size, high * p.size, angle)
    if rugged:
        depth = depth + rough(p, depth.shape, rugged * min(wide, high) * p.size)
    p.apply(patch, depth, stuff, slope=0.35, bulge=bulge, shadow=shadow)


def twigs(p: Painter, count: int, thick: float, upright: bool = False) -> None:
    """Thin bent lines of one material, such as branches, blades, poles or wires."""
    stuff = p.stuff()
    for _ in range(count):
        x, y, long = p.rng.random(), p.rng.random(), p.uniform(0.05, 0.5)
        angle = np.pi / 2 + (0.02 if upright else 0.7) * p.rng.standard_normal()
        c, s = abs(float(np.cos(angle))), abs(float(np.sin(angle)))
        bend = 0.0 if upright else p.uniform(-0.15, 0.15)
        patch = p.patch(x, y, (c + 0.2) * long, (s + 0.2) * long)
        if patch is not None:
            p.apply(patch, stick(patch, long * p.size, max(0.5, thick * p.size), angle, bend), stuff, slope=0.2)


def rough(p: Painter, shape: tuple[int, ...], height: float) -> Array:
    """Return noise of a shape (h, w) that roughens outlines by this height in pixels."""
    return cut("clouds", p.rng, *shape)[0] * height

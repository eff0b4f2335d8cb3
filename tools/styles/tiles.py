"""Noise, tilings, distances and light for the styles made of pieces: mosaic, glass, facets, gold leaf."""

from pathlib import Path

import numpy as np
from PIL import Image
from torch import from_numpy
from torch.nn import functional as F

from fast_style.files import replacing

STYLES = Path(__file__).resolve().parents[2] / "fast_style/assets/styles"


def save(picture: np.ndarray, name: str, quality: int = 92) -> None:
    """Write uint8 (H, W, 3) to `fast_style/assets/styles/NAME.jpg`."""
    with replacing(STYLES / f"{name}.jpg") as file:
        Image.fromarray(picture).save(file, "JPEG", quality=quality, optimize=True)


def palette(colours: str) -> np.ndarray:
    """Parse colours such as "0b1d3a 1f4e8c" to (N, 3) in [0, 1]."""
    return np.array([[int(c[i : i + 2], 16) / 255 for i in (0, 2, 4)] for c in colours.split()], np.float32)


def develop(picture: np.ndarray, factor: int) -> np.ndarray:
    """Average (H, W, 3) in [0, 1] over factor × factor pixels: uint8 (H / factor, W / factor, 3)."""
    h, w, _ = picture.shape
    small = picture.clip(0, 1).reshape(h // factor, factor, w // factor, factor, 3).mean((1, 3))
    return np.uint8(small * 255 + 0.5)


def mix(low: np.ndarray, high: np.ndarray, amount: np.ndarray | float) -> np.ndarray:
    """Blend from low to high, (…, 3), by an amount of shape (…) clipped to [0, 1]."""
    return low + (high - low) * np.clip(np.asarray(amount, np.float32), 0, 1)[..., None]


def ramp(value: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Colour each value in [0, 1] from the gradient through (N, 3) colours: (…, 3)."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(value, stops, c) for c in colours.T], axis=-1).astype(np.float32)


def noise(
    shape: tuple[int, int],
    cells: float | tuple[float, float],
    rng: np.random.Generator,
    octaves: int = 4,
    falloff: float = 0.5,
) -> np.ndarray:
    """Sum smooth noises from `cells` bumps along (rows, columns) upwards: (H, W) with mean 0 and deviation 1."""
    total = np.zeros(shape, np.float32)
    rows, columns = cells if isinstance(cells, tuple) else (cells, cells * shape[1] / shape[0])
    for octave in range(octaves):
        size = [max(2, round(n * 2**octave) + 2) for n in (rows, columns)]
        grid = Image.fromarray(rng.standard_normal(size, np.float32))
        total += falloff**octave * np.asarray(grid.resize(shape[::-1], Image.Resampling.BICUBIC))
    return (total - total.mean()) / total.std()


def blur(field: np.ndarray, sigma: float) -> np.ndarray:
    """Blur (H, W) or (H, W, C) with a Gaussian of `sigma` pixels, mirrored at the border."""
    radius = max(1, min(round(3 * sigma), min(field.shape[:2]) - 1))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2).astype(np.float32)
    kernel = from_numpy(weights / weights.sum())
    planes = from_numpy(np.ascontiguousarray(np.atleast_3d(field), np.float32)).permute(2, 0, 1)[
        :, None
    ]  # (C, 1, H, W)
    planes = F.conv2d(F.pad(planes, (radius, radius, 0, 0), mode="reflect"), kernel.view(1, 1, 1, -1))
    planes = F.conv2d(F.pad(planes, (0, 0, radius, radius), mode="reflect"), kernel.view(1, 1, -1, 1))
    return planes[:, 0].permute(1, 2, 0).numpy().reshape(field.shape)  # (H, W[, C])


def distance(mask: np.ndarray, reach: int) -> np.ndarray:
    """Measure how far the nearest True of `mask` is, in pixels, at most `reach`: (H, W)."""
    h, w = mask.shape
    rows = np.arange(h, dtype=np.float32)[:, None]
    above = rows - np.maximum.accumulate(np.where(mask, rows, -reach), axis=0)
    below = np.minimum.accumulate(np.where(mask, rows, h + reach)[::-1], axis=0)[::-1] - rows
    column = np.minimum(np.minimum(above, below), reach) ** 2
    best = column.copy()
    for step in range(1, min(reach, w)):
        np.minimum(best[:, step:], column[:, :-step] + step * step, out=best[:, step:])
        np.minimum(best[:, :-step], column[:, step:] + step * step, out=best[:, :-step])
    return np.sqrt(best)


def borders(label: np.ndarray) -> np.ndarray:
    """Mark the pixels whose right or lower neighbour has another label."""
    edge = np.zeros(label.shape, bool)
    edge[:, :-1] |= label[:, 1:] != label[:, :-1]
    edge[:-1] |= label[1:] != label[:-1]
    return edge


def cells(points: np.ndarray, own: np.ndarray, group: np.ndarray, reach: int) -> np.ndarray:
    """Label each pixel of `group` (H, W) by the nearest point of the same group, −1 beyond `reach` pixels.

    Args:
        points: rows and columns, (N, 2).
        own: the group of each point, (N,).
        group: the group of each pixel, (H, W).
        reach: how far a cell may extend from its point.
    """
    h, w = group.shape
    label = np.full((h, w), -1, np.int32)
    nearest = np.full((h, w), np.inf, np.float32)
    for i, (y, x) in enumerate(points):
        top, left = max(0, int(y) - reach), max(0, int(x) - reach)
        window = np.s_[top : int(y) + reach + 1, left : int(x) + reach + 1]
        square = nearest[window]
        dy = np.arange(top, top + square.shape[0], dtype=np.float32)[:, None] - np.float32(y)
        dx = np.arange(left, left + square.shape[1], dtype=np.float32) - np.float32(x)
        far = dy * dy + dx * dx
        closer = (far < square) & (group[window] == own[i])
        square[closer] = far[closer]
        label[window][closer] = i
    return label


def scatter(
    group: np.ndarray, spacing: float, rng: np.random.Generator, seeds: np.ndarray | None = None, rounds: int = 4
) -> np.ndarray:
    """Tile each group with cells about `spacing` pixels apart, evened out by Lloyd's algorithm: labels (H, W).

    Args:
        group: the group of each pixel, at least 0, (H, W).
        spacing: least distance between two points of a group is 0.85 of it.
        rng: decides where the points fall.
        seeds: the pixels where the points of a group fall at first if it has such, (H, W); all by default.
        rounds: steps of Lloyd's algorithm.
    """
    h, w = group.shape
    reach = round(1.5 * spacing)
    rows, columns = np.mgrid[: 2 * reach + 1, : 2 * reach + 1] - reach
    disc = rows**2 + columns**2 < (0.85 * spacing) ** 2
    free = np.ones((h + 2 * reach, w + 2 * reach), bool)
    padded = np.pad(group, reach, constant_values=-1)
    points = []
    seeds = np.ones((h, w), bool) if seeds is None else seeds | ~np.isin(group, group[seeds])
    for place in rng.permutation(np.flatnonzero(seeds)):
        y, x = divmod(int(place), w)
        if free[y + reach, x + reach]:
            points.append((y, x))
            window = np.s_[y : y + 2 * reach + 1, x : x + 2 * reach + 1]
            free[window][disc & (padded[window] == group[y, x])] = False
    centres = np.array(points, np.float32)
    own = group[tuple(np.array(points).T)]
    grid = np.stack(np.mgrid[:h, :w], axis=-1).astype(np.float32)
    for _ in range(rounds):
        label = cells(centres, own, group, reach)
        found = means(label, grid)
        alive = np.bincount(label[label >= 0], minlength=len(centres)) > 0
        centres[: len(found)][alive[: len(found)]] = found[alive[: len(found)]]
    return cells(centres, own, group, reach)


def means(label: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Average (H, W) or (H, W, C) over each label: (N,) or (N, C); labels run from 0 to N − 1, −1 counts nowhere."""
    inside = label.ravel() >= 0
    names = label.ravel()[inside]
    count = np.maximum(np.bincount(names), 1)
    planes = field.reshape(label.size, -1)[inside]
    sums = np.stack([np.bincount(names, plane) for plane in planes.T], axis=-1) / count[:, None]
    return sums.reshape(len(count), *field.shape[2:]).astype(np.float32)


def relief(height: np.ndarray, strength: float) -> np.ndarray:
    """Light a surface (H, W), heights in pixels, from the upper left: (H, W, 1) around 1."""
    down, right = np.gradient(height)
    return (1 + strength * (down + right) / np.sqrt(1 + down**2 + right**2))[..., None]

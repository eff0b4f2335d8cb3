"""Optimise a picture from coarse to fine."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn import functional as F

from fast_style.images import resize, resize_long_side, resize_short_side
from fast_style.optimize.minimize import minimize
from fast_style.optimize.objective import MakeLoss, Objective, Style

Size = tuple[int, int]  # height and width
MARGIN = 16  # pixels


@dataclass(frozen=True, eq=False)
class Step:
    """What an iteration of the optimisation found.

    Attributes:
        picture: the best so far at this size, RGB of shape (1, 3, H, W) in [0, 1].
        losses: losses of the iteration by name, the margin included, see `PerceptualLoss.summary`.
        best: the total loss of `picture`.
        iteration: number of the iteration at this size, from 1.
        scale: number of the size, from 0, the coarsest.
        total: number of iterations at all sizes so far.
    """

    picture: Tensor
    losses: Mapping[str, float]
    best: float
    iteration: int
    scale: int
    total: int


def scales(size: Size, coarsest: int) -> list[Size]:
    """List sizes from coarse to fine, each √2 times the one before, the last as asked for.

    Args:
        size: height and width of the picture at the end.
        coarsest: the long side of the first size has at least so many pixels, unless the picture has fewer.

    Returns:
        Heights and widths.

    Raises:
        ValueError: if `coarsest` is below 16.
    """
    if coarsest < 16:
        raise ValueError(f"the coarsest size must be at least 16 pixels, got {coarsest}")
    count = max(0, math.floor(2 * math.log2(max(size) / coarsest) + 1e-9))
    return [tuple(max(1, round(side / 2 ** (k / 2))) for side in size) for k in range(count, -1, -1)]  # type: ignore[misc]


def optimize(
    make_loss: MakeLoss,
    styles: Sequence[Style],
    photo: Tensor,
    start: Tensor,
    sizes: Sequence[Size],
    iterations: Sequence[int],
    optimizer: str = "lbfgs",
    style_scale: float = 1.0,
    margin: int = MARGIN,
) -> Iterator[Step]:
    """Optimise the pixels of a picture under the losses of training (Gatys et al. 2016), from coarse to fine.

    Args:
        make_loss: makes the loss of a style image: `PerceptualLoss` with all arguments but `style` given.
        styles: at least one style image with its weight and region.
        photo: what the picture shall show, RGB of shape (1, 3, H, W) in [0, 1]; resized to each size.
        start: where to begin, of any size, in [0, 1].
        sizes: height and width of each scale, see `scales`; the picture found at one is the start of the next.
        iterations: number of iterations at each scale, at least 1.
        optimizer: `lbfgs` or `adam`, see `minimize`.
        style_scale: long side of the style images in relation to the picture's at each scale: larger, larger strokes.
        margin: pixels that photo and picture are continued by on all sides, and cropped again: the loss network pads
            with zeros, which leaves a line at the edges of what is optimised. A little more at the right and at the
            bottom, so that no rows are lost where the loss network halves sides. 0 for tiles.

    Yields:
        After each iteration what it found.

    Raises:
        ValueError: if there are not as many numbers of iterations as sizes, or none, or the optimizer is unknown.
        NonFiniteError: if a loss is not finite; what was yielded before stays good.
    """
    if len(sizes) != len(iterations) or min(iterations, default=0) < 1:
        raise ValueError(f"each of {len(sizes)} sizes needs at least 1 iteration, got {list(iterations)}")
    total = 0
    for scale, (size, count) in enumerate(zip(sizes, iterations, strict=True)):
        resized = [replace(style, image=_scaled(style.image, max(size) * style_scale)) for style in styles]
        around = _margins(size, margin)
        resized = [
            style if style.region is None else replace(style, region=_pad(style.region, size, around))
            for style in resized
        ]
        objective = Objective(make_loss, resized, _pad(resize(photo, size), size, around))
        picture, best = resize(start, size), math.inf
        begin = _pad(picture, size, around)
        for iteration, (candidate, value) in enumerate(minimize(objective, begin, optimizer), start=1):
            total += 1
            if value < best:
                picture = candidate[..., around[2] : around[2] + size[0], around[0] : around[0] + size[1]]
                best = value
            yield Step(picture, objective.losses, best, iteration, scale, total)
            if iteration == count:
                break
        start = picture


def _scaled(image: Tensor, long_side: float) -> Tensor:
    """Resize a style image by its long side, but not below 16 pixels on the short one."""
    short_side = long_side * min(image.shape[2:]) / max(image.shape[2:])
    return resize_short_side(image, 16) if short_side < 16 else resize_long_side(image, round(long_side))


def _margins(size: Size, margin: int) -> tuple[int, int, int, int]:
    """Left, right, top and bottom: together with the picture multiples of 16."""
    bottom, right = (margin + -(side + 2 * margin) % 16 if margin else 0 for side in size)
    return margin, right, margin, bottom


def _pad(images: Tensor, size: Size, margins: tuple[int, int, int, int]) -> Tensor:
    """Continue images or regions of a size, or resized to it."""
    if not any(margins):
        return images
    return F.pad(resize(images, size), margins, "reflect" if min(size) > max(margins) else "replicate")

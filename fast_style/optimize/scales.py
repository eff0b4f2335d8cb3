"""Optimise a picture from coarse to fine."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn import functional as F

from fast_style.images import resize_long_side
from fast_style.optimize.minimize import minimize
from fast_style.optimize.objective import MakeLoss, Objective, Style

Size = tuple[int, int]  # height and width


@dataclass(frozen=True, eq=False)
class Step:
    """An iteration that is done.

    Attributes:
        picture: the best so far at this size, RGB of shape (1, 3, H, W) in [0, 1].
        losses: of the iteration, by name, see `PerceptualLoss.summary`.
        best: the total loss of `picture`.
        iteration: of this size, from 1.
        scale: number of the size, from 0.
        total: iterations of all sizes so far.
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
        size: of the picture at the end, height and width.
        coarsest: the long side of the first has at least so many pixels, unless the picture has fewer.

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
) -> Iterator[Step]:
    """Optimise the pixels of a picture under the losses of training (Gatys et al. 2016), from coarse to fine.

    Args:
        make_loss: makes the loss of a style image, as `PerceptualLoss` bound to all but that.
        styles: at least one.
        photo: what the picture shall show, RGB of shape (1, 3, H, W) in [0, 1]; resized to each size.
        start: where to begin, of any size, in [0, 1].
        sizes: height and width of each scale, see `scales`; the picture found at one is the start of the next.
        iterations: of each scale.
        optimizer: see `minimize`.
        style_scale: long side of the style images in relation to the picture's at each scale: larger, larger strokes.

    Yields:
        After each iteration.

    Raises:
        ValueError: if there are not as many numbers of iterations as sizes, or none; and as `minimize`.
        NonFiniteError: if a loss is not finite; what was yielded before stays good.
    """
    if len(sizes) != len(iterations) or min(iterations, default=0) < 1:
        raise ValueError(f"each of {len(sizes)} sizes needs at least 1 iteration, got {list(iterations)}")
    total = 0
    for scale, (size, count) in enumerate(zip(sizes, iterations, strict=True)):
        long_side = max(16, round(max(size) * style_scale))
        resized = [replace(style, image=resize_long_side(style.image, long_side)) for style in styles]
        objective = Objective(make_loss, resized, resize(photo, size))
        picture, best = resize(start, size), math.inf
        for iteration, (candidate, value) in enumerate(minimize(objective, picture, optimizer), start=1):
            total += 1
            if value < best:
                picture, best = candidate, value
            yield Step(picture, objective.losses, best, iteration, scale, total)
            if iteration == count:
                break
        start = picture


def resize(images: Tensor, size: Size) -> Tensor:
    """Resize (N, C, H, W) in [0, 1] to a height and a width."""
    if images.shape[2:] == size:
        return images
    return F.interpolate(images, size, mode="bicubic", antialias=True).clamp(0, 1)

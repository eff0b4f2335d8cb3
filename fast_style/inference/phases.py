"""A better picture for more time: cycle spinning, the mean over the phases of a network's inner grid."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Stylize = Callable[[Tensor], Tensor]
GRID = 4  # pixels: what the networks for one, many and any styles go down by


def mean_over_phases(stylize: Stylize, photos: Tensor, phases: int = 4) -> Tensor:
    """Stylize photos shifted by parts of the network's grid, shift the pictures back, and take their mean.

    Coifman & Donoho 1995, "Translation-Invariant De-Noising" (https://doi.org/10.1007/978-1-4612-2544-7_9), call it
    cycle spinning.

    A network that goes down by four paints a picture that depends on where the photo lies on a grid of four pixels; the
    dependence shows as a weave. In the mean over the places it could lie, strokes stay and the weave goes. Networks
    trained with `antialias` have little of it left, and gain little. Of a network that goes down by more, `AdaIN` by
    eight and U-Nets by up to 2^depth, what depends on the coarser grids stays.

    Args:
        stylize: maps (N, 3, H, W) in [0, 1] to the same shape and range.
        photos: RGB of shape (N, 3, H, W) in [0, 1].
        phases: 1, 4 (shifts by 0 and 2 pixels each way) or 16 (by 0, 1, 2 and 3): how many times as long it takes.

    Returns:
        The mean, of the same shape and type.

    Raises:
        ValueError: if `phases` is another number.
    """
    if phases not in (1, 4, 16):
        raise ValueError(f"phases must be 1, 4 or 16, got {phases}")
    step = {1: GRID, 4: 2, 16: 1}[phases]
    h, w = photos.shape[-2:]
    total = torch.zeros_like(photos, dtype=torch.float32)
    for down in range(0, GRID, step):
        for right in range(0, GRID, step):
            # A border of whole grid steps on all sides, so that every phase sees as much beside the photo.
            padded = F.pad(photos, (GRID + right, 2 * GRID - right, GRID + down, 2 * GRID - down), mode="replicate")
            top, left = GRID + down, GRID + right
            total += stylize(padded)[..., top : top + h, left : left + w]
    return (total / phases).to(photos.dtype)

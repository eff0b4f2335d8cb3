"""Photos of a batch that move, and what their pictures are compared with."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from fast_style.data.photos import generator
from fast_style.losses import Frames, equivariance_loss, following, shifted, temporal_loss
from fast_style.losses.equivariance import REACH

DRAW = 8  # lest motion is drawn like anything else of a sample
WAYS = 2 * REACH + 1  # shifts by whole pixels along an axis


class Shift(NamedTuple):
    """Whole pixels that photos are shifted by, see `shifted`."""

    down: int
    right: int


Motion = Shift | Frames


def motion_weights(equivariance_weight: float, temporal_weight: float) -> dict[str, float]:
    """Name the weights of the losses that compare the pictures of moved photos, see `NetworkTask`.

    Raises:
        ValueError: if a weight is negative or NaN.
    """
    for name, weight in (("equivariance_weight", equivariance_weight), ("temporal_weight", temporal_weight)):
        if not weight >= 0:
            raise ValueError(f"{name} must not be negative, got {weight}")
    return {"equivariance_loss": equivariance_weight, "temporal_loss": temporal_weight}


def move(batch: Mapping[str, Tensor], weights: Mapping[str, float], seed: int) -> tuple[Tensor, Motion]:
    """Move the first photos of a batch: half of them as a film does, or a quarter by whole pixels, by the weights.

    How they move depends on (seed, number of the batch's first sample) alone, so that a resumed run and one on several
    devices move them alike; where the batch has frames that follow (`ClipPairs`), on these.

    Args:
        batch: `image`, photos (N, 3, H, W) in [0, 1]; `index`, the numbers of the samples, (N,), else they begin at 0;
            and of clips `after`, `flow` and `seen`, see `Frames`.
        weights: those of `motion_weights`.
        seed: another seed, another motion.

    Returns:
        The moved photos (M, 3, H, W), M = 0 if neither is weighed, and how they moved.
    """
    photos = batch["image"]
    count = len(photos)
    draws = generator(seed, int(batch["index"][0]) if "index" in batch else 0, DRAW)
    if weights["temporal_loss"] and "after" in batch:
        frames = Frames(batch["after"], batch["flow"], batch["seen"], torch.zeros_like(batch["seen"]))
        return frames.photos, frames
    if weights["temporal_loss"]:
        frames = following(photos[: (count + 1) // 2], draws)
        return frames.photos, frames
    if not weights["equivariance_loss"] or min(photos.shape[-2:]) <= REACH:
        return photos[:0], Shift(0, 0)
    choice = int(torch.randint(WAYS**2 - 1, (), generator=draws))
    choice += choice >= WAYS**2 // 2  # the middle one is no shift
    shift = Shift(choice // WAYS - REACH, choice % WAYS - REACH)
    return shifted(photos[: max(1, count // 4)], *shift), shift


def compare_moved(pictures: Tensor, moved: Tensor, motion: Motion) -> dict[str, Tensor]:
    """Compare the pictures of a batch with those of its moved photos.

    Args:
        pictures: of the batch, RGB of shape (N, 3, H, W).
        moved: of the photos that `move` returned, (M, 3, H, W).
        motion: how these moved.

    Returns:
        The unweighted loss, a float32 scalar, by its name; nothing where no photo moved.
    """
    if not len(moved):
        return {}
    pictures = pictures[: len(moved)]
    if isinstance(motion, Frames):
        return {"temporal_loss": temporal_loss(pictures, moved, motion)}
    return {"equivariance_loss": equivariance_loss(pictures, moved, *motion)}

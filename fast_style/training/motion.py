"""Photos of a batch that move, and what their pictures are compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from fast_style.data.photos import generator
from fast_style.devices import sent
from fast_style.losses import Frames, equivariance_loss, following, shifted, temporal_loss
from fast_style.losses.equivariance import REACH

DRAW = 8  # lest motion is drawn like anything else of a sample
WAYS = 2 * REACH + 1  # shifts by whole pixels along an axis
SHIFTED, FOLLOWED = 4, 2  # one of so many samples is shifted, or followed by a frame


class Shift(NamedTuple):
    """Whole pixels that a photo is shifted by, see `shifted`."""

    down: int
    right: int


@dataclass(frozen=True)
class Motion:
    """How some of the photos of a batch moved.

    Attributes:
        places: of these photos in the batch, int64 (M,), on the photos' device.
        ways: the shift of each, or the frames that follow them.
    """

    places: Tensor
    ways: Sequence[Shift] | Frames


def motion_weights(equivariance_weight: float, temporal_weight: float) -> dict[str, float]:
    """Name the weights of the losses that compare the pictures of moved photos, see `NetworkTask`.

    Raises:
        ValueError: if a weight is negative or NaN.
    """
    for name, weight in (("equivariance_weight", equivariance_weight), ("temporal_weight", temporal_weight)):
        if not weight >= 0:
            raise ValueError(f"{name} must not be negative, got {weight}")
    return {"equivariance_loss": equivariance_weight, "temporal_loss": temporal_weight}


def numbers_of(batch: Mapping[str, Tensor]) -> list[int]:
    """Read the numbers of a batch's samples; where it has none, they begin at 0."""
    return batch["index"].tolist() if "index" in batch else list(range(len(batch["image"])))


def one_in(share: int, numbers: Sequence[int]) -> list[int]:
    """Choose one in so many samples of a batch: those whose number is a multiple of it.

    So it depends on the number of a sample whether it is chosen, and not on the batch or the process that it falls to.
    Of a batch of fewer samples, one in the largest power of two that it holds, so that every batch has one.

    Args:
        share: a power of two.
        numbers: of the samples.

    Returns:
        Their places in the batch.
    """
    while share > max(1, len(numbers)):
        share //= 2
    return [place for place, number in enumerate(numbers) if number % share == 0]


def move(batch: Mapping[str, Tensor], weights: Mapping[str, float], seed: int) -> tuple[Tensor, Motion]:
    """Move some photos of a batch: one in two as a film does, or one in four by whole pixels, by the weights.

    How a photo moves depends on (seed, number of the sample) alone, so that a resumed run, one of other batches and one
    on several devices move it alike; which of them move, see `one_in`. Where the batch has frames that follow, of
    samples of even numbers (`HalfClips`), these are taken.

    Args:
        batch: `image`, photos (N, 3, H, W) in [0, 1]; `index`, the numbers of the samples, (N,), else they begin at 0;
            and of clips `after`, `flow` and `seen`, see `Frames`.
        weights: those of `motion_weights`.
        seed: another seed, another motion.

    Returns:
        The moved photos (M, 3, H, W), M = 0 if neither is weighed, and how they moved.
    """
    photos, numbers = batch["image"], numbers_of(batch)
    if weights["temporal_loss"]:
        places = one_in(FOLLOWED, numbers)
    else:
        shifts = weights["equivariance_loss"] > 0 and min(photos.shape[-2:]) > REACH
        places = one_in(SHIFTED, numbers) if shifts else []
    if not places:
        return photos[:0], Motion(photos.new_empty(0, dtype=torch.int64), [])
    there = sent(torch.tensor(places), photos.device)
    if weights["temporal_loss"] and "after" in batch:
        frames = Frames(batch["after"], batch["flow"], batch["seen"], torch.zeros_like(batch["seen"]))
        return frames.photos, Motion(there, frames)
    draws = [generator(seed, numbers[place], DRAW) for place in places]
    if weights["temporal_loss"]:
        frames = following(photos.index_select(0, there), draws)
        return frames.photos, Motion(there, frames)
    ways = [_shift(each) for each in draws]
    moved = [shifted(photos[place : place + 1], *way) for place, way in zip(places, ways, strict=True)]
    return torch.cat(moved), Motion(there, ways)


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
    pictures = pictures.index_select(0, motion.places)
    if isinstance(motion.ways, Frames):
        return {"temporal_loss": temporal_loss(pictures, moved, motion.ways)}
    pairs = zip(pictures.split(1), moved.split(1), motion.ways, strict=True)
    return {"equivariance_loss": torch.stack([equivariance_loss(a, b, *way) for a, b, way in pairs]).mean()}


def _shift(draws: torch.Generator) -> Shift:
    choice = int(torch.randint(WAYS**2 - 1, (), generator=draws))
    choice += choice >= WAYS**2 // 2  # the middle one is no shift
    return Shift(choice // WAYS - REACH, choice % WAYS - REACH)

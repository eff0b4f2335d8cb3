"""How far a set of pictures is from a set of real ones, and, where they are pairs, each from its own."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from fast_style.metrics import (
    kernel_distance,
    mean_absolute_error,
    patch_descriptors,
    patch_distance,
    peak_signal_to_noise_ratio,
    ssim,
)
from fast_style.networks import VGG

LAYER = "relu5_1"  # whose means over positions describe an image
PATCHES = 128  # of an image and level, as in Karras et al. 2018


@dataclass(frozen=True)
class SetScores:
    """What a set of pictures scores beside the real ones.

    Attributes:
        name: what the set is called.
        images: how many there are.
        kernel_distance: KID in features of VGG, times 1000, see `metrics.kernel_distance`.
        patch_distance: sliced Wasserstein distance of patches, times 1000, mean over the levels.
        patch_levels: the same by the side of the level in pixels.
        l1, psnr, ssim: means over pairs, see `metrics`; None where the sets are no pairs.
    """

    name: str
    images: int
    kernel_distance: float
    patch_distance: float
    patch_levels: dict[int, float]
    l1: float | None = None
    psnr: float | None = None
    ssim: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the scores as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Description:
    """What sets are compared by: features (N, C) of the images, and patches of each level, from the finest."""

    features: Tensor
    patches: list[Tensor]
    sides: tuple[int, ...]


@torch.inference_mode()
def describe_images(images: Iterable[Tensor], network: VGG) -> Description:
    """Describe images, one at a time.

    Where patches are cut depends on the position of an image in its set alone.

    Args:
        images: each (1, 3, H, W) in [0, 1], all of one size, sides at least 16.
        network: VGG with weights to relu5_1.

    Raises:
        ValueError: if there is none, one is too small, or the weights do not reach that layer.
    """
    features, patches = [], []
    for number, image in enumerate(images):
        features.append(network(image, [LAYER])[LAYER].mean((2, 3)))
        patches.append(patch_descriptors(image, PATCHES, torch.Generator().manual_seed(number)))
    if not features:
        raise ValueError("there are no images to measure")
    levels = [torch.cat(level) for level in zip(*patches, strict=True)]
    side = min(image.shape[2:])
    return Description(torch.cat(features), levels, tuple(side // 2**level for level in range(len(levels))))


def compare_sets(name: str, found: Description, real: Description, **pairs: float) -> SetScores:
    """Measure how far a set is from the real one.

    Args:
        name: what the scores are called.
        found: the set.
        real: the real one.
        pairs: of `compare_pairs`, where they are pairs.

    Raises:
        ValueError: if a set has a single image.
    """
    levels = {
        side: 1000 * float(patch_distance(ours, theirs))
        for side, ours, theirs in zip(real.sides, found.patches, real.patches, strict=True)
    }
    kernel = 1000 * float(kernel_distance(found.features, real.features))
    mean = sum(levels.values()) / len(levels)
    return SetScores(name, len(found.features), kernel, mean, levels, **pairs)


def halves(real: Description) -> tuple[Description, Description]:
    """Take every other image of a set, and the others: what two samples of the same images differ by.

    Raises:
        ValueError: if there are fewer than four.
    """
    n = len(real.features)
    if n < 4:
        raise ValueError(f"the real set must have at least four images, so that its halves can be compared, got {n}")
    parts = []
    for first in (0, 1):
        patches = [level.unflatten(0, (n, -1))[first::2].flatten(0, 1) for level in real.patches]
        parts.append(Description(real.features[first::2], patches, real.sides))
    return parts[0], parts[1]


@torch.inference_mode()
def compare_pairs(pictures: Iterable[Tensor], real: Iterable[Tensor]) -> dict[str, float]:
    """Measure each picture beside the one that it ought to be.

    Args:
        pictures: each (1, 3, H, W) in [0, 1].
        real: as many, in the same order and of the same sizes.

    Returns:
        Means over the pairs: `l1`, `psnr` and `ssim`.

    Raises:
        ValueError: if there are more of one than of the other, or sizes differ.
    """
    rows = [
        torch.cat([measure(a, b) for measure in (mean_absolute_error, peak_signal_to_noise_ratio, ssim)])
        for a, b in zip(pictures, real, strict=True)
    ]
    return dict(zip(("l1", "psnr", "ssim"), torch.stack(rows).mean(0).tolist(), strict=True))

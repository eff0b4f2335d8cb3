"""What sets of images are compared by, whichever of them belong together."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from fast_style.metrics.kernel_distance import kernel_distance
from fast_style.metrics.patches import patch_descriptors, patch_distance
from fast_style.networks import VGG

LAYER = "relu5_1"  # whose means over positions describe an image
PATCHES = 128  # of an image and level, as in Karras et al. 2018
SEEDS = 2**24  # more than there are images in a set; of a generator's seed 32 bits count


@dataclass(frozen=True)
class Description:
    """What sets are compared by: features (N, C) of the images, and patches by the short side of their level."""

    features: Tensor
    patches: dict[int, Tensor]


@torch.inference_mode()
def describe_images(images: Iterable[Tensor], network: VGG, seed: int = 0) -> Description:
    """Describe images, one at a time.

    Where patches are cut depends on the seed and on the position of an image in its set alone. Of two sets that are
    compared each has a seed of its own: patches of the same places of pairs would be nearer than those of two samples.

    Args:
        images: each (1, 3, H, W) in [0, 1], all of one size, sides at least 16.
        network: VGG with weights to relu5_1.
        seed: another one, other places; 0 to 255.

    Raises:
        ValueError: if there is none, one is too small, or the weights do not reach that layer.
    """
    features, patches = [], []
    for number, image in enumerate(images):
        features.append(network(image, [LAYER])[LAYER].mean((2, 3)))
        patches.append(patch_descriptors(image, PATCHES, torch.Generator().manual_seed(seed * SEEDS + number)))
    if not features:
        raise ValueError("there are no images to measure")
    levels = {side: torch.cat([each[side] for each in patches]) for side in patches[0]}
    return Description(torch.cat(features), levels)


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
        patches = {side: level.unflatten(0, (n, -1))[first::2].flatten(0, 1) for side, level in real.patches.items()}
        parts.append(Description(real.features[first::2], patches))
    return parts[0], parts[1]


@torch.inference_mode()
def set_distances(found: Description, real: Description, paired: bool = False) -> tuple[float, dict[int, float]]:
    """Measure how far a set of images is from a real one, each of at least two.

    Args:
        found: the set.
        real: the real one, described with another seed.
        paired: whether images of one position belong together, see `kernel_distance`.

    Returns:
        The kernel distance in features of VGG, times 1000, and by the side of each level in pixels the sliced
        Wasserstein distance of patches, times 1000.

    Raises:
        ValueError: if a set has a single image, or pairs are not as many of each.
    """
    levels = {
        side: 1000 * float(patch_distance(ours, theirs))
        for (side, theirs), ours in zip(real.patches.items(), found.patches.values(), strict=True)
    }
    return 1000 * float(kernel_distance(found.features, real.features, paired)), levels

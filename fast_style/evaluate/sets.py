"""How far a set of pictures is from a set of real ones, and, where they are pairs, each from its own."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from fast_style.metrics import Description, mean_absolute_error, peak_signal_to_noise_ratio, set_distances, ssim


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
        fid: Fréchet distance of features of Inception, see `metrics.frechet_distance`; None where there is none.
    """

    name: str
    images: int
    kernel_distance: float
    patch_distance: float
    patch_levels: dict[int, float]
    l1: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    fid: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the scores as plain values, for JSON."""
        return asdict(self)


def compare_sets(name: str, found: Description, real: Description, paired: bool = False, **more: float) -> SetScores:
    """Measure how far a set is from the real one.

    Args:
        name: what the scores are called.
        found: the set.
        real: the real one, described with another seed.
        paired: whether images of one position belong together.
        more: what `compare_pairs` returns, where they are pairs; and `fid`.

    Raises:
        ValueError: if a set has a single image, or pairs are not as many of each.
    """
    kernel, levels = set_distances(found, real, paired)
    mean = sum(levels.values()) / len(levels)
    return SetScores(name, len(found.features), kernel, mean, levels, **more)


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

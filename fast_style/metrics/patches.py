"""How alike the patches of two sets of images are, scale by scale."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fast_style.layers.antialias import binomial

PATCH = 7
COARSEST = 16  # pixels, of the pyramid
DIRECTIONS = 512
SEED = 0


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """Split images into bands of frequency: each level is what the next, half its size, does not hold.

    Blurred by the binomial filter (1, 4, 6, 4, 1)/16, padded by reflection; enlarged likewise (Burt & Adelson 1983).

    Args:
        images: (N, C, H, W), sides at least 16.

    Returns:
        From the finest to the coarsest, whose short side is 16 to 31; the last is a small image, no band.
    """
    levels, taps = [], binomial(5).to(images)
    while min(images.shape[2:]) >= 2 * COARSEST:
        small = _blurred(images, taps)[..., ::2, ::2]
        wide = torch.zeros_like(images)
        wide[..., ::2, ::2] = 4 * small
        levels.append(images - _blurred(wide, taps))
        images = small
    return [*levels, images]


def patch_descriptors(images: Tensor, count: int, generator: torch.Generator) -> dict[int, Tensor]:
    """Cut patches of 7×7 pixels out of each level of the Laplacian pyramid, anywhere.

    Args:
        images: RGB of shape (N, 3, H, W) in [0, 1], sides at least 16.
        count: patches of each image and level.
        generator: decides where.

    Returns:
        By the short side of each level in pixels, from the finest, (N·count, 3, 49). Half of an odd side is rounded
        up: 63, 32, 16.

    Raises:
        ValueError: if a side is shorter.
    """
    if min(images.shape[2:]) < COARSEST:
        raise ValueError(f"patches need images of {COARSEST} pixels and more a side, got {tuple(images.shape)}")
    found = {}
    for level in laplacian_pyramid(images.float()):
        n, c, h, w = level.shape
        top, left = (torch.randint(side - PATCH + 1, (n, count), generator=generator) for side in (h, w))
        rows, columns = ((corner[..., None] + torch.arange(PATCH)) for corner in (top, left))  # (N, count, 7)
        image = torch.arange(n)[:, None, None, None]
        cut = level.permute(0, 2, 3, 1)[image, rows[..., :, None], columns[..., None, :]]  # (N, count, 7, 7, C)
        found[min(h, w)] = cut.flatten(2, 3).flatten(0, 1).mT.reshape(n * count, c, PATCH**2)
    return found


def patch_distance(patches: Tensor, real: Tensor) -> Tensor:
    """Sliced Wasserstein distance of two sets of patches.

    It is the mean over 512 directions of the mean absolute difference of sorted projections. Both sets are normalised,
    channel by channel, by mean and standard deviation of the real one. (Karras et al. normalise each by its own, which
    cannot see a cast.) Directions are the same at each call.

    Args:
        patches: (P, C, K), of `patch_descriptors`.
        real: (Q, C, K); with Q ≠ P quantiles are interpolated linearly.

    Returns:
        A float32 scalar, at least 0, in standard deviations of the real patches.

    Source: Karras et al. 2018, "Progressive Growing of GANs" (https://arxiv.org/abs/1710.10196), section 5.
    """
    mean = real.mean((0, 2), keepdim=True)
    deviation = real.std((0, 2), keepdim=True).clamp_min(1e-8)
    directions = torch.randn(DIRECTIONS, real[0].numel(), generator=torch.Generator().manual_seed(SEED))
    directions = (directions / directions.norm(dim=1, keepdim=True)).to(real.device)
    total = real.new_zeros(())
    for some in directions.split(64):
        ours, theirs = (((x - mean) / deviation).flatten(1) @ some.mT for x in (patches, real))  # (P, 64)
        ours, theirs = ours.mT.sort(dim=1).values, theirs.mT.sort(dim=1).values
        if ours.shape[1] != theirs.shape[1]:
            ours = F.interpolate(ours[None], theirs.shape[1], mode="linear", align_corners=True)[0]
        total = total + (ours - theirs).abs().mean(1).sum()
    return total / DIRECTIONS


def _blurred(images: Tensor, taps: Tensor) -> Tensor:
    c, reach = images.shape[1], len(taps) // 2
    row = taps.expand(c, 1, 1, len(taps))
    wide = F.pad(images, (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(wide, row, groups=c), row.mT, groups=c)

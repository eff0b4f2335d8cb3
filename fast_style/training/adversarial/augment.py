"""What a discriminator sees of images, changed at random, so that it cannot learn few images by heart."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from fast_style.data.photos import generator
from fast_style.devices import sent

POLICIES = ("colour", "translation", "cutout")
DRAW = 3  # lest crops and augmentations are drawn alike
GREY = 0.5  # what is outside, 0 in [−1, 1]
REACH = 1 / 8  # of a side, how far images are moved
HOLE = 1 / 2  # of a side, what is cut out


class DiffAugment:
    """Differentiable augmentation of real and of made images alike.

    Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training" (https://arxiv.org/abs/2006.10738):
    since the discriminator sees both through the same changes, and the generator's gradient goes through them, the
    pictures do not learn the changes.

    Args:
        policies: any of `colour` (brightness by up to a quarter, saturation times 0 to 2, contrast times ½ to 1½),
            `translation` (by up to an eighth of each side) and `cutout` (a square of half the sides, of which parts may
            lie outside); none for images as they are.
        seed: with a sample's number decides its draws.

    Raises:
        ValueError: if a policy is unknown.
    """

    def __init__(self, policies: Sequence[str] = (), seed: int = 0) -> None:
        for policy in policies:
            if policy not in POLICIES:
                raise ValueError(f"augment must be a list of {', '.join(POLICIES)}, got {policy!r}")
        self.policies = list(policies)
        self.seed = seed

    def draw(self, samples: Tensor) -> Tensor:
        """Draw what is done to samples: numbers in [0, 1) of shape (N, 7) that depend on (seed, sample) alone.

        Args:
            samples: their numbers, (N,).
        """
        return torch.stack([torch.rand(7, generator=generator(self.seed, sample, DRAW)) for sample in samples.tolist()])

    def __call__(self, images: Tensor, draws: Tensor) -> Tensor:
        """Change images.

        Args:
            images: in [0, 1], of shape (N, 3, H, W), or (N, 3·K, H, W) for K images a sample, one after the other,
                which are changed alike.
            draws: what `draw` returned.

        Returns:
            Images of the same shape, in [0, 1]-space: values may lie outside.
        """
        if not self.policies:
            return images
        if "colour" in self.policies:
            images = _coloured(images, sent(draws[:, :3].to(images.dtype), images.device))
        if "translation" in self.policies:
            images = _translated(images, draws[:, 3:5])
        if "cutout" in self.policies:
            images = _cut(images, draws[:, 5:])
        return images


def _coloured(images: Tensor, draws: Tensor) -> Tensor:
    brightness, saturation, contrast = draws.view(-1, 3, 1, 1, 1, 1).unbind(1)
    x = images.unflatten(1, (-1, 3))  # (N, K, 3, H, W)
    x = x + (brightness - 0.5) / 2
    grey = x.mean(2, keepdim=True)
    x = grey + (x - grey) * 2 * saturation
    middle = x.mean((2, 3, 4), keepdim=True)
    x = middle + (x - middle) * (contrast + 0.5)
    return x.flatten(1, 2)


def _translated(images: Tensor, draws: Tensor) -> Tensor:
    h, w = images.shape[-2:]
    reach = [int(side * REACH + 0.5) for side in (h, w)]
    wide = F.pad(images, (reach[1], reach[1], reach[0], reach[0]), value=GREY)
    moved = []
    for image, draw in zip(wide, draws.tolist(), strict=True):
        top, left = (int(value * (2 * far + 1)) for value, far in zip(draw, reach, strict=True))
        moved.append(image[:, top : top + h, left : left + w])
    return torch.stack(moved)


def _cut(images: Tensor, draws: Tensor) -> Tensor:
    h, w = images.shape[-2:]
    hole = torch.zeros(len(images), 1, h, w, dtype=torch.bool, device=images.device)
    for mask, draw in zip(hole, draws.tolist(), strict=True):
        spans = []
        for value, side in zip(draw, (h, w), strict=True):
            length = int(side * HOLE + 0.5)
            start = int(value * (side + 1)) - length // 2
            spans.append(slice(max(0, start), max(0, start + length)))
        mask[:, spans[0], spans[1]].fill_(True)
    return images.masked_fill(hole, GREY)

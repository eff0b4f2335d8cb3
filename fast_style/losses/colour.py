"""Keep the photo's colours."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fast_style.functional import LUMA

# ITU-R BT.601: Y, U, V of R, G, B.
YUV = (LUMA, (-0.14713, -0.28886, 0.436), (0.615, -0.51499, -0.10001))


def colour_loss(images: Tensor, photos: Tensor) -> Tensor:
    """Difference of colours: mean |ΔY| + mean H(ΔU) + mean H(ΔV), with H(d) = ½ d² up to 1, |d| − ½ beyond.

    Args:
        images: pictures, RGB of shape (N, 3, H, W) in [0, 1].
        photos: the photos, of the same shape.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if the shapes differ.

    Source: Chen et al. 2020, "AnimeGAN: A Novel Lightweight GAN for Photo Animation", eq. 5.
    """
    if images.shape != photos.shape:
        raise ValueError(f"images have shape {tuple(images.shape)}, photos {tuple(photos.shape)}")
    matrix = images.new_tensor(YUV, dtype=torch.float32)
    with torch.autocast(images.device.type, enabled=False):
        difference = torch.einsum("yc,nchw->ynhw", matrix, images.float() - photos.float())
    light, colours = difference[0], difference[1:]
    return light.abs().mean() + sum(F.huber_loss(each, torch.zeros_like(each)) for each in colours)

"""Keep what is light light and what is dark dark."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fast_style.functional import luma

CONTRAST = 0.05  # standard deviation of lightness below which a picture counts as flat


def tone_loss(images: Tensor, photos: Tensor, pool: int = 16) -> Tensor:
    """Mean squared difference of the standardised lightness of images and photos, seen from afar.

    With z(x) = (l − mean l) / (std l + 0.05), l the luma of x averaged over squares of `pool` pixels, and mean and
    standard deviation those of each image, the loss is mean (z(images) − z(photos))². Where both have contrast it is
    close to 2 − 2·correlation: 0 if light and dark lie where they lie in the photo, 2 if they have nothing to do with
    it, 4 in a negative. The colours, the mean lightness and the contrast of the painting are free. Deep features and
    Gram matrices are nearly the same for a picture and for its negative, and a network with instance normalisation may
    learn either: under the Scream, faces came out black (see `docs/results.md`).

    Args:
        images: stylized images, RGB of shape (N, 3, H, W) in [0, 1].
        photos: the photos, of the same shape.
        pool: side in pixels of the squares that are averaged first, so that strokes do not count; of images with a
            shorter side, that side.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if the shapes differ.
    """
    if images.shape != photos.shape:
        raise ValueError(f"images have shape {tuple(images.shape)}, photos {tuple(photos.shape)}")
    side = min(pool, *images.shape[-2:])
    with torch.autocast(images.device.type, enabled=False):
        light, target = (_standardised(F.avg_pool2d(luma(x), side)) for x in (images, photos))
    return (light - target).square().mean()


def _standardised(light: Tensor) -> Tensor:
    centred = light - light.mean((2, 3), keepdim=True)
    # The root's gradient is infinite at 0, hence the small number under it.
    return centred / ((centred.square().mean((2, 3), keepdim=True) + 1e-8).sqrt() + CONTRAST)

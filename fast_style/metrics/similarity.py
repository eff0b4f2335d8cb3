"""Structural similarity."""

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2  # for values in [0, 1]


def ssim(images: Tensor, photos: Tensor) -> Tensor:
    """Mean structural similarity of images to photos, 1 where they are equal.

    SSIM = (2 μ_x μ_y + c₁)(2 σ_xy + c₂) / ((μ_x² + μ_y² + c₁)(σ_x² + σ_y² + c₂)) under a Gaussian window of 11×11
    pixels with σ = 1.5, c₁ = 0.01², c₂ = 0.03², for each colour and wherever the whole window lies in the image.

    Args:
        images: RGB of shape (N, 3, H, W) in [0, 1].
        photos: what they are compared with, RGB of the same shape.

    Returns:
        One float32 number an image, shape (N,), from −1 to 1. It is computed in float32 whatever the precision around
        it.

    Raises:
        ValueError: if the shapes differ, or a side is shorter than 11 pixels.

    Source: Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity", eq. 13.
    """
    if images.shape != photos.shape:
        raise ValueError(f"images have shape {tuple(images.shape)}, photos {tuple(photos.shape)}")
    if min(images.shape[2:]) < WINDOW:
        raise ValueError(f"images must be at least {WINDOW} pixels high and wide, got {tuple(images.shape)}")
    x, y = images.float(), photos.float()
    channels = x.shape[1]
    places = torch.arange(WINDOW, dtype=torch.float32, device=x.device) - WINDOW // 2
    gaussian = torch.exp(-places.square() / (2 * SIGMA**2))
    gaussian = (gaussian / gaussian.sum()).expand(channels, 1, 1, WINDOW)

    def blur(values: Tensor) -> Tensor:
        with torch.autocast(values.device.type, enabled=False):  # variances are small differences
            return F.conv2d(F.conv2d(values, gaussian, groups=channels), gaussian.mT, groups=channels)

    mean_x, mean_y = blur(x), blur(y)
    variance_x = blur(x * x) - mean_x.square()
    variance_y = blur(y * y) - mean_y.square()
    covariance = blur(x * y) - mean_x * mean_y
    light = (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
    structure = (2 * covariance + C2) / (variance_x + variance_y + C2)
    return (light * structure).mean(dim=(1, 2, 3))

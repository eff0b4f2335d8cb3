"""Content losses: keep what is where."""

import torch
from torch import Tensor
from torch.nn import functional as F


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of features, mean (F − T)².

    Args:
        features: features of the stylized images, shape (N, C, H, W).
        target: features of the photos at the same layer, same shape.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if the shapes differ.

    Source: Johnson et al. 2016, eq. 2.
    """
    _check(features, target)
    return F.mse_loss(features.float(), target.float())


def feature_l1_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of features, mean |F − T|.

    Args, Returns, Raises: as of `content_loss`.

    Source: the VGG loss of Chen & Koltun 2017, "Photographic Image Synthesis with Cascaded Refinement Networks"
    (https://arxiv.org/abs/1707.09405), as used by Wang et al. 2018 (pix2pixHD).
    """
    _check(features, target)
    return F.l1_loss(features.float(), target.float())


def feature_gradient_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of the features' gradients, mean ‖∇F − ∇T‖²: edges stay, their brightness may change.

    ∇ holds the differences of neighbours, horizontally and vertically; a direction in which the features are one
    position wide contributes 0.

    Args, Returns, Raises: as of `content_loss`.

    Source: the gradient difference loss of Mathieu et al. 2016 (https://arxiv.org/abs/1511.05440), squared, on
    features.
    """
    _check(features, target)
    difference = features.float() - target.float()
    total = difference.new_zeros(())
    for axis in (2, 3):
        if difference.shape[axis] > 1:
            total = total + difference.diff(dim=axis).square().mean()
    return total


def laplacian_loss(images: Tensor, photos: Tensor, pool: int) -> Tensor:
    """Mean squared difference of Laplacians at a coarser size, mean (D(pool(x)) − D(pool(c)))².

    D is the 3×3 filter (0 −1 0; −1 4 −1; 0 −1 0), summed over the three colours.

    Args:
        images: stylized images, RGB of shape (N, 3, H, W).
        photos: the photos, same shape.
        pool: side of the squares of pixels that are averaged first.

    Returns:
        A float32 scalar; 0 where less than 3×3 averages are left.

    Raises:
        ValueError: if the shapes differ, or the pool is below 1 pixel.

    Source: Li et al. 2017, "Laplacian-Steered Neural Style Transfer" (https://arxiv.org/abs/1707.01253), as a mean.
    """
    _check(images, photos)
    if pool < 1:
        raise ValueError(f"the pool of the Laplacian must be at least 1 pixel, got {pool}")
    light = F.avg_pool2d((images.float() - photos.float()).sum(1, keepdim=True), pool)  # D and the average are linear
    if min(light.shape[2:]) < 3:
        return light.new_zeros(())
    kernel = light.new_tensor([[0, -1, 0], [-1, 4, -1], [0, -1, 0]]).view(1, 1, 3, 3)
    with torch.autocast(light.device.type, enabled=False):
        return F.conv2d(light, kernel).square().mean()


CONTENT_LOSSES = {"mse": content_loss, "l1": feature_l1_loss, "gradient": feature_gradient_loss}


def _check(features: Tensor, target: Tensor) -> None:
    if features.shape != target.shape:
        raise ValueError(f"features have shape {tuple(features.shape)}, their target {tuple(target.shape)}")

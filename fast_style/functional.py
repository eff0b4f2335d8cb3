"""Pure tensor maths shared by networks, losses and metrics."""

from typing import Any

import torch
from torch import Tensor


def gram_matrix(features: Tensor) -> Tensor:
    """Channel correlations of a feature map, G = F Fᵀ / (C·H·W).

    Computed in float32 whatever the precision around it: the sum over H·W positions overflows float16 and loses
    most of its digits in bfloat16.

    Args:
        features: feature maps of shape (N, C, H, W).

    Returns:
        Float32 Gram matrices of shape (N, C, C).

    Raises:
        ValueError: if `features` does not have four dimensions.

    Source: Johnson et al. 2016, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", eq. 3.
    """
    if features.ndim != 4:
        raise ValueError(f"features must have shape (N, C, H, W), got {tuple(features.shape)}")
    c, h, w = features.shape[1:]
    with torch.autocast(features.device.type, enabled=False):
        return _Gram.apply(features.flatten(2)) / (c * h * w)


class _Gram(torch.autograd.Function):
    """F Fᵀ of (N, C, P) in float32, with a gradient for its purpose.

    (D + Dᵀ) F is one product where autograd would take two and a sum. bfloat16 features are kept and multiplied as they
    are: their gradient has no more digits.
    """

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        exact = flat.float()
        return exact @ exact.transpose(1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        with torch.autocast(flat.device.type, enabled=False):
            symmetric = gradient + gradient.transpose(1, 2)
            if flat.dtype == torch.bfloat16:
                return symmetric.bfloat16() @ flat
            return (symmetric @ flat.float()).to(flat.dtype)  # float16 might overflow


def total_variation(images: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels, horizontally plus vertically.

    Args:
        images: images of shape (N, C, H, W).

    Returns:
        A float32 scalar, mean (x[h, w+1] − x[h, w])² + mean (x[h+1, w] − x[h, w])²; a direction in which the images
        are one pixel wide contributes 0.

    Source: the total variation regulariser of Johnson et al. 2016, section 3.2, as a mean instead of a sum so that
    its weight does not depend on the size of the images.
    """
    images = images.float()
    total = images.new_zeros(())
    for axis in (2, 3):
        if images.shape[axis] > 1:
            total = total + images.diff(dim=axis).square().mean()
    return total

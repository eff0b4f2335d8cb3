"""Pure tensor maths shared by networks, losses and metrics."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


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


def channel_statistics(features: Tensor, eps: float = 1e-8) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over its positions, of each image for itself.

    μ = Σ F / (H·W) and σ = √(Σ (F − μ)² / (H·W) + ε), with sums over the H·W positions of a channel. Computed in
    float32 whatever the type of the features.

    Args:
        features: feature maps F of shape (N, C, H, W).
        eps: ε, added to the variance, so that the gradient of its root stays finite where a channel is constant.

    Returns:
        μ and σ, two float32 tensors of shape (N, C).

    Source: Huang & Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", eq. 5
    and 6 (https://arxiv.org/abs/1703.06868).
    """
    centre, _, mean, variance = _moments(features)
    return (centre + mean).flatten(1), (variance + eps).sqrt().flatten(1)


def adaptive_instance_norm(content: Tensor, style: Tensor, eps: float = 1e-5) -> Tensor:
    """Give features the channel statistics of others: σ(s) (c − μ(c)) / √(σ(c)² + ε) + μ(s).

    Args:
        content: feature maps of shape (N, C, H, W).
        style: feature maps of shape (N, C, h, w).
        eps: added to the variances.

    Returns:
        Features of the shape and type of `content`.

    Source: Huang & Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", eq. 8
    (https://arxiv.org/abs/1703.06868).
    """
    mean, std = channel_statistics(style, eps)
    return instance_norm(content, std, mean, eps)


def total_variation(images: Tensor, circular: bool = False) -> Tensor:
    """Mean squared difference of neighbouring pixels, horizontally plus vertically.

    Args:
        images: images of shape (N, C, H, W).
        circular: whether the first row and column follow the last ones, as in a tile.

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
            difference = images.roll(-1, axis) - images if circular else images.diff(dim=axis)
            total = total + difference.square().mean()
    return total


LUMA = (0.299, 0.587, 0.114)  # of R, G and B, ITU-R BT.601


def luma(images: Tensor) -> Tensor:
    """Weigh the colours by how light they look: Y = 0.299 R + 0.587 G + 0.114 B.

    In float32 whatever the precision around it: the light of two frames is subtracted, and what they differ by is less
    than bfloat16 can tell apart. Autocast leaves products and sums as they are, unlike a convolution.

    Args:
        images: RGB of shape (N, 3, H, W), of any floating type and range, such as [0, 1].

    Returns:
        Float32 of shape (N, 1, H, W), in the range of the images, since the weights add up to 1.

    Source: the luma of ITU-R Recommendation BT.601, section 2.5.1.
    """
    red, green, blue = images.float().split(1, dim=1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def instance_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Instance normalisation, y = w (x − μ) / √(σ² + ε) + b, whose sums `torch.compile` makes fast in channels last.

    As `torch.nn.functional.instance_norm`, whose gradient is slower in a compiled step on a CPU
    (`docs/training_step.md`), and which has no rows of scales and shifts. On other devices, where nothing is compiled,
    it is `instance_norm_by_batch_norm`.

    Args:
        x: of shape (N, C, H, W). Of a single position, which is its own mean, b is left.
        weight: w, of shape (C), or (N, C) with a row for each image.
        bias: b, of shape (C), or (N, C) with a row for each image.
        eps: ε, added to the variance.

    Returns:
        A tensor of the shape, type and memory format of x.

    Raises:
        ValueError: if x does not have four dimensions.

    Source: Ulyanov et al. 2016 (https://arxiv.org/abs/1607.08022).
    """
    if x.ndim != 4:
        raise ValueError(f"x must have shape (N, C, H, W), got {tuple(x.shape)}")
    if x.device.type != "cpu" and x.shape[2] * x.shape[3] > 1 and not torch.compiler.is_compiling():
        return instance_norm_by_batch_norm(x, weight, bias, eps)
    _, shifted, mean, variance = _moments(x)
    scale = (variance + eps).rsqrt() * weight[..., None, None]
    return (shifted * scale + (bias[..., None, None] - mean * scale)).to(x.dtype)


def instance_norm_by_batch_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Instance normalisation by PyTorch's batch normalisation of a single image with all channels of all images.

    That is one kernel, where the formula takes many. Several images in channels last are copied before and after it.

    Args, Returns: as of `instance_norm`.

    Raises:
        ValueError: if x has a single position, of which there is no batch normalisation.
    """
    n, c, h, w = x.shape
    layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    scales, shifts = (each.expand(n, c).flatten() for each in (weight, bias))
    # One image in channels last must not be reshaped: PyTorch 2.14 mistakes the strides, and a CPU's gradient is wrong.
    together = x if n == 1 else x.reshape(1, n * c, h, w)
    normed = F.batch_norm(together, None, None, scales, shifts, True, 0.0, eps)
    return normed if n == 1 else normed.view(x.shape).contiguous(memory_format=layout)


def _moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return k, x − k, and the mean and the variance of x − k over the positions of (N, C, H, W), in float32.

    Both come from one pass over x − k and its square, E(x − k)² − (E(x − k))², which loses digits where k lies far from
    the mean μ. So k is the mean of every eighth position of every eighth row: of m of all n positions, of which
    (k − μ)² ≤ Σ (x − μ)² / m ≤ σ² n / m. At most n / m ≤ 64 roundings are lost, whatever the values are.
    """
    centre = x[:, :, ::8, ::8].detach().float().mean((2, 3), keepdim=True)
    shifted = x.float() - centre
    mean = shifted.mean((2, 3), keepdim=True)
    return centre, shifted, mean, (shifted.square().mean((2, 3), keepdim=True) - mean.square()).clamp_min(0)

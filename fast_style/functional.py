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
    """Mean and standard deviation of each channel over its positions, in float32: two of shape (N, C).

    Args:
        features: feature maps of shape (N, C, H, W).
        eps: added to the variance, so that the gradient of its root stays finite where a channel is constant.
    """
    first, _, mean, variance = _moments(features)
    return (first + mean).flatten(1), (variance + eps).sqrt().flatten(1)


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


def padded(images: Tensor, padding: int, mode: str) -> Tensor:
    """Pad all four sides: (N, C, H, W) → (N, C, H + 2·padding, W + 2·padding).

    As `torch.nn.functional.pad`, but `torch.compile` leaves the gradient to PyTorch's own kernel: its own is a sum of
    nine masked copies, slow on a CPU (`benchmarks/training.md`).

    Args:
        images: of shape (N, C, H, W).
        padding: pixels on each side; for `reflect` less than H and W.
        mode: `reflect` or `replicate`.
    """
    return _Pad.apply(images, padding, mode)


class _Pad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, padding: int, mode: str) -> Tensor:
        ctx.padding, ctx.mode = padding, mode
        return F.pad(images, (padding,) * 4, mode=mode)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _pad_backward(gradient, ctx.padding, ctx.mode), None, None


@torch.library.custom_op("fast_style::pad_backward", mutates_args=())
def _pad_backward(gradient: Tensor, padding: int, mode: str) -> Tensor:
    operators = {
        "reflect": torch.ops.aten.reflection_pad2d_backward,
        "replicate": torch.ops.aten.replication_pad2d_backward,
    }
    return operators[mode](gradient, _inner(gradient, padding, mode), [padding] * 4)


@_pad_backward.register_fake
def _inner(gradient: Tensor, padding: int, _mode: str) -> Tensor:
    """Make an empty tensor of the size without padding."""
    n, c, h, w = gradient.shape
    shape = (n, c, h - 2 * padding, w - 2 * padding)
    last = gradient.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return torch.empty(shape, dtype=gradient.dtype, device=gradient.device, memory_format=layout)


def upsampled_weight(weight: Tensor) -> Tensor:
    """Weight of a convolution that does nearest-neighbour upsampling by two and then a 3×3 convolution.

    A 3×3 window of the upsampled picture sees only 2×2 different pixels: 4 products for each pixel of the output in
    place of 9, and the upsampled picture is never made.

    Args:
        weight: of the 3×3 convolution, (C', C, 3, 3).

    Returns:
        Weight of shape (2, 2, C', C, 2, 2): at the window of inputs (i, j), (i+1, j+1), [a, b] gives the output
        (2i+1+a, 2j+1+b).
    """
    # Of the three taps of an output 2i+1, two fall on input i and one on i+1; of those of 2i+2, one and two.
    taps = weight.new_tensor([[[1, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 1]]])
    return torch.einsum("ayk,bxl,ockl->abocyx", taps, taps, weight)


def upsampled_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Nearest-neighbour upsampling by two, padding by reflection, then a 3×3 convolution, computed at the small size.

    See `upsampled_weight`. Reflected at the large size is repeated at the small one.

    Args:
        x: of shape (N, C, H, W).
        weight: (C', C, 3, 3).
        bias: (C'), or None.

    Returns:
        (N, C', 2H, 2W), the same up to the order of summation.
    """
    with torch.autocast(x.device.type, enabled=False):
        small = upsampled_weight(weight).flatten(0, 2)  # (2·2·C', C, 2, 2)
    y = F.conv2d(padded(x, 1, "replicate"), small, None if bias is None else bias.repeat(4))
    # The pixels of a window lie apart, each with all its channels, so that channels last they are moved as they are.
    y = y.permute(0, 2, 3, 1).unflatten(3, (2, 2, -1)).transpose(2, 3)  # (N, H + 1, 2, W + 1, 2, C')
    return y.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)[..., 1:-1, 1:-1]


def instance_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Instance normalisation, y = w (x − μ) / √(σ² + ε) + b, whose sums `torch.compile` makes fast in channels last.

    As `torch.nn.functional.instance_norm`, whose gradient is slower in a compiled step on a CPU
    (`benchmarks/training.md`).

    Args:
        x: of shape (N, C, H, W).
        weight: w, (C), or (N, C) with a row for each image.
        bias: b, likewise.
        eps: ε.

    Returns:
        Of the shape and type of x.

    Source: Ulyanov et al. 2016 (https://arxiv.org/abs/1607.08022).
    """
    _, shifted, mean, variance = _moments(x)
    scale = (variance + eps).rsqrt() * weight[..., None, None]
    return (shifted * scale + (bias[..., None, None] - mean * scale)).to(x.dtype)


def _moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return k, x − k, and the mean and the variance of x − k over the positions of (N, C, H, W), in float32.

    Both come from one pass over x − k and its square; k, the first pixel of each channel, keeps the difference of the
    two exact where a channel is nearly constant.
    """
    first = x[:, :, :1, :1].detach().float()
    shifted = x.float() - first
    mean = shifted.mean((2, 3), keepdim=True)
    return first, shifted, mean, (shifted.square().mean((2, 3), keepdim=True) - mean.square()).clamp_min(0)


def thin_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolution of stride one without padding, for large kernels and few outputs.

    Each row of the kernel becomes outputs of its own, of a convolution with a kernel one row high; a second
    convolution, of zeros and ones, adds up what they give, each a row lower than the one before. Where a processor
    multiplies 16 or 32 outputs at once, three outputs leave most of it idle (`benchmarks/training.md`).

    Args:
        x: of shape (N, C, H, W).
        weight: (C', C, K, K).
        bias: (C'), or None.

    Returns:
        (N, C', H − K + 1, W − K + 1), the same up to the order of summation and, in bfloat16, the rounding of each row.
    """
    out, channels, rows, columns = weight.shape
    each_row = weight.permute(2, 0, 1, 3).reshape(rows * out, channels, 1, columns)
    one, row = torch.eye(out, device=x.device), torch.eye(rows, device=x.device)
    add = torch.einsum("ok,pr->opkr", one, row).reshape(out, rows * out, rows, 1)
    return F.conv2d(F.conv2d(x, each_row), add.to(x.dtype), bias)


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

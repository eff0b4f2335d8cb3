"""What layers compute, arranged so that training is fast, above all on a CPU."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def padded(images: Tensor, padding: int, mode: str) -> Tensor:
    """Pad all four sides: (N, C, H, W) → (N, C, H + 2·padding, W + 2·padding).

    As `torch.nn.functional.pad`, but on a CPU `torch.compile` leaves the gradient to PyTorch's own kernel: its own is a
    sum of nine masked copies, slow there (`docs/training_step.md`).

    Args:
        images: of shape (N, C, H, W).
        padding: pixels on each side; for `reflect` less than H and W.
        mode: `reflect` or `replicate`.
    """
    if images.device.type != "cpu":  # where PyTorch's kernel answers in another memory layout than it is given
        return F.pad(images, (padding,) * 4, mode=mode)
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
    # Of the three taps of an output 2i+1, two fall on input i and one on i+1; of those of 2i+2, one and two. They are
    # computed on the device: to send the numbers to a GPU would wait for all that it does.
    tap = torch.arange(3, device=weight.device)
    pixel, output = tap[:2, None], tap[:2, None, None]
    taps = ((output + tap) // 2 == pixel).to(weight)  # (2, 2, 3)
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


def thin_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolution of stride one without padding, for large kernels and few outputs.

    Each row of the kernel becomes outputs of its own, of a convolution with a kernel one row high; a second
    convolution, of zeros and ones, adds up what they give, each a row lower than the one before. Where a processor
    multiplies 16 or 32 outputs at once, three outputs leave most of it idle (`docs/training_step.md`).

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

"""Convolutions of a part of a picture."""

from functools import cached_property
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.inference.tiling.regions import Box, Region, Size, Span, crop
from fast_style.inference.tiling.subpixel import strided_weight, unfold_squares
from fast_style.layers.kernels import upsampled_weight

PADDINGS = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate"}


class Convolution(Region):
    """A convolution with its padding and stride, computing in `dtype`.

    Weights are converted at the first use, and then kept: sizes are asked for more often than pictures.
    """

    def __init__(self, conv: nn.Conv2d, dtype: torch.dtype) -> None:
        self.conv, self.dtype = conv, dtype
        self.stride, self.dilation, self.groups = conv.stride, conv.dilation, conv.groups
        self.padding = [int(each) for each in conv.padding]
        self.mode = PADDINGS[conv.padding_mode]

    @cached_property
    def weights(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias as they are computed with: of a narrow convolution those of its squares."""
        if _is_narrow(self.conv):
            return _squares(strided_weight(self.conv.weight), self.conv.bias, self.dtype)
        return _converted(self.conv, self.dtype)

    def resize(self, size: Size) -> Size:
        """Size of the output for an input of a size."""
        h, w = (
            (length + 2 * self.padding[axis] - self._extent(axis)) // self.stride[axis] + 1
            for axis, length in enumerate(size[1:])
        )
        return self.conv.out_channels, h, w

    def needs(self, want: Span, length: int, axis: int) -> Span:
        """Span of the input; at the border also what reflection mirrors there."""
        start, stop = self._reach(want, axis)
        before, after = max(0, -start), max(0, stop - length)
        return max(0, min(start, length - 1 - after)), min(length, max(stop, before + 1))

    def work(self, size: Size) -> int:
        """Multiply-adds for an input of a size."""
        _, h, w = self.resize(size)
        return _weights_of(self.conv) * h * w

    def __call__(self, x: Tensor, have: Box, want: Box, size: Size) -> Tensor:
        """Pad at the border of the picture, convolve."""
        reach = self._reach(want[0], 0), self._reach(want[1], 1)
        (top, bottom), (left, right) = (
            (max(0, -start), max(0, stop - length)) for (start, stop), length in zip(reach, size[1:], strict=True)
        )
        if top or bottom or left or right:
            x = F.pad(x, (left, right, top, bottom), mode=self.mode)
        have = (have[0][0] - top, have[0][1] + bottom), (have[1][0] - left, have[1][1] + right)
        x = crop(x, have, reach).to(self.dtype)
        if not _is_narrow(self.conv):
            return F.conv2d(x, *self.weights, self.stride, 0, self.dilation, self.groups)
        h, w = (last - first for first, last in want)
        x = F.pad(x, (0, w % 2, 0, h % 2)) if h % 2 or w % 2 else x
        y = unfold_squares(F.conv2d(x, *self.weights, stride=2))
        return y[..., :h, :w]

    def _extent(self, axis: int) -> int:
        return self.dilation[axis] * (self.conv.kernel_size[axis] - 1) + 1

    def _reach(self, want: Span, axis: int) -> Span:
        """Span of the padded input, counted from the first unpadded one."""
        start, last = (each * self.stride[axis] - self.padding[axis] for each in (want[0], want[1] - 1))
        return start, last + self._extent(axis)


class UpsampledConvolution(Region):
    """Nearest-neighbour upsampling by two, then a 3×3 convolution padded by reflection, computing in `dtype`."""

    def __init__(self, conv: nn.Conv2d, dtype: torch.dtype) -> None:
        self.conv, self.dtype = conv, dtype

    @cached_property
    def weights(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of the convolution of the small size that gives the four pixels of each square."""
        return _squares(upsampled_weight(self.conv.weight).flatten(0, 2), self.conv.bias, self.dtype)

    def resize(self, size: Size) -> Size:
        """Size of the output for an input of a size."""
        return self.conv.out_channels, 2 * size[1], 2 * size[2]

    def needs(self, want: Span, length: int, axis: int) -> Span:
        """Span of the input."""
        start, stop = self._reach(want)
        return max(0, start), min(length, stop)

    def work(self, size: Size) -> int:
        """Multiply-adds for an input of a size."""
        return 16 * self.conv.in_channels * self.conv.out_channels * size[1] * size[2]

    def __call__(self, x: Tensor, have: Box, want: Box, size: Size) -> Tensor:
        """Convolve, four pixels at once; reflecting the upsampled picture by one is replicating the small one."""
        (first, last), (start, stop) = self._reach(want[0]), self._reach(want[1])
        x = crop(x, have, (self.needs(want[0], size[1], 0), self.needs(want[1], size[2], 1)))
        left, right, top, bottom = max(0, -start), max(0, stop - size[2]), max(0, -first), max(0, last - size[1])
        if left or right or top or bottom:
            x = F.pad(x, (left, right, top, bottom), mode="replicate")
        y = unfold_squares(F.conv2d(x.to(self.dtype), *self.weights))
        return crop(y, ((2 * first + 1, 2 * last - 1), (2 * start + 1, 2 * stop - 1)), want)

    @staticmethod
    def _reach(want: Span) -> Span:
        return (want[0] - 1) // 2, want[1] // 2 + 1


class TransposedConvolution(Region):
    """A transposed convolution, computing in `dtype`."""

    def __init__(self, conv: nn.ConvTranspose2d, dtype: torch.dtype) -> None:
        self.conv, self.dtype = conv, dtype
        self.stride, self.dilation, self.groups = conv.stride, conv.dilation, conv.groups
        self.padding = [int(each) for each in conv.padding]
        self.output_padding = conv.output_padding

    @cached_property
    def weights(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias as they are computed with."""
        return _converted(self.conv, self.dtype)

    def resize(self, size: Size) -> Size:
        """Size of the output for an input of a size."""
        h, w = (
            (length - 1) * self.stride[axis] - 2 * self.padding[axis] + self._extent(axis) + self.output_padding[axis]
            for axis, length in enumerate(size[1:])
        )
        return self.conv.out_channels, h, w

    def needs(self, want: Span, length: int, axis: int) -> Span:
        """Span of the input: output o is made of the inputs i with o = i·stride − padding + 0 … extent − 1."""
        start, stop = (each + self.padding[axis] for each in want)
        first = min(-((self._extent(axis) - 1 - start) // self.stride[axis]), start // self.stride[axis], length - 1)
        last = min((stop - 1) // self.stride[axis], length - 1)
        return max(0, first), max(0, first, last) + 1

    def work(self, size: Size) -> int:
        """Multiply-adds for an input of a size."""
        return _weights_of(self.conv) * size[1] * size[2]

    def __call__(self, x: Tensor, have: Box, want: Box, size: Size) -> Tensor:
        """Convolve all of the input, cut out what is wanted."""
        # Where the stride is longer than the kernel, a region may end with pixels that see nothing.
        extra = [max(self.output_padding[axis], self.stride[axis] - self._extent(axis)) for axis in (0, 1)]
        y = F.conv_transpose2d(x.to(self.dtype), *self.weights, self.stride, 0, extra, self.groups, self.dilation)
        top, left = (have[axis][0] * self.stride[axis] - self.padding[axis] for axis in (0, 1))
        return crop(y, ((top, top + y.shape[-2]), (left, left + y.shape[-1])), want)

    def _extent(self, axis: int) -> int:
        return self.dilation[axis] * (self.conv.kernel_size[axis] - 1) + 1


def _is_narrow(conv: nn.Conv2d) -> bool:
    return conv.out_channels < 8 and {*conv.stride, *conv.dilation, conv.groups} == {1}


def _weights_of(conv: nn.Conv2d | nn.ConvTranspose2d) -> int:
    """Count the numbers of a kernel without computing it, as a parametrization would."""
    return conv.in_channels * conv.out_channels // conv.groups * prod(conv.kernel_size)


def _converted(conv: nn.Conv2d | nn.ConvTranspose2d, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    bias = None if conv.bias is None else conv.bias.to(dtype)
    return conv.weight.to(dtype, memory_format=torch.channels_last), bias


def _squares(weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    weight = weight.to(dtype, memory_format=torch.channels_last)
    return weight, None if bias is None else bias.to(dtype).repeat(4)

"""The network for films in integers of eight bits, as OpenVINO computes them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.layers import InstanceNorm, frozen
from fast_style.networks import SlimNetwork
from fast_style.networks.generator import GAIN

STEP = 4  # stride of the first convolution
REACH = 8  # standard deviations up to which activations are told apart; beyond they are cut off
CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7)  # shares of the largest weight that are tried
FOR_WHICH = "networks of network=slim with instance normalisation"


def takes_eight_bits(model: nn.Module | Path) -> bool:
    """Tell whether a model is a `SlimNetwork` whose normalisations all are by the statistics of the image."""
    return isinstance(model, SlimNetwork) and model.arguments["norm"] == "instance"


@dataclass(frozen=True)
class Steps:
    """Whole numbers for an activation: x ≈ step · round(x / step), from `low` to `high` of them."""

    step: float
    low: int
    high: int


def steps_of(mean: Tensor, deviation: Tensor, rectified: bool) -> Steps:
    """Choose the numbers of a layer's input without photos: a normalisation tells mean and deviation of its output.

    Args:
        mean: of each channel, (C,).
        deviation: of each channel, (C,).
        rectified: whether ReLU follows.
    """
    if rectified:
        return Steps((mean + REACH * deviation).amax().clamp(min=1e-6).item() / 255, 0, 255)
    return Steps((mean.abs() + REACH * deviation).amax().clamp(min=1e-6).item() / 127, -127, 127)


def whole_weights(weight: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """Round the weights of a convolution, each channel of the output by a step of its own.

    Args:
        weight: (C', C, K, K).
        top: the largest number. Processors without instructions for eight bits (VNNI) add two products of activations
            up to 255 in 16 bits: 63 is the most that fits.

    Returns:
        Whole numbers from −top to top of the shape of the weight, and steps (C', 1, 1, 1) of the least squared error.
    """
    largest = weight.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    tried = torch.stack([largest * clip / top for clip in CLIPS])  # (clips, C', 1, 1, 1)
    rounded = (weight / tried).round().clamp(-top, top)
    best = (rounded * tried - weight).square().sum((2, 3, 4), keepdim=True).argmin(0, keepdim=True)
    steps = tried.gather(0, best)[0]
    return (weight / steps).round().clamp(-top, top).to(torch.int8), steps


def unshuffled(weight: Tensor) -> Tensor:
    """Lay out a convolution of stride four for the photo of 4 × 4 times the channels and a quarter of the sides.

    Args:
        weight: (C', C, K, K).

    Returns:
        (C', 16·C, k, k), k = ⌈K / 4⌉, of stride one; its input has the pixels of a position one after the other, each
        with all colours.
    """
    channels, colours, kernel, _ = weight.shape
    wide = STEP * -(-kernel // STEP)
    parts = F.pad(weight, (0, wide - kernel, 0, wide - kernel)).unflatten(3, (-1, STEP)).unflatten(2, (-1, STEP))
    # (C', C, k, 4, k, 4) → (C', 4, 4, C, k, k)
    return parts.permute(0, 3, 5, 1, 2, 4).reshape(channels, colours * STEP**2, wide // STEP, wide // STEP)


def by_pixel(channels: Tensor) -> Tensor:
    """Order what a pixel shuffle of two takes, (4·C, …) of channels with four pixels each, by pixels: the same shape.

    So OpenVINO moves the channels of a pixel together, which it does without changing the layout in memory.
    """
    return channels.unflatten(0, (-1, 4)).transpose(0, 1).flatten(0, 1)


def eight_bit_model(network: SlimNetwork) -> Any:
    """Write a network in OpenVINO's operations, its convolutions but one in whole numbers of eight bits.

    No photos are needed to choose the numbers: the mean and the deviation of what a convolution takes are those that
    the normalisations before it give it (`steps_of`). In float32, or what OpenVINO is told, are the normalisations,
    the sums of the residual blocks and the first convolution of the first block, in which flat skies would suffer
    most. The photo is rounded to its 256 values, which loses nothing of a file of eight bits; the first convolution
    works on blocks of 4 × 4 pixels (`unshuffled`).

    Args:
        network: one that `takes_eight_bits`, on the CPU.

    Returns:
        An `openvino.Model` of photos (N, 3, H, W) in [0, 1], of padded sides, that gives pictures of the same shape,
        values a little outside included.
    """
    from openvino import Model, PartialShape, Type
    from openvino import opset13 as ops

    graph = _Graph(ops)
    net: Any = frozen(network)  # of its class, with plain convolutions
    photos = ops.parameter(PartialShape([-1, 3, -1, -1]), Type.f32)
    x = graph.first(photos, net.conv1.weight, net.conv1.bias)
    x = entered = graph.norm(x, net.norm1, relu=True)
    mean, variance = net.norm1.bias, net.norm1.weight.square()
    entering = steps_of(net.norm1.bias, net.norm1.weight.abs(), rectified=True)
    for number, block in enumerate(net.residuals):
        y = graph.conv(entered, block.conv1.weight, block.conv1.bias, entering if number else None)
        y = graph.norm(y, block.norm1, relu=True)
        inner = steps_of(block.norm1.bias, block.norm1.weight.abs(), rectified=True)
        y = graph.norm(graph.conv(y, block.conv2.weight, block.conv2.bias, inner), block.norm2)
        # The same sum twice: rounding becomes part of an addition only where nothing else takes the sum.
        x, entered = ops.add(x, y), ops.add(y, x)
        mean, variance = mean + block.norm2.bias, variance + block.norm2.weight.square()
        entering = steps_of(mean, variance.sqrt(), rectified=False)
    x = graph.conv(entered, by_pixel(net.conv2.weight), by_pixel(net.conv2.bias), entering)
    x = graph.norm(ops.depth_to_space(x, "blocks_first", 2), net.norm2, relu=True)
    last = steps_of(net.norm2.bias, net.norm2.weight.abs(), rectified=True)
    x = graph.conv(x, by_pixel(net.conv3.weight) * GAIN, by_pixel(net.conv3.bias) * GAIN + 0.5, last)
    return Model([ops.depth_to_space(x, "blocks_first", 2)], [photos], "eight_bits")


class _Graph:
    """Layers of PyTorch in OpenVINO's operations."""

    def __init__(self, ops: Any) -> None:
        self.ops = ops

    def first(self, photos: Any, weight: Tensor, bias: Tensor) -> Any:
        """Pad by reflection and convolve with stride four, in whole numbers, those of the photo being its 256."""
        before = weight.shape[-1] // 2
        weight = unshuffled(weight)
        whole = Steps(1.0, 0, 255)
        x = self._rounded(photos, Steps(1 / 255, 0, 255), 255.0)
        x = self._pad(x, before, STEP * (weight.shape[-1] - 1) - before)
        x = self.ops.space_to_depth(x, "blocks_first", STEP)
        # Rounded again, which changes nothing, since OpenVINO forgets at the blocks that these are whole numbers.
        return self._convolved(self._rounded(x, whole, 255.0), weight / 255, bias, whole)

    def conv(self, x: Any, weight: Tensor, bias: Tensor, steps: Steps | None) -> Any:
        """Pad by reflection and convolve; in whole numbers if it is told which."""
        if steps is not None:
            x = self._rounded(x, steps, steps.high * steps.step)
        half = weight.shape[-1] // 2
        return self._convolved(self._pad(x, half, half), weight, bias, steps)

    def norm(self, x: Any, norm: InstanceNorm, relu: bool = False) -> Any:
        """Normalise by the statistics of each image."""
        x = self.ops.mvn(x, np.array([2, 3]), True, norm.eps, "inside_sqrt")
        x = self.ops.add(self.ops.multiply(x, _channels(norm.weight)), _channels(norm.bias))
        return self.ops.relu(x) if relu else x

    def _convolved(self, x: Any, weight: Tensor, bias: Tensor, steps: Steps | None) -> Any:
        kernel: Any = weight.numpy()
        if steps is not None:
            # Signed activations are shifted where there is no VNNI, and the weights halved.
            whole, sizes = whole_weights(weight, 127 if steps.low else 63)
            numbers = self.ops.convert(self.ops.constant(whole.numpy()), "f32")
            kernel = self.ops.multiply(numbers, self.ops.constant(sizes.numpy()))
        x = self.ops.convolution(x, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
        return self.ops.add(x, _channels(bias))

    def _rounded(self, x: Any, steps: Steps, top: float) -> Any:
        """Round to whole steps; the highest becomes `top`."""
        low, high = (np.float32(steps.step * each) for each in (steps.low, steps.high))
        out = np.float32(top * steps.low / steps.high), np.float32(top)
        return self.ops.fake_quantize(x, low, high, *out, steps.high - steps.low + 1)

    def _pad(self, x: Any, before: int, after: int) -> Any:
        begin, end = (np.array([0, 0, each, each]) for each in (before, after))
        return self.ops.pad(x, begin, end, "reflect")


def _channels(values: Tensor) -> np.ndarray:
    return values.numpy().reshape(1, -1, 1, 1)

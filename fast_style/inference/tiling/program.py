"""What a network says of itself, as regions between the norms that need statistics of the whole picture."""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from math import prod
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from fast_style.inference.tiling.convolutions import (
    PADDINGS,
    Convolution,
    TransposedConvolution,
    UpsampledConvolution,
)
from fast_style.inference.tiling.pointwise import Enlargement, Folding, Modulation, Normalisation, Pointwise
from fast_style.inference.tiling.regions import Region, Residual, Size
from fast_style.layers import FilterResponseNorm, Layer, StyleMap, UpsampleConv

ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.Hardswish, nn.SiLU, nn.GELU, nn.Tanh, nn.Sigmoid, nn.Identity)
Statistics = tuple[Tensor, Tensor]  # mean and variance, each (C,)


@runtime_checkable
class Tileable(Protocol):
    """A network that says what it does: it pads to `padded` by replication, applies `chain`, crops, applies `to_rgb`.

    `chain` holds, in order: convolutions, transposed ones, `UpsampleConv`, nearest-neighbour `nn.Upsample`,
    `nn.PixelShuffle`, `nn.PixelUnshuffle`, `nn.MaxPool2d` of squares side by side; batch, instance and filter response
    norms, whose `weight` and `bias` are of shape (C,) or None; activations, and functions of each pixel;
    `nn.Sequential` of these; and residual blocks of any type, which add to their input what the layers of their
    `branch` make of it.
    """

    @property
    def chain(self) -> Sequence[Layer]:
        """All layers in order."""
        ...

    def padded(self, side: int) -> int:
        """Side that the chain is given for a side of the picture."""
        ...

    def to_rgb(self, x: Tensor) -> Tensor:
        """Map what the last layer gives to [0, 1]-space, pixel by pixel."""
        ...


class Norm:
    """A norm that waits for the statistics of its input over the whole picture."""

    def __init__(self, norm: nn.InstanceNorm2d | FilterResponseNorm) -> None:
        self.norm = norm

    def __call__(self, statistics: Statistics) -> Normalisation:
        """Bind the statistics."""
        mean, variance = statistics
        if isinstance(self.norm, FilterResponseNorm):  # which divides by the root of the mean square
            mean, variance = torch.zeros_like(mean), variance + mean.square()
        return Normalisation(self.norm, mean, variance)


class Mark(Enum):
    """Where a residual block with a `Norm` inside begins, and where the branch is added to the identity."""

    FORK = "fork"
    JOIN = "join"


Item = Region | Norm | Mark
CONVOLUTIONS = (Convolution, UpsampledConvolution, TransposedConvolution, Residual)


def tileable(network: nn.Module) -> Tileable:
    """Let a network pass that can run in tiles.

    Raises:
        TypeError: if it does not describe itself.
        ValueError: if it is in training mode.
    """
    if not isinstance(network, Tileable):
        raise TypeError(f"cannot run a {type(network).__name__} in tiles: it does not describe its layers as a chain")
    if network.training:
        raise ValueError("cannot run a network in training mode in tiles: call its eval() first")
    return network


def program_of(network: Tileable, dtype: torch.dtype, of_map: Callable[[StyleMap], Item] | None = None) -> list[Item]:
    """Translate the chain of a network.

    Args:
        network: what to translate.
        dtype: what convolutions compute in, but for the first, which has few channels: it computes in float32, and so
            do the norm and the activation after it. Where a photo is flat, a norm multiplies what was rounded before.
        of_map: makes an item of each map of styles, in their order; None: one whose statistics are all zero, for sizes.

    Returns:
        Regions, norms and marks, in order. Weights are converted where they are first used.

    Raises:
        TypeError: if it has a layer that is not known here.
    """
    program = list(_items(network.chain, dtype, of_map or _without_statistics))
    first = next((position for position, item in enumerate(program) if isinstance(item, CONVOLUTIONS)), None)
    if first is not None and isinstance(item := program[first], Convolution):
        program[first] = Convolution(item.conv, torch.float32)
    return program


def stem_norms(program: Sequence[Item]) -> frozenset[int]:
    """Positions of the norms before the second convolution, whose input must not be rounded to 16 bits."""
    convolutions = [position for position, item in enumerate(program) if isinstance(item, CONVOLUTIONS)]
    end = convolutions[1] if len(convolutions) > 1 else len(program)
    return frozenset(position for position, item in enumerate(program[:end]) if isinstance(item, Norm))


def input_size(network: Tileable, height: int, width: int) -> Size:
    """Size of what the chain is given for a picture."""
    return 3, network.padded(height), network.padded(width)


def sizes_of(program: Sequence[Item], size: Size) -> list[Size]:
    """Size of the input of each item, and of the last output."""
    sizes = [size]
    for item in program:
        sizes.append(item.resize(sizes[-1]) if isinstance(item, Region) else sizes[-1])
    return sizes


def untiled_bytes(program: Sequence[Item], size: Size, dtype: torch.dtype) -> int:
    """Count the bytes of activations that a network holds at once, at least, if it runs on a whole picture.

    Args:
        program: of the network.
        size: of its input.
        dtype: of activations, but for those up to the second convolution, which are of float32.
    """
    sizes = [prod(each) for each in sizes_of(program, size)]
    held, most, convolutions, before = [0], 0, 0, 4 * sizes[0]
    for item, elements in zip(program, sizes[1:], strict=True):
        convolutions += isinstance(item, CONVOLUTIONS)
        after = elements * (4 if convolutions < 2 else dtype.itemsize)
        if item is Mark.FORK:
            held.append(before)
        elif item is Mark.JOIN:
            held.pop()
        maps = 3 * after if isinstance(item, Modulation) else 0  # scales, shifts and their product
        most = max(most, before + after + maps + sum(held))
        before = after
    return most


def _without_statistics(style_map: StyleMap) -> Item:
    zeros = torch.zeros_like(style_map.get_buffer("bias"))
    return Modulation(style_map, zeros, zeros)


def _items(layers: Sequence[Layer], dtype: torch.dtype, of_map: Callable[[StyleMap], Item]) -> Iterator[Item]:
    for layer in layers:
        if isinstance(layer, nn.Sequential):
            yield from _items(list(layer), dtype, of_map)
        elif isinstance(layer, StyleMap):
            yield of_map(layer)
        elif branch := getattr(layer, "branch", None):
            inner = list(_items(branch, dtype, of_map))
            regions = [item for item in inner if isinstance(item, Region)]
            yield from [Residual(regions)] if len(regions) == len(inner) else [Mark.FORK, *inner, Mark.JOIN]
        elif isinstance(layer, FilterResponseNorm) or (
            isinstance(layer, nn.InstanceNorm2d) and not layer.track_running_stats
        ):
            yield Norm(layer)
        else:
            yield from _regions(layer, dtype)


def _regions(layer: Layer, dtype: torch.dtype) -> Iterator[Region]:
    match layer:
        case UpsampleConv(kernel_size=(3, 3), stride=(1, 1)):
            yield UpsampledConvolution(layer, dtype)
        case UpsampleConv():
            yield from (Enlargement(nn.Upsample(scale_factor=2), 2), Convolution(layer, dtype))
        case nn.Conv2d() if _is_plain(layer, nn.Conv2d) and layer.padding_mode in PADDINGS:
            yield Convolution(layer, dtype)
        case nn.ConvTranspose2d() if _is_plain(layer, nn.ConvTranspose2d):
            yield TransposedConvolution(layer, dtype)
        case nn.Upsample(mode="nearest", scale_factor=int() | float() as factor) if factor == int(factor):
            yield Enlargement(layer, int(factor))
        case nn.PixelShuffle(upscale_factor=factor):
            yield Enlargement(layer, factor, factor**2)
        case nn.PixelUnshuffle(downscale_factor=factor):
            yield Folding(layer, factor, factor**2)
        case nn.MaxPool2d(kernel_size=int() as factor, padding=0, dilation=1, ceil_mode=False) if (
            layer.stride == factor
        ):
            yield Folding(layer, factor)
        case nn.BatchNorm2d(running_mean=Tensor() as mean, running_var=Tensor() as variance):
            yield Normalisation(layer, mean, variance)
        case nn.Module() if not isinstance(layer, ACTIVATIONS):
            raise TypeError(f"cannot run the network in tiles: the tiling does not know its layer {layer}")
        case _:
            yield Pointwise(layer)


def _is_plain(layer: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether the layer is what its base class says, and pads by numbers."""
    return type(layer).forward is kind.forward and not isinstance(layer.padding, str)

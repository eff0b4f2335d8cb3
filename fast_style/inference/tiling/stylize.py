"""Apply a network to a picture in tiles."""

from collections.abc import Sequence
from functools import cached_property, partial
from math import ceil

import torch
from torch import Tensor, nn

from fast_style.inference.memory import spare_memory
from fast_style.inference.tiling.passes import Passes, Progress
from fast_style.inference.tiling.plan import Plan, best_plan, smallest_plan
from fast_style.inference.tiling.pointwise import Modulation
from fast_style.inference.tiling.program import (
    Item,
    Mark,
    Norm,
    Statistics,
    input_size,
    program_of,
    sizes_of,
    stem_norms,
    tileable,
    untiled_bytes,
)
from fast_style.inference.tiling.regions import Path, Region, Size
from fast_style.inference.tiling.store import Photo, Result, Store

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
TILE = 256
MEMORY = 768 << 20
REMEMBERED = 64  # sizes of pictures


class TiledNetwork:
    """A network made ready to run in tiles, with the result that it has on the whole picture.

    Instance normalisation needs the mean and the variance of the whole picture, so it goes over it once for each norm:
    tile by tile, with as much around each as the layers in between see, and padding at the border of the picture only.
    The statistics of tiles are merged in float64 (Chan et al. 1979). Activations of the whole picture are kept where
    the memory allows, else computed again from the last that are kept; those in residual blocks, usually at a quarter
    of the size, always. What is kept has `dtype`, or 16 bits if only so it fits into the memory; if not even so, it
    goes to a temporary file. In 16 bits nothing is kept before the second convolution, see `program_of`. A network
    with batch normalisation needs one pass and keeps nothing. One with a map of styles (see `StyleMap`) goes over the
    picture in each style alone, and then once more.

    Converted weights, and what is kept for a size of pictures, are remembered.

    Args:
        network: one of `fast_style.networks` in evaluation mode, on whatever device; see `Tileable`. Its weights must
            not change any more.
        dtype: what to compute in: float32, bfloat16 or float16.

    Raises:
        TypeError: if the network does not describe itself or has a layer that is not known, or `dtype` is another.
        ValueError: if the network is in training mode.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype = torch.float32) -> None:
        if dtype not in DTYPES:
            raise TypeError(f"dtype must be one of {', '.join(map(str, DTYPES))}, got {dtype}")
        self.network, self.dtype = tileable(network), dtype
        self.like = torch.empty(0, dtype=dtype, device=next(network.parameters()).device)
        self.program = program_of(self.network, dtype)
        self.copies: int = getattr(network, "copies", 1)
        self.alone = [
            program_of(self.network, dtype, lambda style_map, number=number: Norm(style_map.alone(number)))  # type: ignore[misc]
            for number in range(self.copies - 1)
        ]
        self._bytes: dict[tuple[int, int], int] = {}
        self._choices: dict[tuple[Size, int, bool], tuple[Plan, torch.dtype, bool]] = {}

    def untiled_bytes(self, height: int, width: int) -> int:
        """Count the bytes of activations that the network holds at once, at least, if it runs on a whole picture."""
        if (height, width) not in self._bytes:
            _make_room(self._bytes)
            held = untiled_bytes(self.program, input_size(self.network, height, width), self.dtype)
            self._bytes[height, width] = self.copies * held
        return self._bytes[height, width]

    @cached_property
    def smallest_tile(self) -> int:
        """How far a pass sees around a pixel, in pixels: a smaller tile is computed more often than it is used."""
        full, reach, start, layers, depth = self.network.padded(1 << 16), 0.0, 0, list[Region](), 0
        sizes = sizes_of(self.program, (3, full, full))
        for position, item in enumerate([*self.program, None]):
            if isinstance(item, Region):
                layers.append(item)
                continue
            depth += (item is Mark.FORK) - (item is Mark.JOIN)
            if item is None or depth or item is Mark.JOIN:
                path = Path(layers, sizes[start])
                inner, outer = path.sizes[0][1], path.sizes[-1][1]
                (first, last), _ = path.needs(((outer // 2, outer // 2 + 1), (0, 1)))
                centre = outer // 2 * inner // outer
                reach = max(reach, (max(centre - first, last - centre - 1)) * full / inner)
                start, layers = position + 1, []
        return max(1, ceil(reach))

    @torch.inference_mode()
    def __call__(
        self, photo: Tensor, tile: int = TILE, memory: int = MEMORY, progress: Progress | None = None
    ) -> Tensor:
        """Apply the network to a picture.

        Args:
            photo: RGB, uint8 or floating point in [0, 1], of shape (3, H, W) or (1, 3, H, W), on whatever device.
            tile: side of a tile in pixels, at least `smallest_tile`.
            memory: bytes for activations of the whole picture; beside them, there are those of one tile.
            progress: is told the share of the work that is done, in (0, 1].

        Returns:
            A tensor like `photo`: floating point as the network gives it, a little outside of [0, 1] at times; uint8
            clamped and rounded.

        Raises:
            TypeError: if the photo has another type.
            ValueError: if its shape is another, the tile is too small, or the memory is not positive.
            OSError: if there is no room for the temporary file.
        """
        _check(photo, memory)
        if tile < self.smallest_tile:
            least = self.smallest_tile
            raise ValueError(f"tile must be at least {least} pixels, what this network sees around one; got {tile}")
        pixels = photo[0] if photo.ndim == 4 else photo
        output = torch.empty_like(photo, memory_format=torch.contiguous_format)
        size = input_size(self.network, *pixels.shape[1:])
        result = Result(output.view_as(pixels), self.network.to_rgb)
        source = Photo(pixels, size, self.like.device)
        told = progress or _say_nothing

        def run(program: Sequence[Item], result: Result | None, number: int) -> list[Statistics]:
            plan, kept, in_file = self._choose(program, size, memory)
            home = _home(self.like.device, plan.elements * kept.itemsize)
            share = partial(_share, told, number, self.copies)
            while True:
                make_store = partial(Store, dtype=kept, device=home, like=self.like, in_file=in_file)
                found = Passes(program, source, plan, tile, make_store, share).run(result)
                if kept in (self.dtype, torch.bfloat16) or all(x.isfinite().all() for pair in found for x in pair):
                    return found
                kept = torch.bfloat16  # coarser, but nothing overflows it

        alone = [run(program, None, number) for number, program in enumerate(self.alone)]
        run(self._mixed(alone) if alone else self.program, result, len(alone))
        return output

    def _mixed(self, alone: Sequence[Sequence[Statistics]]) -> list[Item]:
        """Make the program of a map of styles, of the statistics of its norms in each style alone."""
        norms = iter([[torch.stack(each) for each in zip(*norm, strict=True)] for norm in zip(*alone, strict=True)])
        return program_of(self.network, self.dtype, lambda style_map: Modulation(style_map, *next(norms)))

    def _choose(self, program: Sequence[Item], size: Size, memory: int) -> tuple[Plan, torch.dtype, bool]:
        """What to keep, as what, and whether it must go to a file."""
        key = size, memory, any(isinstance(item, Norm) for item in program)
        if key not in self._choices:
            _make_room(self._choices)
            narrow = torch.float16 if self.dtype == torch.float32 else self.dtype
            stem = stem_norms(program)
            exact = frozenset[int]() if self.dtype == torch.float32 else stem
            ways = ((self.dtype, exact), (narrow, stem))
            plans = ((best_plan(program, size, memory // kept.itemsize, never), kept) for kept, never in ways)
            fitting = ((plan, kept, False) for plan, kept in plans if plan)
            self._choices[key] = next(fitting, None) or (smallest_plan(program, size, stem), narrow, True)
        return self._choices[key]


def stylize_tiled(
    network: nn.Module,
    photo: Tensor,
    tile: int = TILE,
    dtype: torch.dtype = torch.float32,
    memory: int = MEMORY,
    progress: Progress | None = None,
) -> Tensor:
    """Apply a network to one picture in tiles; for several of them see `TiledNetwork`, which says how it is done.

    Args:
        network: one of `fast_style.networks` in evaluation mode, on whatever device; see `Tileable`.
        photo: RGB, uint8 or floating point in [0, 1], of shape (3, H, W) or (1, 3, H, W), on whatever device.
        tile: side of a tile in pixels.
        dtype: what to compute in: float32, bfloat16 or float16.
        memory: bytes for activations of the whole picture; beside them, there are those of one tile.
        progress: is told the share of the work that is done, in (0, 1].

    Returns:
        A tensor like `photo`: floating point as the network gives it, a little outside of [0, 1] at times; uint8
        clamped and rounded.

    Raises:
        TypeError: if the network does not describe itself or has a layer that is not known, or the photo or `dtype`
            has another type.
        ValueError: if the network is in training mode, the shape is another, the tile is smaller than what a pass sees
            around a pixel, or the memory is not positive.
        OSError: if there is no room for the temporary file.
    """
    return TiledNetwork(network, dtype)(photo, tile, memory, progress)


def _make_room(remembered: dict) -> None:
    if len(remembered) >= REMEMBERED:
        remembered.clear()


def _home(device: torch.device, needed: int) -> torch.device:
    """Where activations of the whole picture are kept: beside the network, or in main memory where a GPU lacks room."""
    if device.type == "cuda" and needed > 0.7 * spare_memory(device):
        return torch.device("cpu")
    return device


def _check(photo: Tensor, memory: int) -> None:
    if photo.ndim not in (3, 4) or photo.shape[-3] != 3 or photo.shape[:-3].numel() != 1 or 0 in photo.shape:
        raise ValueError(f"a photo must have shape (3, H, W) or (1, 3, H, W), got {tuple(photo.shape)}")
    if not (photo.is_floating_point() or photo.dtype == torch.uint8):
        raise TypeError(f"a photo must be uint8, or floating point in [0, 1], got {photo.dtype}")
    if memory < 1:
        raise ValueError(f"memory must be positive, got {memory}")


def _share(told: Progress, number: int, runs: int, share: float) -> None:
    told((number + share) / runs)


def _say_nothing(share: float) -> None:
    del share

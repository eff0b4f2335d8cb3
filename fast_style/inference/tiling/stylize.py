"""Apply a network to a picture in tiles."""

from collections.abc import Sequence
from functools import partial
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.inference.tiling.passes import Passes, Progress
from fast_style.inference.tiling.plan import Plan, best_plan, smallest_plan
from fast_style.inference.tiling.program import Item, Mark, Statistics, input_size, program_of, sizes_of, tileable
from fast_style.inference.tiling.regions import Path, Region, Size
from fast_style.inference.tiling.store import Photo, Result, Store

MODES = ("exact", "thumbnail")
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
TILE = 256
MEMORY = 768 << 20


@torch.inference_mode()
def stylize_tiled(
    network: nn.Module,
    photo: Tensor,
    tile: int = TILE,
    mode: str = "exact",
    dtype: torch.dtype = torch.float32,
    memory: int = MEMORY,
    thumbnail: int = 1024,
    progress: Progress | None = None,
) -> Tensor:
    """Apply a network to a picture in tiles, with the result that it has on the whole picture.

    Instance normalisation needs the mean and the variance of the whole picture, so `exact` goes over it once for each
    norm: tile by tile, with as much around each as the layers in between see, and padding at the border of the picture
    only. The statistics of tiles are merged in float64 (Chan et al. 1979). Activations of the whole picture are kept
    where the memory allows, else computed again from the last that are kept; those in residual blocks, usually at a
    quarter of the size, always. What is kept has `dtype`, or 16 bits if only so it fits into `memory`; if not even so,
    it goes to a temporary file. A network with batch normalisation needs one pass and keeps nothing.

    `thumbnail` takes the statistics of a smaller copy of the picture (URST, Chen et al. 2022,
    https://arxiv.org/abs/2103.11784) and then needs one pass too.

    Args:
        network: one of `fast_style.networks` in evaluation mode, on whatever device; see `Tileable`.
        photo: RGB, uint8 or floating point in [0, 1], of shape (3, H, W) or (1, 3, H, W), on whatever device.
        tile: side of a tile in pixels.
        mode: `exact` or `thumbnail`.
        dtype: what to compute in: float32, bfloat16 or float16.
        memory: bytes for activations of the whole picture; beside them, there are those of one tile.
        thumbnail: long side of the smaller copy in pixels.
        progress: is told the share of the work that is done, in (0, 1].

    Returns:
        A tensor like `photo`: floating point as the network gives it, a little outside of [0, 1] at times; uint8
        clamped and rounded.

    Raises:
        TypeError: if the network does not describe itself or has a layer that is not known, or the photo or `dtype`
            has another type.
        ValueError: if the network is in training mode, the shape or the mode is none of these, the tile is smaller than
            what a pass sees around a pixel, or memory or thumbnail are not positive.
        OSError: if there is no room for the temporary file.
    """
    _check(photo, mode, dtype, memory, thumbnail)
    if tile < (least := smallest_tile(network, mode)):
        raise ValueError(f"tile must be at least {least} pixels, what this network sees around one; got {tile}")
    pixels = photo[0] if photo.ndim == 4 else photo
    statistics: Sequence[Statistics] = ()
    if mode == "thumbnail":
        small = _shrink(pixels, thumbnail)
        statistics = _run(network, small, None, tile, dtype, memory, (), _say_nothing)
    output = torch.empty_like(photo, memory_format=torch.contiguous_format)
    _run(network, pixels, output.view_as(pixels), tile, dtype, memory, statistics, progress or _say_nothing)
    return output


def smallest_tile(network: nn.Module, mode: str = "exact") -> int:
    """Find how far a pass sees around a pixel: a smaller tile would be computed more often than it is used.

    Raises:
        TypeError: if the network does not describe itself, or has a layer that is not known.
        ValueError: if it is in training mode.
    """
    described = tileable(network)
    program = program_of(described, torch.float32)
    full, reach, start, layers, depth = described.padded(1 << 16), 0.0, 0, list[Region](), 0
    sizes = sizes_of(program, (3, full, full))
    for position, item in enumerate([*program, None]):
        if isinstance(item, Region):
            layers.append(item)
            continue
        depth += (item is Mark.FORK) - (item is Mark.JOIN)
        if item is None or (mode == "exact" and (depth or item is Mark.JOIN)):
            path = Path(layers, sizes[start])
            inner, outer = path.sizes[0][1], path.sizes[-1][1]
            (first, last), _ = path.needs(((outer // 2, outer // 2 + 1), (0, 1)))
            centre = outer // 2 * inner // outer
            reach = max(reach, (max(centre - first, last - centre - 1)) * full / inner)
            start, layers = position + 1, []
    return max(1, ceil(reach))


def _run(
    network: nn.Module,
    pixels: Tensor,
    output: Tensor | None,
    tile: int,
    dtype: torch.dtype,
    memory: int,
    statistics: Sequence[Statistics],
    progress: Progress,
) -> list[Statistics]:
    """Run all passes, and return the statistics that they gathered."""
    described = tileable(network)
    program = program_of(described, dtype, statistics)
    like = torch.empty(0, dtype=dtype, device=next(network.parameters()).device)
    size = input_size(described, *pixels.shape[1:])
    result = None if output is None else Result(output, described.to_rgb)
    plan, kept, in_file = _choose(program, size, dtype, memory)
    home = _home(like.device, plan.elements * kept.itemsize)
    while True:
        make_store = partial(Store, dtype=kept, device=home, like=like, in_file=in_file)
        found = Passes(program, Photo(pixels, size, like.device), plan, tile, make_store, progress).run(result)
        if kept in (dtype, torch.bfloat16) or all(each.isfinite().all() for pair in found for each in pair):
            return found
        kept = torch.bfloat16  # coarser, but nothing overflows it


def _choose(program: Sequence[Item], size: Size, dtype: torch.dtype, memory: int) -> tuple[Plan, torch.dtype, bool]:
    """What to keep, as what, and whether it must go to a file."""
    narrow = torch.float16 if dtype == torch.float32 else dtype
    for kept in (dtype, narrow):
        if plan := best_plan(program, size, memory // kept.itemsize):
            return plan, kept, False
    return smallest_plan(program, size), narrow, True


def _home(device: torch.device, needed: int) -> torch.device:
    """Where activations of the whole picture are kept: beside the network, or in main memory where a GPU lacks room."""
    if device.type == "cuda" and needed > 0.7 * torch.cuda.mem_get_info(device)[0]:
        return torch.device("cpu")
    return device


def _shrink(pixels: Tensor, side: int) -> Tensor:
    """A copy whose long side is at most `side`; uint8 stays uint8, since floating point may take too much memory."""
    share = side / max(pixels.shape[1:])
    if share >= 1:
        return pixels
    size = [max(1, round(length * share)) for length in pixels.shape[1:]]
    return F.interpolate(pixels[None], size, mode="bilinear", antialias=True)[0]


def _check(photo: Tensor, mode: str, dtype: torch.dtype, memory: int, thumbnail: int) -> None:
    if photo.ndim not in (3, 4) or photo.shape[-3] != 3 or photo.shape[:-3].numel() != 1 or 0 in photo.shape:
        raise ValueError(f"a photo must have shape (3, H, W) or (1, 3, H, W), got {tuple(photo.shape)}")
    if not (photo.is_floating_point() or photo.dtype == torch.uint8):
        raise TypeError(f"a photo must be uint8, or floating point in [0, 1], got {photo.dtype}")
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    if dtype not in DTYPES:
        raise TypeError(f"dtype must be one of {', '.join(map(str, DTYPES))}, got {dtype}")
    if memory < 1 or thumbnail < 1:
        raise ValueError(f"memory and thumbnail must be positive, got {memory} and {thumbnail}")


def _say_nothing(share: float) -> None:
    del share

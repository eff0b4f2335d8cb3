"""The optimising command: a photo and style images in, one picture out, no network trained."""

import argparse
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from fast_style import images
from fast_style.cli.arguments import check_picture
from fast_style.cli.config import build, compose
from fast_style.cli.errors import Exit, in_one_sentence
from fast_style.cli.memory import keep_memory
from fast_style.cli.watcher import Watcher, name_of
from fast_style.data import find_style
from fast_style.errors import first_line
from fast_style.files import as_path
from fast_style.functional import luma
from fast_style.inference.backends import find_device
from fast_style.inference.control import match_colours, with_colours_of
from fast_style.optimize import MARGIN, NonFiniteError, Size, Step, Style, optimize, resize, scales

MAX_SIDE = 8192
TILE = 16  # to whose multiples a tileable texture is made: what the five blocks of VGG halve without a remainder
SPARE = 2  # style images are decoded reduced as long as they stay this many times larger than wanted


def run(options: argparse.Namespace) -> None:
    """Optimise a picture.

    Args:
        options: see `fast_style.cli.parsers.optimize`.

    Raises:
        Exit: with 2 after misuse, with 1 if a loss is not finite, with 130 after Ctrl-C; the best picture is kept.
    """
    with in_one_sentence(os.environ.get("HYDRA_FULL_ERROR") == "1"):
        _run(options)


def _run(options: argparse.Namespace) -> None:
    keep_memory()
    torch.manual_seed(options.seed)
    check_picture(options.output, options.overwrite)
    device = find_device(options.device)
    texture = [] if options.content else ["loss.content_weight=0", "++loss.terms={}", "++loss.term_weights={}"]
    tile = ["++loss_network.padding_mode=circular"] if options.tileable else []
    config = compose("losses", [*options.set, *texture, *tile])
    content = None if options.content is None else _read(options.content).to(device)
    size = _size(options.size, content)
    styles = _styles(options, content, size, device)
    sizes = _sizes(size, options.coarsest, options.tileable)
    start = _start(options.init, content, styles, sizes[0])
    if options.match_histogram:
        start = match_colours(start, styles[0].image)
    network = build(config.loss_network).to(device).to(memory_format=torch.channels_last)
    make_loss = partial(_loss, config, network)
    iterations = [options.iterations] + [max(1, options.iterations // 2)] * (len(sizes) - 1)
    photo = start if content is None else content
    margin = 0 if options.tileable else MARGIN
    steps = optimize(make_loss, styles, photo, start, sizes, iterations, options.optimizer, options.style_scale, margin)
    write = partial(_write, options, content, size)
    with Watcher(sizes, iterations, options.logdir) as watcher:
        step, code, sentence = _follow(steps, watcher, options.preview, write)
    if code:
        done = f"{step.total} iterations were done, up to {name_of(sizes[step.scale])}" if step else "nothing was done"
        print(f"{sentence} ({done})", file=sys.stderr)
    if step is not None:
        write(step.picture)
        print(f"loss {step.best:.4g} after {step.total} iterations; wrote {options.output}")
    if code:
        raise Exit(code, sentence)


def _follow(
    steps: Iterator[Step], watcher: Watcher, preview: int, write: Callable[[Tensor], None]
) -> tuple[Step | None, int, str]:
    """Go through the iterations; return the last that was done, an exit code, and what ended them too early."""
    step = None
    try:
        for step in steps:
            watcher.see(step)
            if preview and step.total % preview == 0:
                write(step.picture)
    except KeyboardInterrupt:
        return step, 130, "interrupted"
    except NonFiniteError as error:
        return step, 1, f"error: {error}; lower loss.style_weight, or take --optimizer adam"
    except (RuntimeError, MemoryError) as error:  # mostly, that memory does not suffice for the next size
        if step is None:
            raise
        return step, 1, f"error: {first_line(error)}; take a smaller --size"
    return step, 0, ""


def _write(options: argparse.Namespace, content: Tensor | None, size: Size, picture: Tensor) -> None:
    picture = _resize_tile(picture, size) if options.tileable else resize(picture, size)
    if content is not None and options.preserve_color == "luminance":
        picture = with_colours_of(resize(content, size), picture)
    images.write(options.output, picture)


def _loss(config: DictConfig, network: nn.Module, style: Tensor) -> Any:
    return build(config.loss, loss_network=network, style=style).to(style.device)


def _styles(options: argparse.Namespace, content: Tensor | None, size: Size, device: torch.device) -> list[Style]:
    count = len(options.style)
    weights = options.weights or [1.0] * count
    masks: list[Tensor | None] = [luma(_read(path)).to(device) for path in options.mask]
    for what, values in (("weights", weights), ("masks", masks)):
        if values and len(values) != count:
            raise ValueError(f"{count} style images take {count} {what}, got {len(values)}")
    enough = math.ceil(SPARE * options.style_scale * max(size))
    pictures = [_read(find_style(style), enough).to(device) for style in options.style]
    if content is not None and options.preserve_color == "histogram":
        pictures = [match_colours(picture, content) for picture in pictures]
    return [Style(*parts) for parts in zip(pictures, weights, masks or [None] * count, strict=True)]


def _start(init: str, content: Tensor | None, styles: Sequence[Style], size: Size) -> Tensor:
    """Make what the optimisation begins with."""
    image = styles[0].image
    if init == "auto":
        init = "noise" if content is None else "content"
    if init == "content":
        if content is None:
            raise ValueError("--init content needs --content FILE")
        return content
    if init == "style":
        return image
    if init == "noise":
        mean, std = image.mean((2, 3), keepdim=True), image.std((2, 3), keepdim=True)
        return (mean + std * torch.randn(1, 3, *size).to(image)).clamp(0, 1)
    return _read(as_path(init)).to(image)


def _size(given: str | None, content: Tensor | None) -> Size:
    """Read N (the long side) or WxH: height and width."""
    parts = re.fullmatch(r"(\d+)(?:x(\d+))?", given or "512")
    sides = [int(side) for side in parts.groups() if side] if parts else []
    if not sides or not all(16 <= side <= MAX_SIDE for side in sides):
        raise ValueError(f"--size must be N or WxH, of 16 to {MAX_SIDE} pixels a side, got {given}")
    if len(sides) == 2:
        return sides[1], sides[0]
    if content is None:
        return sides[0], sides[0]
    h, w = content.shape[2:]
    return max(1, round(h * sides[0] / max(h, w))), max(1, round(w * sides[0] / max(h, w)))


def _sizes(size: Size, coarsest: int, tileable: bool) -> list[Size]:
    """List the sizes from coarse to fine; of a tile, that last one is rounded up to what the loss network halves."""
    if not tileable:
        return scales(size, coarsest)
    height, width = (TILE * math.ceil(side / TILE) for side in size)
    sizes = scales((height, width), coarsest)
    return [(TILE * math.ceil(height / TILE), TILE * math.ceil(width / TILE)) for height, width in sizes]


def _resize_tile(picture: Tensor, size: Size) -> Tensor:
    """Resize as if the picture went on beyond its edges."""
    if picture.shape[2:] == size:
        return picture
    tiled = resize(picture.repeat(1, 1, 3, 3), (3 * size[0], 3 * size[1]))
    return tiled[..., size[0] : 2 * size[0], size[1] : 2 * size[1]]


def _read(path: Path, min_side: int | None = None) -> Tensor:
    return images.to_float(images.read(path, min_side))[None]

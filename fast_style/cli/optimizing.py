"""One picture that is optimised, and what it is optimised with."""

import argparse
import math
import re
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from fast_style import images
from fast_style.cli.config import build, compose
from fast_style.data import find_style, is_style, transparency_notes
from fast_style.files import Place, as_path
from fast_style.functional import luma
from fast_style.inference.control import match_colours, with_colours_of
from fast_style.losses import PerceptualLoss
from fast_style.optimize import MARGIN, Size, Step, Style, optimize, scales

MAX_SIDE = 8192
NAMED = ("auto", "content", "style", "noise")  # what a picture may start from that is no file
TILE = 16  # to whose multiples a tileable texture is made: what the five blocks of VGG halve without a remainder
KNOWN = 16  # losses that are kept for the next pictures
SPARE = 2  # style images are decoded reduced as long as they stay this many times larger than wanted


@dataclass(frozen=True, eq=False)
class Losses:
    """Makes the loss of a style image, once where several pictures are of one size: it also looks at the reference.

    Attributes:
        config: settings of the loss.
        network: the loss network.
        known: the last that were made.
    """

    config: DictConfig
    network: nn.Module
    known: deque[PerceptualLoss] = field(default_factory=lambda: deque(maxlen=KNOWN))

    def __call__(self, style: Tensor) -> PerceptualLoss:
        """Return the loss of a style image (1, 3, H, W) in [0, 1]."""
        for loss in self.known:
            if loss.image.shape == style.shape and loss.image.device == style.device and loss.image.equal(style):
                return loss
        network = self.network.to(style.device)
        self.known.append(build(self.config, loss_network=network, style=style).to(style.device))
        return self.known[-1]


@dataclass(frozen=True)
class Materials:
    """What pictures are optimised with, whatever they show; read once, and sent to workers.

    Attributes:
        options: see `fast_style.cli.parsers.optimize`.
        losses: makes the losses of style images.
        styles: style images (1, 3, H, W) in [0, 1].
        masks: where each of them applies.
        init: a picture to start from; None: it is none of a file.
    """

    options: argparse.Namespace
    losses: Losses
    styles: Sequence[Tensor]
    masks: Sequence[Tensor | None]
    init: Tensor | None

    @classmethod
    def read(cls, options: argparse.Namespace) -> "Materials":
        """Read all that does not depend on what a picture shows; tell which style images have transparency.

        Raises:
            ValueError, OSError, RuntimeError: after misuse.
        """
        torch.manual_seed(options.seed)
        texture = [] if options.content else ["loss.content_weight=0", "++loss.terms={}", "++loss.term_weights={}"]
        tile = ["++loss_network.padding_mode=circular"] if options.tileable else []
        config = compose("losses", [*options.set, *texture, *tile])
        enough = math.ceil(SPARE * options.style_scale * max(_size(options.size, None)))
        count = len(options.style)
        for what, values in (("weights", options.weights), ("masks", options.mask)):
            if values and len(values) != count:
                raise ValueError(f"{count} style images take {count} {what}, got {len(values)}")
        masks: list[Tensor | None] = [luma(read(path)) for path in options.mask]
        styles = [read(find_style(style), enough) for style in options.style]
        for note in transparency_notes(options.style):
            print(note, file=sys.stderr)
        init = None if options.init in NAMED else read(as_path(options.init))
        network = build(config.loss_network).to(memory_format=torch.channels_last)
        return cls(options, Losses(config.loss, network), styles, masks or [None] * count, init)

    def begin(self, content: Tensor | None, device: torch.device) -> "Problem":
        """Begin a picture, the same whatever was optimised before it.

        Args:
            content: what it shall show, (1, 3, H, W) in [0, 1]; None: nothing, it is a texture.
            device: where it is computed.

        Raises:
            ValueError: after misuse.
        """
        options = self.options
        torch.manual_seed(options.seed)
        content = None if content is None else content.to(device)
        size = _size(options.size, content)
        styles = self._styles(content, device)
        sizes = _sizes(size, options.coarsest, options.tileable)
        start = _start(options.init, self.init, content, styles, sizes[0])
        if options.match_histogram:
            start = match_colours(start, styles[0].image)
        iterations = [options.iterations] + [max(1, options.iterations // 2)] * (len(sizes) - 1)
        photo = start if content is None else content
        margin = 0 if options.tileable else MARGIN
        scale = options.style_scale
        steps = optimize(self.losses, styles, photo, start, sizes, iterations, options.optimizer, scale, margin)
        return Problem(options, content, size, sizes, iterations, steps)

    def _styles(self, content: Tensor | None, device: torch.device) -> list[Style]:
        pictures = [picture.to(device) for picture in self.styles]
        if content is not None and self.options.preserve_color == "histogram":
            pictures = [match_colours(picture, content) for picture in pictures]
        masks = [None if mask is None else mask.to(device) for mask in self.masks]
        weights = self.options.weights or [1.0] * len(pictures)
        return [Style(*parts) for parts in zip(pictures, weights, masks, strict=True)]


@dataclass(frozen=True)
class Problem:
    """A picture that is optimised.

    Attributes:
        options: see `fast_style.cli.parsers.optimize`.
        content: what it shall show; None: nothing.
        size: its height and width.
        sizes: of each scale.
        iterations: of each scale.
        steps: what the iterations find, one after the other.
    """

    options: argparse.Namespace
    content: Tensor | None
    size: Size
    sizes: Sequence[Size]
    iterations: Sequence[int]
    steps: Iterator[Step]

    def write(self, target: Place, picture: Tensor) -> None:
        """Write what was found, of the size and in the colours that are asked for.

        Raises:
            OSError: if it cannot be written.
        """
        picture = _resize_tile(picture, self.size) if self.options.tileable else images.resize(picture, self.size)
        if self.content is not None and self.options.preserve_color == "luminance":
            picture = with_colours_of(images.resize(self.content, self.size), picture)
        images.write(target, picture)


def files_of(options: argparse.Namespace) -> list[str | Path]:
    """List the files that pictures are made with, whatever they show."""
    init = [] if options.init in NAMED else [options.init]
    return [*(find_style(style) for style in options.style if is_style(style)), *options.mask, *init]


def read(source: Place, min_side: int | None = None) -> Tensor:
    """Read an image as (1, 3, H, W) in [0, 1]; a large one may come back smaller, its short side at least so long."""
    return images.to_float(images.read(source, min_side))[None]


def _start(init: str, picture: Tensor | None, content: Tensor | None, styles: Sequence[Style], size: Size) -> Tensor:
    """Make what the optimisation begins with."""
    image = styles[0].image
    if picture is not None:
        return picture.to(image)
    if init == "auto":
        init = "noise" if content is None else "content"
    if init == "content":
        if content is None:
            raise ValueError("--init content needs --content FILE")
        return content
    if init == "style":
        return image
    mean, std = image.mean((2, 3), keepdim=True), image.std((2, 3), keepdim=True)
    return (mean + std * torch.randn(1, 3, *size).to(image)).clamp(0, 1)


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
    tiled = images.resize(picture.repeat(1, 1, 3, 3), (3 * size[0], 3 * size[1]))
    return tiled[..., size[0] : 2 * size[0], size[1] : 2 * size[1]]

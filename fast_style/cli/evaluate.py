"""The evaluating command: networks in, one table of what they are worth on photos."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F

from fast_style import images
from fast_style.checkpoint import styles_of, takes_style
from fast_style.cli import evaluate_film, evaluate_sets
from fast_style.cli.arguments import check_new, check_picture
from fast_style.cli.config import build, compose
from fast_style.cli.errors import in_one_sentence
from fast_style.cli.memory import keep_memory
from fast_style.cli.networks import fetched
from fast_style.data import HeldOut, ImageSource, StyleSource, load_style
from fast_style.evaluate import Scores, evaluate
from fast_style.files import replacing
from fast_style.inference.stylizer import Stylizer
from fast_style.losses import PerceptualLoss
from fast_style.optimize import Objective, Style, minimize
from fast_style.terminal import show

PICTURES = 6  # photos on the contact sheet

Stylize = Callable[[Tensor], Tensor]


def run(options: argparse.Namespace) -> None:
    """Measure networks.

    Args:
        options: see `fast_style.cli.parsers.evaluate`.

    Raises:
        Exit: with 2 after misuse, with 1 after a failure, with 130 after Ctrl-C.
    """
    with in_one_sentence(os.environ.get("HYDRA_FULL_ERROR") == "1"):
        _run(options)


def _run(options: argparse.Namespace) -> None:
    keep_memory()
    options.model = options.model and [fetched(model) for model in options.model]
    if options.pictures is not None:
        evaluate_sets.run(options)
        return
    if options.video is not None:
        evaluate_film.run(options, _stylizers)
        return
    if options.sheet is not None:
        check_picture(options.sheet, options.overwrite)
    if options.json is not None:
        check_new(options.json, options.overwrite)
    config = compose("losses", options.set)
    style = load_style(options.style, options.style, size=options.style_size)
    source = ImageSource(options.content)
    if source.left_out:
        print(source.left_out, file=sys.stderr)
    photos = _Photos(HeldOut(source, options.size))
    network = build(config.loss_network).to(memory_format=torch.channels_last)
    loss: PerceptualLoss = build(config.loss, loss_network=network, style=style)
    ways = _ways(options, style, loss)
    scores: list[Scores] = []
    rows: list[list[Tensor]] = [list(islice(photos, PICTURES))]
    for number, (name, stylize) in enumerate(ways, start=1):
        print(f"{name} ({number} of {len(ways)}) …", file=sys.stderr)
        measured, pictures = evaluate(name, stylize, photos, loss, style, PICTURES)
        scores.append(measured)
        if stylize is not _unchanged:
            rows.append(pictures)
    _print(scores, loss, len(photos), options)
    if options.json is not None:
        _write(scores, loss, len(photos), options)
    if options.sheet is not None:
        images.write(options.sheet, torch.cat([torch.cat(row, dim=3) for row in _with_style(rows, style)], dim=2))
        shown = [name for name, stylize in ways if stylize is not _unchanged]
        print(f"wrote {options.sheet}: photos, then {', '.join(shown)}")


class _Photos:
    """Held-out photos (1, 3, size, size) in [0, 1], read anew whenever they are gone through: none is kept."""

    def __init__(self, heldout: HeldOut) -> None:
        self._heldout = heldout

    def __len__(self) -> int:
        return len(self._heldout)

    def __iter__(self) -> Iterator[Tensor]:
        return (self._heldout[index]["image"][None] for index in range(len(self)))


def _ways(options: argparse.Namespace, style: Tensor, loss: PerceptualLoss) -> list[tuple[str, Stylize]]:
    """List what is measured: the networks, the photo as it is, and the optimisation of the picture itself."""
    ways: list[tuple[str, Stylize]] = [(name, stylizer.stylize) for name, stylizer in _stylizers(options)]
    ways.append(("identity", _unchanged))
    if options.lbfgs:
        ways.append((f"L-BFGS {options.lbfgs}", lambda photo: _optimized(photo, style, loss, options.lbfgs)))
    return ways


def _stylizers(options: argparse.Namespace) -> list[tuple[str, Stylizer]]:
    """Load the networks, with their names."""
    found = []
    for model in options.model:
        chosen = None
        if model.suffix.lower() != ".onnx" and takes_style(model):
            if options.style is None:
                raise ValueError(f"{model} has several styles: name one with --style")
            chosen = {StyleSource(options.style).name if styles_of(model) else options.style: 1.0}
        stylizer = Stylizer.from_checkpoint(model, options.device, options.precision, options.backend, style=chosen)
        found.append((_name(model, options.model), stylizer))
    return found


def _unchanged(photo: Tensor) -> Tensor:
    return photo


def _write(scores: Sequence[Scores], loss: PerceptualLoss, count: int, options: argparse.Namespace) -> None:
    about: dict[str, Any] = {"photos": count, "size": options.size, "style": options.style, "weights": loss.weights}
    about["loss_network"] = f"{loss.loss_network.name} {loss.loss_network.source}"
    about["rows"] = [row.as_dict() for row in scores]
    with replacing(options.json) as file:
        file.write((json.dumps(about, indent=2, allow_nan=False) + "\n").encode())
    print(f"wrote {options.json}")


def _optimized(photo: Tensor, style: Tensor, loss: PerceptualLoss, iterations: int) -> Tensor:
    """Take the best of some iterations of L-BFGS from the photo."""
    objective = Objective(lambda _: loss, [Style(style)], photo)
    best, least = photo, float("inf")
    for number, (picture, value) in enumerate(minimize(objective, photo), start=1):
        if value < least:
            best, least = picture, value
        if number == iterations:
            break
    return best


def _with_style(rows: list[list[Tensor]], style: Tensor) -> list[list[Tensor]]:
    """Put the middle square of the style image before the photos, and white below it."""
    size = rows[0][0].shape[-1]
    style = images.resize_short_side(style, size)
    top, left = ((side - size) // 2 for side in style.shape[2:])
    square = style[..., top : top + size, left : left + size]
    first = [square, *[torch.ones_like(square)] * (len(rows) - 1)]
    return [
        [F.pad(cell, (0, 4, 0, 4), value=1.0) for cell in (head, *row)] for head, row in zip(first, rows, strict=True)
    ]


def _name(model: Path, models: Sequence[Path]) -> str:
    """Call a network by its file, and by the folder as well where two files have one name."""
    return model.stem if [other.stem for other in models].count(model.stem) == 1 else str(model.with_suffix(""))


def _print(scores: Sequence[Scores], loss: PerceptualLoss, count: int, options: argparse.Namespace) -> None:
    names = ["total_loss", *(f"weighted/{name}" for name in _terms(loss))]
    title = f"{count} photos at {options.size} px, weighted losses under {loss.loss_network.name} "
    title += f"({Path(loss.loss_network.source).stem}); distances: lower is nearer"
    table = Table(title=title, caption=f"style: {options.style}")
    table.add_column("")
    headings = [_heading(name) for name in names[1:]]
    for heading in ("objective", *headings, "SSIM", "feature distance", "palette distance", "seconds"):
        table.add_column(heading, justify="right")
    for row in scores:
        values = [row.losses[name] for name in names]
        values += [row.ssim, row.feature_distance, row.palette_distance]
        table.add_row(row.name, *(f"{value:.3f}" for value in values), f"{row.seconds:.3g}")
    show(table)


def _terms(loss: PerceptualLoss) -> list[str]:
    """Name the losses in their order, each followed by its layers if it has several."""
    layers: dict[str, list[str]] = {}
    for name in loss.weights:
        layers.setdefault(name.partition("/")[0], []).append(name)
    return [each for term, several in layers.items() for each in (term, *(several if len(several) > 1 else ()))]


def _heading(name: str) -> str:
    term, _, layer = name.removeprefix("weighted/").partition("/")
    return f"… {layer}" if layer else term.removesuffix("_loss")

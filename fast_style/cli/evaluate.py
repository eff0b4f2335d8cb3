"""The evaluating command: networks in, one table of what they are worth on photos."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F

from fast_style import images
from fast_style.checkpoint import find_network
from fast_style.cli import evaluate_cluster, evaluate_film, evaluate_sets
from fast_style.cli.arguments import check_new, check_picture, check_spared
from fast_style.cli.config import build, compose
from fast_style.cli.errors import in_one_sentence
from fast_style.cli.evaluate_ways import PICTURES, Photos, stylizers_of, ways_of
from fast_style.cli.memory import keep_memory
from fast_style.cli.networks import fetched
from fast_style.cli.recipe import wherever
from fast_style.data import HeldOut, ImageSource, load_style, transparency_notes
from fast_style.evaluate import Scores, evaluate
from fast_style.files import replacing
from fast_style.losses import PerceptualLoss
from fast_style.terminal import show


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
    evaluate_cluster.check(options)
    options.model = options.model and [fetched(model) for model in options.model]
    read = [*map(find_network, options.model or []), options.content, options.style, options.video, options.inception]
    _check_spared(options, [each for each in read if each is not None])
    if options.pictures is not None:
        evaluate_sets.run(options)
        return
    if options.video is not None:
        evaluate_film.run(options, stylizers_of)
        return
    if options.sheet is not None:
        check_picture(options.sheet, options.overwrite)
    if options.json is not None:
        check_new(options.json, options.overwrite)
    config = compose("losses", options.set)
    style = load_style(options.style, options.style, size=options.style_size)
    for note in transparency_notes([options.style]):
        print(note, file=sys.stderr)
    if options.engine == "ray":  # workers may be in other folders
        options.content = wherever(options.content)
    source = ImageSource(options.content)
    if source.left_out:
        print(source.left_out, file=sys.stderr)
    _check_spared(options, source.paths)
    photos = Photos(HeldOut(source, options.size))
    network = build(config.loss_network).to(memory_format=torch.channels_last)
    loss: PerceptualLoss = build(config.loss, loss_network=network, style=style)
    measured = (evaluate_cluster.measure if options.engine == "ray" else _measure)(options, photos, loss, style)
    scores = [each for each, _ in measured]
    shown = [(each.name, row) for number, (each, row) in enumerate(measured) if number != len(options.model)]
    _print(scores, loss, len(photos), options)
    if options.json is not None:
        _write(scores, loss, len(photos), options)
    if options.sheet is not None:
        rows = [list(islice(photos, PICTURES)), *(row for _, row in shown)]
        images.write(options.sheet, torch.cat([torch.cat(row, dim=3) for row in _with_style(rows, style)], dim=2))
        print(f"wrote {options.sheet}: photos, then {', '.join(name for name, _ in shown)}")


def _check_spared(options: argparse.Namespace, read: Sequence[str | Path]) -> None:
    """Raise ValueError if the numbers or the contact sheet would replace a file that is measured with."""
    for name in ("json", "sheet"):
        if (path := getattr(options, name)) is not None:
            check_spared([path], read, f"--{name}")


def _measure(
    options: argparse.Namespace, photos: Photos, loss: PerceptualLoss, style: Tensor
) -> list[tuple[Scores, list[Tensor]]]:
    """Measure in this process."""
    ways, measured = ways_of(stylizers_of(options), style, loss, options.lbfgs), []
    for number, (name, stylize) in enumerate(ways, start=1):
        print(f"{name} ({number} of {len(ways)}) …", file=sys.stderr)
        measured.append(evaluate(name, stylize, photos, loss, style, PICTURES))
    return measured


def _write(scores: Sequence[Scores], loss: PerceptualLoss, count: int, options: argparse.Namespace) -> None:
    about: dict[str, Any] = {"photos": count, "size": options.size, "style": options.style, "weights": loss.weights}
    about["loss_network"] = f"{loss.loss_network.name} {loss.loss_network.source}"
    about["rows"] = [row.as_dict() for row in scores]
    with replacing(options.json) as file:
        file.write((json.dumps(about, indent=2, allow_nan=False) + "\n").encode())
    print(f"wrote {options.json}")


def _with_style(rows: list[list[Tensor]], style: Tensor) -> list[list[Tensor]]:
    """Put the middle square of the style image before the photos, and white below it."""
    size = rows[0][0].shape[-1]
    square = images.middle(images.resize_short_side(style, size), size, size)
    first = [square, *[torch.ones_like(square)] * (len(rows) - 1)]
    return [
        [F.pad(cell, (0, 4, 0, 4), value=1.0) for cell in (head, *row)] for head, row in zip(first, rows, strict=True)
    ]


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

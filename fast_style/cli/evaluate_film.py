"""The evaluating command on a film: how much networks flicker."""

import argparse
import json
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import islice
from math import isnan
from pathlib import Path

import torch
from rich.table import Table
from torch import Tensor

from fast_style import images, video
from fast_style.checkpoint import styles_of
from fast_style.cli.arguments import check_new
from fast_style.cli.config import build, compose
from fast_style.data import find_style, load_style, transparency_notes
from fast_style.evaluate import FilmMeasure, FilmScores
from fast_style.files import replacing
from fast_style.inference.phases import mean_over_phases
from fast_style.inference.stylizer import Stylizer
from fast_style.losses import PerceptualLoss
from fast_style.terminal import show

SMOOTH = 0.8  # of the remedy
PHASES = {"best": 16, "phases4": 4}

Stylize = Callable[[Tensor], Tensor]


def run(options: argparse.Namespace, named: Callable[..., list[tuple[str, Stylizer]]]) -> None:
    """Measure networks on the first frames of a film.

    Args:
        options: see `fast_style.cli.parsers.evaluate`.
        named: loads the networks, each with its name.

    Raises:
        OSError, ValueError, RuntimeError: after misuse.
    """
    if options.json is not None:
        check_new(options.json, options.overwrite)
    networks = named(options)
    film = video.open_frames(options.video, video.Wanted(size=options.size))
    frames = [images.to_depth(frame.pixels, 8)[None] for frame in islice(film.frames(), options.frames)]
    for note in film.notes if isinstance(film, video.Film) else ():  # the rate of frames in a folder is not used
        print(note, file=sys.stderr)
    print(f"flow of {len(frames)} frames …", file=sys.stderr)
    measure = FilmMeasure(frames, _objective(options))
    scores = [measure("the film itself", lambda frame: frame)]
    for name, stylizer in networks:
        for remedy in ("", *options.remedies):
            print(f"{name} {remedy} …", file=sys.stderr)
            scores.append(measure(f"{name} {remedy}".strip(), _way(stylizer, remedy)))
    _print(scores, options, len(frames))
    if options.json is not None:
        about = {"film": options.video.name, "frames": len(frames), "rows": [row.as_dict() for row in scores]}
        with replacing(options.json) as file:
            file.write((json.dumps(about, indent=2, allow_nan=False) + "\n").encode())
        print(f"wrote {options.json}")


def _way(stylizer: Stylizer, remedy: str) -> Stylize:
    if remedy == "smooth":
        smoother = video.Smoother(lambda frame, _: stylizer.stylize(frame), SMOOTH)
        return lambda frame: smoother(frame, Fraction(0))
    if remedy in PHASES:
        way = partial(mean_over_phases, stylizer.stylize, phases=PHASES[remedy])
        return lambda frame: way(images.to_float(frame))
    return stylizer.stylize


def _objective(options: argparse.Namespace) -> Callable[[Tensor, Tensor], float] | None:
    """Make the total loss of a picture and its frame, if there is a painting."""
    if options.style is None:
        return None
    painting = _painting(options)
    if painting is None:
        print(f"there is no image of {options.style}: the objective is not measured", file=sys.stderr)
        return None
    config = compose("losses", options.set)
    style = load_style(options.style, painting, size=options.style_size)
    for note in transparency_notes([options.style]):
        print(note, file=sys.stderr)
    network = build(config.loss_network).to(memory_format=torch.channels_last)
    loss: PerceptualLoss = build(config.loss, loss_network=network, style=style)

    @torch.inference_mode()
    def total(picture: Tensor, frame: Tensor) -> float:
        return float(loss.summary(loss(picture, frame))["total_loss"])

    return total


def _painting(options: argparse.Namespace) -> Path | None:
    """Find the image of the style; None if there is none, but a network keeps a style of this name."""
    try:
        return find_style(options.style)
    except (FileNotFoundError, IsADirectoryError):
        if any(options.style in styles_of(model) for model in options.model):
            return None
        raise


def _print(scores: list[FilmScores], options: argparse.Namespace, count: int) -> None:
    title = f"{count} frames of {options.video.name}: root mean squared change along the flow (1 and 10 frames), "
    title += "E_warp (×1000), tOF (pixels)"
    table = Table(title=title)
    table.add_column("")
    for heading in ("1 frame", "10 frames", "E_warp", "tOF", "contrast", "objective", "frames/s"):
        table.add_column(heading, justify="right")
    for row in scores:
        values = (row.stability, row.long_term, row.warping, row.flow, row.contrast)
        objective = "" if row.objective is None else f"{row.objective:.3f}"
        shown = ["" if isnan(value) else f"{value:.4f}" for value in values]
        table.add_row(row.name, *shown, objective, f"{row.frames_per_second:.3g}")
    show(table)

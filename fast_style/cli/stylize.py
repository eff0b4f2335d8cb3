"""The stylizing command: files, globs and folders in, stylized images out."""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from fast_style import images
from fast_style.checkpoint import describe, find_network
from fast_style.cli.arguments import note_of
from fast_style.data import StyleSource, parse_styles, shipped_styles
from fast_style.inference.composition import Composition, read_masks, read_style_map
from fast_style.inference.control import Control
from fast_style.inference.jobs import Job, plan
from fast_style.inference.pipeline import Settings, Tally
from fast_style.inference.pipeline import run as run_jobs
from fast_style.inference.stylizer import Stylizer
from fast_style.terminal import Stop, progress_bar, telling_errors


def run(options: argparse.Namespace) -> None:
    """Stylize photos, or list the styles of networks.

    Args:
        options: see `fast_style.cli.parsers.stylize`.

    Raises:
        SystemExit: with 1 if an image failed, with 2 after misuse, with 130 after Ctrl-C.
    """
    with telling_errors("interrupted before the first image"):
        if options.list_styles:
            _list_styles(options.model)
            return
        settings = _settings(options)
        control = Control(options.strength, options.preserve_color, options.stroke_size, options.effort)
        layers = _layers(options)
        planned = plan(options.input, options.output, "+".join(layer.name for layer in layers), options.overwrite)
        masks = read_masks(options.mask, len(layers))
        stylizers = [_load(layer, options) for layer in layers]
        notes = [*planned.left_out, *(note for text in options.style if (note := note_of(text)))]
        for note in dict.fromkeys([*notes, *(note for stylizer in stylizers for note in stylizer.backend.notes)]):
            print(note, file=sys.stderr)
        composition = Composition([stylizer.stylize for stylizer in stylizers], control, masks)
        tally = _work(planned.jobs, composition, settings)
    if composition.resized:
        print("masks of another size than the picture are resized to it", file=sys.stderr)
    for note in tally.notes:
        print(note, file=sys.stderr)
    for failure in tally.failures:
        print(failure, file=sys.stderr)
    if tally.stopped:
        print(f"interrupted: {tally}, of {len(planned.jobs)} images", file=sys.stderr)
        sys.exit(130)
    print(f"{tally}, with {', '.join(dict.fromkeys(str(stylizer.backend) for stylizer in stylizers))}")
    if tally.failures:
        sys.exit(1)


def _work(jobs: Sequence[Job], composition: Composition, settings: Settings) -> Tally:
    """Do the jobs with progress on the terminal; Ctrl-C stops once the images at hand are written, twice at once."""
    stop = Stop()

    def stylize(photos: Tensor) -> Tensor:
        with stop.interruptible():
            return composition(photos)

    with stop.listening(), progress_bar("stylizing") as progress:
        return run_jobs(jobs, stylize, settings, progress, lambda: stop.asked)


def _settings(options: argparse.Namespace) -> Settings:
    encoding = images.Encoding(
        options.quality, options.subsampling, options.bits, options.background, not options.drop_metadata
    )
    return Settings(
        encoding, options.profile, options.size, options.still, options.overwrite, batch_size=options.batch_size
    )


@dataclass(frozen=True)
class _Layer:
    """One of the networks that are laid over one another, and what outputs are called after it."""

    model: Path
    name: str
    style: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None
    style_map: Tensor | None = None


def _layers(options: argparse.Namespace) -> list[_Layer]:
    """Pair networks and styles: a style for each network of several, or several for one, by masks or in a map."""
    models: list[Path] = options.model
    styles = [parse_styles(text) for text in options.style]
    if options.style_map:
        return [_mapped(models, styles, options.style_map)]
    if not styles:
        return [_Layer(model, _stem(model)) for model in models]
    several = [model for model in models if describe(model).takes_style]
    if not several:
        raise ValueError(f"{models[0]} has a single style: leave out --style")
    if len(models) == 1 and len(styles) > 1:
        if not options.mask:
            advice = f"mix them with --style {','.join(options.style)}, or say where each applies with --style-map"
            raise ValueError(f"{len(styles)} styles of one network: {advice} or --mask")
        models = several = models * len(styles)
    if len(several) != len(styles):
        raise ValueError(
            f"{len(several)} of the networks have several styles or take any, each needs a --style; got {len(styles)}"
        )
    chosen = iter(styles)
    pairs = [(model, next(chosen) if model in several else None) for model in models]
    return [_Layer(model, _stem(model) if style is None else _name(style), style) for model, style in pairs]


def _mapped(models: Sequence[Path], styles: Sequence[Mapping[str, float]], style_map: Sequence[str]) -> _Layer:
    """Lay out styles of one network side by side."""
    if not styles:
        raise ValueError("--style-map lays out styles of one network: give --style NAME NAME")
    if len(models) > 1:
        raise ValueError(f"--style-map lays out styles of one network, got {len(models)} networks")
    return _Layer(models[0], "-".join(map(_name, styles)), styles, read_style_map(style_map, len(styles)))


def _load(layer: _Layer, options: argparse.Namespace) -> Stylizer:
    return Stylizer.from_checkpoint(
        layer.model,
        device=options.device,
        precision=options.precision,
        backend=options.backend,
        tile=options.tile,
        style=layer.style,
        style_map=layer.style_map,
    )


def _stem(model: Path) -> str:
    """Call files after a network: by its name, not by that of the folder it lies in."""
    return find_network(model).stem if model.is_dir() else model.stem


def _name(style: Mapping[str, float]) -> str:
    """Call files after a style; a mixture after the shares in percent as well."""
    total = sum(style.values()) or 1.0
    names = [StyleSource(name).name for name in style]
    shares = [f"{name}{100 * weight / total:.0f}" for name, weight in zip(names, style.values(), strict=True)]
    return re.sub(r"[^\w.+-]", "_", "+".join(names if len(style) == 1 else shares))


def _list_styles(models: Sequence[Path]) -> None:
    """Print the names of styles, one a line; of what files hold, only their headers are read."""
    for model in models:
        network = describe(model)
        if network.takes_images:
            print("(any image)", *shipped_styles(), sep="\n")
            continue
        for name in network.styles or [network.metadata.get("style", network.path.stem)]:
            print(repr(name)[1:-1])  # whatever is in the file, nothing happens to the terminal

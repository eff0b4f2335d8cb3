"""The stylizing command: files, globs and folders in, stylized images out."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from fast_style.checkpoint import describe, keep_styles
from fast_style.cli import film
from fast_style.cli.arguments import check_new, note_of
from fast_style.cli.encoding import encoding_of
from fast_style.cli.layers import Layer, layers_of, load, notes_of
from fast_style.data import parse_styles, shipped_styles
from fast_style.inference.composition import Composition, read_masks
from fast_style.inference.control import Control
from fast_style.inference.jobs import Job, plan
from fast_style.inference.pipeline import Settings, Tally
from fast_style.inference.pipeline import run as run_jobs
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
        if options.save_style:
            _keep_styles(options)
            if not options.input:
                return
        if film.is_asked_for(options):
            film.run(options)
            return
        settings = _settings(options)
        control = Control(options.strength, options.preserve_color, options.stroke_size, options.effort)
        layers = layers_of(options)
        planned = plan(options.input, options.output, "+".join(layer.name for layer in layers), options.overwrite)
        masks = read_masks(options.mask, len(layers))
        stylizers = [load(layer, options) for layer in layers]
        notes = [*planned.left_out, *notes_of(layers), *(note for text in options.style if (note := note_of(text)))]
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
    given = {name: getattr(options, name) for name in ("profile", "batch_size") if getattr(options, name) is not None}
    return Settings(encoding_of(options), size=options.size, still=options.still, overwrite=options.overwrite, **given)


def _keep_styles(options: argparse.Namespace) -> None:
    """Write the styles that are chosen to a file, each once, whatever their weights."""
    if len(options.model) > 1 or not options.style:
        raise ValueError(
            "--save-style keeps the styles of one network for any style: give one --model, and --style IMAGE"
        )
    check_new(options.save_style, options.overwrite)
    styles = list(dict.fromkeys(name for text in options.style for name in parse_styles(text)))
    for note in notes_of([Layer(options.model[0], "", dict.fromkeys(styles, 1.0))]):
        print(note, file=sys.stderr)
    names = keep_styles(options.model[0], styles, options.save_style)
    print(f"wrote {options.save_style} with the styles {', '.join(names)}")


def _list_styles(models: Sequence[Path]) -> None:
    """Print the names of styles, one a line; of what files hold, only their headers are read."""
    for model in models:
        network = describe(model)
        if network.takes_images:
            print("(any image)", *shipped_styles(), sep="\n")
            continue
        for name in network.styles or [network.metadata.get("style", network.path.stem)]:
            print(repr(name)[1:-1])  # whatever is in the file, nothing happens to the terminal

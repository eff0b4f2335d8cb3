"""The stylizing command: files, globs, folders and addresses in, stylized images out."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from fast_style.assets import shipped_networks
from fast_style.checkpoint import describe, find_network, keep_styles, networks_in
from fast_style.cli import cluster, film, shards
from fast_style.cli.arguments import check_new, check_spared
from fast_style.cli.layers import Layer, notes_of
from fast_style.cli.networks import fetched, of_gallery
from fast_style.cli.pictures import PictureJob, do, read_job
from fast_style.data import parse_styles, shipped_styles
from fast_style.files import as_path
from fast_style.terminal import telling_errors

ANY_IMAGE = "(any image)"


def run(options: argparse.Namespace) -> None:
    """Stylize photos, or list the styles of networks.

    Args:
        options: see `fast_style.cli.parsers.stylize`.

    Raises:
        SystemExit: with 1 if an image failed, with 2 after misuse, with 130 after Ctrl-C.
    """
    with telling_errors("interrupted before the first image"):
        options.model = [fetched(model) for model in options.model]
        if options.list_styles:
            if options.model:
                _list_styles(options.model)
            else:
                _list_shipped()
            return
        first = _keeping(options) if options.save_style else lambda: None
        if not options.input:
            first()
            return
        options.model, options.style = of_gallery(options.model, options.style)
        if film.is_asked_for(options):
            film.run(options, first)
            return
        cluster.check(options)
        job = read_job(options, first)
        way = shards.do if job.shards else cluster.do if options.engine == "ray" else do
        tally, backends = way(job, options)
    for sentence in (*tally.notes, *tally.failures):
        print(sentence, file=sys.stderr)
    if tally.skipped and job.manifest is None:  # which refuses pictures that are made otherwise
        print("what is there was skipped, whatever it was made with: --overwrite makes it anew", file=sys.stderr)
    if tally.stopped:
        whole = f"{len(job.shards)} shards" if job.shards else f"{len(job.plan.jobs)} images"
        print(f"interrupted: {tally}, of {whole}", file=sys.stderr)
        sys.exit(130)
    print(f"{tally}, with {', '.join(dict.fromkeys(backends)) or 'no worker'}{_where(job, options)}")
    if tally.failures:
        sys.exit(1)


def _where(job: PictureJob, options: argparse.Namespace) -> str:
    """Tell where pictures lie for which no place was given."""
    if options.output is not None:
        return ""
    first, folder = job.plan.jobs[0], as_path(options.input[0])
    if len(options.input) == 1 and folder.is_dir():
        depth = len(first.source.relative_to(folder).parts)
        return f": in {first.target.parents[depth - 1]}"
    return f": {first.target}" if len(job.plan.jobs) == 1 else ": beside each input"


def _keeping(options: argparse.Namespace) -> Callable[[], None]:
    """Check whether the styles that are chosen can be kept; returns what writes them to a file.

    Raises:
        ValueError, OSError: after misuse.
    """
    if len(options.model) > 1 or not options.style:
        raise ValueError(
            "--save-style keeps the styles of one network for any style: give one --model, and --style IMAGE"
        )
    check_new(options.save_style, overwrite=True)  # to what is there, styles are added
    check_spared([options.save_style], [find_network(options.model[0])], "--save-style")
    styles = list(dict.fromkeys(name for text in options.style for name in parse_styles(text)))
    return partial(_keep_styles, options.model[0], styles, options.save_style, options.overwrite)


def _keep_styles(model: Path, styles: Sequence[str], target: Path, replace: bool) -> None:
    """Write styles to a file, each once, whatever their weights."""
    for note in notes_of([Layer(model, "", dict.fromkeys(styles, 1.0))]):
        print(note, file=sys.stderr)
    names = keep_styles(model, styles, target, replace)
    print(f"wrote {target} with the styles {', '.join(names)}")


def _list_styles(models: Sequence[Path]) -> None:
    """Print the names of styles, one a line; of what files hold, only their headers are read."""
    for model in models:
        if model.is_dir() and len(inside := networks_in(model)) > 1:
            print(*(repr(name)[1:-1] for name in inside), sep="\n")
            continue
        print(*_styles_of(model), sep="\n")


def _list_shipped() -> None:
    """Print the networks that ship, one a line, each with its styles.

    Raises:
        FileNotFoundError: if they were left out of the installation.
    """
    if not (shipped := shipped_networks()):
        raise FileNotFoundError("no networks ship with this installation: give --model")
    for name in shipped:
        print(f"{name}: {', '.join(_styles_of(name))}")


def _styles_of(model: Path | str) -> list[str]:
    """List the styles that may be chosen of a network, or the one it has."""
    network = describe(model)
    if network.takes_images:
        return [ANY_IMAGE, *shipped_styles()]
    styles = network.styles or [network.metadata.get("style", network.path.stem)]
    return [repr(name)[1:-1] for name in styles]  # whatever is in the file, nothing happens to the terminal

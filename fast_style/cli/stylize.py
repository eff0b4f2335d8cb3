"""The stylizing command: files, globs, folders and addresses in, stylized images out."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fast_style.checkpoint import describe, keep_styles, networks_in
from fast_style.cli import cluster, film, shards
from fast_style.cli.arguments import check_new
from fast_style.cli.layers import Layer, notes_of
from fast_style.cli.networks import fetched, of_gallery
from fast_style.cli.pictures import do, read_job
from fast_style.data import parse_styles, shipped_styles
from fast_style.terminal import telling_errors


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
            _list_styles(options.model)
            return
        if options.save_style:
            _keep_styles(options)
            if not options.input:
                return
        options.model, options.style = of_gallery(options.model, options.style)
        if film.is_asked_for(options):
            film.run(options)
            return
        cluster.check(options)
        job = read_job(options)
        way = shards.do if job.shards else cluster.do if options.engine == "ray" else do
        tally, backends = way(job, options)
    for sentence in (*tally.notes, *tally.failures):
        print(sentence, file=sys.stderr)
    if tally.stopped:
        whole = f"{len(job.shards)} shards" if job.shards else f"{len(job.plan.jobs)} images"
        print(f"interrupted: {tally}, of {whole}", file=sys.stderr)
        sys.exit(130)
    print(f"{tally}, with {', '.join(dict.fromkeys(backends)) or 'no worker'}")
    if tally.failures:
        sys.exit(1)


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
        if model.is_dir() and len(inside := networks_in(model)) > 1:
            print(*(repr(name)[1:-1] for name in inside), sep="\n")
            continue
        network = describe(model)
        if network.takes_images:
            print("(any image)", *shipped_styles(), sep="\n")
            continue
        for name in network.styles or [network.metadata.get("style", network.path.stem)]:
            print(repr(name)[1:-1])  # whatever is in the file, nothing happens to the terminal

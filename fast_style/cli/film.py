"""The stylizing command where a film is read or written."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from fast_style import images, video
from fast_style.checkpoint import find_network
from fast_style.cli import preview
from fast_style.cli.arguments import check_spared
from fast_style.cli.encoding import encoding_of
from fast_style.cli.film_checks import THREADS, check_options, look_of, opened
from fast_style.cli.film_making import Maker, maker_of
from fast_style.cli.film_masks import Masks, masks_of, notes_of_masks
from fast_style.cli.film_networks import Networks
from fast_style.cli.film_plan import is_asked_for, plan_films
from fast_style.errors import one_line
from fast_style.inference.composition import RESIZED
from fast_style.inference.control import Control
from fast_style.inference.jobs import Job
from fast_style.terminal import Stop, progress_bar

__all__ = ["is_asked_for", "run"]


def run(options: argparse.Namespace, first: Callable[[], None] = lambda: None) -> None:
    """Stylize films, one after another.

    Args:
        options: see `fast_style.cli.parsers.stylize`.
        first: what is to be done once all is checked and loaded, before films are made.

    Raises:
        SystemExit: with 1 if a film failed, with 130 after Ctrl-C.
        ValueError, OSError, RuntimeError: after misuse, before anything is written.
    """
    check_options(options)
    control = Control(options.strength, options.preserve_color, options.stroke_size, options.effort)
    side = options.size if options.work_size is None else options.work_size
    wanted = video.Wanted(options.start or Fraction(0), options.end, options.fps, side)
    networks = Networks(options)
    if options.preview is not None:
        preview.run(options, control, wanted, networks)
        return
    encoding = encoding_of(options)
    jobs, skipped = plan_films(options, networks.name)
    check_spared([file for job in jobs for file in video.frame_files(job.target)], _made_with(options, networks))
    if options.engine == "ray":  # workers may be in other folders
        jobs = [Job(job.source.absolute(), job.target.absolute()) for job in jobs]
    films = [opened(job, wanted, encoding, options) for job in jobs]
    placed = [path.absolute() for path in options.mask] if options.engine == "ray" else options.mask
    masks = masks_of(placed, networks.count, films)
    failures, stop = 0, Stop()
    with maker_of(options, networks, control, films) as maker:
        recipes = [_recipe(*each, wanted, networks, maker, control, options) for each in zip(jobs, films, strict=True)]
        targets = [_target(*each, encoding, options) for each in zip(jobs, films, recipes, strict=True)]
        for note in dict.fromkeys(
            [*maker.notes, *notes_of_masks(placed), *(note for film in films for note in film.notes)]
        ):
            print(note, file=sys.stderr)
        first()
        with stop.listening():
            for each in zip(jobs, films, masks, targets, strict=True):
                failures += not _make(*each, maker, stop)
    if skipped:
        print(f"skipped {skipped}, which are there already")
    if failures:
        sys.exit(1)


def _recipe(
    job: Job[Path],
    film: video.Film | video.FrameFolder,
    wanted: video.Wanted,
    networks: Networks,
    maker: Maker,
    control: Control,
    options: argparse.Namespace,
) -> Mapping[str, Any]:
    """List everything on which the frames depend, so that a film goes on only as it was begun."""
    first, frames = (film.first, film.chosen) if isinstance(film, video.FrameFolder) else (job.source, [])
    return {
        "input": [str(job.source.absolute()), _stamp(first)],
        video.READ: [_stamp(path) for path in frames],
        "network, style image, mask or map": [_stamp(path) for path in _made_with(options, networks)],
        "style": [*options.style, options.style_over_time, *options.style_map],
        "control": repr(control),
        "smoothing": options.smooth,
        "size": [options.size, options.work_size],
        "frames": repr(wanted),
        "encoder": [options.codec, options.crf, options.background, THREADS, job.target.suffix.lower(), str(film.rate)],
        "pictures": [options.quality, options.subsampling, options.bits],
        "computation": [maker.backend, options.tile],
    }


def _made_with(options: argparse.Namespace, networks: Networks) -> list[Path]:
    """List the files that frames are made with: networks, style images, masks and maps."""
    files = [find_network(model) for model in options.model] + networks.style_files
    files += [file for mask in options.mask for file in video.frame_files(Path(mask))]
    return files + [Path(text) for text in options.style_map if Path(text).is_file()]


def _stamp(path: Path) -> list[str | int]:
    if not path.exists():
        return [str(path.absolute())]
    status = path.stat()
    return [str(path.absolute()), status.st_size, status.st_mtime_ns]


def _target(
    job: Job[Path],
    film: video.Film | video.FrameFolder,
    recipe: Mapping[str, Any],
    encoding: images.Encoding,
    options: argparse.Namespace,
) -> video.Target:
    """Choose what a film is written to; nothing is written yet."""
    if video.is_pattern(job.target):
        return video.FolderTarget(job.target, options.overwrite, encoding, recipe, options.smooth is not None)
    if job.target.suffix.lower() not in video.CONTAINERS:
        begun = video.Begun(job.target, recipe, options.overwrite)
        return video.AnimationTarget(begun, encoding, options.smooth is not None)
    source = film if isinstance(film, video.Film) else None
    parts = video.Parts(job.target, recipe, options.overwrite)
    kept = not options.drop_metadata
    return video.FilmTarget(source, look_of(job, film, options), parts, film.time_base, options.audio != "none", kept)


def _make(
    job: Job[Path],
    film: video.Film | video.FrameFolder,
    masks: Masks,
    target: video.Target,
    maker: Maker,
    stop: Stop,
) -> bool:
    """Make a film; returns whether it is whole, and exits after Ctrl-C."""
    if target.done:
        print(f"{job.target}: {target.done} frames are there, going on from there", file=sys.stderr)
    told, already, began = len(film.notes), target.done, time.monotonic()
    try:
        with progress_bar("stylizing", "frames") as progress:
            count, complete, resized, notes = maker.make(film, masks, target, progress, stop)
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        further = f"; what is done is kept: {_further(target, target.done)}" if target.kept else ""
        print(f"error: {one_line(error)}{further}", file=sys.stderr)
        target.give_up()
        return False
    begun = film.notes[:told]
    for note in dict.fromkeys(note for note in [*film.notes[told:], *notes] if note not in begun):
        print(note, file=sys.stderr)
    if resized:
        print(RESIZED, file=sys.stderr)
    if complete and isinstance(target, video.FolderTarget) and (later := target.later):
        print(f"{len(later)} frames of before stay after the last, from {later[0]} on", file=sys.stderr)
    if not complete:
        _interrupted(job, target, count, already)
    if not count:
        print(f"error: no frame of {job.source} is between --start and --end", file=sys.stderr)
        return False
    rate = (count - already) / (time.monotonic() - began)
    print(f"stylized {count} frames of {job.source} into {job.target}, {rate:.3g} frames/s, with {maker.backend}")
    return True


def _interrupted(job: Job[Path], target: video.Target, count: int, already: int) -> NoReturn:
    """Tell what Ctrl-C has left, and exit."""
    held = video.partial_frames(job.target)
    further = f", and {_further(target, max(held, count))}" if target.kept else ""
    if held and not count:
        told = f"before the first frame of {job.source}: {job.target} is as it was"
    elif held > count:
        told = f"after {count} frames: {job.target} holds {held} and is as it was{further}"
    elif held and count == already:
        told = f"before another frame: {job.target} is as it was{further}"
    elif not count:
        told = f"before the first frame of {job.source}: nothing of it is written"
    else:
        anew = ", and the same command begins anew"
        told = f"after {count} frames: {job.target} holds them{further or anew}"
    print(f"interrupted {told}", file=sys.stderr)
    sys.exit(130)


def _further(target: video.Target, stopped: int) -> str:
    """Tell from which frame on the same command goes on: where it stopped, or at the last part that is whole."""
    from_where = "from there" if target.kept == stopped else f"after the first {target.kept}"
    return f"the same command goes on {from_where}"

"""The stylizing command where a film is read or written."""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from torch import Tensor

from fast_style import images, video
from fast_style.checkpoint import find_network
from fast_style.cli import preview
from fast_style.cli.film_networks import Networks
from fast_style.cli.film_plan import is_asked_for, plan_films
from fast_style.errors import one_line
from fast_style.files import as_path
from fast_style.inference.composition import read_masks
from fast_style.inference.control import Control
from fast_style.inference.jobs import Job
from fast_style.inference.moving import Mask, MovingComposition
from fast_style.terminal import Stop, progress_bar

__all__ = ["is_asked_for", "run"]

THREADS = max(1, min(8, (os.cpu_count() or 1) // 2))  # of the encoder, beside the network


def run(options: argparse.Namespace) -> None:
    """Stylize films, one after another.

    Args:
        options: see `fast_style.cli.parsers.stylize`.

    Raises:
        SystemExit: with 1 if a film failed, with 130 after Ctrl-C.
        ValueError, OSError, RuntimeError: after misuse, before anything is written.
    """
    control = Control(options.strength, options.preserve_color, options.stroke_size, options.effort)
    side = options.size if options.work_size is None else options.work_size
    wanted = video.Wanted(options.start or Fraction(0), options.end, options.fps, side)
    encoding = images.Encoding(
        options.quality, options.subsampling, options.bits, options.background, not options.drop_metadata
    )
    if options.still:
        raise ValueError("--still is of animations: leave it out, or name a picture")
    if options.smooth is not None:
        video.Smoother(lambda photos, _: photos, options.smooth)  # tells what is wrong
    networks = Networks(options)
    if options.preview is not None:
        _preview(options, control, wanted, networks)
        return
    jobs, skipped = plan_films(options, networks.name)
    films = [(job, _opened(job, wanted, options)) for job in jobs]
    networks.load()
    for note in dict.fromkeys([*networks.notes, *(note for _, film in films for note in film.notes)]):
        print(note, file=sys.stderr)
    failures = 0
    for job, film in films:
        masks = _masks(options.mask, networks.count, film)
        composition = MovingComposition(networks.at, control, masks)
        recipe = _recipe(job, wanted, networks, control, options)
        failures += not _make(job, film, composition, recipe, encoding, options, str(networks))
    if skipped:
        print(f"skipped {skipped}, which are there already")
    if failures:
        sys.exit(1)


def _preview(options: argparse.Namespace, control: Control, wanted: video.Wanted, networks: Networks) -> None:
    """Show a film or a camera."""
    if options.output is not None:
        raise ValueError("--preview writes no film: leave out --output")
    if len(options.input) > 1:
        raise ValueError(f"--preview shows one film or camera, got {len(options.input)}")
    source = options.input[0]
    camera = video.is_camera(source)
    film = video.Camera(source, wanted) if camera else video.open_frames(as_path(source, "an --input"), wanted)
    networks.load()
    for note in dict.fromkeys([*networks.notes, *film.notes]):
        print(note, file=sys.stderr)
    composition = MovingComposition(networks.at, control, _masks(options.mask, networks.count, film))
    preview.show(
        film,
        video.Smoother(composition, options.smooth) if options.smooth else composition,
        options.preview,
        str(networks),
    )


def _opened(job: Job, wanted: video.Wanted, options: argparse.Namespace) -> video.Film | video.FrameFolder:
    """Open a film, and tell what would fail later."""
    film = video.open_frames(job.source, wanted)
    if job.target.suffix.lower() in video.CONTAINERS:
        video.check_look(_look(job, film, options))
        if isinstance(film, video.Film):
            film.notes.extend(video.check_streams(job.target, film, options.audio != "none"))
    elif options.work_size is not None:
        raise ValueError("--work-size is of films that are encoded: take --size")
    elif options.codec is not None or options.crf is not None:
        raise ValueError(f"--codec and --crf are of films, and {job.target} is none: leave them out")
    return film


def _look(job: Job, film: video.Film | video.FrameFolder, options: argparse.Namespace) -> video.Look:
    background = images.Encoding(background=options.background).background_rgb
    alpha = film.alpha and background is None
    codec = video.codec_of(job.target, options.codec, film.bits, alpha)
    kept = alpha and codec.transparent is not None
    return video.Look(
        codec,
        _size(film, options),
        film.deep,
        kept,
        film.colours.encoded(),
        film.aspect,
        options.crf,
        THREADS,
        background or (0, 0, 0),
    )


def _size(film: video.Film | video.FrameFolder, options: argparse.Namespace) -> tuple[int, int]:
    """Return the size of the film that is written."""
    if options.work_size is None:
        return film.size
    size = film.size_of(options.size)
    if max(size) < options.work_size:
        raise ValueError(f"--work-size {options.work_size} is more than the film has, {size[1]}×{size[0]}")
    return size


def _masks(paths: Sequence[Path], count: int, film: video.Film | video.FrameFolder) -> list[Tensor | Mask | None]:
    """Read the masks that stand still, and open those that move."""
    if not any(map(video.moves, paths)):
        return list(read_masks(paths, count))
    if len(paths) not in (count - 1, count):
        raise ValueError(f"{count} networks take {count} masks, or {count - 1} (none for the first), got {len(paths)}")
    masks = [video.MovingMask(path, film) if video.moves(path) else read_masks([path], 1)[0] for path in paths]
    return [*[None] * (count - len(paths)), *masks]


def _recipe(
    job: Job, wanted: video.Wanted, networks: Networks, control: Control, options: argparse.Namespace
) -> Mapping[str, Any]:
    """List everything on which the frames depend, so that a film goes on only as it was begun."""
    files = [find_network(model) for model in options.model] + networks.style_files
    files += [file for mask in options.mask for file in video.frame_files(Path(mask))]
    files += [Path(text) for text in options.style_map if Path(text).is_file()]
    return {
        "input": [str(job.source.absolute()), *map(_stamp, video.frame_files(job.source))],
        "network, style image, mask or map": [_stamp(path) for path in files],
        "style": [*options.style, options.style_over_time, *options.style_map],
        "control": repr(control),
        "smoothing": options.smooth,
        "size": [options.size, options.work_size],
        "frames": repr(wanted),
        "encoder": [options.codec, options.crf, options.background, THREADS, job.target.suffix.lower()],
        "computation": [str(networks), options.tile],
    }


def _stamp(path: Path) -> list[str | int]:
    if not path.exists():
        return [str(path.absolute())]
    status = path.stat()
    return [str(path.absolute()), status.st_size, status.st_mtime_ns]


def _target(
    job: Job,
    film: video.Film | video.FrameFolder,
    recipe: Mapping[str, Any],
    encoding: images.Encoding,
    options: argparse.Namespace,
) -> video.Target | None:
    """Open what a film is written to; None if that fails, which is told."""
    if video.is_pattern(job.target):
        return video.FolderTarget(job.target, options.overwrite, encoding, recipe, options.smooth is not None)
    if job.target.suffix.lower() not in video.CONTAINERS:
        return video.AnimationTarget(job.target, encoding)
    source = film if isinstance(film, video.Film) else None
    try:
        parts = video.Parts(job.target, recipe, options.overwrite)
    except OSError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return None
    kept = not options.drop_metadata
    return video.FilmTarget(source, _look(job, film, options), parts, film.time_base, options.audio != "none", kept)


def _make(
    job: Job,
    film: video.Film | video.FrameFolder,
    composition: MovingComposition,
    recipe: Mapping[str, Any],
    encoding: images.Encoding,
    options: argparse.Namespace,
    backend: str,
) -> bool:
    """Make a film; returns whether it is whole, and exits after Ctrl-C."""
    target = _target(job, film, recipe, encoding, options)
    if target is None:
        return False
    if target.done:
        print(f"{job.target}: {target.done} frames are there, going on from there", file=sys.stderr)
    stop, told, already, began = Stop(), len(film.notes), target.done, time.monotonic()
    smoother = video.Smoother(composition, options.smooth) if options.smooth else None

    def stylize(photos: Tensor, seconds: Fraction) -> Tensor:
        with stop.interruptible():
            return composition(photos, seconds) if smoother is None else smoother(photos, seconds)

    try:
        with stop.listening(), progress_bar("stylizing", "frames") as progress:
            count, complete = video.run(film, stylize, target, progress, lambda: stop.asked, smoother)
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        kept = "; what is done is kept: the same command goes on from there" if target.done else ""
        print(f"error: {one_line(error)}{kept}", file=sys.stderr)
        target.give_up()
        return False
    for note in film.notes[told:]:
        print(note, file=sys.stderr)
    if composition.resized:
        print("masks of another size than the picture are resized to it", file=sys.stderr)
    if not complete:
        _interrupted(job, count)
    if not count:
        print(f"error: no frame of {job.source} is between --start and --end", file=sys.stderr)
        return False
    rate = (count - already) / (time.monotonic() - began)
    print(f"stylized {count} frames of {job.source} into {job.target}, {rate:.3g} frames/s, with {backend}")
    return True


def _interrupted(job: Job, count: int) -> NoReturn:
    """Tell what Ctrl-C has left, and exit."""
    resumes = video.is_pattern(job.target) or job.target.suffix.lower() in video.CONTAINERS
    held = f"{job.target} holds them" + (", and the same command goes on from there" if resumes else "")
    print(f"interrupted after {count} frames: {held if count else 'nothing is written'}", file=sys.stderr)
    sys.exit(130)

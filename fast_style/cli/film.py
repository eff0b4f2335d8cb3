"""The stylizing command where a film is read or written."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from torch import Tensor

from fast_style import images, video
from fast_style.checkpoint import describe, find_network
from fast_style.cli import preview
from fast_style.cli.arguments import note_of
from fast_style.cli.film_plan import is_asked_for, plan_films
from fast_style.cli.layers import Layer, layers_of, load, name_of
from fast_style.errors import one_line
from fast_style.files import as_path
from fast_style.inference.composition import read_masks
from fast_style.inference.control import Control, Stylize
from fast_style.inference.jobs import Job
from fast_style.inference.moving import Mask, MovingComposition, StyleOverTime, parse_times
from fast_style.inference.stylizer import Stylizer
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
    wanted = video.Wanted(options.start or Fraction(0), options.end, options.fps, options.size)
    encoding = images.Encoding(
        options.quality, options.subsampling, options.bits, options.background, not options.drop_metadata
    )
    if options.still:
        raise ValueError("--still is of animations: leave it out, or name a picture")
    if options.smooth is not None:
        video.Smoother(lambda photos, _: photos, options.smooth)  # tells what is wrong
    networks = _Networks(options)
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


def _preview(options: argparse.Namespace, control: Control, wanted: video.Wanted, networks: "_Networks") -> None:
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


class _Networks:
    """The networks that stylize, one set for the whole film or others from time to time."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.notes = [note for text in options.style if (note := note_of(text))]
        self.used: list[Stylizer] = []
        if options.style_over_time is None:
            self.layers = layers_of(options)
            self.name, self.count = "+".join(layer.name for layer in self.layers), len(self.layers)
            return
        if options.style or options.style_map:
            raise ValueError("--style-over-time takes the place of --style and --style-map: leave these out")
        if len(options.model) > 1 or not describe(options.model[0]).takes_style:
            raise ValueError("--style-over-time is of one network that has several styles or takes any")
        self.keys = parse_times(options.style_over_time)
        self.name, self.count = "-".join(name_of(style) for _, style in self.keys), 1

    def load(self) -> None:
        """Load them, with all styles over time, so that misuse is told before the work."""
        options = self.options
        if options.style_over_time is None:
            self.used = [load(layer, options) for layer in self.layers]
            fixed: Sequence[Stylize] = [stylizer.stylize for stylizer in self.used]
            self.at: Callable[[Fraction], Sequence[Stylize]] = lambda _: fixed
        else:
            every = {name: 1.0 for _, style in self.keys for name in style}
            self.used = [load(Layer(options.model[0], "", every), options)]
            self.at = StyleOverTime(self.keys, lambda style: load(Layer(options.model[0], "", style), options).stylize)
        self.notes += [note for stylizer in self.used for note in stylizer.backend.notes]

    def __str__(self) -> str:
        """Name the backends."""
        return ", ".join(dict.fromkeys(str(stylizer.backend) for stylizer in self.used))


def _opened(job: Job, wanted: video.Wanted, options: argparse.Namespace) -> video.Film | video.FrameFolder:
    """Open a film, and tell what would fail later."""
    film = video.open_frames(job.source, wanted)
    if job.target.suffix.lower() in video.CONTAINERS:
        video.check_look(_look(job, film, options))
        if isinstance(film, video.Film):
            film.notes.extend(video.check_streams(job.target, film, options.audio != "none"))
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
        film.size,
        film.deep,
        kept,
        film.colours.encoded(),
        film.aspect,
        options.crf,
        THREADS,
        background or (0, 0, 0),
    )


def _masks(paths: Sequence[Path], count: int, film: video.Film | video.FrameFolder) -> list[Tensor | Mask | None]:
    """Read the masks that stand still, and open those that move."""
    if not any(map(video.moves, paths)):
        return list(read_masks(paths, count))
    if len(paths) not in (count - 1, count):
        raise ValueError(f"{count} networks take {count} masks, or {count - 1} (none for the first), got {len(paths)}")
    masks = [video.MovingMask(path, film) if video.moves(path) else read_masks([path], 1)[0] for path in paths]
    return [*[None] * (count - len(paths)), *masks]


def _recipe(
    job: Job, wanted: video.Wanted, networks: _Networks, control: Control, options: argparse.Namespace
) -> Mapping[str, Any]:
    """List everything on which the frames depend, so that a film goes on only as it was begun."""
    files = [find_network(model) for model in options.model]
    files += [Path(text) for text in (*options.mask, *options.style_map) if Path(text).is_file()]
    return {
        "input": _stamp(job.source),
        "network, mask or map": [_stamp(path) for path in files],
        "style": [*options.style, options.style_over_time, *options.style_map],
        "control": repr(control),
        "smoothing": options.smooth,
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
) -> video.Target:
    if video.is_pattern(job.target):
        return video.FolderTarget(job.target, options.overwrite, encoding)
    if job.target.suffix.lower() not in video.CONTAINERS:
        return video.AnimationTarget(job.target, encoding)
    source = film if isinstance(film, video.Film) else None
    parts = video.Parts(job.target, recipe, options.overwrite)
    return video.FilmTarget(source, _look(job, film, options), parts, film.time_base, options.audio != "none")


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
    try:
        target = _target(job, film, recipe, encoding, options)
    except OSError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
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
        where = f"{job.target} holds them, and the same command goes on from there" if count else "nothing is written"
        print(f"interrupted after {count} frames: {where}", file=sys.stderr)
        sys.exit(130)
    if not count:
        print(f"error: no frame of {job.source} is between --start and --end", file=sys.stderr)
        return False
    rate = (count - already) / (time.monotonic() - began)
    print(f"stylized {count} frames of {job.source} into {job.target}, {rate:.3g} frames/s, with {backend}")
    return True

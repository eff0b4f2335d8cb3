"""The optimising command for many photos, one after the other or on a Ray cluster."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from fast_style.cli.arguments import check_spared
from fast_style.cli.cluster import check_engine
from fast_style.cli.errors import Exit
from fast_style.cli.optimizing import Materials, files_of, read
from fast_style.cli.recipe import manifest_in, place_in, wherever
from fast_style.data import find_style
from fast_style.errors import one_line
from fast_style.files import as_path, digest_of, is_file
from fast_style.inference import cluster
from fast_style.inference.backends import find_device
from fast_style.inference.jobs import Job, plan
from fast_style.inference.manifest import Manifest, due
from fast_style.inference.pipeline import Tally, total
from fast_style.remote import is_address
from fast_style.terminal import progress_bar

PLAIN = ["weights", "size", "coarsest", "iterations", "optimizer", "match_histogram", "style_scale"]
PLAIN += ["preserve_color", "seed", "set"]


def is_asked_for(options: argparse.Namespace) -> bool:
    """Tell whether there is more than one photo, or something lies at an address."""
    texts = options.content or []
    return len(texts) > 1 or is_address(options.output) or any(is_address(text) or not is_file(text) for text in texts)


def check(options: argparse.Namespace) -> None:
    """Tell which options do not go with one another.

    Args:
        options: see `fast_style.cli.parsers.optimize`.

    Raises:
        ValueError: naming the option.
    """
    check_engine(options)
    many = is_asked_for(options)
    for name in ("preview", "logdir"):
        if many and getattr(options, name):
            raise ValueError(f"--{name} is of a single picture: leave it out, or give one file as --content")
    if options.engine != "ray":
        return
    if not (many and options.content):
        raise ValueError("engine ray is for many pictures: give a folder, or several photos, as --content")
    if place_in(options.output) is None:
        raise ValueError("engine ray writes to a folder that all workers see: give it, or an address, as --output")


def run(options: argparse.Namespace) -> None:
    """Optimise a picture for each photo; one that fails does not stop the others.

    Args:
        options: see `fast_style.cli.parsers.optimize`.

    Raises:
        Exit: with 1 if a picture failed, with 130 after Ctrl-C; pictures that were not finished are not written.
        ValueError, OSError, RuntimeError: after misuse, before anything is written.
    """
    if not options.content:
        raise ValueError(f"a texture is written to a file of this machine, not to {options.output}")
    planned = plan(options.content, options.output, "", options.overwrite)
    check_spared([job.target for job in planned.jobs], files_of(options))
    for line in planned.left_out:
        print(line, file=sys.stderr)
    device, materials = find_device(options.device), Materials.read(options)
    manifest = manifest_in(place_in(options.output), options.engine, _recipe(options))
    if manifest is not None:
        manifest.check(options.overwrite)
    jobs = due(planned.jobs, manifest, options.overwrite)
    way = _on_cluster if options.engine == "ray" else _here
    tally = way(jobs, materials, device, manifest)
    tally.skipped = len(planned.jobs) - len(jobs)
    if manifest is not None:
        manifest.end(tally, options.overwrite)
    for sentence in (*tally.notes, *tally.failures):
        print(sentence, file=sys.stderr)
    if tally.stopped:
        sentence = f"interrupted: {tally}, of {len(planned.jobs)} images"
        print(sentence, file=sys.stderr)
        raise Exit(130, sentence)
    print(tally)
    if tally.failures:
        raise Exit(1, tally.failures[0])


@dataclass(frozen=True)
class Optimizing:
    """The craft of optimising pictures; see `Craft`.

    Attributes:
        materials: what they are made with.
        overwrite: whether pictures that are there are replaced.
    """

    materials: Materials
    overwrite: bool
    parcel: int = 1
    ahead: int = 1

    def begin(self) -> tuple[cluster.Work, list[str], list[str]]:
        """Choose the device; what has become of a job is a tally."""
        device = find_device(self.materials.options.device)

        def work(jobs: Sequence[Job], again: bool) -> Tally:
            (job,) = jobs
            if again and not self.overwrite and job.target.exists():
                return Tally(stylized=1)
            return optimized(job, self.materials, device)

        return work, [str(device)], []

    def given_up(self, job: Job, reason: str) -> Tally:
        """Count a job as failed."""
        return Tally(failures=[f"cannot optimise {job.source}: {reason}"], failed=[job.target])


def optimized(
    job: Job, materials: Materials, device: torch.device, progress: Callable[[int, int], None] | None = None
) -> Tally:
    """Optimise one picture and write it.

    Args:
        job: the photo, and where the picture goes.
        materials: what it is made with.
        device: where it is computed.
        progress: called after each iteration with how many are done, and of how many.

    Raises:
        ConnectionError: if an address does not answer any more.
    """
    try:
        problem = materials.begin(read(job.source), device)
        for step in problem.steps:
            if progress is not None:
                progress(step.total, sum(problem.iterations))
        problem.write(job.target, step.picture)
    except ConnectionError:
        raise
    except (ValueError, OSError) as error:
        return Tally(failures=[one_line(error)], failed=[job.target])
    except (ArithmeticError, RuntimeError, MemoryError) as error:
        return Tally(failures=[f"cannot optimise {job.source}: {one_line(error)}"], failed=[job.target])
    return Tally(stylized=1)


def _here(jobs: Sequence[Job], materials: Materials, device: torch.device, manifest: Manifest | None) -> Tally:
    """Optimise in this process, one picture after the other."""
    if manifest is not None:
        manifest.begin(materials.options.overwrite)
    parts: list[Tally] = []
    try:
        with progress_bar("optimising", "iterations") as progress:
            for number, job in enumerate(jobs):

                def tell(done: int, count: int, before: int = number) -> None:
                    progress(before * count + done, len(jobs) * count)

                parts.append(optimized(job, materials, device, tell))
    except KeyboardInterrupt:
        parts.append(Tally(stopped=True))
    return total(parts)


def _on_cluster(jobs: Sequence[Job], materials: Materials, device: torch.device, manifest: Manifest | None) -> Tally:
    """Optimise on the workers of a cluster, one picture at a time on each."""
    del device  # workers have their own
    assert manifest is not None  # noqa: S101 - as `check` has seen
    options = materials.options
    if not jobs:
        manifest.begin(options.overwrite)
        return Tally()
    with (
        cluster.joined(options.ray_address, options.workers, options.device) as workers,
        progress_bar("optimising", "pictures") as progress,
    ):
        manifest.begin(options.overwrite)
        craft = Optimizing(materials, options.overwrite or bool(manifest.stale))
        outcome = cluster.spread(jobs, craft, workers, manifest.place, progress)
    return replace(total(outcome.answers), stopped=outcome.stopped)


def _recipe(options: argparse.Namespace) -> dict[str, object]:
    """List what pictures depend on, by option."""
    init = as_path(options.init) if is_file(options.init) else None
    recipe = {
        "--content": [wherever(text) for text in options.content],
        "--style": [digest_of(find_style(style)) for style in options.style],
        "--mask": [digest_of(path) for path in options.mask],
        "--init": options.init if init is None else digest_of(init),
    }
    return recipe | {f"--{name.replace('_', '-')}": getattr(options, name) for name in PLAIN}

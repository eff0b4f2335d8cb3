"""The stylizing command where pictures are made on a Ray cluster."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fast_style.checkpoint import find_network, load_styled
from fast_style.cli.layers import engine_of
from fast_style.cli.pictures import PictureJob
from fast_style.cli.recipe import place_of
from fast_style.inference import cluster
from fast_style.inference.manifest import due
from fast_style.inference.pipeline import Tally
from fast_style.layers import frozen
from fast_style.terminal import Stop, progress_bar

DEVICES = ("auto", "cpu", "cuda")


def check(options: argparse.Namespace) -> None:
    """Tell which options of pictures do not go with the engine that is chosen.

    Args:
        options: see `fast_style.cli.parsers.stylize`.

    Raises:
        ValueError: naming the option.
    """
    check_engine(options)
    if options.engine == "ray":
        if place_of(options) is None:
            raise ValueError("engine ray writes to a folder that all workers see: give it, or an address, as --output")
        check_networks(options.model)


def check_engine(options: argparse.Namespace) -> None:
    """Tell which options of a cluster do not go with the engine or the device that is chosen.

    Args:
        options: those of a command that `add_engine` has given some.

    Raises:
        ValueError: naming the option.
    """
    if options.engine != "ray":
        for name in ("workers", "ray_address"):
            if getattr(options, name) is not None:
                raise ValueError(f"--{name.replace('_', '-')} is of a cluster: give --engine ray as well")
    elif options.device not in DEVICES:
        raise ValueError(f"engine ray shares out GPUs itself: --device is one of {', '.join(DEVICES)} with it")


def check_networks(models: Sequence[Path]) -> None:
    """Raise ValueError if one of some networks is a file that is not sent to workers."""
    if taken := [model for model in models if find_network(model).suffix.lower() == ".onnx"]:
        raise ValueError(f"engine ray sends networks, not files such as {taken[0]}: give what it was exported from")


def do(job: PictureJob, options: argparse.Namespace) -> tuple[Tally, list[str]]:
    """Stylize on the workers of a cluster, with progress on the terminal.

    Args:
        job: what there is to do.
        options: see `fast_style.cli.parsers.stylize`.

    Returns:
        What has become of the pictures, and what computed them.

    Raises:
        ConnectionError: if there is no cluster, or an address does not answer any more.
        ValueError, OSError, RuntimeError: if a network cannot be loaded.
    """
    assert job.manifest is not None  # noqa: S101 - as `check` has seen
    job.manifest.check(job.settings.overwrite)
    recipe = recipe_of(job, options)
    jobs = due(job.plan.jobs, job.manifest, job.settings.overwrite)
    settings = replace(job.settings, overwrite=job.settings.overwrite or bool(job.manifest.stale))
    done = len(job.plan.jobs) - len(jobs)
    if not jobs:
        job.begin([])
        job.end(Tally(skipped=done))
        return Tally(skipped=done), []
    stop = Stop()
    with (
        cluster.joined(options.ray_address, options.workers, options.device) as workers,
        stop.listening(),
        progress_bar("stylizing") as progress,
        stop.interruptible(),
    ):
        job.begin([])
        tally, backends = cluster.run(jobs, recipe, settings, workers, job.manifest.place, progress, lambda: stop.asked)
    tally.skipped = done
    job.end(tally)
    return tally, backends


def recipe_of(job: PictureJob, options: argparse.Namespace) -> cluster.Recipe:
    """Load what workers make pictures with.

    Raises:
        ValueError, OSError, RuntimeError: if a network cannot be loaded.
    """
    networks = [frozen(load_styled(layer.model, layer.style, layer.style_map)) for layer in job.layers]
    return cluster.Recipe(networks, job.control, job.masks, engine_of(options))

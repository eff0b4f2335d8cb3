"""The stylizing command where pictures lie in shards."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from fast_style.cli.cluster import recipe_of
from fast_style.cli.pictures import PictureJob, interruptible, loaded
from fast_style.inference import cluster
from fast_style.inference.composition import RESIZED
from fast_style.inference.jobs import Job, undone
from fast_style.inference.manifest import Manifest
from fast_style.inference.pipeline import Tally, total
from fast_style.inference.shards import Shard, stylize_shard
from fast_style.terminal import Stop, progress_bar


def do(job: PictureJob, options: argparse.Namespace) -> tuple[Tally, list[str]]:
    """Stylize shards, in this process or on a cluster, with progress on the terminal.

    Args:
        job: what there is to do.
        options: see `fast_style.cli.parsers.stylize`.

    Returns:
        What has become of the pictures, and what computed them.

    Raises:
        ConnectionError: if there is no cluster, or an address does not answer any more.
        ValueError, OSError, RuntimeError: if a network cannot be loaded, or pictures of another job are there.
    """
    assert job.manifest is not None  # noqa: S101 - as jobs of shards have one
    job.manifest.check(job.settings.overwrite)
    due = _due(job.shards, job.manifest)
    done = Tally(skipped=sum(job.manifest.shards[shard.name] for shard in job.shards if shard not in due))
    way = _on_cluster if options.engine == "ray" else _here
    anew = [replace(shard, anew=job.manifest.is_stale(shard.target)) for shard in due]
    tally, backends = way(job, options, anew, job.manifest) if due else (Tally(), [])
    tally = total([done, tally])
    if not due:
        job.begin([])
    job.end(tally)
    return tally, backends


def _due(shards: Sequence[Shard], manifest: Manifest) -> dict[Shard, None]:
    """Find the shards that are not done: the manifest does not list them, or their tar is gone."""
    listed = [shard for shard in shards if shard.name in manifest.shards]
    tars = [shard for shard in listed if shard.is_tar]
    gone = {job.source for job in undone([Job(shard.source, shard.target) for shard in tars])}
    return dict.fromkeys(shard for shard in shards if shard not in listed or shard.source in gone)


def _here(
    job: PictureJob, options: argparse.Namespace, due: Sequence[Shard], manifest: Manifest
) -> tuple[Tally, list[str]]:
    """Stylize shards in this process, one after the other."""
    composition, backends = loaded(job, options)
    stop, parts = Stop(), list[Tally]()
    stylize = interruptible(composition, stop)
    with stop.listening():
        for number, shard in enumerate(due, start=1):
            with progress_bar(f"stylizing {shard.source.name} ({number} of {len(due)})") as progress:
                parts.append(stylize_shard(shard, stylize, job.settings, progress, lambda: stop.asked))
            if parts[-1].stopped:
                break
            manifest.keep(shard.name, parts[-1], job.settings.overwrite)
    if composition.resized:
        print(RESIZED, file=sys.stderr)
    return total(parts), backends


def _on_cluster(
    job: PictureJob, options: argparse.Namespace, due: Sequence[Shard], manifest: Manifest
) -> tuple[Tally, list[str]]:
    """Stylize shards on the workers of a cluster, one at a time on each."""
    recipe, stop = recipe_of(job, options), Stop()
    with (
        cluster.joined(options.ray_address, options.workers, options.device) as workers,
        stop.listening(),
        progress_bar("stylizing", "shards") as progress,
        stop.interruptible(),
    ):
        job.begin([])
        return cluster.run_shards(
            due,
            recipe,
            job.settings,
            workers,
            manifest.place,
            progress,
            lambda: stop.asked,
            lambda shard, tally: manifest.keep(shard.name, tally, job.settings.overwrite),
        )

"""The stylizing command where pictures are read and written."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from fast_style.cli.arguments import check_spared, note_of
from fast_style.cli.encoding import encoding_of
from fast_style.cli.layers import Layer, layers_of, load, names_of_results, notes_of, style_files
from fast_style.cli.recipe import manifest_of
from fast_style.inference.composition import RESIZED, Composition, read_masks
from fast_style.inference.control import Control, Stylize
from fast_style.inference.jobs import Plan, plan
from fast_style.inference.manifest import Manifest, due
from fast_style.inference.pipeline import Settings, Tally
from fast_style.inference.pipeline import run as run_jobs
from fast_style.inference.shards import Shard, are_shards, plan_shards
from fast_style.terminal import Stop, progress_bar


@dataclass(frozen=True)
class PictureJob:
    """All that is known of the pictures before the networks are loaded.

    Attributes:
        plan: what there is to stylize, unless it is in shards.
        shards: the shards whose pictures are stylized.
        layers: the networks that are laid over one another.
        control: what is asked of the pictures.
        masks: one for each network, or None.
        settings: how pictures are read and written.
        manifest: which tells the pictures from those of other jobs; None: there is none.
        notes: sentences for the user.
        first: what is done once all is checked and loaded, before pictures are made.
    """

    plan: Plan
    shards: Sequence[Shard]
    layers: Sequence[Layer]
    control: Control
    masks: Sequence[Tensor | None]
    settings: Settings
    manifest: Manifest | None
    notes: Sequence[str]
    first: Callable[[], None]

    def begin(self, notes: Iterable[str]) -> None:
        """Print the notes, and those about what computes; do what comes first; then write that the job is begun."""
        for note in dict.fromkeys([*self.notes, *notes]):
            print(note, file=sys.stderr)
        self.first()
        if self.manifest is not None:
            self.manifest.begin(self.settings.overwrite)

    def end(self, tally: Tally) -> None:
        """Write how the job has ended."""
        if self.manifest is not None:
            self.manifest.end(tally, self.settings.overwrite)


def read_job(options: argparse.Namespace, first: Callable[[], None] = lambda: None) -> PictureJob:
    """Read and check what is asked for.

    Args:
        options: see `fast_style.cli.parsers.stylize`.
        first: what is to be done once all is checked and loaded, before pictures are made.

    Raises:
        ValueError, OSError: after misuse, before anything is written.
    """
    given = {name: getattr(options, name) for name in ("profile", "batch_size") if getattr(options, name) is not None}
    encoding = encoding_of(options)
    settings = Settings(encoding, size=options.size, still=options.still, overwrite=options.overwrite, **given)
    control = Control(options.strength, options.preserve_color, options.stroke_size, options.effort)
    layers = layers_of(options)
    planned, shards = Plan([]), []
    if are_shards(options.input):
        shards = plan_shards(options.input, options.output)
    else:
        style = "+".join(layer.name for layer in layers)
        planned = plan(options.input, options.output, style, options.overwrite, partial(names_of_results, layers))
        read = [*options.mask, *options.style_map, *style_files(layers)]
        check_spared([job.target for job in planned.jobs], read)
    masks = read_masks(options.mask, len(layers))
    notes = [*planned.left_out, *notes_of(layers), *(note for text in options.style if (note := note_of(text)))]
    return PictureJob(planned, shards, layers, control, masks, settings, manifest_of(options, layers), notes, first)


def do(job: PictureJob, options: argparse.Namespace) -> tuple[Tally, list[str]]:
    """Stylize in this process, with progress on the terminal.

    Returns:
        What has become of the pictures, and what computed them.

    Raises:
        ValueError, OSError, RuntimeError: if a network cannot be loaded, or an address does not answer any more.
    """
    composition, backends = loaded(job, options)
    stop, jobs = Stop(), due(job.plan.jobs, job.manifest, job.settings.overwrite)
    with stop.listening(), progress_bar("stylizing") as progress:
        stylize = interruptible(composition, stop)
        tally = run_jobs(jobs, stylize, replace(job.settings, overwrite=True), progress, lambda: stop.asked)
    tally.skipped = len(job.plan.jobs) - len(jobs)
    job.end(tally)
    if composition.resized:
        print(RESIZED, file=sys.stderr)
    return tally, backends


def loaded(job: PictureJob, options: argparse.Namespace) -> tuple[Composition, list[str]]:
    """Load the networks, and begin the job.

    Returns:
        What stylizes, and what computes it.

    Raises:
        ValueError, OSError, RuntimeError: if a network cannot be loaded, or the job not begun.
    """
    stylizers = [load(layer, options) for layer in job.layers]
    job.begin(note for stylizer in stylizers for note in stylizer.backend.notes)
    calls = [stylizer.stylize for stylizer in stylizers]
    return Composition(calls, job.control, job.masks), [str(stylizer.backend) for stylizer in stylizers]


def interruptible(composition: Composition, stop: Stop) -> Stylize:
    """Let the second Ctrl-C give up what is being stylized."""

    def stylize(photos: Tensor) -> Tensor:
        with stop.interruptible():
            return composition(photos)

    return stylize

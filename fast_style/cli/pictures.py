"""The stylizing command where pictures are read and written."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from fast_style.cli.arguments import note_of
from fast_style.cli.encoding import encoding_of
from fast_style.cli.layers import Layer, layers_of, load, notes_of
from fast_style.cli.recipe import manifest_of
from fast_style.inference.composition import RESIZED, Composition, read_masks
from fast_style.inference.control import Control
from fast_style.inference.jobs import Plan, plan
from fast_style.inference.manifest import Manifest
from fast_style.inference.pipeline import Settings, Tally
from fast_style.inference.pipeline import run as run_jobs
from fast_style.terminal import Stop, progress_bar


@dataclass(frozen=True)
class PictureJob:
    """All that is known of the pictures before the networks are loaded.

    Attributes:
        plan: what there is to stylize.
        layers: the networks that are laid over one another.
        control: what is asked of the pictures.
        masks: one for each network, or None.
        settings: how pictures are read and written.
        manifest: which tells the pictures from those of other jobs; None: there is none.
        notes: sentences for the user.
    """

    plan: Plan
    layers: Sequence[Layer]
    control: Control
    masks: Sequence[Tensor | None]
    settings: Settings
    manifest: Manifest | None
    notes: Sequence[str]

    def begin(self, notes: Iterable[str]) -> None:
        """Print the notes, and those about what computes; then write that the job is begun."""
        for note in dict.fromkeys([*self.notes, *notes]):
            print(note, file=sys.stderr)
        if self.manifest is not None:
            self.manifest.begin(self.settings.overwrite)

    def end(self, tally: Tally) -> None:
        """Write how the job has ended."""
        if self.manifest is not None:
            self.manifest.end(tally)


def read_job(options: argparse.Namespace) -> PictureJob:
    """Read and check what is asked for.

    Args:
        options: see `fast_style.cli.parsers.stylize`.

    Raises:
        ValueError, OSError: after misuse, before anything is written.
    """
    given = {name: getattr(options, name) for name in ("profile", "batch_size") if getattr(options, name) is not None}
    encoding = encoding_of(options)
    settings = Settings(encoding, size=options.size, still=options.still, overwrite=options.overwrite, **given)
    control = Control(options.strength, options.preserve_color, options.stroke_size, options.effort)
    layers = layers_of(options)
    planned = plan(options.input, options.output, "+".join(layer.name for layer in layers), options.overwrite)
    masks = read_masks(options.mask, len(layers))
    notes = [*planned.left_out, *notes_of(layers), *(note for text in options.style if (note := note_of(text)))]
    return PictureJob(planned, layers, control, masks, settings, manifest_of(options, layers), notes)


def do(job: PictureJob, options: argparse.Namespace) -> tuple[Tally, list[str]]:
    """Stylize in this process, with progress on the terminal.

    Returns:
        What has become of the pictures, and what computed them.

    Raises:
        ValueError, OSError, RuntimeError: if a network cannot be loaded, or an address does not answer any more.
    """
    stylizers = [load(layer, options) for layer in job.layers]
    job.begin(note for stylizer in stylizers for note in stylizer.backend.notes)
    composition = Composition([stylizer.stylize for stylizer in stylizers], job.control, job.masks)
    stop = Stop()

    def stylize(photos: Tensor) -> Tensor:
        with stop.interruptible():
            return composition(photos)

    with stop.listening(), progress_bar("stylizing") as progress:
        tally = run_jobs(job.plan.jobs, stylize, job.settings, progress, lambda: stop.asked)
    job.end(tally)
    if composition.resized:
        print(RESIZED, file=sys.stderr)
    return tally, [str(stylizer.backend) for stylizer in stylizers]

"""Pictures that the workers of a cluster make, by the pipeline of this house."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from fast_style.files import Place
from fast_style.inference.cluster.dispatch import Outcome, spread
from fast_style.inference.cluster.joining import Cluster
from fast_style.inference.cluster.worker import Work
from fast_style.inference.composition import RESIZED, Composition
from fast_style.inference.control import Control, Stylize
from fast_style.inference.jobs import Job
from fast_style.inference.pipeline import Settings, Tally, total
from fast_style.inference.pipeline import run as run_here
from fast_style.inference.stylizer import Stylizer

PARCEL = 16  # pictures that a worker is sent at once
AHEAD = 2  # parcels at each worker: while one ends and is told of, the network works on the other


@dataclass(frozen=True)
class Recipe:
    """What a worker makes pictures with.

    Attributes:
        networks: laid over one another, on the CPU, see `load_styled`.
        control: see `Control`.
        masks: one each, see `Composition`.
        engine: how they are computed: device, precision, backend and tile, as `Stylizer` takes them.
    """

    networks: Sequence[nn.Module]
    control: Control
    masks: Sequence[Tensor | None]
    engine: dict[str, Any]

    def begin(self) -> tuple[Composition, list[str], list[str]]:
        """Load the networks; return what stylizes, what computes them, and sentences about that."""
        stylizers = [Stylizer(network, **self.engine) for network in self.networks]
        composition = Composition([stylizer.stylize for stylizer in stylizers], self.control, self.masks)
        backends = [stylizer.backend for stylizer in stylizers]
        return composition, list(map(str, backends)), [note for backend in backends for note in backend.notes]


@dataclass(frozen=True)
class Pictures:
    """The craft of stylizing picture after picture; see `Craft`.

    Attributes:
        recipe: what they are made with.
        settings: how they are read and written.
    """

    recipe: Recipe
    settings: Settings
    ahead: int = AHEAD

    @property
    def parcel(self) -> int:
        """Jobs that a worker is sent at once: enough for some batches."""
        return max(PARCEL, 4 * self.settings.batch_size)

    def begin(self) -> tuple[Work, list[str], list[str]]:
        """Load the networks; what has become of jobs is a tally, and whether masks were resized."""
        composition, backends, notes = self.recipe.begin()
        stylize, settings = one_by_one(composition), self.settings

        def work(jobs: Sequence[Job], again: bool) -> tuple[Tally, bool]:
            left = [job for job in jobs if not (again and not settings.overwrite and job.target.exists())]
            tally = run_here(left, stylize, replace(settings, overwrite=True))
            return replace(tally, stylized=tally.stylized + len(jobs) - len(left)), composition.resized

        return work, backends, notes

    def given_up(self, job: Job, reason: str) -> tuple[Tally, bool]:
        """Count a job as failed."""
        return Tally(failures=[f"cannot stylize {job.source}: {reason}"], failed=[job.target]), False


def run(
    jobs: Sequence[Job],
    recipe: Recipe,
    settings: Settings,
    cluster: Cluster,
    witness: Place,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> tuple[Tally, list[str]]:
    """Stylize pictures on the workers of a cluster; one that fails does not stop the others.

    Nothing is repeated and nothing lost when a worker dies, since a job's output is whole or not there, and what is
    sent again leaves out what is there already.

    Args:
        jobs: what to stylize; all are made.
        recipe: what pictures are made with.
        settings: how they are read and written.
        cluster: see `joined`.
        witness: a file that lies where the pictures go, which every worker must see.
        progress: see `spread`.
        stop: see `spread`.

    Returns:
        What has become of the jobs, and what computed them.

    Raises:
        ConnectionError, ValueError, RuntimeError, OSError: see `spread`.
    """
    return added_up(spread(jobs, Pictures(recipe, settings), cluster, witness, progress, stop))


def added_up(outcome: Outcome) -> tuple[Tally, list[str]]:
    """Add up tallies, each beside whether masks were resized; returns them as one, and what computed the pictures."""
    tally = total(tally for tally, _ in outcome.answers)
    resized = [RESIZED] * any(resized for _, resized in outcome.answers)
    notes = [*outcome.notes, *resized, *tally.notes]
    return replace(tally, stopped=outcome.stopped, notes=notes), outcome.backends


def one_by_one(composition: Stylize) -> Stylize:
    """Let one thread stylize at a time: the reading and writing of two parcels overlap, not the network's work."""
    computing = threading.Lock()

    def stylize(photos: Tensor) -> Tensor:
        with computing:
            return composition(photos)

    return stylize

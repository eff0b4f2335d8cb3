"""What each worker of a cluster does: the pipeline of this house."""

import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from fast_style.files import Place
from fast_style.inference.composition import Composition
from fast_style.inference.control import Control
from fast_style.inference.jobs import Job
from fast_style.inference.pipeline import Settings, Tally
from fast_style.inference.pipeline import run as run_here
from fast_style.inference.stylizer import Stylizer


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


class Worker:
    """The pipeline in a process of its own, which holds the networks."""

    def ready(self, recipe: Recipe, settings: Settings, threads: int, witness: Place) -> tuple[list[str], list[str]]:
        """Load the networks.

        Args:
            recipe: what to make pictures with.
            settings: how they are read and written.
            threads: for computing on the CPU.
            witness: a file that lies where the pictures go; a machine that does not see it would write elsewhere.

        Returns:
            What computes them, such as `torch fp32 on cpu`, and sentences about that.

        Raises:
            FileNotFoundError: if this machine does not see where the pictures go.
            ValueError, RuntimeError: as `Stylizer`.
        """
        if not witness.exists():
            machine = socket.gethostname()
            raise FileNotFoundError(f"{witness} is not seen from {machine}: give a shared folder or an address")
        torch.set_num_threads(threads)
        stylizers = [Stylizer(network, **recipe.engine) for network in recipe.networks]
        calls = [stylizer.stylize for stylizer in stylizers]
        self.composition, self.settings = Composition(calls, recipe.control, recipe.masks), settings
        self.computing = threading.Lock()
        backends = [stylizer.backend for stylizer in stylizers]
        return [str(backend) for backend in backends], [note for backend in backends for note in backend.notes]

    def work(self, jobs: Sequence[Job], again: bool) -> tuple[Tally, bool]:
        """Do a parcel of jobs, once it is ready, perhaps while another is done.

        Args:
            jobs: all are made.
            again: whether some may be done by a worker that died: these are counted as stylized.

        Returns:
            What has become of them, and whether masks were resized.

        Raises:
            ConnectionError: if an address does not answer any more.
        """
        composition = self.composition
        left = [job for job in jobs if not (again and not self.settings.overwrite and job.target.exists())]

        def stylize(photos: Tensor) -> Tensor:
            with self.computing:  # the reading and writing of two parcels overlap, not the network's work on them
                return composition(photos)

        tally = run_here(left, stylize, replace(self.settings, overwrite=True))
        return replace(tally, stylized=tally.stylized + len(jobs) - len(left)), composition.resized

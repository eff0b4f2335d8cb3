"""What each worker of a cluster does: whatever craft it is sent."""

import socket
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

from fast_style.files import Place

Work = Callable[[Sequence[Any], bool], Any]


class Craft(Protocol):
    """How a worker does jobs; both are sent to it."""

    @property
    def parcel(self) -> int:
        """Jobs that a worker is sent at once, at least 1."""
        ...

    @property
    def ahead(self) -> int:
        """Parcels at each worker: two, if one may end and be told of while the worker goes on with the other."""
        ...

    def begin(self) -> tuple[Work, Sequence[str], Sequence[str]]:
        """Load what is needed, in the worker.

        Returns:
            What does a parcel of jobs, given these and whether some may be done by a worker that died, and answers what
            has become of them; what computes it, such as `torch fp32 on cpu`; and sentences about that.

        Raises:
            ValueError, RuntimeError, OSError: if it cannot be loaded.
        """
        ...

    def given_up(self, job: Any, reason: str) -> Any:
        """Return what stands for the answer about a job that is given up, or raise RuntimeError."""
        ...


class Worker:
    """A craft in a process of its own."""

    def ready(self, craft: Craft, threads: int, witness: Place | None) -> tuple[Sequence[str], Sequence[str]]:
        """Load what the craft needs.

        Args:
            craft: how jobs are done.
            threads: for computing on the CPU.
            witness: a file or a folder of the job; a machine that does not see it would read and write elsewhere.

        Returns:
            What computes, and sentences about that.

        Raises:
            FileNotFoundError: if this machine does not see the witness.
            ValueError, RuntimeError, OSError: as `Craft.begin`.
        """
        if witness is not None and not witness.exists():
            machine = socket.gethostname()
            raise FileNotFoundError(f"{witness} is not seen from {machine}: give a shared folder or an address")
        torch.set_num_threads(threads)
        self._work, backends, notes = craft.begin()
        return backends, notes

    def work(self, jobs: Sequence[Any], again: bool) -> Any:
        """Do a parcel of jobs, once it is ready, perhaps while another is done.

        Args:
            jobs: all are done.
            again: whether some may be done by a worker that died.

        Returns:
            What has become of them.

        Raises:
            ConnectionError: if an address does not answer any more.
        """
        return self._work(jobs, again)

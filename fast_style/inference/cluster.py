"""Many pictures on the machines of a Ray cluster: in each worker the pipeline of this house, between them parcels."""

import logging
import math
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fast_style.errors import one_line
from fast_style.files import Place
from fast_style.inference.composition import RESIZED, Composition
from fast_style.inference.control import Control
from fast_style.inference.jobs import Job
from fast_style.inference.pipeline import Settings, Tally
from fast_style.inference.pipeline import run as run_here
from fast_style.inference.stylizer import Stylizer

PARCEL = 16  # pictures that a worker is sent at once
AHEAD = 2  # parcels at each worker: while one ends and is told of, the network works on the other
LIVES = 3  # workers that may die with a picture before it is taken for the cause
CORES = 4  # of a worker without a GPU, as far as there are
STORE = 256 << 20  # bytes of shared memory of a cluster of this machine alone: networks pass through it, no pictures
PATIENCE = 5.0  # seconds until a cluster answers
TELL = 30.0  # seconds until the wait for a first worker is told


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
    """The pipeline in a process of its own, which holds the network.

    Args:
        recipe: what to make pictures with.
        settings: how they are read and written; all that is sent is made.
        threads: for computing on the CPU.
        witness: a file that lies where the pictures go; a machine that does not see it writes elsewhere.
    """

    def __init__(self, recipe: Recipe, settings: Settings, threads: int, witness: Place) -> None:
        self.recipe, self.settings, self.threads, self.witness = recipe, settings, threads, witness
        self.computing = threading.Lock()
        self.composition: Composition | None = None

    def ready(self) -> tuple[list[str], list[str]]:
        """Load the networks.

        Returns:
            What computes them, such as `torch fp32 on cpu`, and sentences about that.

        Raises:
            FileNotFoundError: if this machine does not see where the pictures go.
            ValueError, RuntimeError: as `Stylizer`.
        """
        if not self.witness.exists():
            machine = socket.gethostname()
            raise FileNotFoundError(f"{self.witness} is not seen from {machine}: give a shared folder or an address")
        torch.set_num_threads(self.threads)
        stylizers = [Stylizer(network, **self.recipe.engine) for network in self.recipe.networks]
        calls = [stylizer.stylize for stylizer in stylizers]
        self.composition = Composition(calls, self.recipe.control, self.recipe.masks)
        backends = [stylizer.backend for stylizer in stylizers]
        return [str(backend) for backend in backends], [note for backend in backends for note in backend.notes]

    def work(self, jobs: Sequence[Job], again: bool) -> tuple[Tally, bool]:
        """Do a parcel of jobs, perhaps while another is done.

        Args:
            jobs: all are made.
            again: whether some may be done by a worker that died: these are counted as stylized.

        Returns:
            What has become of them, and whether masks were resized.

        Raises:
            ConnectionError: if an address does not answer any more.
        """
        assert self.composition is not None  # noqa: S101 - `ready` comes first
        composition = self.composition
        left = [job for job in jobs if not (again and not self.settings.overwrite and job.target.exists())]

        def stylize(photos: Tensor) -> Tensor:
            with self.computing:  # the reading and writing of two parcels overlap, not the network's work on them
                return composition(photos)

        tally = run_here(left, stylize, replace(self.settings, overwrite=True))
        return replace(tally, stylized=tally.stylized + len(jobs) - len(left)), composition.resized


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that this process has joined.

    Attributes:
        workers: how many there are to be.
        cores: of each.
        gpus: of each, 0 or 1.
    """

    workers: int
    cores: int
    gpus: int


@contextmanager
def joined(address: str | None, workers: int | None, device: Literal["auto", "cpu", "cuda"]) -> Iterator[Cluster]:
    """Join a Ray cluster, or start one of this machine alone, and leave it after the body; workers end with it.

    Args:
        address: `auto`, the cluster of this machine; `HOST:PORT`; None: one that ends with the body.
        workers: how many there shall be; None: one a GPU, or where there is none, one for every 4 cores.
        device: `cpu` leaves GPUs alone, `cuda` demands one for each worker, `auto` takes them where there are any.

    Yields:
        The cluster, and how it is shared out.

    Raises:
        ValueError: if Ray is not installed, there are to be less than one worker or more than GPUs that are demanded.
        ConnectionError: if there is no cluster at the address.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"--workers must be at least 1, got {workers}")
    ray = _ray()
    cores = os.cpu_count() or 1
    alone = {"num_cpus": max(cores, workers or 1), "object_store_memory": STORE, "include_dashboard": False}
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        if address is None:
            ray.init(address="local", **alone, **quiet)
        else:
            _probe(address)
            ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        raise ConnectionError(f"no Ray cluster at {address or 'this machine'}: {one_line(error)}") from error
    try:
        yield _shared_out(ray, workers, device)
    finally:
        ray.shutdown()


def run(
    jobs: Sequence[Job],
    recipe: Recipe,
    settings: Settings,
    cluster: Cluster,
    witness: Place,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> tuple[Tally, list[str]]:
    """Do the jobs on the workers of a cluster; one that fails does not stop the others.

    Each worker has two parcels of 16 jobs at a time, so that no more is read than is worked on. What a worker had at
    hand that dies is sent to others, job by job, which leave out what is there already; a job with which three workers
    have died is given up. Nothing is repeated and nothing lost, since a job's output is whole or not there.

    Args:
        jobs: what to stylize; all are made.
        recipe: what pictures are made with.
        settings: how they are read and written.
        cluster: see `joined`.
        witness: a file that lies where the pictures go, which every worker must see.
        progress: called every now and then with how many jobs are done, and of how many.
        stop: asked every now and then; once it returns True, no more parcels are sent. None: all jobs are done. If
            KeyboardInterrupt is raised meanwhile, what is at hand is left out as well.

    Returns:
        What has become of the jobs, and what computed them.

    Raises:
        ConnectionError: if an address does not answer any more.
        ValueError, RuntimeError, OSError: what workers say that cannot begin.
    """
    driver = _Driver(_ray(), recipe, settings, cluster, witness)
    return driver.run(jobs, progress or (lambda done, total: None), stop or (lambda: False))


@dataclass(frozen=True)
class _Parcel:
    number: int  # of its first job
    jobs: Sequence[Job]
    deaths: int = 0


@dataclass
class _Driver:
    """Sends parcels to workers, and begins anew what workers that die had at hand."""

    ray: Any
    recipe: Recipe
    settings: Settings
    cluster: Cluster
    witness: Place
    waiting: deque[_Parcel] = field(default_factory=deque)
    sent: dict[Any, tuple[_Parcel, Any]] = field(default_factory=dict)
    rising: dict[Any, Any] = field(default_factory=dict)  # workers that load, by their answers
    free: deque[Any] = field(default_factory=deque)  # workers, once for each parcel they may have
    tallies: dict[int, Tally] = field(default_factory=dict)
    backends: dict[str, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    tell: float = field(default_factory=lambda: time.monotonic() + TELL)

    def run(
        self, jobs: Sequence[Job], progress: Callable[[int, int], None], stop: Callable[[], bool]
    ) -> tuple[Tally, list[str]]:
        size = max(PARCEL, 4 * self.settings.batch_size)
        starts = range(0, len(jobs), size)
        self.waiting.extend(_Parcel(start, jobs[start : start + size]) for start in starts)
        self._raise_workers(min(self.cluster.workers, len(starts)))
        stopped = False
        try:
            while (self.waiting or self.sent) and not stopped:
                self._step()
                progress(sum(each.stylized + len(each.failures) for each in self.tallies.values()), len(jobs))
                stopped = stop() and bool(self.waiting)
            while self.sent:
                self._step(more=False)
        except KeyboardInterrupt:
            stopped = True
        return self._tally(stopped), list(self.backends)

    def _step(self, more: bool = True) -> None:
        """Send what there are workers for, and take what they answer."""
        while more and self.free and self.waiting:
            self._send(self.free.popleft(), self.waiting.popleft())
        answers, _ = self.ray.wait([*self.sent, *self.rising], num_returns=1, timeout=1.0)
        for answer in answers:
            (self._risen if answer in self.rising else self._done)(answer)
        if not self.backends and time.monotonic() > self.tell:
            print("waiting for the cluster to start a worker", file=sys.stderr)
            self.tell = math.inf

    def _raise_workers(self, count: int) -> None:
        actor = self.ray.remote(Worker).options(
            num_cpus=self.cluster.cores, num_gpus=self.cluster.gpus, max_restarts=-1, max_concurrency=AHEAD
        )
        recipe = self.ray.put(self.recipe)
        for _ in range(count):
            worker = actor.remote(recipe, self.settings, self.cluster.cores, self.witness)
            self.rising[worker.ready.remote()] = worker

    def _send(self, worker: Any, parcel: _Parcel) -> None:
        self.sent[worker.work.remote(parcel.jobs, parcel.deaths > 0)] = parcel, worker

    def _risen(self, answer: Any) -> None:
        worker = self.rising.pop(answer)
        try:
            backends, notes = self._get(answer)
        except self.ray.exceptions.ActorDiedError as error:  # for good
            if not (self.rising or self.free or self.sent):
                raise RuntimeError(f"no worker can start: {one_line(error)}") from error
            return
        except self.ray.exceptions.RayActorError:
            self.rising[worker.ready.remote()] = worker
            return
        self.backends |= dict.fromkeys(backends)
        self.notes |= dict.fromkeys(notes)
        self.free.extend([worker] * AHEAD)

    def _done(self, answer: Any) -> None:
        parcel, worker = self.sent.pop(answer)
        try:
            tally, resized = self._get(answer)
        except self.ray.exceptions.RayActorError:
            self._bury(worker, parcel)
            return
        self.tallies[parcel.number] = tally
        if resized:
            self.notes[RESIZED] = None
        self.free.append(worker)

    def _bury(self, worker: Any, parcel: _Parcel) -> None:
        """Send what a worker had that died to others, job by job, and the worker that takes its place back to work."""
        while worker in self.free:
            self.free.remove(worker)
        if worker not in self.rising.values():
            self.rising[worker.ready.remote()] = worker
        for place, job in enumerate(parcel.jobs):
            again = _Parcel(parcel.number + place, [job], parcel.deaths + 1)
            if again.deaths < LIVES:
                self.waiting.appendleft(again)
            else:
                sentence = f"cannot stylize {job.source}: {LIVES} workers died with it, for lack of memory perhaps"
                self.tallies[again.number] = Tally(failures=[sentence])

    def _get(self, answer: Any) -> Any:
        """Take what a worker answers; what it raises is raised as it was."""
        try:
            return self.ray.get(answer)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from None

    def _tally(self, stopped: bool) -> Tally:
        parts = [self.tallies[number] for number in sorted(self.tallies)]
        return Tally(
            sum(part.stylized for part in parts),
            0,
            [failure for part in parts for failure in part.failures],
            stopped,
            [*self.notes, *(note for part in parts for note in part.notes)],
        )


def _ray() -> Any:
    """Import Ray, which then tells nobody that it is used."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # GPUs are hidden from workers that asked for none
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ValueError("engine ray is not installed: pip install 'fast-style[ray]'") from error
    return ray


def _probe(address: str) -> None:
    """Raise an OSError unless something listens at HOST:PORT; Ray itself would wait long for it."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not (host and port.isdecimal()):
        raise ValueError("an address is auto or HOST:PORT")
    socket.create_connection((host, int(port)), PATIENCE).close()


def _shared_out(ray: Any, workers: int | None, device: str) -> Cluster:
    """Share out a cluster's cores and GPUs."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    cores = int(sum(machine["CPU"] for machine in machines))
    gpus = int(sum(machine.get("GPU", 0) for machine in machines)) if device != "cpu" else 0
    if device == "cuda" and (workers or 1) > gpus:
        raise ValueError(f"{workers or 1} workers need as many GPUs, the cluster has {gpus}: give --device cpu")
    count = workers or gpus or max(1, cores // CORES)
    each = min(cores // count, *(int(machine["CPU"]) for machine in machines))
    return Cluster(count, max(1, each), int(count <= gpus))

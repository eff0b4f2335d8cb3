"""Sending jobs to the workers of a cluster, in parcels, and sending again what is lost with a worker."""

import math
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fast_style.errors import one_line
from fast_style.files import Place
from fast_style.inference.cluster.joining import Cluster, import_ray
from fast_style.inference.cluster.worker import Craft, Worker

LIVES = 3  # workers that may die with a job before it is taken for the cause
TELL = 30.0  # seconds until the wait for a first worker is told
Told = Callable[[Sequence[Any], Any], None]


@dataclass(frozen=True)
class Outcome:
    """What has become of jobs.

    Attributes:
        answers: about each parcel, in the order of the jobs.
        stopped: whether it was stopped before all were done.
        backends: what computed them, such as `torch fp32 on cpu`, each once.
        notes: sentences about that, each once.
    """

    answers: list[Any]
    stopped: bool
    backends: list[str]
    notes: list[str]


def spread(
    jobs: Sequence[Any],
    craft: Craft,
    cluster: Cluster,
    witness: Place | None,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
    told: Told | None = None,
) -> Outcome:
    """Do the jobs on the workers of a cluster.

    Each worker has a few parcels of jobs at a time, so that no more is held than is worked on. What a worker had at
    hand that dies is sent to others, job by job; a job with which three workers have died, two of them with nothing
    else to do, is given up.

    Args:
        jobs: what to do; all are done.
        craft: how, see `Craft`.
        cluster: see `joined`.
        witness: a file or a folder that every worker must see; None: there is none.
        progress: called every now and then with how many jobs are done, and of how many.
        stop: asked every now and then; once it returns True, no more parcels are sent. None: all jobs are done. If
            KeyboardInterrupt is raised meanwhile, what is at hand is left out as well.
        told: called with the jobs of each parcel and the answer about them, as soon as it is there.

    Returns:
        What has become of the jobs.

    Raises:
        ConnectionError: if an address does not answer any more.
        ValueError, RuntimeError, OSError: what workers say that cannot begin.
    """
    driver = _Driver(import_ray(), craft, cluster, witness, told or (lambda jobs, answer: None))
    return driver.run(jobs, progress or (lambda done, total: None), stop or (lambda: False))


@dataclass(frozen=True)
class _Parcel:
    number: int  # of its first job
    jobs: Sequence[Any]
    deaths: int = 0


@dataclass
class _Driver:
    """Sends parcels to workers, and begins anew what workers that die had at hand."""

    ray: Any
    craft: Craft
    cluster: Cluster
    witness: Place | None
    told: Told
    waiting: deque[_Parcel] = field(default_factory=deque)
    sent: dict[Any, tuple[_Parcel, Any, int]] = field(default_factory=dict)  # with the worker, and which of its lives
    lives: Counter[Any] = field(default_factory=Counter)  # of each worker: how often it has died
    rising: dict[Any, Any] = field(default_factory=dict)  # workers that load, by their answers
    free: deque[Any] = field(default_factory=deque)  # workers, once for each parcel they may have
    answers: dict[int, Any] = field(default_factory=dict)
    done: int = 0  # jobs
    backends: dict[str, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    here: Any = None  # where the craft lies in the cluster
    tell: float = field(default_factory=lambda: time.monotonic() + TELL)

    def run(self, jobs: Sequence[Any], progress: Callable[[int, int], None], stop: Callable[[], bool]) -> Outcome:
        size = self.craft.parcel
        starts = range(0, len(jobs), size)
        self.waiting.extend(_Parcel(start, jobs[start : start + size]) for start in starts)
        self._raise_workers(min(self.cluster.workers, len(starts)))
        stopped = False
        try:
            while (self.waiting or self.sent) and not stopped:
                self._step()
                progress(self.done, len(jobs))
                stopped = stop() and bool(self.waiting)
            while self.sent:
                self._step(more=False)
        except KeyboardInterrupt:
            stopped = True
        answers = [self.answers[number] for number in sorted(self.answers)]
        return Outcome(answers, stopped, list(self.backends), list(self.notes))

    def _step(self, more: bool = True) -> None:
        """Send what there are workers for, and take what they answer."""
        while more and self.waiting and (worker := self._free(alone=self.waiting[0].deaths > 0)):
            self._send(worker, self.waiting.popleft())
        answers, _ = self.ray.wait([*self.sent, *self.rising], num_returns=1, timeout=1.0)
        for answer in answers:
            (self._risen if answer in self.rising else self._done)(answer)
        if not self.backends and time.monotonic() > self.tell:
            print("waiting for the cluster to start a worker", file=sys.stderr)
            self.tell = math.inf

    def _raise_workers(self, count: int) -> None:
        actor = self.ray.remote(Worker).options(
            num_cpus=self.cluster.cores, num_gpus=self.cluster.gpus, max_restarts=-1, max_concurrency=self.craft.ahead
        )
        self.here = self.ray.put(self.craft)
        for _ in range(count):
            self._raise(actor.remote())

    def _raise(self, worker: Any) -> None:
        """Have a worker load what it needs, at first or after it has died and Ray has begun it anew."""
        answer = worker.ready.remote(self.here, self.cluster.cores, self.witness)
        self.rising[answer] = worker

    def _free(self, alone: bool) -> Any:
        """Take a worker that has nothing to do, or may have one parcel more; None if there is none."""
        for worker in dict.fromkeys(self.free):
            if not alone or self.free.count(worker) == self.craft.ahead:
                for _ in range(self.craft.ahead if alone else 1):
                    self.free.remove(worker)
                return worker
        return None

    def _send(self, worker: Any, parcel: _Parcel) -> None:
        self.sent[worker.work.remote(parcel.jobs, parcel.deaths > 0)] = parcel, worker, self.lives[worker]

    def _risen(self, answer: Any) -> None:
        worker = self.rising.pop(answer)
        try:
            backends, notes = self._get(answer)
        except self.ray.exceptions.ActorDiedError as error:  # for good
            if not (self.rising or self.free or self.sent):
                raise RuntimeError(f"no worker can start: {one_line(error)}") from error
            return
        except self.ray.exceptions.RayActorError:
            self._raise(worker)
            return
        self.backends |= dict.fromkeys(backends)
        self.notes |= dict.fromkeys(notes)
        self.free.extend([worker] * self.craft.ahead)

    def _done(self, answer: Any) -> None:
        parcel, worker, life = self.sent.pop(answer)
        try:
            result = self._get(answer)
        except self.ray.exceptions.RayActorError:
            if life == self.lives[worker]:  # else it is known that it died, with another parcel
                self._bury(worker)
            self._do_again(parcel)
            return
        self._keep(parcel, result)
        self.free.extend([worker] * (self.craft.ahead if parcel.deaths else 1))

    def _keep(self, parcel: _Parcel, answer: Any) -> None:
        self.answers[parcel.number] = answer
        self.done += len(parcel.jobs)
        self.told(parcel.jobs, answer)

    def _bury(self, worker: Any) -> None:
        """Put to work the process that takes the place of one that died."""
        self.lives[worker] += 1
        self.free = deque(each for each in self.free if each is not worker)
        self._raise(worker)

    def _do_again(self, parcel: _Parcel) -> None:
        """Have the jobs done one by one, each by a worker that does nothing else, since one may be to blame."""
        for place, job in enumerate(parcel.jobs):
            again = _Parcel(parcel.number + place, [job], parcel.deaths + 1)
            if again.deaths < LIVES:
                self.waiting.appendleft(again)
            else:
                self._keep(again, self.craft.given_up(job, f"{LIVES} workers died with it, for lack of memory perhaps"))

    def _get(self, answer: Any) -> Any:
        """Take what a worker answers; what it raises is raised as it was."""
        try:
            return self.ray.get(answer)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from None

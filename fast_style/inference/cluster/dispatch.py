"""Sending jobs to the workers of a cluster, in parcels, and sending again what is lost with a worker."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fast_style.files import Place, absolute
from fast_style.inference.cluster.crew import LIVES, Crew
from fast_style.inference.cluster.joining import Cluster, import_ray
from fast_style.inference.cluster.worker import Craft, Worker
from fast_style.inference.jobs import Job
from fast_style.inference.shards import Shard

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
        jobs: what to do; all are done. Paths of `Job` and `Shard` are made absolute, since workers may be in other
            folders.
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
    crew = Crew(import_ray(), cluster, Worker, (craft, cluster.cores, absolute(witness)), craft.ahead)
    driver = _Driver(crew, craft, told or (lambda jobs, answer: None))
    return driver.run([_settled(job) for job in jobs], progress or (lambda done, total: None), stop or (lambda: False))


def _settled(job: Any) -> Any:
    if isinstance(job, Job | Shard):
        return replace(job, source=absolute(job.source), target=absolute(job.target))
    return job


@dataclass(frozen=True)
class _Parcel:
    number: int  # of its first job
    jobs: Sequence[Any]
    deaths: int = 0

    @property
    def is_again(self) -> bool:
        """Whether a worker has died with it."""
        return self.deaths > 0


@dataclass
class _Driver:
    """Sends parcels to workers, and again what is lost with those that die."""

    crew: Crew
    craft: Craft
    told: Told
    waiting: deque[_Parcel] = field(default_factory=deque)
    answers: dict[int, Any] = field(default_factory=dict)
    done: int = 0  # jobs

    def run(self, jobs: Sequence[Any], progress: Callable[[int, int], None], stop: Callable[[], bool]) -> Outcome:
        size = self.craft.parcel
        starts = range(0, len(jobs), size)
        self.waiting.extend(_Parcel(start, jobs[start : start + size]) for start in starts)
        self.crew.begin(min(self.crew.cluster.workers, len(starts)))
        stopped = False
        try:
            while (self.waiting or self.crew.is_busy) and not stopped:
                self._send()
                self._take()
                progress(self.done, len(jobs))
                stopped = stop() and bool(self.waiting)
            while self.crew.is_busy:
                self._take()
        except KeyboardInterrupt:
            stopped = True
        answers = [self.answers[number] for number in sorted(self.answers)]
        backends = dict.fromkeys(backend for each in self.crew.backends for backend in each)
        return Outcome(answers, stopped, list(backends), list(self.crew.notes))

    def _send(self) -> None:
        """Send what there are workers for."""
        while self.waiting and self.crew.is_free(alone=self.waiting[0].is_again):
            parcel = self.waiting.popleft()
            self.crew.send(parcel, parcel.jobs, parcel.is_again, alone=parcel.is_again)

    def _take(self) -> None:
        """Wait for answers, and take them."""
        for parcel, answer in self.crew.wait():
            if answer is None:
                self._do_again(parcel)
            else:
                self._keep(parcel, answer)

    def _keep(self, parcel: _Parcel, answer: Any) -> None:
        self.answers[parcel.number] = answer
        self.done += len(parcel.jobs)
        self.told(parcel.jobs, answer)

    def _do_again(self, parcel: _Parcel) -> None:
        """Have the jobs done one by one, each by a worker that does nothing else, since one may be to blame."""
        for place, job in enumerate(parcel.jobs):
            again = _Parcel(parcel.number + place, [job], parcel.deaths + 1)
            if again.deaths < LIVES:
                self.waiting.appendleft(again)
            else:
                self._keep(again, self.craft.given_up(job, f"{LIVES} workers died with it, for lack of memory perhaps"))

"""Workers of a cluster, the tasks they have, and what is lost with those that die."""

import math
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fast_style.errors import one_line
from fast_style.inference.cluster.joining import Cluster

LIVES = 3  # workers that may die with a task before it is taken for the cause
TELL = 30.0  # seconds until the wait for a first worker is told


class _Sent(NamedTuple):
    task: Any
    worker: Any
    life: int  # which of the worker's
    places: int  # that it takes of those a worker has


@dataclass
class Crew:
    """Workers of a cluster; where one dies, another takes its place.

    Args:
        ray: the library.
        cluster: see `joined`.
        kind: class of the workers, whose `ready` answers what computes and sentences about that, and whose `work` does
            a task.
        given: the arguments of `ready`.
        ahead: tasks that a worker may have at a time.

    Attributes:
        backends: what computes in a worker, such as `torch fp32 on cpu` for each network; more than one entry if
            workers differ, none until a first one is ready.
        notes: sentences about that, each once.
    """

    ray: Any
    cluster: Cluster
    kind: type
    given: Sequence[Any]
    ahead: int = 1
    backends: dict[tuple[str, ...], None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._given = [self.ray.put(each) for each in self.given]
        self._sent: dict[Any, _Sent] = {}  # by the answers that are awaited
        self._rising: dict[Any, Any] = {}  # workers that load, likewise
        self._free: deque[Any] = deque()  # workers, once for each task that they may have more
        self._lives: Counter[Any] = Counter()  # of each worker: how often it has died
        self._stillborn: Counter[Any] = Counter()  # likewise: how often in a row while it loaded
        self._lost = ""  # why the last worker was given up that was
        self._tell = time.monotonic() + TELL

    def begin(self, count: int) -> None:
        """Start so many workers; each is free once it is ready."""
        actor = self.ray.remote(self.kind).options(
            num_cpus=self.cluster.cores, num_gpus=self.cluster.gpus, max_restarts=-1, max_concurrency=self.ahead
        )
        for _ in range(count):
            self._raise(actor.remote())

    @property
    def is_busy(self) -> bool:
        """Whether something is worked on."""
        return bool(self._sent)

    def is_free(self, alone: bool = False) -> bool:
        """Tell whether there is a worker that may have one task more; `alone`: one with nothing to do."""
        return self._find(alone) is not None

    def send(self, task: Any, *arguments: Any, alone: bool = False) -> None:
        """Have a worker that is free do a task.

        Args:
            task: what `wait` calls it.
            arguments: what the worker's `work` is given.
            alone: whether the worker does nothing else meanwhile, see `is_free`.
        """
        worker, places = self._find(alone), self.ahead if alone else 1
        for _ in range(places):
            self._free.remove(worker)
        self._sent[worker.work.remote(*arguments)] = _Sent(task, worker, self._lives[worker], places)

    def wait(self) -> list[tuple[Any, Any]]:
        """Wait for something to happen, a second at the most.

        Returns:
            Tasks that are done, each with what the worker answers, or None: it has died.

        Raises:
            RuntimeError: if there is no worker any more.
            Exception: what a worker says that cannot begin or do a task.
        """
        awaited = [*self._sent, *self._rising]
        if self._lost and not (awaited or self._free):
            raise RuntimeError(self._lost)
        answers: Sequence[Any] = self.ray.wait(awaited, num_returns=1, timeout=1.0)[0] if awaited else ()
        done = []
        for answer in answers:
            if answer in self._rising:
                self._risen(answer)
            else:
                done.append(self._done(answer))
        if not self.backends and time.monotonic() > self._tell:
            print("waiting for the cluster to start a worker", file=sys.stderr)
            self._tell = math.inf
        return done

    def drop(self) -> None:
        """Give up all that is worked on, with the processes that do."""
        for worker in dict.fromkeys(sent.worker for sent in self._sent.values()):
            self.ray.kill(worker, no_restart=False)
            self._bury(worker)
        self._sent.clear()

    def _find(self, alone: bool) -> Any:
        workers = dict.fromkeys(self._free)
        return next((each for each in workers if not alone or self._free.count(each) == self.ahead), None)

    def _raise(self, worker: Any) -> None:
        """Have a worker make ready, at first or after it has died and Ray has begun it anew."""
        self._rising[worker.ready.remote(*self._given)] = worker

    def _risen(self, answer: Any) -> None:
        worker = self._rising.pop(answer)
        try:
            backends, notes = self._get(answer)
        except self.ray.exceptions.ActorDiedError as error:  # for good
            self._lost = f"no worker can start: {one_line(error)}"
            return
        except self.ray.exceptions.RayActorError:
            self._stillborn[worker] += 1
            if self._stillborn[worker] < LIVES:
                self._raise(worker)
            else:
                self.ray.kill(worker)
                self._lost = f"no worker can load what it needs: one died {LIVES} times, for lack of memory perhaps"
            return
        del self._stillborn[worker]
        self.backends[tuple(backends)] = None
        self.notes |= dict.fromkeys(notes)
        self._free.extend([worker] * self.ahead)

    def _done(self, answer: Any) -> tuple[Any, Any]:
        sent = self._sent.pop(answer)
        try:
            result = self._get(answer)
        except self.ray.exceptions.RayActorError:
            if sent.life == self._lives[sent.worker]:  # else it is known that it died, with another task
                self._bury(sent.worker)
            return sent.task, None
        finally:
            if sent.life == self._lives[sent.worker]:
                self._free.extend([sent.worker] * sent.places)
        return sent.task, result

    def _bury(self, worker: Any) -> None:
        """Put to work the process that takes the place of one that died."""
        self._lives[worker] += 1
        self._free = deque(each for each in self._free if each is not worker)
        self._raise(worker)

    def _get(self, answer: Any) -> Any:
        """Take what a worker answers; what it raises is raised as it was."""
        try:
            return self.ray.get(answer)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from None

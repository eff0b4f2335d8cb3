"""Workers of a cluster that have one task each at a time, and what is lost with those that die."""

import math
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fast_style.errors import one_line
from fast_style.inference.cluster.joining import Cluster

TELL = 30.0  # seconds until the wait for a first worker is told


@dataclass
class Crew:
    """Workers of a cluster; where one dies, another takes its place.

    Args:
        ray: the library.
        cluster: see `joined`.
        kind: class of the workers, whose `ready` answers what computes and sentences about that, and whose `work` does
            a task.
        recipe: what `ready` is given.

    Attributes:
        backends: what computes in a worker, such as `torch fp32 on cpu` for each network; more than one entry if
            workers differ.
        notes: sentences about that, each once.
        sent: the tasks that are worked on and by whom, by their answers.
    """

    ray: Any
    cluster: Cluster
    kind: type
    recipe: Any
    backends: dict[tuple[str, ...], None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    sent: dict[Any, tuple[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._free: deque[Any] = deque()
        self._rising: dict[Any, Any] = {}  # workers that load, by their answers
        self._here = self.ray.put(self.recipe)
        self._tell = time.monotonic() + TELL

    def begin(self, count: int) -> None:
        """Start so many workers, and wait for the first.

        Raises:
            ValueError, RuntimeError, OSError: what a worker says that cannot begin.
        """
        options = {"num_cpus": self.cluster.cores, "num_gpus": self.cluster.gpus, "max_restarts": -1}
        actor = self.ray.remote(self.kind).options(**options)
        for _ in range(count):
            self._raise(actor.remote())
        while not self.backends:
            self.wait()

    @property
    def is_free(self) -> bool:
        """Whether there is a worker with nothing to do."""
        return bool(self._free)

    def send(self, task: Any, *arguments: Any) -> None:
        """Have a worker that is free do a task; `arguments` is what its `work` is given."""
        worker = self._free.popleft()
        self.sent[worker.work.remote(*arguments)] = task, worker

    def wait(self) -> list[tuple[Any, Any]]:
        """Wait for something to happen, a second at the most.

        Returns:
            Tasks that are done, each with what the worker answers, or None: it has died.

        Raises:
            Exception: what a worker says that cannot begin or do a task.
        """
        awaited = [*self.sent, *self._rising]
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
        for _, worker in self.sent.values():
            self.ray.kill(worker, no_restart=False)
            self._raise(worker)
        self.sent.clear()

    def _raise(self, worker: Any) -> None:
        """Have a worker make ready, at first or after it has died and Ray has begun it anew."""
        self._rising[worker.ready.remote(self._here)] = worker

    def _risen(self, answer: Any) -> None:
        worker = self._rising.pop(answer)
        try:
            backends, notes = self._get(answer)
        except self.ray.exceptions.ActorDiedError as error:  # for good
            if not (self._rising or self._free or self.sent):
                raise RuntimeError(f"no worker can start: {one_line(error)}") from error
            return
        except self.ray.exceptions.RayActorError:
            self._raise(worker)
            return
        self.backends[tuple(backends)] = None
        self.notes |= dict.fromkeys(notes)
        self._free.append(worker)

    def _done(self, answer: Any) -> tuple[Any, Any]:
        task, worker = self.sent.pop(answer)
        try:
            result = self._get(answer)
        except self.ray.exceptions.RayActorError:
            self._raise(worker)
            return task, None
        except Exception:
            self._free.append(worker)
            raise
        self._free.append(worker)
        return task, result

    def _get(self, answer: Any) -> Any:
        """Take what a worker answers; what it raises is raised as it was."""
        try:
            return self.ray.get(answer)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from None

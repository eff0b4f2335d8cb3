"""How parcels are sent, and sent again after deaths, told by workers that are no processes."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fast_style.inference.cluster import Cluster, Recipe, dispatch, pictures, run
from fast_style.inference.control import Control
from fast_style.inference.jobs import Job
from fast_style.inference.pipeline import Settings, Tally
from fast_style.inference.shards import Shard
from fast_style.remote import RemoteFolder

HERE = Path.cwd()
JOBS = [Job(HERE / "in" / f"{number:03}.png", HERE / "out" / f"{number:03}.png") for number in range(100)]
TWO = Cluster(2, 1, 0)
Dies = Callable[[Job, bool], bool]


class ActorError(Exception):
    pass


class DiedError(ActorError):
    pass


class TaskError(Exception):
    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class Ray:
    """Answers in a random order; a worker dies at a job of which `dies` says so, given whether it is the only one."""

    exceptions = SimpleNamespace(RayActorError=ActorError, ActorDiedError=DiedError, RayTaskError=TaskError)

    def __init__(self, dies: Dies = lambda job, alone: False, seed: int = 0) -> None:
        self.dies, self.random = dies, random.Random(seed)
        self.made: Counter[Job] = Counter()
        self.open: Counter[Any] = Counter()
        self.most = 0
        self.given: list[Any] = []

    def remote(self, kind: type) -> Any:
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda: Actor(self)))

    def put(self, value: Any) -> Any:
        self.given.append(value)
        return value

    def wait(self, answers: Sequence[Any], num_returns: int, timeout: float) -> tuple[Sequence[Any], Sequence[Any]]:
        assert answers
        return self.random.sample(answers, num_returns), ()

    def get(self, answer: Any) -> Any:
        return answer()

    def kill(self, worker: Any) -> None:
        pass


class Actor:
    def __init__(self, ray: Ray) -> None:
        self.life, self.ray = 0, ray
        self.ready, self.work = SimpleNamespace(remote=self._ready), SimpleNamespace(remote=self._work)

    def _ready(self, *_: Any) -> Callable[[], Any]:
        return lambda: (["fake"], ["a note"])

    def _work(self, jobs: Sequence[Job], again: bool) -> Callable[[], Any]:
        life = self.life
        self.ray.open[self, life] += 1
        assert not again or self.ray.open[self, life] == 1
        self.ray.most = max(self.ray.most, self.ray.open[self, life])

        def answer() -> tuple[Tally, bool]:
            self.ray.open[self, life] -= 1
            if life != self.life:
                raise ActorError
            for job in jobs:
                if self.ray.dies(job, len(jobs) == 1):
                    self.life += 1
                    raise ActorError
                if not (again and self.ray.made[job]):
                    self.ray.made[job] += 1
            return Tally(len(jobs), notes=[jobs[0].source.name]), True

        return answer


@pytest.fixture
def do(monkeypatch):
    """Do a hundred jobs on two workers."""

    def do(ray: Ray, **options: Any) -> Tally:
        monkeypatch.setattr(dispatch, "import_ray", lambda: ray)
        tally, backends = run(JOBS, Recipe([], Control(), [], {}), Settings(), TWO, Path("witness"), **options)
        assert set(backends) <= {"fake"}
        return tally

    return do


def test_all_is_done_once_and_told_in_order(do):
    ray, told = Ray(), []
    tally = do(ray, progress=lambda *step: told.append(step))
    assert ray.made == Counter(JOBS)
    assert (tally.stylized, tally.failures, tally.stopped) == (100, [], False)
    assert tally.notes[2:] == [f"{number:03}.png" for number in range(0, 100, 16)]
    assert set(tally.notes[:2]) == {"a note", "masks of another size than the picture are resized to it"}
    assert told[-1] == (100, 100)


def test_workers_in_other_folders_find_relative_paths(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    ray = Ray()
    monkeypatch.setattr(dispatch, "import_ray", lambda: ray)
    store = RemoteFolder(f"file://{tmp_path}/store")
    jobs = [Job(Path("a.png"), Path("out/a.png")), Job(store / "b.png", store / "c.png")]
    run(jobs, Recipe([], Control(), [], {}), Settings(), TWO, Path("out/witness"))
    assert ray.made == Counter([Job(tmp_path / "a.png", tmp_path / "out" / "a.png"), jobs[1]])
    assert tmp_path / "out" / "witness" in ray.given
    shard = Shard(Path("a.tar"), Path("out"), anew=True)
    assert dispatch._settled(shard) == Shard(tmp_path / "a.tar", tmp_path / "out", anew=True)


def test_a_worker_has_two_parcels_at_most(do):
    ray = Ray()
    do(ray)
    assert ray.most == pictures.AHEAD


@pytest.mark.parametrize("seed", range(20))
def test_deaths_at_random_lose_nothing_and_repeat_nothing(do, seed):
    chance = random.Random(seed)
    ray = Ray(lambda job, alone: not alone and chance.random() < 0.05, seed)
    tally = do(ray)
    assert ray.made == Counter(JOBS)
    assert (tally.stylized, tally.failures) == (100, [])
    assert not +ray.open


@pytest.mark.parametrize("seed", range(5))
def test_a_picture_that_kills_its_worker_is_given_up(do, seed):
    tally = do(Ray(lambda job, _: job == JOBS[37], seed))
    assert (tally.stylized, len(tally.failures)) == (99, 1)
    reason = f"cannot stylize {JOBS[37].source}: 3 workers died with it, for lack of memory perhaps"
    assert tally.failures == [reason]


def test_stopping_ends_with_the_parcels_at_hand(do):
    ray = Ray()
    tally = do(ray, stop=lambda: True)
    assert tally.stopped
    assert tally.stylized == sum(ray.made.values()) < 100
    assert not +ray.open


def test_what_a_worker_raises_is_raised(do, monkeypatch):
    def raising(self: Actor, *_: Any) -> Callable[[], Any]:
        def answer() -> None:
            raise TaskError(ConnectionError("the store is gone"))

        return answer

    monkeypatch.setattr(Actor, "_work", raising)
    with pytest.raises(ConnectionError, match="the store is gone"):
        do(Ray())


def loads_after(deaths: Callable[[int], int]) -> Callable[..., Callable[[], Any]]:
    """Let workers die so many times while they load, by their numbers."""
    died: Counter[Any] = Counter()
    numbers: dict[Any, int] = {}

    def ready(self: Actor, *_: Any) -> Callable[[], Any]:
        number = numbers.setdefault(self, len(numbers))

        def answer() -> Any:
            if died[self] < deaths(number):
                died[self] += 1
                raise ActorError
            return ["fake"], ["a note"]

        return answer

    return ready


@pytest.mark.parametrize("deaths", [lambda number: 2, lambda number: 100 * number])
def test_workers_that_die_while_they_load(do, monkeypatch, deaths):
    """All are ready in the end, or one does without the other."""
    monkeypatch.setattr(Actor, "_ready", loads_after(deaths))
    assert do(Ray()).stylized == 100


def test_workers_that_always_die_while_they_load(do, monkeypatch):
    monkeypatch.setattr(Actor, "_ready", loads_after(lambda number: 100))
    with pytest.raises(RuntimeError, match="no worker can load what it needs: one died 3 times, for lack of memory"):
        do(Ray())


def test_workers_that_cannot_start(do, monkeypatch):
    def dead(self: Actor, *_: Any) -> Callable[[], Any]:
        def answer() -> None:
            raise DiedError("there is no fast_style")

        return answer

    monkeypatch.setattr(Actor, "_ready", dead)
    with pytest.raises(RuntimeError, match="no worker can start: there is no fast_style"):
        do(Ray())

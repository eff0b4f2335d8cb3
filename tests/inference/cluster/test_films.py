"""How films are made part by part, told by workers that are no processes."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytest.importorskip("av", reason="films need the package av")
pytest.importorskip("ray")

from ray import cloudpickle

from fast_style import video
from fast_style.inference.cluster import Cluster, FilmCrew, FilmRecipe, films
from fast_style.inference.cluster.film_worker import FilmWorker, Piece, Reel
from fast_style.inference.control import Control
from fast_style.inference.moving import MovingComposition
from fast_style.inference.stylizer import Stylizer
from fast_style.video import parts
from tests.inference.cluster.test_dispatch import ActorError, DiedError, TaskError
from tests.video.conftest import clip, times_of

__all__ = ["clip"]  # a fixture

ENGINE = {"device": "cpu", "precision": "fp32", "backend": "torch", "tile": "off"}
COUNT = 33  # frames, in seven parts of five


class Brightens(torch.nn.Module):
    """A network that raises what it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.weight, self.error = torch.nn.Parameter(torch.ones(1)), error

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        if self.error is not None:
            raise self.error
        return (photos * self.weight) ** 0.5


class Ray:
    """Answers in a random order; a worker dies with a part if `dies` says so of its number."""

    exceptions = SimpleNamespace(RayActorError=ActorError, ActorDiedError=DiedError, RayTaskError=TaskError)

    def __init__(self, dies: Callable[[int], bool] = lambda number: False, seed: int = 0) -> None:
        self.dies, self.random = dies, random.Random(seed)
        self.made: Counter[int] = Counter()
        self.actors: list[Actor] = []

    def remote(self, kind: type) -> Any:
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda: Actor(self, kind)))

    def put(self, value: Any) -> Any:
        return Kept(cloudpickle.dumps(value))

    def wait(self, answers: Sequence[Any], num_returns: int, timeout: float) -> tuple[Sequence[Any], Sequence[Any]]:
        return self.random.sample(answers, num_returns), ()

    def get(self, answer: Any) -> Any:
        return answer()

    def kill(self, actor: "Actor", no_restart: bool) -> None:
        assert not no_restart
        actor.life += 1


class Kept:
    """What lies in the cluster, of which every worker gets a copy each time."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def copied(self) -> Any:
        return cloudpickle.loads(self.content)


class Actor:
    def __init__(self, ray: Ray, kind: type) -> None:
        self.ray, self.kind, self.life = ray, kind, 0
        self.ready, self.work = SimpleNamespace(remote=self._ready), SimpleNamespace(remote=self._work)
        ray.actors.append(self)

    def _ready(self, recipe: Kept) -> Callable[[], Any]:
        self.worker = self.kind()
        return lambda: self._told(lambda: self.worker.ready(recipe.copied()))

    def _work(self, reel: Kept, piece: Piece) -> Callable[[], Any]:
        life = self.life

        def answer() -> Any:
            if life != self.life or self.ray.dies(piece.number):
                self.life += 1
                raise ActorError
            self.ray.made[piece.number] += 1
            return self._told(lambda: self.worker.work(reel.copied(), piece))

        return answer

    def _told(self, what: Callable[[], Any]) -> Any:
        try:
            return what()
        except Exception as error:
            raise TaskError(error) from error


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch):
    monkeypatch.setattr(parts, "FRAMES", 5)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)


@pytest.fixture
def source(clip):
    return clip("a.mkv", COUNT, sound="aac", options={"g": "8"})


def target_of(film, output) -> video.FilmTarget:
    look = video.Look(video.codec_of(output, None, 8, False), film.size, False, False, film.colours.encoded())
    return video.FilmTarget(film, look, video.Parts(output, {}), film.time_base)


@pytest.fixture
def whole(source, tmp_path) -> bytes:
    """The film that one process makes."""
    film = video.Film(source)
    composition = MovingComposition(lambda _: [Stylizer(Brightens(), **ENGINE).stylize], Control(), [None])
    target = target_of(film, tmp_path / "whole.mkv")
    assert video.run(film, composition, target) == (COUNT, True)
    return (tmp_path / "whole.mkv").read_bytes()


@pytest.fixture
def make(source, tmp_path, monkeypatch):
    """Make the film on workers; join it."""

    def make(ray: Ray, network: torch.nn.Module | None = None, workers: int = 3, **options: Any) -> films.Made:
        monkeypatch.setattr(films, "import_ray", lambda: ray)
        film = video.Film(source)
        recipe = FilmRecipe([network or Brightens()], Control(), ENGINE)
        crew = FilmCrew(recipe, Cluster(workers, 1, 0), [film])
        assert (crew.backend, crew.notes) == ("torch fp32 on cpu", [])
        target = target_of(film, tmp_path / "o.mkv")
        given = {"progress": lambda done, total: None, "stop": lambda: False, **options}
        try:
            made = crew.make(film, [None], target, **given)
        except (RuntimeError, ValueError, OSError):
            target.give_up()
            raise
        target.finish(made.complete)
        return made

    return make


def test_the_film_is_as_one_process_makes_it(make, whole, tmp_path):
    ray, told = Ray(), []
    assert make(ray, progress=lambda *step: told.append(step)) == (COUNT, True, False, [])
    assert (tmp_path / "o.mkv").read_bytes() == whole
    assert ray.made == Counter(range(7))
    assert told == sorted(told)
    assert told[-1] == (COUNT, COUNT)
    assert not (tmp_path / ".o.mkv.parts").exists()


def test_no_more_workers_than_parts(make, monkeypatch):
    monkeypatch.setattr(parts, "FRAMES", 20)
    ray = Ray()
    make(ray, workers=5)
    assert len(ray.actors) == 2


@pytest.mark.parametrize("seed", range(10))
def test_workers_that_die_lose_nothing_and_repeat_nothing(make, whole, tmp_path, seed):
    chance, deaths = random.Random(seed), Counter()

    def dies(number: int) -> bool:
        now = deaths[number] < films.LIVES - 1 and chance.random() < 0.4
        deaths[number] += now
        return now

    ray = Ray(dies, seed)
    assert make(ray).complete
    assert (tmp_path / "o.mkv").read_bytes() == whole
    assert ray.made == Counter(range(7))


def test_a_part_that_kills_its_workers(make, whole, tmp_path):
    sentence = r"a\.mkv: 3 workers died with its frames from 0\.600 to 0\.760 s, for lack of memory perhaps"
    with pytest.raises(RuntimeError, match=sentence):
        make(Ray(lambda number: number == 3))
    assert (tmp_path / ".o.mkv.parts" / "00000.json").exists()
    ray = Ray()
    assert make(ray).complete
    assert (tmp_path / "o.mkv").read_bytes() == whole
    assert ray.made[3] == 1
    assert ray.made[0] == 0


def test_stopping_leaves_the_leading_parts(make, whole, tmp_path):
    ray = Ray(seed=1)
    made = make(ray, stop=lambda: sum(ray.made.values()) >= 3)
    assert not made.complete
    assert made.frames < COUNT
    if made.frames:
        assert len(times_of(tmp_path / "o.mkv")) == made.frames
    before = dict(ray.made)
    ray = Ray(seed=2)
    assert make(ray).complete
    assert (tmp_path / "o.mkv").read_bytes() == whole
    assert not ray.made.keys() & before.keys()


def test_the_second_ctrl_c_gives_up_what_is_at_hand(make, tmp_path):
    def pressed(done: int, total: int) -> None:
        if done >= 10:
            raise KeyboardInterrupt

    ray = Ray()
    made = make(ray, workers=1, progress=pressed)
    assert made == (10, False, False, [])
    assert len(times_of(tmp_path / "o.mkv")) == 10


def test_what_a_worker_raises_is_raised(make, tmp_path):
    with pytest.raises(RuntimeError, match="no kernel"):
        make(Ray(), Brightens(RuntimeError("no kernel")))
    assert not list(tmp_path.rglob("*.tmp"))


def test_workers_that_compute_in_different_ways(make, monkeypatch):
    real, ways = FilmWorker.ready, iter(["torch fp32 on cpu", *["torch bf16 on cuda"] * 9])
    monkeypatch.setattr(FilmWorker, "ready", lambda self, *given: ([next(ways)], real(self, *given)[1]))
    sentence = "workers compute in different ways, torch fp32 on cpu and torch bf16 on cuda: give --device"
    with pytest.raises(RuntimeError, match=sentence):
        make(Ray())


def test_workers_that_cannot_start(make, monkeypatch):
    def dead(self: Actor, *_: Any) -> Callable[[], Any]:
        def answer() -> None:
            raise DiedError("there is no fast_style")

        return answer

    monkeypatch.setattr(Actor, "_ready", dead)
    with pytest.raises(RuntimeError, match="no worker can start: there is no fast_style"):
        make(Ray())


def test_workers_compute_with_as_many_threads_as_they_are_told(monkeypatch):
    """The last bit of what PyTorch computes depends on it."""
    told = []
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    FilmWorker().ready(FilmRecipe([Brightens()], Control(), ENGINE, threads=3))
    assert told == [3]


def test_a_machine_that_sees_another_folder(source, tmp_path):
    film = video.Film(source)
    reel = Reel(film, [None], target_of(film, tmp_path / "o.mkv").look, tmp_path / "nowhere" / "manifest.json")
    worker = FilmWorker()
    worker.ready(FilmRecipe([Brightens()], Control(), ENGINE))
    with pytest.raises(FileNotFoundError, match=r"manifest\.json is not seen from .*: give a shared folder"):
        worker.work(reel, Piece(0, tmp_path / "00000.mkv", list(film.marks())[:5]))


def test_masks_that_move_are_read_on_and_anew(source, tmp_path, monkeypatch):
    """On from part to part, anew where a part comes before the last."""
    film, begun = video.Film(source), []
    real = video.MovingMask.at
    monkeypatch.setattr(video.MovingMask, "at", lambda self, time: begun.append((self, time)) or real(self, time))
    worker = FilmWorker()
    worker.ready(FilmRecipe([Brightens()], Control(), ENGINE))
    (tmp_path / "manifest.json").touch()
    marks = list(film.marks())
    for number in (1, 4, 0):
        # As it comes out of the cluster's store: a copy each time.
        mask = video.MovingMask(source, film)
        reel = Reel(film, [mask], target_of(film, tmp_path / "o.mkv").look, tmp_path / "manifest.json")
        order, *_ = worker.work(reel, Piece(number, tmp_path / f"{number}.mkv", marks[5 * number : 5 * number + 5]))
        assert sorted(order) == list(range(5))
    first, second, third = (begun[place][0] for place in (0, 5, 10))
    assert first is second is not third

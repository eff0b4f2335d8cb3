"""Pictures made by the workers of a Ray cluster; only `ray` starts one, and tests share it."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fast_style.inference.cluster import Cluster, Pictures, Recipe, Worker, joined, run, run_shards
from fast_style.inference.composition import Composition
from fast_style.inference.control import Control
from fast_style.inference.jobs import Job
from fast_style.inference.pipeline import Settings, Tally
from fast_style.inference.pipeline import run as run_here
from fast_style.inference.shards import Shard, stylize_shard
from tests.pictures import noise

ENGINE = {"device": "cpu", "precision": "fp32", "backend": "torch", "tile": "off"}


class Inverts(torch.nn.Module):
    """A network that kills the process it runs in, once for each file in the folder that is named like the width."""

    def __init__(self, fuses: Path = Path("nowhere"), seconds: float = 0.0) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.fuses, self.seconds = fuses, seconds

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        time.sleep(self.seconds)
        for fuse in (self.fuses / str(photos.shape[-1])).glob("*"):
            fuse.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return 1 - photos


@pytest.fixture(scope="module")
def workers(ray) -> Iterator[Cluster]:
    """A cluster of this machine with two workers."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with joined(None, 2, "cpu") as shared:
        yield shared


@pytest.fixture
def jobs(tmp_path) -> list[Job]:
    """Seventy pictures of different widths, in the order of these; the third is broken."""
    made = []
    for number in range(70):
        path = tmp_path / "in" / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        noise((8 + number, 8)).convert("RGB").save(path)
        made.append(Job(path, tmp_path / "out" / path.name))
    made[2].source.write_text("no image")
    return made


@pytest.fixture
def witness(tmp_path) -> Path:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "witness").touch()
    return tmp_path / "out" / "witness"


def recipe(network: torch.nn.Module) -> Recipe:
    return Recipe([network], Control(strength=0.5), [None], ENGINE)


def test_the_same_pictures_as_without_a_cluster(workers, jobs, witness, tmp_path):
    told = []
    tally, backends = run(jobs, recipe(Inverts()), Settings(), workers, witness, lambda *step: told.append(step))
    here = [Job(job.source, tmp_path / "here" / job.target.name) for job in jobs]
    alone = run_here(here, Composition([Inverts()], Control(strength=0.5), [None]), Settings())
    assert tally == alone
    assert (tally.stylized, len(tally.failures)) == (69, 1)
    assert backends == ["torch fp32 on cpu"]
    assert told == sorted(told)
    assert told[-1] == (70, 70)
    for job, other in zip(jobs, here, strict=True):
        assert job.target.exists() == other.target.exists()
        assert not job.target.exists() or job.target.read_bytes() == other.target.read_bytes()


def test_a_worker_that_is_killed(workers, jobs, witness, tmp_path, capfd):
    (tmp_path / "fuses" / "30").mkdir(parents=True)
    (tmp_path / "fuses" / "30" / "fuse").touch()
    tally, _ = run(jobs, recipe(Inverts(tmp_path / "fuses")), Settings(), workers, witness)
    assert (tally.stylized, len(tally.failures)) == (69, 1)
    assert capfd.readouterr() == ("", "")
    assert not list((tmp_path / "fuses").rglob("fuse"))
    assert len(list((tmp_path / "out").glob("*.png"))) == 69


def test_the_second_ctrl_c(workers, jobs, witness):
    def pressed(done, total):
        raise KeyboardInterrupt

    tally, _ = run(jobs, recipe(Inverts()), Settings(), workers, witness, pressed)
    assert tally.stopped


def test_a_network_that_cannot_run(workers, jobs, witness):
    wrong = Recipe([Inverts()], Control(), [None], ENGINE | {"tile": "512"})
    with pytest.raises(ValueError, match="this network cannot run in tiles"):
        run(jobs, wrong, Settings(), workers, witness)


def test_shards_whose_worker_is_killed(workers, make_shard, witness, tmp_path):
    """The shard at hand is done again, and those that are done are whole."""
    shards = [
        Shard(make_shard(tmp_path / f"{number}.tar", 5, side=8 + number), tmp_path / "out" / f"{number}.tar")
        for number in range(4)
    ]
    (tmp_path / "fuses" / "10").mkdir(parents=True)
    (tmp_path / "fuses" / "10" / "fuse").touch()
    told = []
    tally, _ = run_shards(
        shards,
        recipe(Inverts(tmp_path / "fuses")),
        Settings(),
        workers,
        witness,
        told=lambda shard, tally: told.append((shard.name, tally.stylized)),
    )
    assert (tally.stylized, tally.failures) == (20, [])
    assert sorted(told) == [(f"{number}.tar", 5) for number in range(4)]
    assert not list((tmp_path / "fuses").rglob("fuse"))
    composition = Composition([Inverts()], Control(strength=0.5), [None])
    for shard in shards:
        here = replace(shard, target=tmp_path / "here.tar")
        assert stylize_shard(here, composition, Settings(overwrite=True)) == Tally(5)
        assert (tmp_path / "here.tar").read_bytes() == shard.target.read_bytes()


def test_a_machine_that_sees_another_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere is not seen from .*: give a shared folder or an address"):
        Worker().ready(Pictures(recipe(Inverts()), Settings()), 1, tmp_path / "nowhere")

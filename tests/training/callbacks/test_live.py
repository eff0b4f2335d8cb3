"""What another program can watch of a run."""

import errno
import json
from types import SimpleNamespace

import PIL.Image
import torch

from fast_style.training.callbacks import Live
from fast_style.training.callbacks.live import MOST, NUMBERS, PICTURE


def test_numbers_and_a_picture_are_there(tiny, train, tmp_path):
    watched = {"callbacks": "watched", "callbacks.live.every": "0"}
    assert train(tiny | watched) == 0
    told = json.loads((tmp_path / "run" / NUMBERS).read_text())
    assert (told["step"], told["progress"], told["ended"], told["seconds_left"]) == (3, 1, True, None)
    assert {"total", "content", "style"} <= told["losses"].keys()
    assert [step for step, _ in told["losses"]["total"]] == [1, 2, 3]
    with PIL.Image.open(tmp_path / "run" / PICTURE) as picture:
        assert picture.size == (64, 32)  # the photo, and what becomes of it


def test_what_is_learned_does_not_depend_on_it(tiny, train, tmp_path):
    from fast_style.checkpoint import load_network

    weights = []
    for name in ("default", "watched"):
        run = {
            "callbacks": name,
            "hydra.run.dir": str(tmp_path / name),
            "output": str(tmp_path / f"{name}.safetensors"),
        }
        assert train(tiny | run) == 0
        weights.append(load_network(run["output"]).state_dict())
    assert all((weights[0][key] == weights[1][key]).all() for key in weights[0])


def test_a_run_that_goes_on_goes_on_with_its_numbers(tiny, train, tmp_path):
    watched = {"callbacks": "watched", "callbacks.live.every": "0", "trainer.max_steps": "2"}
    assert train(tiny | watched) == 0
    assert train(tiny | watched | {"trainer.max_steps": "4", "ckpt_path": "last"}) == 0
    told = json.loads((tmp_path / "run" / NUMBERS).read_text())
    assert [step for step, _ in told["losses"]["total"]] == [1, 2, 3, 4]


def test_what_is_no_number_is_left_out(tmp_path):
    class Trainer:
        is_global_zero = True
        max_steps = -1
        callbacks = ()
        progress_bar_metrics = {"train/total_loss": float("nan"), "train/style_loss": torch.tensor(1.0)}  # noqa: RUF012
        global_step = 1

    callback = Live(tmp_path, every=0)
    callback._next_picture = float("inf")
    callback.on_train_batch_end(Trainer(), None, None, {}, 0)
    assert json.loads((tmp_path / NUMBERS).read_text())["losses"] == {"total": [], "style": [[1, 1.0]]}


def test_of_many_numbers_some_are_forgotten(tmp_path):
    class Trainer:
        is_global_zero = True
        max_steps = -1
        callbacks = ()
        progress_bar_metrics = {"train/total_loss": 1.0}  # noqa: RUF012 - of a stand-in
        global_step = 0

    trainer, callback = Trainer(), Live(tmp_path, every=0)
    callback._next_picture = float("inf")
    for step in range(1, 3 * MOST):
        trainer.global_step = step
        callback.on_train_batch_end(trainer, None, None, {}, 0)
    steps = [step for step, _ in json.loads((tmp_path / NUMBERS).read_text())["losses"]["total"]]
    assert MOST // 2 <= len(steps) <= MOST
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (1, 3 * MOST - 1)


def test_a_full_disk_is_told_once(tiny, train, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fast_style.training.callbacks.live.replacing", full)
    monkeypatch.setattr("fast_style.training.callbacks.live.images", SimpleNamespace(write=full))
    assert train(tiny | {"callbacks": "watched", "callbacks.live.every": "0"}) == 0
    assert capsys.readouterr().out.count("the training goes on, and who watches it sees what was before") == 1
    assert (tmp_path / "out.safetensors").is_file()

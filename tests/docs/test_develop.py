"""The examples of docs/develop.md work as they stand there."""

import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fast_style.checkpoint import read_metadata


@pytest.fixture
def example(root, tmp_path, monkeypatch):
    """Write a Python and a YAML block of the guide where they can be imported and composed; return the overrides."""

    def example(module: str, group: str, name: str) -> list[str]:
        blocks = re.findall(r"```(python|yaml)\n(.*?)```", (root / "docs" / "develop.md").read_text("utf-8"), re.DOTALL)
        (code,) = [text for kind, text in blocks if kind == "python" and f"{module.rpartition('.')[2]}" in text.lower()]
        (settings,) = [text for kind, text in blocks if kind == "yaml" and module in text]
        own = module.rpartition(".")[2]
        (tmp_path / f"{own}.py").write_text(code, "utf-8")
        (tmp_path / "configs" / group).mkdir(parents=True)
        (tmp_path / "configs" / group / f"{name}.yaml").write_text(settings.replace(module, own), "utf-8")
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{root}")
        monkeypatch.syspath_prepend(tmp_path)
        return [f"{group}={name}", f"hydra.searchpath=[file://{tmp_path / 'configs'}]"]

    return example


def scalars(run, tag):
    reader = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    reader.Reload()
    return {event.step: event.value for event in reader.Scalars(tag)}


def test_a_new_term_is_trained_and_told(example, tiny, train, tmp_path):
    overrides = example("fast_style.losses.saturation", "loss", "colourful")
    kept = {key: value for key, value in tiny.items() if key != "loss"}
    assert train(kept, *overrides) == 0
    before = read_metadata(tmp_path / "out.safetensors")["heldout_before"]
    assert before["heldout/weighted/saturation_loss"] == pytest.approx(2 * before["heldout/saturation_loss"])
    assert scalars(tmp_path / "run", "train/weighted/saturation_loss")


@pytest.fixture
def duel(example, tiny):
    """Overrides of a short training of the toy task."""
    run = {key: value for key, value in tiny.items() if not key.startswith(("model", "loss"))}
    run |= {"model.network.width": "4", "model.network.blocks": "1", "trainer.max_steps": "8", "style.size": "80"}
    run |= {"trainer.val_check_interval": "4", "callbacks.checkpoint.every_n_train_steps": "2"}
    return run, example("fast_style.training.duel", "model", "duel")


def test_batches_are_counted_not_steps_of_optimizers(duel, train, tmp_path):
    overrides, more = duel
    assert train(overrides, *more) == 0
    run = tmp_path / "run"
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"step-6.ckpt", "step-8.ckpt"}
    assert max(scalars(run, "train/total_loss")) == 7
    assert scalars(run, "heldout/total_loss").keys() == {0, 3, 7, 8}  # Lightning counts from 0
    assert read_metadata(tmp_path / "out.safetensors")["steps"] == 8
    kept = torch.load(run / "checkpoints" / "step-8.ckpt", weights_only=True)
    assert kept["PhotoDataModule"]["sample"] == 8 * int(overrides["data.batch_size"])
    assert any(key.startswith("critic.") for key in kept["state_dict"])


def test_a_task_with_two_optimizers_resumes_bitwise_after_sigkill(duel, root, tmp_path):
    overrides, more = duel
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    def command(run, *arguments):
        given = overrides | {"hydra.run.dir": str(run), "output": str(run / "out.safetensors")}
        line = [f"{key}={value}" for key, value in given.items()]
        return [sys.executable, str(root / "train.py"), *line, *more, *arguments]

    subprocess.run(command(whole), check=True, cwd=tmp_path)
    process = subprocess.Popen(command(killed), cwd=tmp_path)
    while not (killed / "checkpoints" / "step-4.ckpt").exists():
        time.sleep(0.005)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    for later in ("step-6.ckpt", "step-8.ckpt"):  # it may have gone on before the signal came
        (killed / "checkpoints" / later).unlink(missing_ok=True)
    shutil.rmtree(killed / "tensorboard")
    subprocess.run(command(killed, "ckpt_path=last"), check=True, cwd=tmp_path)
    first, second = (torch.load(run / "checkpoints" / "step-8.ckpt", weights_only=True) for run in (whole, killed))
    for part in ("state_dict", "optimizer_states", "lr_schedulers"):
        torch.testing.assert_close(first[part], second[part], rtol=0, atol=0)
    logged = scalars(whole, "train/total_loss")
    assert scalars(killed, "train/total_loss").items() <= logged.items()

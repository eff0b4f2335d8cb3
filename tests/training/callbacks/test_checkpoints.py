import errno
import logging
from types import SimpleNamespace

import pytest
import torch

from fast_style.training.callbacks import AtomicCheckpointIO, ResumeCheckpoint, find_checkpoint


@pytest.fixture
def folder(tmp_path):
    """Checkpoints of steps 5, 10 and 100, so that the order of names is not the order of steps."""
    for step in (5, 10, 100):
        AtomicCheckpointIO().save_checkpoint({"step": step, "x": torch.rand(1000)}, tmp_path / f"step-{step}.ckpt")
    return tmp_path


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def test_saves_what_torch_loads_and_leaves_nothing_else(folder):
    assert torch.load(folder / "step-10.ckpt", weights_only=True)["step"] == 10
    assert sorted(p.name for p in folder.iterdir()) == ["step-10.ckpt", "step-100.ckpt", "step-5.ckpt"]


def test_a_failed_save_keeps_the_old_file_and_no_remains(folder, monkeypatch, caplog):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = (folder / "step-5.ckpt").read_bytes()
    monkeypatch.setattr("os.fsync", full)
    AtomicCheckpointIO().save_checkpoint({"step": 6}, folder / "step-5.ckpt")
    path = folder / "step-5.ckpt"
    assert f"cannot write {path}: No space left on device; the training goes on without this" in caplog.text
    assert (folder / "step-5.ckpt").read_bytes() == before
    assert len(list(folder.iterdir())) == 3


def test_nothing_asked_for(tmp_path):
    assert find_checkpoint(None, tmp_path) is None


def test_a_folder_of_an_earlier_run_is_not_mixed_up(folder):
    message = r"holds checkpoints of an earlier run, up to step-100\.ckpt: continue it with ckpt_path=last"
    with pytest.raises(ValueError, match=message):
        find_checkpoint(None, folder)
    with pytest.raises(ValueError, match=message):
        find_checkpoint(str(folder / "step-10.ckpt"), folder)


def test_last_is_the_newest_by_step(folder):
    assert find_checkpoint("last", folder) == folder / "step-100.ckpt"


def test_last_passes_over_what_was_cut_short(folder, caplog):
    cut(folder / "step-100.ckpt")
    with caplog.at_level(logging.WARNING):
        assert find_checkpoint("last", folder) == folder / "step-10.ckpt"
    assert "step-100.ckpt is damaged" in caplog.text


def test_last_notices_a_flipped_byte(folder):
    path = folder / "step-100.ckpt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert find_checkpoint("last", folder) == folder / "step-10.ckpt"


def test_last_without_checkpoints_starts_anew(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert find_checkpoint("last", tmp_path) is None
    assert "starting at step 0" in caplog.text


def test_a_path_is_taken_as_given(folder, tmp_path):
    assert find_checkpoint(str(folder / "step-10.ckpt"), tmp_path / "other") == folder / "step-10.ckpt"


def test_a_damaged_path_falls_back_to_an_earlier_step_only(folder):
    cut(folder / "step-10.ckpt")
    elsewhere = folder / "elsewhere"
    assert find_checkpoint(str(folder / "step-10.ckpt"), elsewhere) == folder / "step-5.ckpt"
    cut(folder / "step-5.ckpt")
    with pytest.raises(ValueError, match=r"step-5\.ckpt is damaged and there is no earlier complete one"):
        find_checkpoint(str(folder / "step-5.ckpt"), elsewhere)


def test_a_network_is_no_checkpoint(tmp_path):
    (tmp_path / "out.safetensors").touch()
    with pytest.raises(ValueError, match=r"is not a \.ckpt of a run: start from a network with init=FILE"):
        find_checkpoint(str(tmp_path / "out.safetensors"), tmp_path)


@pytest.mark.parametrize(("name", "value"), [("every_n_train_steps", 0), ("keep", 0)])
def test_bad_numbers(tmp_path, name, value):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        ResumeCheckpoint(tmp_path, **({"every_n_train_steps": 1} | {name: value}))


def test_bad_time(tmp_path):
    with pytest.raises(ValueError, match="every_seconds must be more than 0, or null, got 0"):
        ResumeCheckpoint(tmp_path, 1, every_seconds=0)


@pytest.mark.parametrize(
    ("seconds", "processes", "saved"), [(120, 1, [3, 6, 8]), (120, 2, [8]), (None, 1, [8]), (30, 1, range(1, 9))]
)
def test_some_come_by_time(tmp_path, monkeypatch, seconds, processes, saved):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    steps = []
    trainer = SimpleNamespace(
        is_global_zero=False,
        world_size=processes,
        accumulate_grad_batches=1,
        val_check_batch=None,
        save_checkpoint=lambda *_, **__: steps.append(trainer.global_step),
    )
    callback = ResumeCheckpoint(tmp_path, 8, every_seconds=seconds)
    callback.on_train_start(trainer, None)
    for trainer.global_step in range(1, 9):
        clock.now += 41  # three steps take two minutes
        callback.on_train_batch_end(trainer, None, None, None, trainer.global_step - 1)
    assert steps == list(saved)


def test_missing_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist: give a file, or `last`"):
        find_checkpoint(str(tmp_path / "no.ckpt"), tmp_path)

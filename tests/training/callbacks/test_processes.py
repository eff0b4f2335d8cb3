"""Processes that were started for a run, and what is done when one of them ends."""

import subprocess
import sys
import threading
from types import SimpleNamespace

import lightning as L
import pytest
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from fast_style.training.callbacks import Processes, processes


@pytest.fixture
def trainer():
    launcher = _SubprocessScriptLauncher(LightningEnvironment(), num_processes=3, num_nodes=1)
    launcher.procs = [
        subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]),
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]),
    ]
    started = launcher.procs[:]
    yield SimpleNamespace(strategy=SimpleNamespace(launcher=launcher))
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def exits(monkeypatch):
    """What a watcher would have ended this process with."""
    codes = []
    monkeypatch.setattr(processes.os, "_exit", codes.append)
    return codes


def watcher() -> threading.Thread:
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "processes")
    return thread


def test_an_observer_that_kills_at_once_sees_none(trainer):
    observed, started = trainer.strategy.launcher.procs, trainer.strategy.launcher.procs[:]
    callback = Processes()
    callback.setup(trainer, L.LightningModule(), "fit")
    assert observed == []
    assert trainer.strategy.launcher.procs == started  # signals still reach them
    callback.teardown(trainer, L.LightningModule(), "fit")
    watcher().join(10)


def test_a_process_that_waits_in_vain_is_ended(trainer, exits, monkeypatch, capsys):
    monkeypatch.setattr(processes, "GRACE", 0.1)
    last = trainer.strategy.launcher.procs[1]
    callback = Processes()
    callback.setup(trainer, L.LightningModule(), "fit")
    thread = watcher()
    thread.join(30)
    assert exits == [1]
    assert last.wait(10) == -9
    assert "error: another process of this run ended" in capsys.readouterr().err
    callback.teardown(trainer, L.LightningModule(), "fit")


def test_a_process_that_notices_ends_by_itself(trainer, exits):
    first, last = trainer.strategy.launcher.procs
    callback = Processes()
    callback.setup(trainer, L.LightningModule(), "fit")
    thread = watcher()
    assert first.wait(30) == 3
    callback.on_exception(trainer, L.LightningModule(), RuntimeError("connection closed"))
    thread.join(10)
    assert not thread.is_alive()
    assert not exits
    assert last.poll() is None
    callback.wait(trainer, 0.1)
    assert last.returncode == -9

"""The processes of a run's other devices."""

import os
import subprocess
import sys
import threading
from typing import Any

import lightning as L
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

GRACE = 30.0  # seconds in which this process must notice by itself that another one has ended


class Processes(L.Callback):
    """When something ends the run early, let each process tell what it has to tell and save what it has to save.

    Lightning looks every five seconds at the processes it started and, if one has ended with an error, kills all of
    them at once, this one as well, whatever it is telling or saving. From the start of the training on, this callback
    watches them instead: a process that lost its connection has `GRACE` seconds to end by itself, and only one that
    waits for an answer that cannot come is ended, with a sentence and exit code 1.
    """

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[Any]] = []
        self._ending = threading.Event()

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Take the list of processes away from Lightning's observer, and watch them."""
        launcher = trainer.strategy.launcher
        if not isinstance(launcher, _SubprocessScriptLauncher) or not launcher.procs:
            return
        observed, launcher.procs = launcher.procs, list(launcher.procs)
        observed.clear()
        self._ending.clear()
        threading.Thread(target=self._watch, args=(launcher.procs[:],), daemon=True, name="processes").start()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Cease watching."""
        self._ending.set()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Leave the other processes to themselves: without a connection they end, and tell why."""
        self._ending.set()
        processes = getattr(trainer.strategy.launcher, "procs", [])
        self._started += processes
        processes.clear()

    def wait(self, trainer: L.Trainer, seconds: float) -> None:
        """Wait for the processes that this one started; end those that are still there after so many seconds."""
        for process in [*self._started, *getattr(trainer.strategy.launcher, "procs", [])]:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _watch(self, processes: list[subprocess.Popen[Any]]) -> None:
        while not any(process.poll() for process in processes):
            if self._ending.wait(1):
                return
        if self._ending.wait(GRACE):
            return
        print(
            f"error: another process of this run ended, and this one had no answer for {GRACE:.0f} seconds; continue "
            "with ckpt_path=last and the hydra.run.dir of this run",
            file=sys.stderr,
            flush=True,
        )
        for process in processes:
            process.kill()
        os._exit(1)  # the main thread may hang in a collective

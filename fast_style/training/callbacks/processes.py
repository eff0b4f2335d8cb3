"""The processes of a run's other devices."""

import subprocess
from typing import Any

import lightning as L


class Processes(L.Callback):
    """When something ends the run early, let each process tell what it has to tell and save what it has to save.

    Lightning watches the processes it started and, a few seconds after one has ended with an error, kills all of them,
    this one as well, whatever it is doing.
    """

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[Any]] = []

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Take the list of processes away from whoever watches them: without a connection they end by themselves."""
        watched = getattr(trainer.strategy.launcher, "procs", [])
        self._started += watched
        watched.clear()

    def wait(self, trainer: L.Trainer, seconds: float) -> None:
        """Wait for the processes that this one started; end those that are still there after so many seconds."""
        for process in [*self._started, *getattr(trainer.strategy.launcher, "procs", [])]:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

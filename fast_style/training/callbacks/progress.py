"""The progress bar, and lines of progress where none can be drawn."""

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar, Timer
from lightning.pytorch.trainer.states import TrainerFn

from fast_style.terminal import EVERY, LogLines, time_left

log = logging.getLogger(__name__)


class ProgressBar(RichProgressBar):
    """Steps done, time left, and the weighted losses by short names; a line for the log at every validation.

    Where stdout is no terminal, a log of a run in the background perhaps, a line is logged in place of the bar: 3
    seconds after the first batch, and then every so many seconds.

    Args:
        every: seconds between two lines.
    """

    def __init__(self, every: float = EVERY) -> None:
        super().__init__()
        self.every = every
        self._metrics: dict[str, int | str | float | dict] = {}
        self._lines: LogLines | None = None  # once the first batch is through, for which the task may be compiled
        self._began = 0, 0.0  # step and time from which on speed is measured
        self._images, self._since = 0, 0.0  # since the last line

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        super().on_train_start(trainer, pl_module)
        self._began = trainer.global_step, time.monotonic()
        self._lines = None

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Mapping[str, Any], batch_idx: int
    ) -> None:
        """Count the batch, and log a line if one is due."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if self._lines is None:
            self._lines = LogLines(self.every)
            self._began = trainer.global_step, time.monotonic()
            self._images, self._since = 0, time.monotonic()
            return
        self._images += len(batch["index"]) * trainer.world_size
        if not sys.stdout.isatty() and trainer.is_global_zero and self._lines.due():
            now = time.monotonic()
            losses = [f"{name} {value:.4g}" for name, value in self._losses(trainer).items()]
            told = ", ".join([*losses, f"{self._images / (now - self._since):.3g} images/s"])
            log.info("step %d: %s%s", trainer.global_step, told, self._time_left(trainer))
            self._images, self._since = 0, now

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock of images a second while held-out photos are measured."""
        super().on_validation_start(trainer, pl_module)
        self._paused = time.monotonic()

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, int | str | float | dict]:
        """Return the weighted losses that the task shows, by short names, as of the last logged step.

        They are read at the steps that are logged alone: reading a number waits for the device.
        """
        if trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self._metrics = self._losses(trainer)
        return self._metrics

    def _losses(self, trainer: L.Trainer) -> dict[str, Any]:
        names: dict[str, Any] = {key.rpartition("/")[2]: value for key, value in trainer.progress_bar_metrics.items()}
        first = {"loss": names.pop("total_loss")} if "total_loss" in names else {}
        return first | {name.removesuffix("_loss"): value for name, value in names.items()}

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Tell the held-out objective, also where no bar can be drawn."""
        super().on_validation_end(trainer, pl_module)
        self._since += time.monotonic() - self._paused
        objective = trainer.callback_metrics.get("heldout/total_loss")
        if objective is not None and trainer.is_global_zero:
            log.info("step %d: held-out objective %.4g%s", trainer.global_step, objective, self._time_left(trainer))

    def _time_left(self, trainer: L.Trainer) -> str:
        step, began = self._began
        done = trainer.global_step - step
        if trainer.state.fn != TrainerFn.FITTING or done < 1:
            return ""
        steps = trainer.max_steps - trainer.global_step
        ends = [(time.monotonic() - began) / done * steps] if trainer.max_steps >= 0 else []
        timers = [c for c in trainer.callbacks if isinstance(c, Timer)]  # type: ignore[attr-defined]
        ends += [left for timer in timers if (left := timer.time_remaining()) is not None]
        told = time_left(min(ends, default=0.0))
        return f"{told} of {trainer.max_steps} steps" if told and trainer.max_steps >= 0 else told

    @property
    def total_train_batches(self) -> int | float:
        """Count all batches of the run, also after a resume."""
        return self.trainer.num_training_batches

    def _get_train_description(self, current_epoch: int) -> str:
        return "Training"

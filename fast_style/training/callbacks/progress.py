"""The progress bar."""

import logging
import math
import time

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar, Timer
from lightning.pytorch.trainer.states import TrainerFn

log = logging.getLogger(__name__)


class ProgressBar(RichProgressBar):
    """Steps done, time left, and the weighted losses by short names; a line for the log at every validation."""

    _began = 0, 0.0  # step and time at which this run began to train

    def __init__(self) -> None:
        super().__init__()
        self._metrics: dict[str, int | str | float | dict] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        super().on_train_start(trainer, pl_module)
        self._began = trainer.global_step, time.monotonic()

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, int | str | float | dict]:
        """Return the weighted losses that the task shows, by short names, as of the last logged step.

        They are read at the steps that are logged alone: reading a number waits for the device.
        """
        if trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            names = {key.rpartition("/")[2]: value for key, value in trainer.progress_bar_metrics.items()}
            self._metrics = {"loss": names.pop("total_loss")} if "total_loss" in names else {}
            self._metrics |= {name.removesuffix("_loss"): value for name, value in names.items()}
        return self._metrics

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Tell the held-out objective, also where no bar can be drawn."""
        super().on_validation_end(trainer, pl_module)
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
        seconds = min(ends, default=0.0)
        of = f" of {trainer.max_steps} steps" if trainer.max_steps >= 0 else ""
        return f", about {math.ceil(seconds / 60)} min left{of}" if seconds > 0 else ""

    @property
    def total_train_batches(self) -> int | float:
        """Count all batches of the run, also after a resume."""
        return self.trainer.num_training_batches

    def _get_train_description(self, current_epoch: int) -> str:
        return "Training"

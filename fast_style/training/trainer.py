"""Lightning's Trainer, counting batches."""

from collections.abc import Sequence
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop


class _BatchLoop(_TrainingEpochLoop):
    @property
    def global_step(self) -> int:
        """Batches that were trained on, in units of `accumulate_grad_batches`."""
        processed: int = self.batch_progress.total.processed  # type: ignore[attr-defined]
        return processed // self.trainer.accumulate_grad_batches


class Trainer(L.Trainer):
    """A `lightning.Trainer` whose steps are batches, however many optimizers a task has.

    Lightning counts the steps of optimizers: with a generator and a discriminator, `global_step` rises by two a batch,
    and `max_steps`, the cadence of checkpoints, logged steps and schedules would all mean half as much. Here
    `global_step` is the number of batches divided by `accumulate_grad_batches`, for tasks with one optimizer and with
    several, automatic and manual, which for one automatic optimizer is what Lightning counts.

    A task that optimises by hand clips gradients for itself: `gradient_clip_val` is not for it.

    Args:
        max_steps: batches to train on; -1 for no limit.
        logger: loggers; without one, a monitor of the learning rate, which has nowhere to write, is left out.
        callbacks: callbacks.
        max_time: as Lightning takes it, and {"seconds": N} with a fraction too; None for no limit.
        arguments: of `lightning.Trainer`.
    """

    def __init__(
        self,
        max_steps: int = -1,
        logger: Any = None,
        callbacks: Sequence[L.Callback] = (),
        max_time: Any = None,
        **arguments: Any,
    ) -> None:
        used = [each for each in callbacks if logger or not isinstance(each, LearningRateMonitor)]
        super().__init__(max_steps=max_steps, logger=logger or False, callbacks=used, max_time=max_time, **arguments)
        loop = self.fit_loop.epoch_loop
        self.fit_loop.epoch_loop = _BatchLoop(self, loop.min_steps, loop.max_steps)

    def fit(self, model: L.LightningModule, *args: Any, **kwargs: Any) -> None:
        """Train a task, see `lightning.Trainer.fit`."""
        if not model.automatic_optimization:
            self.gradient_clip_val = None
        super().fit(model, *args, **kwargs)

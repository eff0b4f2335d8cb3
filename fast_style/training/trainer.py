"""Lightning's Trainer, counting batches and agreeing on when to stop."""

from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector
from lightning.pytorch.utilities.exceptions import SIGTERMException


class _Signals(_SignalConnector):
    """Hears SIGTERM without a word to the other processes.

    Lightning would broadcast it at once, in the middle of whatever the others send one another, and fail.
    """

    heard = False

    def _sigterm_notifier_fn(self, signum: Any, _: Any) -> None:
        launcher = self.trainer.strategy.launcher
        if launcher is not None and not self.heard:
            launcher.kill(signum)
        self.heard = True
        self.received_sigterm = self.trainer.world_size == 1


class _BatchLoop(_TrainingEpochLoop):
    @property
    def global_step(self) -> int:
        """Batches that were trained on, in units of `accumulate_grad_batches`."""
        processed: int = self.batch_progress.total.processed  # type: ignore[attr-defined]
        return processed // self.trainer.accumulate_grad_batches

    def _broadcast_sigterm_tensor(self) -> None:
        """Stop all processes before the same batch, whichever of them heard SIGTERM."""
        signals = self.trainer._signal_connector
        heard = torch.tensor(int(signals.heard), device=self.trainer.strategy.root_device)
        torch.distributed.all_reduce(heard, torch.distributed.ReduceOp.MAX)
        if heard:
            signals.received_sigterm = True
            raise SIGTERMException


class Trainer(L.Trainer):
    """A `lightning.Trainer` whose steps are batches, however many optimizers a task has.

    Lightning counts the steps of optimizers: with a generator and a discriminator, `global_step` rises by two a batch,
    and `max_steps`, the cadence of checkpoints, logged steps and schedules would all mean half as much. Here
    `global_step` is the number of batches divided by `accumulate_grad_batches`, for tasks with one optimizer and with
    several, automatic and manual, which for one automatic optimizer is what Lightning counts.

    After SIGTERM to any process of a run, all of them stop before the same batch.

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
        self._signal_connector = _Signals(self)
        self.fit_loop.epoch_loop = _BatchLoop(self, loop.min_steps, loop.max_steps)

    def fit(self, model: L.LightningModule, *args: Any, **kwargs: Any) -> None:
        """Train a task, see `lightning.Trainer.fit`."""
        if not model.automatic_optimization:
            self.gradient_clip_val = None
        super().fit(model, *args, **kwargs)

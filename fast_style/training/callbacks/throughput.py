"""Images per second."""

import time
from collections.abc import Mapping
from typing import Any

import lightning as L


class Throughput(L.Callback):
    """Log `train/images_per_second` of all devices together, averaged since the last logged step."""

    def __init__(self) -> None:
        self._images = 0
        self._since = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._images, self._since = 0, time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Mapping[str, Any], batch_idx: int
    ) -> None:
        """Count the batch; at a logging step, log and start over."""
        self._images += len(batch["index"]) * trainer.world_size
        if trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            now = time.perf_counter()
            pl_module.log("train/images_per_second", self._images / (now - self._since))
            self._images, self._since = 0, now

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock while held-out photos are measured."""
        self._paused = time.perf_counter()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Go on."""
        self._since += time.perf_counter() - self._paused

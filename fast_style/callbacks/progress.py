"""The progress bar."""

import logging

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar

log = logging.getLogger(__name__)


class ProgressBar(RichProgressBar):
    """Steps done, time left, and the weighted losses by short names; a line for the log at every validation."""

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, int | str | float | dict]:
        """Return the losses of the progress bar: loss, content, style."""
        names = {"total_loss": "loss", "content_loss": "content", "style_loss": "style"}
        metrics = {key.rpartition("/")[2]: value for key, value in trainer.progress_bar_metrics.items()}
        return {short: metrics[name] for name, short in names.items() if name in metrics}

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Tell the held-out objective, also where no bar can be drawn."""
        super().on_validation_end(trainer, pl_module)
        objective = trainer.callback_metrics.get("heldout/total_loss")
        if objective is not None and trainer.is_global_zero:
            log.info("step %d: held-out objective %.4g", trainer.global_step, objective)

    @property
    def total_train_batches(self) -> int | float:
        """Count all batches of the run, also after a resume."""
        return self.trainer.num_training_batches

    def _get_train_description(self, current_epoch: int) -> str:
        return "Training"

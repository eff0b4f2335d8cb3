"""The progress bar."""

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar


class ProgressBar(RichProgressBar):
    """Steps done, time left, and the weighted losses by short names."""

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, int | str | float | dict]:
        """Return the losses of the progress bar: loss, content, style."""
        names = {"total_loss": "loss", "content_loss": "content", "style_loss": "style"}
        metrics = {key.rpartition("/")[2]: value for key, value in trainer.progress_bar_metrics.items()}
        return {short: metrics[name] for name, short in names.items() if name in metrics}

    @property
    def total_train_batches(self) -> int | float:
        """Count all batches of the run, also after a resume."""
        return self.trainer.num_training_batches

    def _get_train_description(self, current_epoch: int) -> str:
        return "Training"

"""Pictures in TensorBoard."""

from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torchvision.utils import make_grid

from fast_style.images import resize_short_side


class PictureLogger(L.Callback):
    """Log the style image once, and a grid photo | stylized of held-out photos at every validation.

    Args:
        style: the style image, (1, 3, H, W) in [0, 1].
        count: number of held-out photos in the grid.
    """

    def __init__(self, style: Tensor, count: int = 8) -> None:
        self.style = style
        self.count = count
        self._rows: list[Tensor] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the style image, once a run."""
        if trainer.global_step == 0:
            self._log(trainer, "style", self.style[0])

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Forget the last grid."""
        self._rows = []

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Mapping[str, Any],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the pictures that the task returned, as long as the grid has room."""
        for photo, stylized in zip(outputs["photos"], outputs["stylized"], strict=True):
            if len(self._rows) < self.count:
                self._rows.append(torch.stack([photo, stylized.clamp(0, 1)]).cpu())  # (2, 3, H, W)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the grid."""
        if self._rows:
            self._log(trainer, "heldout", make_grid(torch.cat(self._rows), nrow=4))

    @torch.inference_mode()
    def contact_sheet(self, task: L.LightningModule, rows: int = 4) -> Tensor | None:
        """Lay out photo | style | result for the first held-out photos, stylized now.

        Returns:
            RGB of shape (1, 3, H, W) in [0, 1]; None if no photo has been seen yet.
        """
        if not self._rows:
            return None
        photos = torch.stack([photo for photo, _ in self._rows[:rows]])  # (N, 3, S, S)
        stylized = task.eval()(photos.to(task.device)).clamp(0, 1).cpu()
        size = photos.shape[-1]
        style = resize_short_side(self.style, size)
        top, left = ((side - size) // 2 for side in style.shape[-2:])
        style = style[..., top : top + size, left : left + size].expand_as(photos)
        cells = torch.stack([photos, style, stylized], dim=1).flatten(0, 1)
        return make_grid(cells, nrow=3, padding=4, pad_value=1.0)[None]

    def _log(self, trainer: L.Trainer, tag: str, image: Tensor) -> None:
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(tag, image, trainer.global_step)

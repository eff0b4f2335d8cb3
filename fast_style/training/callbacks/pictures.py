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
        style: the style image, (1, 3, H, W) in [0, 1]; or several by their names, each of which has a grid of its own.
        count: number of held-out photos in a grid.
    """

    def __init__(self, style: Tensor | Mapping[str, Tensor], count: int = 8) -> None:
        self.styles: dict[str, Tensor] = {"": style} if isinstance(style, Tensor) else dict(style)
        self.count = count
        self._photos: list[Tensor] = []
        self._stylized: dict[str, list[Tensor]] = {name: [] for name in self.styles}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the style image, once a run."""
        if trainer.global_step == 0:
            for name, image in self.styles.items():
                self._log(trainer, _tag("style", name), image[0])

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Forget the last grid."""
        self._photos, self._stylized = [], {name: [] for name in self.styles}

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
        room = self.count - len(self._photos)
        if room <= 0:
            return
        pictures = outputs["stylized"]
        self._photos += outputs["photos"][:room].cpu()
        by_style = [pictures] if isinstance(pictures, Tensor) else pictures.values()
        for name, stylized in zip(self.styles, by_style, strict=True):
            self._stylized[name] += stylized[:room].clamp(0, 1).cpu()

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the grids."""
        for name, pictures in self._stylized.items():
            if pictures:
                pairs = [each for pair in zip(self._photos, pictures, strict=True) for each in pair]
                self._log(trainer, _tag("heldout", name), make_grid(pairs, nrow=4))

    @torch.inference_mode()
    def contact_sheet(self, task: L.LightningModule, rows: int = 4) -> Tensor | None:
        """Lay out photo | style | result for the first held-out photos, stylized now.

        Of several styles each has a column, headed by its image.

        Returns:
            RGB of shape (1, 3, H, W) in [0, 1]; None if no photo has been seen yet.
        """
        if not self._photos:
            return None
        photos = torch.stack(self._photos[:rows])  # (N, 3, S, S)
        styles = [_square(style, photos.shape[-1]) for style in self.styles.values()]
        task.eval()
        if len(self.styles) == 1:
            stylized = task(photos.to(task.device)).clamp(0, 1).cpu()
            cells = [each for row in zip(photos, styles * len(photos), stylized, strict=True) for each in row]
            return make_grid(cells, nrow=3, padding=4, pad_value=1.0)[None]
        columns = [task(photos.to(task.device), name).clamp(0, 1).cpu() for name in self.styles]
        cells = [torch.ones_like(photos[0]), *styles]
        cells += [each for row in zip(photos, *columns, strict=True) for each in row]
        return make_grid(cells, nrow=len(styles) + 1, padding=4, pad_value=1.0)[None]

    def _log(self, trainer: L.Trainer, tag: str, image: Tensor) -> None:
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(tag, image, trainer.global_step)


def _tag(kind: str, style: str) -> str:
    return f"{kind}/{style}" if style else kind


def _square(style: Tensor, size: int) -> Tensor:
    """Cut the middle square (3, size, size) out of a style image."""
    style = resize_short_side(style, size)
    top, left = ((side - size) // 2 for side in style.shape[-2:])
    return style[0, :, top : top + size, left : left + size]

"""Pictures in the log, and on a sheet."""

from collections.abc import Mapping
from typing import Any, cast

import lightning as L
import torch
from torch import Tensor
from torchvision.utils import make_grid

from fast_style.images import resize_short_side
from fast_style.training.logs import log_image
from fast_style.training.task import Task


class PictureLogger(L.Callback):
    """Log the styles that a task shows once, and a grid photo | stylized of held-out photos at every validation.

    A task that shows none, see `Task.shown`, has no pictures.

    Args:
        count: number of held-out photos in a grid.
    """

    def __init__(self, count: int = 8) -> None:
        self.count = count
        self._photos: list[Tensor] = []
        self._stylized: dict[str, list[Tensor]] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the style images, once a run."""
        if trainer.global_step == 0:
            for name, image in cast("Task", pl_module).shown.items():
                log_image(trainer, _tag("style", name), image[0])

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Forget the last grid."""
        self._photos, self._stylized = [], {}

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
        if room <= 0 or not outputs:
            return
        pictures = outputs["stylized"]
        self._photos += outputs["photos"][:room].cpu()
        for name, stylized in ({"": pictures} if isinstance(pictures, Tensor) else pictures).items():
            self._stylized.setdefault(name, []).extend(stylized[:room].clamp(0, 1).cpu())

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the grids."""
        for name, pictures in self._stylized.items():
            if pictures:
                pairs = [each for pair in zip(self._photos, pictures, strict=True) for each in pair]
                log_image(trainer, _tag("heldout", name), make_grid(pairs, nrow=4))

    @torch.inference_mode()
    def contact_sheet(self, task: Task, rows: int = 4) -> Tensor | None:
        """Lay out photo | style | result for the first held-out photos, stylized now.

        Of several styles each has a column, headed by its image.

        Returns:
            RGB of shape (1, 3, H, W) in [0, 1]; None if the task shows no style, or no photo has been seen yet.
        """
        if not self._photos or not task.shown:
            return None
        photos = torch.stack(self._photos[:rows])  # (N, 3, S, S)
        styles = [_square(style, photos.shape[-1]) for style in task.shown.values()]
        task.eval()
        if len(styles) == 1:
            stylized = task(photos.to(task.device)).clamp(0, 1).cpu()
            cells = [each for row in zip(photos, styles * len(photos), stylized, strict=True) for each in row]
            return make_grid(cells, nrow=3, padding=4, pad_value=1.0)[None]
        columns = [task(photos.to(task.device), name).clamp(0, 1).cpu() for name in task.shown]
        cells = [torch.ones_like(photos[0]), *styles]
        cells += [each for row in zip(photos, *columns, strict=True) for each in row]
        return make_grid(cells, nrow=len(styles) + 1, padding=4, pad_value=1.0)[None]


def _tag(kind: str, style: str) -> str:
    return f"{kind}/{style}" if style else kind


def _square(style: Tensor, size: int) -> Tensor:
    """Cut the middle square (3, size, size) out of a style image."""
    style = resize_short_side(style, size)
    top, left = ((side - size) // 2 for side in style.shape[-2:])
    return style[0, :, top : top + size, left : left + size]

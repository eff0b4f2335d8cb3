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

    What `validation_step` returns is shown, see `Task`.

    Args:
        count: number of held-out photos in a grid.
    """

    def __init__(self, count: int = 8) -> None:
        self.count = count
        self._grids: dict[str, list[list[Tensor]]] = {}  # rows by name, each of as many pictures (3, H, W)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the style images, once a run."""
        if trainer.global_step == 0:
            for name, image in cast("Task", pl_module).shown.items():
                log_image(trainer, _tag("style", name), image[0])

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Forget the last grid."""
        self._grids = {}

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
        for name, columns in _columns(outputs or {}).items():
            rows = self._grids.setdefault(name, [])
            pictures = [column[: self.count - len(rows)].clamp(0, 1).cpu() for column in columns]
            rows += [list(row) for row in zip(*pictures, strict=True)]

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the grids."""
        for name, rows in self._grids.items():
            if rows:
                width = len(rows[0])
                cells = [each for row in rows for each in row]
                log_image(trainer, _tag("heldout", name), make_grid(cells, nrow=max(1, 4 // width) * width))

    @torch.inference_mode()
    def contact_sheet(self, task: Task, rows: int = 4) -> Tensor | None:
        """Lay out photo | style | result for the first held-out photos, stylized now.

        Of several styles each has a column, headed by its image. Of a task that shows no style it has the first rows of
        the last grids. If none was measured yet, because a run that goes on was stopped before, photos are read here.

        Returns:
            RGB of shape (1, 3, H, W) in [0, 1]; None if a task that shows no style has measured none yet.
        """
        grids = [grid[:rows] for grid in self._grids.values() if grid]
        if not task.shown:
            cells = [each for grid in grids for row in grid for each in row]
            return make_grid(cells, nrow=len(grids[0][0]), padding=4, pad_value=1.0)[None] if grids else None
        photos = torch.stack([row[0] for row in grids[0]]) if grids else _first_photos(task, rows)  # (N, 3, S, S)
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


def _first_photos(task: Task, count: int) -> Tensor:
    """Read the first held-out photos, (N, 3, S, S) in [0, 1]."""
    photos: list[Tensor] = []
    for batch in task.trainer.datamodule.val_dataloader():  # type: ignore[attr-defined]
        photos += batch["image"]
        if len(photos) >= count:
            break
    return torch.stack(photos[:count])


def _columns(outputs: Mapping[str, Any]) -> dict[str, list[Tensor]]:
    """Lay out what a task's `validation_step` returned: columns of pictures (N, 3, H, W) by the name of their grid."""
    if "photos" not in outputs:
        return dict(outputs.get("grids", {}))
    pictures = outputs["stylized"]
    by_name = {"": pictures} if isinstance(pictures, Tensor) else pictures
    return {name: [outputs["photos"], stylized] for name, stylized in by_name.items()}


def _tag(kind: str, style: str) -> str:
    return f"{kind}/{style}" if style else kind


def _square(style: Tensor, size: int) -> Tensor:
    """Cut the middle square (3, size, size) out of a style image."""
    style = resize_short_side(style, size)
    top, left = ((side - size) // 2 for side in style.shape[-2:])
    return style[0, :, top : top + size, left : left + size]

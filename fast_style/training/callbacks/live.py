"""What another program can watch of a run: its numbers and a picture, in two small files."""

import json
import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.callbacks import Timer

from fast_style import images
from fast_style.files import replacing
from fast_style.training.task import Task

log = logging.getLogger(__name__)

NUMBERS, PICTURE = "live.json", "live.jpg"
MOST = 200  # numbers of each loss; of more, every other one is forgotten


class Live(L.Callback):
    """Write every few seconds how far a run is, with its losses so far, and a held-out photo as it is stylized now.

    `live.json` holds `step`; `progress`, 0 to 1; `seconds_left`; `ended`, whether the training came to its end; and
    `losses`, for each name a list of [step, value] where the value is finite. `live.jpg` is the picture, or missing
    where the task shows no style. Both are replaced whole; a run that goes on goes on with them. Nothing of the
    training depends on it: that one cannot be written, for lack of space perhaps, is told once.

    Args:
        folder: where the files lie.
        every: seconds between two pictures; numbers come twice as often.
    """

    def __init__(self, folder: str | Path, every: float = 6.0) -> None:
        self.folder, self.every = Path(folder), every
        self.losses: dict[str, list[list[float]]] = {}
        self._photo: torch.Tensor | None = None
        self._next_numbers = self._next_picture = 0.0
        self._warned = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Go on with the numbers of a run that is resumed, and take a held-out photo."""
        if not trainer.is_global_zero:
            return
        self.losses = _read(self.folder / NUMBERS) if trainer.global_step else {}
        loader = getattr(trainer, "datamodule", None)
        if cast("Task", pl_module).shown and loader is not None:
            self._photo = next(iter(loader.val_dataloader()))["image"][:1]
        self._write(trainer, ended=False)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Mapping[str, Any], batch_idx: int
    ) -> None:
        """Write what is due."""
        now = time.monotonic()
        if not trainer.is_global_zero or now < self._next_numbers:
            return
        self._next_numbers = now + self.every / 2
        for name, value in trainer.progress_bar_metrics.items():
            told = self.losses.setdefault(name.rpartition("/")[2].removesuffix("_loss"), [])
            if (not told or told[-1][0] < trainer.global_step) and math.isfinite(value):
                told.append([trainer.global_step, float(value)])
            if len(told) > MOST:
                del told[1::2]
        self._write(trainer, ended=False)
        if now >= self._next_picture:
            self._next_picture = now + self.every
            self._show(cast("Task", pl_module))

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Tell that the training came to its end."""
        if trainer.is_global_zero:
            self._write(trainer, ended=True)
            self._show(cast("Task", pl_module))

    def _write(self, trainer: L.Trainer, ended: bool) -> None:
        left, done = _left(trainer)
        told = {"step": trainer.global_step, "progress": 1.0 if ended else done, "seconds_left": left, "ended": ended}
        with self._spared(), replacing(self.folder / NUMBERS) as file:
            file.write(json.dumps(told | {"losses": self.losses}).encode())

    @torch.inference_mode()
    def _show(self, task: Task) -> None:
        if self._photo is None:
            return
        training = task.training
        task.eval()
        names = [name for name in task.shown if name][:1]
        picture = task(self._photo.to(task.device), *names).float().clamp(0, 1).cpu()
        task.train(training)
        with self._spared():
            images.write(self.folder / PICTURE, torch.cat([self._photo, picture], dim=3), quality=85)

    @contextmanager
    def _spared(self) -> Iterator[None]:
        """Spare the training a file that cannot be written."""
        try:
            yield
        except OSError as error:
            if not self._warned:
                log.warning("%s; the training goes on, and who watches it sees what was before", error)
            self._warned = True


def _left(trainer: L.Trainer) -> tuple[float | None, float]:
    """Tell how many seconds are left, None where that is unknown, and which share of the training is done."""
    shares, seconds = [], []
    if trainer.max_steps >= 0:
        shares.append(trainer.global_step / max(1, trainer.max_steps))
    for timer in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(timer, Timer) and (left := timer.time_remaining()) is not None:
            seconds.append(max(0.0, left))
            shares.append(timer.time_elapsed() / max(1e-9, timer.time_elapsed() + left))
    return min(seconds, default=None), min(1.0, max(shares, default=0.0))


def _read(path: Path) -> dict[str, list[list[float]]]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["losses"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}

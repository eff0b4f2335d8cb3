"""Checkpoints to resume from: written whole or not at all, and checked before they are used."""

import io
import logging
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities.exceptions import SIGTERMException

from fast_style.data.workers import lost_worker
from fast_style.files import replacing

log = logging.getLogger(__name__)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint under a temporary name in its own folder, flush it to disk, then move it into place.

    Whenever the process is killed, every file named `*.ckpt` is complete. What cannot be written, for lack of space
    perhaps, is told in a warning, and the training goes on: the checkpoints before it are as they were.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save to `path`; an existing file is replaced only by a complete one."""
        buffer = io.BytesIO()  # torch.save would not say why a file cannot be written
        torch.save(checkpoint, buffer)
        try:
            with replacing(path) as file:
                file.write(buffer.getbuffer())
        except OSError as error:
            log.warning("%s; the training goes on without this checkpoint", error)


class ResumeCheckpoint(Checkpoint):
    """Save `step-N.ckpt` every few steps or minutes, at the end and when the run is interrupted; keep the newest ones.

    Args:
        dirpath: folder of the checkpoints.
        every_n_train_steps: optimiser steps between two checkpoints, at least 1.
        keep: how many to keep, at least 1: with two, one remains when the disk damages the other.
        every_seconds: the time after which one is saved in between, in a run of a single process: several, each with a
            clock of its own, would not agree on the step. None: steps alone count.

    Attributes:
        newest: the last checkpoint that was written, None before the first.

    Raises:
        ValueError: if a number is below 1, or the time is none.
    """

    def __init__(
        self, dirpath: str | Path, every_n_train_steps: int, keep: int = 2, every_seconds: float | None = 120
    ) -> None:
        for name, value in (("every_n_train_steps", every_n_train_steps), ("keep", keep)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if every_seconds is not None and not every_seconds > 0:
            raise ValueError(f"every_seconds must be more than 0, or null, got {every_seconds}")
        self.dirpath = Path(dirpath)
        self.every_n_train_steps = every_n_train_steps
        self.keep = keep
        self.every_seconds = every_seconds
        self.newest: Path | None = None
        self._saved_at = 0.0  # when it was last tried, by a clock that never goes back
        self._last: Path | None = None  # that was to be written; the same on all processes, newest may not be

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock, and clear away what a killed run had half written."""
        self._saved_at = time.monotonic()
        if trainer.is_global_zero:
            for remains in self.dirpath.glob(".*.tmp"):
                remains.unlink(missing_ok=True)

    def on_train_batch_start(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """Let the logged steps go on where the checkpoint was: Lightning's own count is one off after some resumes."""
        trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.global_step

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when it is time, unless the same step is about to be validated: then afterwards."""
        stepped = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        validates = (batch_idx + 1) % (trainer.val_check_batch or float("inf")) == 0
        if stepped and not validates and self._is_due(trainer):
            self._save(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save what was just validated, so that a resumed run lacks no measurement."""
        if trainer.state.fn == "fit" and trainer.global_step and self._is_due(trainer):
            self._save(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the last step."""
        self._save(trainer)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Save what Ctrl-C, SIGTERM or the loss of a worker interrupts; after an error no state is to be trusted."""
        alone = isinstance(exception, KeyboardInterrupt) or lost_worker(exception)
        if (alone or isinstance(exception, SIGTERMException)) and trainer.global_step:
            progress = trainer.fit_loop.epoch_loop.batch_progress
            for count in (progress.total, progress.current):  # forget what was under way and has changed no weight
                count.reset_on_restart()
                begun = count.completed % trainer.accumulate_grad_batches
                for stage in ("ready", "started", "processed", "completed"):
                    setattr(count, stage, getattr(count, stage) - begun)
            # Other processes may be anywhere, unless all were told of it: they are not waited for.
            self._save(trainer, alone)

    def _is_due(self, trainer: L.Trainer) -> bool:
        if trainer.global_step % self.every_n_train_steps == 0:
            return True
        if self.every_seconds is None or trainer.world_size > 1:
            return False
        return time.monotonic() - self._saved_at >= self.every_seconds

    def _save(self, trainer: L.Trainer, alone: bool = False) -> None:
        path = self.dirpath / f"step-{trainer.global_step}.ckpt"
        if path == self._last:
            return
        self._last = path
        self._saved_at = time.monotonic()
        if not alone:
            trainer.save_checkpoint(path, weights_only=False)
        elif trainer.is_global_zero:
            checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
            trainer.strategy.save_checkpoint(checkpoint, path)
        if trainer.is_global_zero:
            if not path.exists():  # it could not be written, which was told
                return
            for old in _newest_first(self.dirpath)[self.keep :]:
                old.unlink(missing_ok=True)
        self.newest = path


def find_checkpoint(ckpt_path: str | None, folder: Path) -> Path | None:
    """Resolve the `ckpt_path` of a run.

    Args:
        ckpt_path: None; `last`, the newest complete checkpoint of `folder`; or the path of a checkpoint. A damaged
            one is named in a warning and the one before it in the same folder is used.
        folder: where the run keeps its checkpoints, `step-N.ckpt`.

    Returns:
        The checkpoint, or None to start from the first step: nothing was asked for, or `last` found none (a warning
        says so).

    Raises:
        FileNotFoundError: if a path does not exist.
        ValueError: if it is not a `.ckpt`, or is damaged and no earlier complete one lies beside it, or if `folder`
            holds later checkpoints, of a run that would be mixed up with this one.
    """
    chosen = _choose(ckpt_path, folder)
    later = [path for path in _newest_first(folder) if chosen is None or _step(path) > _step(chosen)]
    if any(_is_complete(path) for path in later):
        raise ValueError(
            f"{folder} holds checkpoints of an earlier run, up to {later[0].name}: continue it with ckpt_path=last, or "
            "choose another hydra.run.dir"
        )
    return chosen


def _choose(ckpt_path: str | None, folder: Path) -> Path | None:
    if ckpt_path is None:
        return None
    if ckpt_path == "last":
        candidates = _newest_first(folder)
    else:
        asked = Path(ckpt_path)
        if not asked.is_file():
            raise FileNotFoundError(f"ckpt_path={ckpt_path} does not exist: give a file, or `last`")
        if asked.suffix != ".ckpt":
            raise ValueError(f"ckpt_path={ckpt_path} is not a .ckpt of a run: start from a network with init=FILE")
        candidates = [asked, *(path for path in _newest_first(asked.parent) if _step(path) < _step(asked))]
    for path in candidates:
        if _is_complete(path):
            return path
        log.warning("checkpoint %s is damaged (cut short on disk?): trying the one before", path)
    if ckpt_path != "last":
        raise ValueError(f"checkpoint {ckpt_path} is damaged and there is no earlier complete one beside it")
    log.warning("ckpt_path=last found no complete checkpoint in %s: starting at step 0", folder)
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.ckpt"), key=_step, reverse=True)


def _step(path: Path) -> int:
    match = re.search(r"step-(\d+)", path.name)
    return int(match.group(1)) if match else -1


def _is_complete(path: Path) -> bool:
    """Check the structure and every checksum of the zip archive that torch.save writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError, EOFError):
        return False

"""Checkpoints to resume from: written whole or not at all, and checked before they are used."""

import logging
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

log = logging.getLogger(__name__)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint under a temporary name in its own folder, flush it to disk, then move it into place.

    Whenever the process is killed, every file named `*.ckpt` is complete.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save to `path`; an existing file is replaced only by a complete one."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


class ResumeCheckpoint(Checkpoint):
    """Save `step-N.ckpt` every few steps, at the end and on Ctrl-C; keep the newest ones.

    Args:
        dirpath: folder of the checkpoints.
        every_n_train_steps: optimiser steps between two checkpoints, at least 1.
        keep: how many to keep, at least 1: with two, one remains when the disk damages the other.

    Attributes:
        newest: the last checkpoint that was written, None before the first.

    Raises:
        ValueError: if a number is below 1.
    """

    def __init__(self, dirpath: str | Path, every_n_train_steps: int, keep: int = 2) -> None:
        for name, value in (("every_n_train_steps", every_n_train_steps), ("keep", keep)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.dirpath = Path(dirpath)
        self.every_n_train_steps = every_n_train_steps
        self.keep = keep
        self.newest: Path | None = None

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """Save when it is time."""
        if trainer.global_step % self.every_n_train_steps == 0:
            self._save(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the last step."""
        self._save(trainer)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Save what Ctrl-C interrupts; after an error the state is not to be trusted."""
        if isinstance(exception, KeyboardInterrupt):
            self._save(trainer)

    def _save(self, trainer: L.Trainer) -> None:
        path = self.dirpath / f"step-{trainer.global_step}.ckpt"
        if path == self.newest:
            return
        trainer.save_checkpoint(path, weights_only=False)
        self.newest = path
        if trainer.is_global_zero:
            for old in list(_newest_first(self.dirpath, path))[self.keep :]:
                old.unlink(missing_ok=True)


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
        ValueError: if it is damaged and no earlier complete one lies beside it.
    """
    if ckpt_path is None:
        return None
    if ckpt_path == "last":
        newest = None
    else:
        newest = Path(ckpt_path)
        folder = newest.parent
        if not newest.is_file():
            raise FileNotFoundError(f"ckpt_path={ckpt_path} does not exist: give a file, or `last`")
    damaged = []
    for path in _newest_first(folder, newest):
        if _is_complete(path):
            return path
        damaged.append(path)
        log.warning(f"checkpoint {path} is damaged (cut short on disk?): trying the one before")
    if damaged and newest:
        raise ValueError(f"checkpoint {newest} is damaged and there is no earlier complete one in {folder}")
    log.warning(f"ckpt_path=last found no complete checkpoint in {folder}: starting at step 0")
    return None


def _newest_first(folder: Path, newest: Path | None) -> Iterator[Path]:
    def step(path: Path) -> int:
        match = re.search(r"step-(\d+)", path.name)
        return int(match.group(1)) if match else -1

    if newest:
        yield newest
    for path in sorted(folder.glob("step-*.ckpt"), key=step, reverse=True):
        if newest is None or step(path) < step(newest):
            yield path


def _is_complete(path: Path) -> bool:
    """Check the structure and every checksum of the zip archive that torch.save writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError, EOFError):
        return False

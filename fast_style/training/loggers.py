"""Loggers that no training depends on: what they cannot write, for lack of space perhaps, ends the log alone."""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch import loggers
from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]
from torch.utils.tensorboard.writer import FileWriter, SummaryWriter

log = logging.getLogger(__name__)

_numbers = count()


class _Log:
    """Writes until it cannot: that is told in a warning, and nothing is written from then on.

    Args:
        place: where, for the warning.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.ended = False

    def write(self, do: Callable[..., Any], *arguments: Any) -> Any:
        """Call what writes; return what it returns, None if it fails or anything has before."""
        if self.ended:
            return None
        try:
            return do(*arguments)
        except OSError as error:
            self.ended = True
            log.warning("cannot write %s: %s; the training goes on without this log", self.place, error.strerror)
            return None


class TensorBoardLogger(loggers.TensorBoardLogger):
    """Lightning's logger for TensorBoard, as long as its folder can be written to; what it cannot write is told once.

    Args:
        save_dir: folder of the run.
        name: of a folder in it for all versions; None: none.
        version: of the folder in which the log lies, a name or a number; None: the next number.
        default_hp_metric: whether runs without results have a place in the table of runs.
    """

    def __init__(
        self,
        save_dir: str | Path,
        name: str | None = None,
        version: int | str | None = None,
        default_hp_metric: bool = True,
    ) -> None:
        super().__init__(save_dir, name=name, version=version, default_hp_metric=default_hp_metric)
        self._log = _Log(self.log_dir)

    @property
    @rank_zero_experiment
    def experiment(self) -> SummaryWriter:
        """What writes numbers, pictures and texts."""
        if self._experiment is None:
            self._experiment = _Board(self.log_dir, self._log)
        return self._experiment

    def save(self) -> None:
        """Flush all to disk."""
        self._log.write(super().save)


class CSVLogger(loggers.CSVLogger):
    """Lightning's logger for tables, as long as its folder can be written to; what it cannot write is told once.

    Args:
        arguments: of `lightning.pytorch.loggers.CSVLogger`.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._log = _Log(self.log_dir)

    @property
    def experiment(self) -> Any:
        """What writes the table; None if it cannot."""
        return self._log.write(getattr, super(), "experiment")

    def log_hyperparams(self, params: Any = None) -> None:
        """Write the settings beside the table."""
        if self.experiment is not None:
            self._log.write(super().log_hyperparams, params)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Remember a row of numbers; write the table now and then."""
        if self.experiment is not None:
            self._log.write(super().log_metrics, metrics, step)

    def save(self) -> None:
        """Write the table."""
        if self.experiment is not None:
            self._log.write(super().save)


class _Board(SummaryWriter):
    """Writes to event files of its own, see `_Events`."""

    file_writer: Any  # a FileWriter, None once it is closed
    all_writers: Any  # the same by its folder

    def __init__(self, folder: str, its_log: _Log) -> None:
        self._log = its_log
        super().__init__(folder)

    def _get_file_writer(self) -> Any:
        if self.file_writer is None:
            self.file_writer = _File(_Events(self.log_dir, self._log))
            self.all_writers = {self.log_dir: self.file_writer}
        return self.file_writer


class _File(FileWriter):
    def __init__(self, events: "_Events") -> None:
        self.event_writer = events


class _Events:
    """An event file, written at once where TensorBoard's writer has a thread, whose errors would be tracebacks."""

    def __init__(self, folder: str, its_log: _Log) -> None:
        self._folder, self._log = folder, its_log
        self._file: BinaryIO | None = None
        self.add_event(Event(wall_time=time.time(), file_version="brain.Event:2"))
        self.flush()

    def get_logdir(self) -> str:
        return self._folder

    def add_event(self, event: Event) -> None:
        self._log.write(self._add, event)

    def flush(self) -> None:
        if self._file is not None:
            self._log.write(self._file.flush)

    def close(self) -> None:
        self.flush()
        if self._file is not None:
            with suppress(OSError):  # what it could not flush, which was told
                self._file.close()
        self._file = None

    def _add(self, event: Event) -> None:
        if self._file is None:
            name = f"events.out.tfevents.{int(time.time()):010}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
            Path(self._folder).mkdir(parents=True, exist_ok=True)
            self._file = Path(self._folder, name).open("xb")  # noqa: SIM115 - `close` does
        RecordWriter(self._file).write(event.SerializeToString())

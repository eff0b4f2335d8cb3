"""What cannot be logged is told once, and the training goes on."""

import errno
import logging
import threading

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fast_style.cli.errors import LogFile
from fast_style.training.loggers import CSVLogger, TensorBoardLogger

WRITER = {
    "tensorboard": "fast_style.training.loggers.RecordWriter.write",
    "csv": "lightning.fabric.loggers.csv_logs._ExperimentWriter.save",
}


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("logger", ["tensorboard", "csv"])
def test_a_full_disk_stops_no_training(tiny, train, tmp_path, monkeypatch, capsys, logger):
    monkeypatch.setattr(WRITER[logger], full)
    assert train(tiny | {"logger": logger, "trainer.max_steps": "120", "trainer.val_check_interval": "60"}) == 0
    folder = tmp_path / "run" / ("tensorboard" if logger == "tensorboard" else "csv/version_0")
    expected = f"cannot write {folder}: No space left on device; the training goes on without this log"
    printed = capsys.readouterr()
    assert printed.out.count(expected) == 1
    assert "Traceback" not in printed.err
    assert (tmp_path / "out.safetensors").is_file()


@pytest.mark.parametrize("made", [TensorBoardLogger, CSVLogger])
def test_a_place_that_is_no_folder_is_told_once(tmp_path, caplog, made):
    (tmp_path / "file").touch()
    logger = made(save_dir=tmp_path / "file", name="log")
    for step in range(3):
        logger.log_metrics({"loss": 1.0}, step)
        logger.save()
    logger.log_hyperparams({"a": 1})
    logger.finalize("success")
    (warning,) = [record.message for record in caplog.records if record.message.startswith("cannot write")]
    assert str(tmp_path / "file") in warning


def test_a_board_goes_on_after_it_was_closed(tmp_path):
    threads = threading.active_count()
    logger = TensorBoardLogger(tmp_path, version="board")
    for step in range(2):
        logger.log_metrics({"loss": step / 2}, step)
        logger.finalize("success")
    reader = EventAccumulator(str(tmp_path / "board"))
    reader.Reload()
    assert [(event.step, event.value) for event in reader.Scalars("loss")] == [(0, 0.0), (1, 0.5)]
    assert threading.active_count() == threads


def test_a_log_file_that_cannot_be_written_is_told_once(tmp_path, monkeypatch, capsys):
    handler = LogFile(tmp_path / "train.log", encoding="utf-8")
    monkeypatch.setattr(handler, "flush", full)
    for _ in range(2):
        handler.emit(logging.makeLogRecord({"msg": "a line"}))
    monkeypatch.undo()
    handler.close()
    expected = f"cannot write {tmp_path / 'train.log'}: No space left on device; the training goes on\n"
    assert capsys.readouterr().err == expected

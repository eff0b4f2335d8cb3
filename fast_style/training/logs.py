"""What goes to the loggers beside numbers: pictures, texts, settings; each logger takes what it can."""

from collections.abc import Mapping
from inspect import signature
from typing import Any

import lightning as L
from torch import Tensor


def log_image(trainer: L.Trainer, tag: str, image: Tensor) -> None:
    """Show a picture, RGB of shape (3, H, W) in [0, 1], at the present step, in loggers that have pictures."""
    for logger in trainer.loggers:
        if hasattr(logger, "log_image"):
            logger.log_image(tag, [image], step=trainer.global_step)
        elif (board := getattr(logger, "experiment", None)) is not None and hasattr(board, "add_image"):
            board.add_image(tag, image, trainer.global_step)


def log_text(trainer: L.Trainer, tag: str, text: str) -> None:
    """Show a text in loggers that have texts."""
    for logger in trainer.loggers:
        if (board := getattr(logger, "experiment", None)) is not None and hasattr(board, "add_text"):
            board.add_text(tag, text)


def log_settings(trainer: L.Trainer, settings: Mapping[str, Any], results: Mapping[str, float]) -> None:
    """Note the settings of a run, and its results where a logger compares runs by them; then close the loggers.

    Args:
        trainer: at the end of a run.
        settings: plain values by name.
        results: numbers by name.
    """
    for logger in trainer.loggers:
        takes = signature(logger.log_hyperparams).parameters
        more = {"metrics": dict(results), "step": trainer.global_step}
        logger.log_hyperparams(dict(settings), **{name: value for name, value in more.items() if name in takes})
        logger.finalize("success")

"""What goes wrong in a training, told in one sentence."""

import logging
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from fast_style.assets import CONFIGS
from fast_style.errors import did_you_mean, nearest

FEW = 3  # models that are named one by one
MISUSE = (
    ValueError,
    TypeError,
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
    IsADirectoryError,
    PermissionError,
    MisconfigurationException,
    HydraException,
    OmegaConfBaseException,
)


class Exit(SystemExit):
    """An error that was told: ends the process with `code`, and keeps the sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(code)
        self.sentence = sentence

    def __reduce__(self) -> tuple[type, tuple[Any, str]]:
        return type(self), (self.code, self.sentence)  # a launcher may bring it from another process


class LogFile(logging.FileHandler):
    """The file of what a run says: that it cannot be written, for lack of space perhaps, is told once."""

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - as logging calls it
        """Tell it where logging would print a traceback for each line."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._told:
            print(f"cannot write {self.baseFilename}: {error.strerror}; the training goes on", file=sys.stderr)
            self._told = True


@contextmanager
def in_one_sentence(show_traceback: bool) -> Iterator[None]:
    """Print an error of the body as one sentence.

    Raises:
        Exit: with exit code 2 after misuse, 1 after a failure, 130 after Ctrl-C; unless `show_traceback`: then errors
            pass through.
    """
    try:
        yield
    except Exception as error:
        if show_traceback:
            raise
        cause: BaseException = error
        while isinstance(cause, HydraException) and cause.__cause__ is not None:  # what Hydra wraps
            cause = cause.__cause__
        if isinstance(cause, BrokenPipeError):
            print(flush=True)  # fails again if it is stdout that nobody reads, see `terminal.ending_quietly`
        sentence = _sentence(cause)
        print(f"error: {sentence}", file=sys.stderr)
        raise Exit(2 if isinstance(cause, MISUSE) else 1, sentence) from error
    except KeyboardInterrupt as interrupt:
        print("interrupted", file=sys.stderr)
        raise Exit(130, "interrupted") from interrupt


def _sentence(error: BaseException) -> str:
    text = str(error)
    if re.match(r"Caught \w+ in DataLoader worker", text):  # with its traceback, of which the last line tells
        text = text.strip().rpartition("\n")[2].partition(": ")[2]
    message = " ".join(text.split())
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} is not set: give {error.full_key}=VALUE"
    if isinstance(error, ConfigAttributeError | ConfigKeyError) and error.full_key and error.parent_node is not None:
        return f"there is no setting {error.full_key}{nearest_setting(error.full_key, error.parent_node)}"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return (
            f"there is no {group}={choice}{did_you_mean(choice, error.options)}: give one of {', '.join(error.options)}"
        )
    if isinstance(error, OverrideParseException):
        return f"""{message}; a value with a comma, a blank or = needs quotes: 'data.root="a=b"'"""
    if isinstance(error, (*MISUSE, RuntimeError, OSError)):
        return message
    return f"{type(error).__name__}: {message}; HYDRA_FULL_ERROR=1 shows where"


def nearest_setting(name: str, known: Iterable[Any]) -> str:
    """Advise the setting whose name is nearest to a wrong one, in a half sentence.

    Args:
        name: the wrong one, with dots.
        known: names of the settings of its part, without that.
    """
    part, dot, last = name.rpartition(".")
    if part == "style" and {*known} == {"name"}:
        return ", since style=none has no painting: leave it out, or give style=NAME"
    names = list(map(str, known))
    if not names:
        return f", since {part} has none yet: put + before it to add it"
    if near := nearest(last, names):
        return f": did you mean {part}{dot}{near}?"
    return _elsewhere(name) or f"; there are {', '.join(names)}"


def _elsewhere(setting: str) -> str:
    """Ask for the part, or another choice of the same part, that has a setting of this name; empty if none has."""
    part, _, name = setting.rpartition(".")
    files = [path for path in sorted(CONFIGS.glob("*/*.yaml")) if path.parent.name not in ("experiment", "budget")]
    found = [
        path for path in files if re.search(rf"^{re.escape(name)}:", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    parts = dict.fromkeys(path.parent.name for path in found)
    if not parts:
        return ""
    if part in parts:
        having = [path.stem for path in found if path.parent.name == part]
        return f", which {part}={' or '.join(having)} has: give that as well"
    choice = (
        f", of model={' or '.join(path.stem for path in found)}"
        if list(parts) == ["model"] and len(found) <= FEW
        else ""
    )
    return f": did you mean {' or '.join(f'{part}.{name}' for part in parts)}{choice}?"

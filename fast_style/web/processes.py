"""Programs that work on their own, outlive the server if they must, and are found again by it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

# -P: nothing that lies in the current folder is taken for a library.
PROGRAM = (sys.executable, "-P", "-m", "fast_style")
LOCK, LOG = "lock", "log.txt"
RAISED = re.compile(r"[A-Za-z_.]*(Error|Exception)\b")  # how the last line of a traceback begins
POLITE = 5  # how much lower the priority of such a program is, so that the page stays quick


def start(command: Sequence[str], folder: Path, inside: bool) -> "subprocess.Popen[Any]":
    """Start a command of the project, which writes `log.txt` in a folder, and holds `lock` there as long as it lives.

    The log is of this run alone: what an earlier one told is gone. The lock holds the id of the program.

    Args:
        command: the words after `fast-style`.
        folder: for its log and its lock.
        inside: whether that is its current folder as well; else it has the one of the server.

    Raises:
        OSError: if it cannot be started, or the log not be written.
    """
    with (folder / LOG).open("wb") as log, (folder / LOCK).open("wb") as lock:
        held = take(lock)
        process = subprocess.Popen(
            [*PROGRAM, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder if inside else None,
            start_new_session=True,  # Ctrl-C in the terminal of the server is not for it
            pass_fds=(lock.fileno(),) if held else (),
        )
        with suppress(OSError):  # where the disk is full; the program runs
            os.write(lock.fileno(), str(process.pid).encode())
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, process.pid, POLITE)
    return process


def is_alive(folder: Path) -> bool:
    """Tell whether the program that was started in a folder still lives, whoever started it."""
    with suppress(OSError), (folder / LOCK).open("rb") as lock:
        return not take(lock)
    return False


def find_pid(folder: Path) -> int:
    """Read the id of the program that was started last in a folder; 0 if it is not known."""
    with suppress(OSError, ValueError):
        return int((folder / LOCK).read_bytes())
    return 0


def tell(pid: int, number: signal.Signals) -> None:
    """Send a signal to a program by its id, SIGKILL to all that it started as well; nothing happens if it has ended."""
    if pid <= 0:  # would be this program
        return
    with suppress(ProcessLookupError):
        if number == signal.SIGKILL:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def last_error(folder: Path) -> str:
    """Read the last error that a program wrote, in one sentence without folders; empty if there is none.

    It is the sentence of the command, else the last line of a traceback.
    """
    with suppress(OSError), (folder / LOG).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 20_000))
        lines = log.read().decode("utf-8", "replace").splitlines()
        told = (line for line in reversed(lines) if line.startswith("error: ") or RAISED.match(line))
        found = next(told, "")
        return found.removeprefix("error: ").replace(f"{folder}{os.sep}", "")
    return ""


def take(file: IO[bytes]) -> bool:
    """Lock a file for as long as it is open, here or in a program it was passed to; False if another holds it."""
    try:
        import fcntl
    except ImportError:  # Windows, where a program is not found again
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

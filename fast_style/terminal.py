"""All that goes to a terminal or a log: text that no encoding refuses, tables, progress, and how Ctrl-C is heard."""

import codecs
import math
import os
import signal
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType
from typing import TYPE_CHECKING

from fast_style.errors import one_line

if TYPE_CHECKING:  # else where it is used: help and misuse need no rich
    from rich.console import Console
    from rich.progress import Task
    from rich.table import Table

EVERY = 30.0  # seconds between two lines of progress in a log
FIRST = 3.0  # seconds until the first of them
WIDTH = 160  # letters of a line, at least, where there is no terminal: titles are broken there
PLAIN = {"→": "->", "…": "...", "×": "x", "−": "-", "–": "-", "√": "sqrt ", "·": "*", "•": "*", "█": "#", "━": "-"}


def accept_any_text() -> None:
    """Have stdout and stderr write in plain letters what their encoding lacks, instead of failing.

    A console of Windows, a log under `LANG=C` and names that are no text in any encoding would else end a command with
    UnicodeEncodeError: `→` becomes `->`, `é` becomes `e`, what has no such form `?`.
    """
    codecs.register_error("fast_style.plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="fast_style.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plainly, error.object[error.start : error.end])), error.end


def _plainly(character: str) -> str:
    simple = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return PLAIN.get(character) or simple or "?"


def console(to_errors: bool = True, width: int | None = None) -> "Console":
    """Make a console of rich that shows text as it stands.

    Args:
        to_errors: whether it writes to stderr, else to stdout.
        width: in columns; None: that of the terminal.

    Returns:
        The console: `[name]` is no markup for it and `:name:` no emoji, since values may hold both.
    """
    from rich.console import Console

    return Console(stderr=to_errors, width=width, markup=False, emoji=False, highlight=False)


def show(table: "Table") -> None:
    """Print a table on stdout, its cells whole and as they stand.

    A log has room for any table; on a terminal one that is too wide is turned, its columns as rows.
    """
    accept_any_text()
    if sys.stdout.isatty():
        room = console(to_errors=False).width
        table = table if _width(table) <= room else _turned(table)
    else:
        room = WIDTH
    console(to_errors=False, width=max(room, _width(table))).print(table)


def _width(table: "Table") -> int:
    """Count the letters that a line of a table takes where no cell is broken."""
    return console(width=10_000).measure(table).maximum


def _turned(table: "Table") -> "Table":
    """Write the columns of a table as rows."""
    from rich.table import Table

    turned = Table(title=table.title, caption=table.caption)
    first, *others = table.columns
    turned.add_column(first.header)
    for name in first.cells:
        turned.add_column(name, justify="right")
    for column in others:
        turned.add_row(column.header, *column.cells)
    return turned


@contextmanager
def telling_errors(interrupted: str = "interrupted") -> Iterator[None]:
    """Print an error of the body in one line on stderr, and exit.

    Args:
        interrupted: what is said after Ctrl-C.

    Raises:
        SystemExit: with 2 after a ValueError or an OSError, with 1 after a RuntimeError, a MemoryError or a
            ConnectionError, with 130 after Ctrl-C.
    """
    try:
        yield
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        if isinstance(error, BrokenPipeError):
            print(flush=True)  # fails again if it is stdout that nobody reads, see `ending_quietly`
        print(f"error: {one_line(error)}", file=sys.stderr)
        sys.exit(1 if isinstance(error, RuntimeError | MemoryError | ConnectionError) else 2)
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        sys.exit(130)


@contextmanager
def ending_quietly() -> Iterator[None]:
    """End a command without a traceback where Ctrl-C finds it still importing, or nobody reads on what it prints.

    Raises:
        SystemExit: with 130 after Ctrl-C, which is told; with 141, as after SIGPIPE, where stdout was closed: `| head`.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # else the end of Python would, and complain
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed later
        sys.exit(141)


class Stop:
    """Whether Ctrl-C was pressed: once to stop soon, twice to give up what may be given up.

    Attributes:
        asked: whether it was pressed.
    """

    def __init__(self) -> None:
        self.asked = False
        self._interruptible = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take over Ctrl-C meanwhile; in another thread than the main one, it stays as it is."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let the second Ctrl-C raise KeyboardInterrupt meanwhile; elsewhere it does nothing."""
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if not self.asked:
            self.asked = True
            print("stopping after what is at hand; Ctrl-C again gives it up", file=sys.stderr)
        elif self._interruptible:
            raise KeyboardInterrupt


class LogLines:
    """When a log, in which no bar can be drawn, is due another line of progress.

    Args:
        every: seconds between two lines; the first comes after 3 seconds at most.
    """

    def __init__(self, every: float = EVERY) -> None:
        self.every = every
        self._next = time.monotonic() + min(FIRST, self.every)

    def due(self) -> bool:
        """Tell whether a line is due now; if so, the next one is due `every` seconds from now."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self.every
        return True


def time_left(seconds: float) -> str:
    """Say in whole minutes, rounded up, how much time is left: `, about 3 min left`, or nothing for none."""
    return f", about {math.ceil(seconds / 60)} min left" if seconds > 0 else ""


@contextmanager
def progress_bar(what: str, unit: str = "images") -> Iterator[Callable[[int, int], None]]:
    """Show how many images or frames are done, how many a second, and the time left.

    On a terminal it is a bar; else stderr gets a line after 3 seconds and then every 30, until all are done.

    Args:
        what: is being done, such as `stylizing`.
        unit: what is counted.

    Yields:
        A function to be called with how many are done, and of how many.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: "Task") -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:.2f} {unit}/s")

    columns = (TextColumn(what, markup=False), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console(), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(what, total=None)
        lines, began = LogLines(), time.monotonic()
        already: list[int] = []  # done before, of what goes on

        def tell(done: int, total: int) -> None:
            if not already:
                already.append(max(0, done - 1))
            bar.update(task, completed=done, total=total)
            if bar.disable and already[0] < done < total and lines.due():
                rate = (done - already[0]) / (time.monotonic() - began)
                left = time_left((total - done) / rate)
                print(f"{what}: {done} of {total}, {rate:.3g} {unit}/s{left}", file=sys.stderr)

        yield tell

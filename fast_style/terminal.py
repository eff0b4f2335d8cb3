"""What a long command says on the terminal, and how it hears Ctrl-C."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


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
            print("stopping after the images at hand; Ctrl-C again gives them up", file=sys.stderr)
        elif self._interruptible:
            raise KeyboardInterrupt


def progress_bar(total: int) -> Progress:
    """Show images done, images a second and the time left; hidden unless errors go to a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    hidden = not sys.stderr.isatty()
    bar = Progress(*columns, console=Console(stderr=True), disable=hidden, transient=True)
    bar.add_task("stylizing", total=total)
    return bar


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.2f} images/s")

"""What is told of an optimisation while it goes on."""

import sys
import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fast_style.optimize import Size, Step
from fast_style.terminal import LogLines, console, time_left


class Watcher:
    """Progress on the terminal, or in lines where there is none, and in TensorBoard.

    Args:
        sizes: height and width of each scale.
        iterations: iterations of each scale.
        logdir: folder for TensorBoard; None: nothing is kept.
    """

    def __init__(self, sizes: Sequence[Size], iterations: Sequence[int], logdir: Path | None) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=console(), disable=not sys.stderr.isatty(), transient=True)
        self.sizes = sizes
        self.iterations = sum(iterations)
        self.task = self.bar.add_task("", total=self.iterations)
        # Pixels that are worked on up to the end of each iteration: large sizes take longer.
        work = [height * width for (height, width), count in zip(sizes, iterations, strict=True) for _ in range(count)]
        self._work = list(accumulate(work))
        self._lines, self._began = LogLines(), time.monotonic()
        self.writer: Any = None
        if logdir is not None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(logdir))

    def see(self, step: Step) -> None:
        """Tell of an iteration."""
        weighted = [name for name in step.losses if name.startswith("weighted/") and name.count("/") == 1]
        told = ", ".join(f"{name.split('/')[-1]} {step.losses[name]:.4g}" for name in ("total_loss", *weighted))
        told = f"{name_of(self.sizes[step.scale])}: {told}"
        self.bar.update(self.task, description=told, completed=step.total)
        if self.bar.disable and self._lines.due():
            print(f"iteration {step.total} of {self.iterations}, {told}{self._left(step.total)}", file=sys.stderr)
        if self.writer is not None:
            for name, value in step.losses.items():
                self.writer.add_scalar(f"optimize/{name}", value, step.total)
            if step.total % 50 == 0:
                self.writer.add_image("picture", step.picture[0], step.total)

    def _left(self, total: int) -> str:
        """Say how long the iterations after so many will take, if pixels take as long as before."""
        if total >= self.iterations:
            return ""
        done = self._work[total - 1]
        return time_left((time.monotonic() - self._began) * (self._work[-1] - done) / done)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()
        if self.writer is not None:
            self.writer.close()


def name_of(size: Size) -> str:
    """Write a size as width×height."""
    return f"{size[1]}×{size[0]}"

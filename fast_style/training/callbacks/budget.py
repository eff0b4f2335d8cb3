"""How much training fits the time of a run."""

import logging
import statistics
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Timer

log = logging.getLogger(__name__)

FEW = 100  # steps in which hardly any style is learned
WARMUP, MEASURED = 2, 5  # steps that are slower than the others, or compiled, and steps that are measured


class Budget(L.Callback):
    """Measure the first steps of a run, and tell how many fit its time, or how long its steps take.

    Args:
        about: what trains, and why that, to begin the sentence with; empty: only what is amiss is told.
        compiles: whether the first step is compiled.

    Raises:
        ValueError: in training, if the time was over before the end of the first step of a new run.
    """

    def __init__(self, about: str = "", compiles: bool = False) -> None:
        self.about = about
        self.compiles = compiles
        self._seconds: list[float] = []  # of each batch of this run
        self._told = False
        self._since = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._seconds, self._since, self._told = [], time.monotonic(), False

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure the step, and tell when enough of them are measured."""
        if self._told:
            return
        now = time.monotonic()
        self._seconds.append(now - self._since)
        self._since = now
        left = _seconds_left(trainer)
        if left is not None and left <= 0 and trainer.global_step == 1:
            raise ValueError(self._too_short())
        if self._knows_enough(trainer, left):
            self._told = True
            if trainer.is_global_zero:
                self._tell(trainer, left)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave the time of a measurement out."""
        self._since = time.monotonic()

    def _knows_enough(self, trainer: L.Trainer, left: float | None) -> bool:
        """Tell whether enough batches are measured, or no more than these will be: time or steps end before."""
        done, wanted = len(self._seconds), WARMUP + MEASURED
        if done >= wanted:
            return True
        steps = trainer.max_steps - trainer.global_step if trainer.max_steps >= 0 else wanted
        batches = steps * trainer.accumulate_grad_batches
        fitting = batches if left is None else left / self._seconds[-1]
        return done >= WARMUP and done + min(batches, fitting) <= wanted

    def _too_short(self) -> str:
        first = f"{self._seconds[0]:.3g} s"
        if self.compiles:
            return (
                f"the time of this training is too short for compiling the step, which took {first} here: give "
                "trainer.max_time several times as much, or model.compile=false"
            )
        return (
            f"the time of this training is too short for a single step, which took {first} here: give "
            "trainer.max_time hundreds of times as much"
        )

    def _tell(self, trainer: L.Trainer, left: float | None) -> None:
        """Say how many steps fit, or how long they take."""
        step = statistics.median(self._seconds[WARMUP:] or self._seconds[-1:]) * trainer.accumulate_grad_batches
        remaining = trainer.max_steps - trainer.global_step if trainer.max_steps >= 0 else None
        fitting = None if left is None else round(left / step)
        if fitting is not None and (remaining is None or fitting < remaining):
            steps, seconds = trainer.global_step + fitting, left or 0.0
        elif remaining:
            steps, seconds = trainer.max_steps, remaining * step
        else:
            return
        if self.about:
            log.info("%s, about %s steps in %s", self.about, f"{_rounded(steps):,}", _length(seconds))
        if steps < FEW and remaining != steps - trainer.global_step:
            enough = _length(5 * FEW * step)
            log.warning(
                "this machine is slow for that: about %d steps fit, a step takes %.2g s; expect the painting's colours "
                "and hardly its strokes, or give trainer.max_time more, %s for %d steps",
                *(steps, step, enough, 5 * FEW),
            )


def _seconds_left(trainer: L.Trainer) -> float | None:
    left = [
        each.time_remaining()
        for each in trainer.callbacks  # type: ignore[attr-defined]
        if isinstance(each, Timer)
    ]
    return min((each for each in left if each is not None), default=None)


def _rounded(steps: int) -> int:
    """Round to two digits."""
    unit = 10 ** max(0, len(str(steps)) - 2)
    return round(steps / unit) * unit


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"

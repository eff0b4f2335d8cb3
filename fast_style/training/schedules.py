"""Learning-rate schedules, stepped once per optimiser step."""

import math
import time
from collections.abc import Callable

import torch.distributed
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_cosine(
    optimizer: Optimizer, warmup_steps: int, total_steps: int, final: float = 0.0, seconds: float | None = None
) -> LambdaLR:
    """Rise linearly for `warmup_steps`, then fall along half a cosine to `final` times the learning rate.

    Source: Loshchilov & Hutter 2017, "SGDR", eq. 5 without restarts.

    Args:
        optimizer: whose learning rate it sets.
        warmup_steps: steps of the rise, 0 for none.
        total_steps: the step at which it arrives; -1 if only the time is limited.
        final: where it arrives, 0 to 1 times the learning rate.
        seconds: the time in which it arrives, counted from here on without what passed before a resume; whichever of
            steps and time is nearer to its end decides. None: no limit of time.

    Raises:
        ValueError: if `warmup_steps` is negative, `final` is outside [0, 1], or neither steps nor time are limited.
    """
    _check(warmup_steps, final)

    def shape(progress: float) -> float:
        return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2

    return LambdaLR(optimizer, _Schedule(shape, warmup_steps, total_steps, seconds))


def hold_linear(
    optimizer: Optimizer, total_steps: int, hold: float = 0.5, final: float = 0.0, seconds: float | None = None
) -> LambdaLR:
    """Stay for a share of the training, then fall in a straight line to `final` times the learning rate.

    Source: Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", section
    4: 100 epochs at the same rate, and 100 more in which it falls to zero.

    Args:
        optimizer: whose learning rate it sets.
        total_steps: the step at which it arrives; -1 if only the time is limited.
        hold: the share of the steps or the time before it falls, at least 0 and below 1.
        final: where it arrives, 0 to 1 times the learning rate.
        seconds: see `warmup_cosine`.

    Raises:
        ValueError: if `hold` or `final` is outside its range, or neither steps nor time are limited.
    """
    _check(0, final)
    if not 0 <= hold < 1:
        raise ValueError(f"hold must be at least 0 and below 1 of the training, got {hold}")

    def shape(progress: float) -> float:
        return 1 - (1 - final) * max(0.0, progress - hold) / (1 - hold)

    return LambdaLR(optimizer, _Schedule(shape, 0, total_steps, seconds))


def warmup_constant(optimizer: Optimizer, warmup_steps: int) -> LambdaLR:
    """Rise linearly for `warmup_steps`, then stay.

    Raises:
        ValueError: if `warmup_steps` is negative.
    """
    _check(warmup_steps, 0.0)
    return LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / (warmup_steps + 1)))


class _Schedule:
    """The factor at a step, the same for all groups of an optimizer, each of which asks for it.

    LambdaLR keeps the `__dict__` of such an object in checkpoints: the time used.
    """

    __slots__ = ("__dict__", "_counted", "_last", "_limits", "_shape")

    def __init__(
        self, shape: Callable[[float], float], warmup_steps: int, total_steps: int, seconds: float | None
    ) -> None:
        if total_steps < 0 and seconds is None:
            raise ValueError("the learning rate needs an end to fall to: set trainer.max_steps or trainer.max_time")
        self._shape = shape
        self._limits = warmup_steps, total_steps, seconds
        self._last = time.monotonic()
        self._counted = -1  # the step at which the time was last counted
        self.used = 0.0  # seconds

    def __call__(self, step: int) -> float:
        warmup_steps, total_steps, seconds = self._limits
        progress = (step - warmup_steps) / max(1, total_steps - warmup_steps) if total_steps >= 0 else 0.0
        if seconds is not None:
            progress = max(progress, self._count(step) / seconds)
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        return self._shape(min(1.0, progress))

    def _count(self, step: int) -> float:
        if step == self._counted:
            return self.used
        self._counted = step
        now = time.monotonic()
        self.used += now - self._last
        self._last = now
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"  # from which it sends
            used = torch.tensor(self.used, dtype=torch.float64, device=device)
            torch.distributed.broadcast(used, 0)  # one clock for all, or their weights would part
            self.used = used.item()
        return self.used


def _check(warmup_steps: int, final: float) -> None:
    if warmup_steps < 0:
        raise ValueError(f"warmup_steps must not be negative, got {warmup_steps}")
    if not 0 <= final <= 1:
        raise ValueError(f"the final learning rate must be 0 to 1 times the highest, got {final}")

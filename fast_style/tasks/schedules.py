"""Learning-rate schedules, stepped once per optimiser step."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_cosine(optimizer: Optimizer, warmup_steps: int, total_steps: int, final: float = 0.0) -> LambdaLR:
    """Rise linearly for `warmup_steps`, then fall along half a cosine to `final` times the learning rate.

    Source: Loshchilov & Hutter 2017, "SGDR", eq. 5 without restarts.

    Raises:
        ValueError: if `warmup_steps` is negative or `final` is outside [0, 1].
    """
    _check(warmup_steps, final)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2

    return LambdaLR(optimizer, factor)


def warmup_constant(optimizer: Optimizer, warmup_steps: int) -> LambdaLR:
    """Rise linearly for `warmup_steps`, then stay.

    Raises:
        ValueError: if `warmup_steps` is negative.
    """
    _check(warmup_steps, 0.0)
    return LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / (warmup_steps + 1)))


def _check(warmup_steps: int, final: float) -> None:
    if warmup_steps < 0:
        raise ValueError(f"warmup_steps must not be negative, got {warmup_steps}")
    if not 0 <= final <= 1:
        raise ValueError(f"the final learning rate must be 0 to 1 times the highest, got {final}")

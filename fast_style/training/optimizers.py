"""What the settings of a run tell its optimizers, in place of which a checkpoint brings what its own run was told."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

Numbers = dict[str, Any]
RATE = "initial_lr"  # the learning rate as it is configured; the group's `lr` is what a schedule makes of it


def numbers_of(optimizers: Iterable[Optimizer]) -> list[list[Numbers]]:
    """List the numbers that are configured for each group of parameters of each optimizer, by name."""
    return [[_numbers(group) for group in optimizer.param_groups] for optimizer in optimizers]


def put_back(
    optimizers: Sequence[Optimizer], configured: Sequence[Sequence[Numbers]], schedules: Iterable[LRScheduler]
) -> list[str]:
    """Give optimizers the numbers that are configured in place of those that a checkpoint has brought.

    Learning rates go on where their schedules are. Where nothing differs nothing is touched. A schedule that is no
    `LambdaLR` may set other numbers beside the rate, which then stay as they are.

    Args:
        optimizers: as they are restored.
        configured: what `numbers_of` found in them before.
        schedules: those of these optimizers.

    Returns:
        Sentences that tell what differs.
    """
    by_optimizer = {id(schedule.optimizer): schedule for schedule in schedules}
    told = []
    for optimizer, groups in zip(optimizers, configured, strict=True):
        schedule = by_optimizer.get(id(optimizer))
        rate_alone = not isinstance(schedule, LambdaLR | None)
        for place, (group, numbers) in enumerate(zip(optimizer.param_groups, groups, strict=True)):
            used = {name: number for name, number in numbers.items() if name == RATE or not rate_alone}
            where = f" in group {place + 1}" if place else ""
            told += [f"{each}{where}" for each in _put_back(group, used)]
        if schedule is not None and told:
            schedule.base_lrs = [group[RATE] for group in optimizer.param_groups]
            schedule._last_lr = [group["lr"] for group in optimizer.param_groups]
    return told


def _put_back(group: Numbers, numbers: Numbers) -> list[str]:
    told = []
    for name, number in numbers.items():
        was = group.get(name, number)
        if was == number:
            continue
        group[name] = number
        if name == RATE:
            group["lr"] = group["lr"] * number / was if was else number
        told.append(f"model.optimizer.{'lr' if name == RATE else name} is now {number}, it was {was}")
    return told


def _numbers(group: Numbers) -> Numbers:
    return {name: value for name, value in group.items() if name not in ("params", "lr") and _is_number(value)}


def _is_number(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_number, value))
    return isinstance(value, int | float) and not isinstance(value, bool)

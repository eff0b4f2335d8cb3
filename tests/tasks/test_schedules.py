import math

import pytest
import torch

from fast_style.tasks import warmup_constant, warmup_cosine


def rates(schedule, steps, **arguments):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = schedule(optimizer, **arguments)
    values = []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return values


def test_warmup_cosine():
    values = rates(warmup_cosine, 13, warmup_steps=3, total_steps=11, final=0.1)
    assert values[:4] == pytest.approx([0.5, 1.0, 1.5, 2.0])
    assert values[7] == pytest.approx(2.0 * (0.1 + 0.9 * (1 + math.cos(math.pi / 2)) / 2))
    assert values[11:] == pytest.approx([0.2, 0.2])


def test_warmup_constant():
    assert rates(warmup_constant, 5, warmup_steps=3) == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0])


def test_bad_values():
    with pytest.raises(ValueError, match="warmup_steps must not be negative, got -1"):
        rates(warmup_cosine, 1, warmup_steps=-1, total_steps=5)
    with pytest.raises(ValueError, match="must be 0 to 1 times the highest, got 2"):
        rates(warmup_cosine, 1, warmup_steps=1, total_steps=5, final=2)

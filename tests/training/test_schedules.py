import math
import time

import pytest
import torch

from fast_style.training import hold_linear, warmup_constant, warmup_cosine


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


def test_hold_linear():
    values = rates(hold_linear, 11, total_steps=8, hold=0.5)
    assert values == pytest.approx([2.0] * 5 + [1.5, 1.0, 0.5] + [0.0] * 3)
    assert rates(hold_linear, 5, total_steps=4, hold=0.0, final=0.5) == pytest.approx([2.0, 1.75, 1.5, 1.25, 1.0])


def test_bad_values():
    with pytest.raises(ValueError, match="hold must be at least 0 and below 1 of the training, got 1"):
        rates(hold_linear, 1, total_steps=5, hold=1)
    with pytest.raises(ValueError, match="needs an end to fall to"):
        rates(hold_linear, 1, total_steps=-1)
    with pytest.raises(ValueError, match="warmup_steps must not be negative, got -1"):
        rates(warmup_cosine, 1, warmup_steps=-1, total_steps=5)
    with pytest.raises(ValueError, match="must be 0 to 1 times the highest, got 2"):
        rates(warmup_cosine, 1, warmup_steps=1, total_steps=5, final=2)


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by a second whenever it is looked at."""
    now = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: next(now))


@pytest.mark.usefixtures("clock")
def test_a_schedule_in_time():
    values = rates(warmup_cosine, 12, warmup_steps=2, total_steps=-1, final=0.1, seconds=10)
    cosine = [2.0 * (0.1 + 0.9 * (1 + math.cos(math.pi * min(1, second / 10))) / 2) for second in range(1, 13)]
    assert values[:2] == pytest.approx([2 / 3, 4 / 3])
    assert values[2:] == pytest.approx(cosine[2:])


@pytest.mark.usefixtures("clock")
def test_the_nearer_end_decides():
    by_steps = rates(warmup_cosine, 8, warmup_steps=0, total_steps=4, seconds=1000)
    assert by_steps[4:] == pytest.approx([0.0] * 4)
    by_time = rates(warmup_cosine, 8, warmup_steps=0, total_steps=1000, seconds=4)
    assert by_time[4:] == pytest.approx([0.0] * 4)


@pytest.mark.usefixtures("clock")
def test_a_resume_goes_on_with_the_time_that_was_used():
    def scheduler():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
        return warmup_cosine(optimizer, warmup_steps=0, total_steps=-1, seconds=10)

    first = scheduler()
    for _ in range(6):
        first.optimizer.step()
        first.step()
    for _ in range(100):
        time.monotonic()
    second = scheduler()
    second.load_state_dict(first.state_dict())
    assert second.lr_lambdas[0].used == 7
    second.optimizer.step()
    second.step()
    assert second.lr_lambdas[0].used in (8, 9)  # a second or two since it was built


@pytest.mark.usefixtures("clock")
def test_the_time_is_counted_once_a_step_for_all_groups():
    optimizer = torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(3)], lr=2.0)
    scheduler = warmup_cosine(optimizer, warmup_steps=0, total_steps=-1, seconds=10)
    for step in range(1, 6):
        assert scheduler.lr_lambdas[0].used == step
        assert len({group["lr"] for group in optimizer.param_groups}) == 1
        optimizer.step()
        scheduler.step()


@pytest.fixture
def alone():
    """A process group of this process alone."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("clock", "alone")
def test_the_clock_of_the_first_process_counts(monkeypatch):
    sent, broadcast = [], torch.distributed.broadcast

    def of_the_first(tensor, source):
        broadcast(tensor, source)
        sent.append((tensor.item(), tensor.dtype, source))
        tensor.fill_(4.5)

    monkeypatch.setattr(torch.distributed, "broadcast", of_the_first)
    optimizer = torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(2)], lr=2.0)
    scheduler = warmup_cosine(optimizer, warmup_steps=0, total_steps=-1, seconds=9)
    optimizer.step()
    scheduler.step()
    assert sent == [(1.0, torch.float64, 0), (5.5, torch.float64, 0)]
    assert scheduler.get_last_lr() == pytest.approx([1.0, 1.0])


def test_without_an_end():
    with pytest.raises(ValueError, match=r"set trainer\.max_steps or trainer\.max_time"):
        rates(warmup_cosine, 1, warmup_steps=1, total_steps=-1)

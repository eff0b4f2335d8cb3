"""The watch over losses on a device that answers later."""

from functools import partial

import pytest
import torch

from fast_style.networks import TransformerNetwork
from fast_style.training import FeedForward, NonFiniteLossError, warmup_constant
from fast_style.training.answer import Answer


class Event:
    """Of a device that is done once it has been asked so many times, or waited for."""

    def __init__(self, questions):
        self.left = questions
        self.waits = 0

    def query(self):
        self.left -= 1
        return self.left < 0

    def synchronize(self):
        self.waits += self.left >= 0
        self.left = 0


class Device:
    """A CUDA device as `Answer` sees it, whose tensors are on the CPU."""

    type = "cuda"

    def __init__(self, questions, monkeypatch):
        self.questions = questions
        self.events = []
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: self)
        monkeypatch.setattr("fast_style.training.task.Answer", lambda tensor: Answer(There(tensor, self)))

    def record_event(self):
        self.events.append(Event(self.questions))
        return self.events[-1]


class There:
    """A tensor of that device."""

    def __init__(self, tensor, device):
        self.tensor, self.device = tensor, device

    def to(self, device, non_blocking):
        assert (device, non_blocking) == ("cpu", True)
        return self.tensor


@pytest.fixture
def task(loss):
    optimizer = partial(torch.optim.SGD, lr=1e-4)
    schedule = partial(warmup_constant, warmup_steps=0)
    return FeedForward(TransformerNetwork(2, 0), loss(style=torch.rand(1, 3, 16, 20)), optimizer, schedule)


def batches(count, poisoned):
    return [{"image": torch.rand(1, 3, 16, 16) * (float("nan") if n == poisoned else 1.0)} for n in range(count)]


def test_an_answer_of_the_cpu_is_known_at_once():
    for value in (True, False):
        answer = Answer(torch.tensor(value))
        assert answer.known
        assert answer.read() is value


def test_an_answer_of_a_gpu_is_known_later(monkeypatch):
    device = Device(2, monkeypatch)
    answer = Answer(There(torch.tensor(False), device))
    assert [answer.known for _ in range(3)] == [False, False, True]
    assert answer.read() is False
    assert device.events[0].waits == 0


def test_a_loss_that_is_not_finite_stops_once_the_gpu_has_answered(task, fit, monkeypatch):
    device = Device(3, monkeypatch)
    with pytest.raises(NonFiniteLossError, match=r"training stopped at step 1: .* = nan is not finite"):
        fit(task, batches(9, poisoned=1))
    assert 1 < task.global_step < 6
    assert not any(event.waits for event in device.events)
    assert not task._unread


def test_what_a_gpu_has_not_answered_is_waited_for_in_the_end(task, fit, monkeypatch):
    device = Device(1000, monkeypatch)
    with pytest.raises(NonFiniteLossError, match="training stopped at step 2: "):
        fit(task, batches(4, poisoned=2))
    assert task.global_step == 4
    assert any(event.waits for event in device.events)


def test_a_checkpoint_waits_for_the_gpu(task, fit, monkeypatch):
    Device(1000, monkeypatch)
    fit(task, batches(1, poisoned=None))
    task.watch(torch.tensor(float("inf")), {"a_loss": torch.tensor(float("inf"))})
    with pytest.raises(NonFiniteLossError, match="a_loss = inf is not finite"):
        task.on_save_checkpoint({"state_dict": {}})


def test_steps_that_may_be_skipped_wait_for_the_gpu(task, fit, monkeypatch):
    device = Device(1000, monkeypatch)
    task.on_nonfinite = "skip"
    fit(task, batches(2, poisoned=None))
    assert [event.waits for event in device.events] == [1, 1]

"""A running average of weights."""

import pytest
import torch
from torch import nn

from fast_style.training.adversarial import Averaged


def test_by_hand():
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(1.0)
    average = Averaged(network, 0.5)
    network.weight.data.fill_(11.0)
    average.update(network)  # d = 1/10
    assert average.network.weight.item() == pytest.approx(0.1 * 1 + 0.9 * 11)
    average.update(network)  # d = 2/11
    expected = 2 / 11 * 10 + 9 / 11 * 11
    assert average.network.weight.item() == pytest.approx(expected)
    for _ in range(20):
        average.update(network)
    before = average.network.weight.item()
    network.weight.data.fill_(0.0)
    average.update(network)  # d = 1/2
    assert average.network.weight.item() == pytest.approx(before / 2)


def test_buffers_are_those_of_the_network():
    network = nn.BatchNorm2d(2)
    average = Averaged(network, 0.9)
    network(torch.rand(4, 2, 3, 3))
    average.update(network)
    assert torch.equal(average.network.running_mean, network.running_mean)
    assert average.network.num_batches_tracked == 1


def test_it_is_never_trained():
    average = Averaged(nn.Linear(1, 1), 0.9).train()
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.parameters())


def test_begin_anew():
    network = nn.Linear(2, 2)
    average = Averaged(nn.Linear(2, 2), 0.9)
    average.update(network)
    average.begin_at(network)
    assert torch.equal(average.network.weight, network.weight)
    assert average.steps == 0


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_decay_outside_its_range(decay):
    with pytest.raises(ValueError, match=f"average must be at least 0 and below 1, got {decay}"):
        Averaged(nn.Linear(1, 1), decay)

"""Batches of two sides, and steps that are looked at."""

from functools import partial

import pytest
import torch

from fast_style.networks import PatchDiscriminator, TransformerNetwork
from fast_style.training import Adversary, warmup_constant

LEARNING = {
    "optimizer": partial(torch.optim.Adam, lr=1e-3),
    "scheduler": partial(warmup_constant, warmup_steps=0),
}


@pytest.fixture
def make():
    """Make a task with a small network and a small discriminator."""

    def make(kind, channels=3, network=None, **arguments):
        adversary = Adversary(PatchDiscriminator(4, 1, channels=channels))
        return kind(network or TransformerNetwork(4, 1), adversary=adversary, **LEARNING, **arguments)

    return make


@pytest.fixture
def batch():
    sides = {side: torch.rand(2, 3, 32, 32) for side in ("real_a", "real_b")}
    return sides | {"index": torch.arange(4, 6)}


@pytest.fixture
def logged():
    """Take a training step and return what it logs."""

    def logged(task, batch):
        values = {}
        task.log = lambda name, value, **_: values.update({name: float(value)})
        values["total"] = task.training_step(batch, 0).item()
        return {name.removeprefix("train/"): value for name, value in values.items()}

    return logged

"""The watch over losses and gradients, where gradients are scaled for half precision."""

from functools import partial

import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision
from torch.utils.data import DataLoader

from fast_style.networks import TransformerNetwork
from fast_style.training import FeedForward, NonFiniteLossError, Trainer, warmup_constant

pytestmark = pytest.mark.filterwarnings("ignore")  # there is nothing to validate, and float16 is slow on a CPU


@pytest.fixture
def fit_scaled(loss):
    """Train with a GradScaler that begins at a scale, for some steps; return the task and the scaler."""

    def fit(scale, steps, poison=1.0):
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        optimizer = partial(torch.optim.SGD, lr=1e-4)
        task = FeedForward(
            TransformerNetwork(2, 0),
            loss(style=torch.rand(1, 3, 16, 20)),
            optimizer,
            partial(warmup_constant, warmup_steps=0),
        )
        trainer = Trainer(
            accelerator="cpu",
            max_steps=steps,
            plugins=[MixedPrecision("16-mixed", "cpu", scaler)],
            gradient_clip_val=100.0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        batch = {"image": torch.rand(1, 3, 16, 16) * poison}
        trainer.fit(task, DataLoader([batch] * steps, batch_size=None))
        return task, scaler

    return fit


def test_the_scaler_finds_its_scale_by_infinite_gradients(fit_scaled):
    task, scaler = fit_scaled(scale=2.0**26, steps=18)
    assert 0 < task.skipped_steps < 18
    assert scaler.get_scale() == 2.0 ** (26 - task.skipped_steps)
    assert all(parameter.isfinite().all() for parameter in task.network.parameters())


def test_a_loss_that_is_not_finite_stops_although_gradients_are_scaled(fit_scaled):
    with pytest.raises(NonFiniteLossError, match=r"training stopped at step 0: .* = nan is not finite"):
        fit_scaled(scale=1.0, steps=2, poison=float("nan"))


def test_too_many_infinite_gradients_in_a_row_stop(fit_scaled, monkeypatch):
    monkeypatch.setattr("fast_style.training.network_task.PATIENCE", 2)
    with pytest.raises(NonFiniteLossError, match="stopped at step 2: the norm of the gradient = "):
        fit_scaled(scale=2.0**125, steps=5)

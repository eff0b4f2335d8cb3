import warnings
from functools import partial

import pytest
import torch
from torch.utils.data import DataLoader

from fast_style.losses import PerceptualLoss
from fast_style.networks import VGG
from fast_style.training import Trainer


@pytest.fixture(scope="module")
def loss():
    torch.manual_seed(0)
    return partial(
        PerceptualLoss,
        VGG("vgg19", None, width=4),
        content_layers=["relu2_1"],
        style_layers=["relu1_1", "relu2_1"],
        content_weight=1.0,
        style_weight=5.0,
        tv_weight=1.0,
    )


@pytest.fixture
def fit():
    """Train a task on batches."""

    def fit(task, data, accumulate=1):
        trainer = Trainer(
            accelerator="cpu",
            max_steps=len(data) // accumulate,
            accumulate_grad_batches=accumulate,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        with warnings.catch_warnings(action="ignore"):  # there is nothing to validate
            trainer.fit(task, DataLoader(data, batch_size=None))
        return task

    return fit


@pytest.fixture
def compiled_alike(caplog):
    """Check that a compiled task, given the weights of a plain one, has the same loss for a batch."""

    def check(plain, compiled, batch):
        compiled.network.load_state_dict(plain.network.state_dict())
        for task in (plain, compiled):
            task.log = lambda *_, **__: None
        values = [task.training_step(batch, 0).item() for task in (plain, compiled)]
        assert values[0] == pytest.approx(values[1], rel=1e-3)
        assert not [record for record in caplog.records if record.name.startswith("fast_style")], "not compiled"

    return check

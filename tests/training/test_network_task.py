"""The watch over losses and gradients, where gradients are scaled for half precision."""

from functools import partial

import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision
from torch.utils.data import DataLoader

from fast_style.losses import equivariance_loss, shifted, temporal_loss
from fast_style.networks import TransformerNetwork
from fast_style.training import FeedForward, NonFiniteLossError, Trainer, hold_linear, warmup_constant
from fast_style.training.network_task import take_over

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


@pytest.fixture
def task(loss):
    """A task of one style, which compares shifted photos."""
    return FeedForward(
        TransformerNetwork(4, 0, antialias=True),
        loss(style=torch.rand(1, 3, 16, 20)),
        partial(torch.optim.SGD, lr=1e-4),
        partial(warmup_constant, warmup_steps=0),
        equivariance_weight=10.0,
    )


def logged(task, batch):
    """Take a training step and return what it logs."""
    values = {}
    task.log = lambda name, value, **_: values.update({name: float(value)})
    values["total"] = task.training_step(batch, 0).item()
    return values


@pytest.mark.parametrize("first", [0, 5, 17])
def test_equivariance_is_that_of_two_passes(task, first):
    photos = torch.rand(4, 3, 64, 72)
    batch = {"image": photos, "index": torch.arange(first, first + 4)}
    found = logged(task, batch)
    moved, motion = task.moved(batch)
    ((down, right),) = motion.ways
    assert 0 < max(abs(down), abs(right)) <= 3
    photo = photos[-first % 4][None]  # whose number is a multiple of four
    torch.testing.assert_close(moved, shifted(photo, down, right))
    expected = equivariance_loss(task(photo), task(moved), down, right).item()
    assert found["train/equivariance_loss"] == pytest.approx(expected, rel=1e-4)
    assert found["train/weighted/equivariance_loss"] == pytest.approx(10 * expected, rel=1e-4)
    plain = task.loss.summary(task.loss(task(photos), photos))["total_loss"].item()
    assert found["total"] == pytest.approx(plain + 10 * expected, rel=1e-4)


def test_the_temporal_loss_is_that_of_two_passes(task):
    task.motion_weights["temporal_loss"] = 30.0
    task.weights |= task.motion_weights
    photos = torch.rand(3, 3, 64, 72)
    batch = {"image": photos, "index": torch.arange(6, 9)}
    found = logged(task, batch)
    moved, motion = task.moved(batch)
    assert len(moved) == 2
    assert torch.equal(moved, task.moved(batch)[0])
    expected = temporal_loss(task(photos[::2]), task(moved), motion.ways).item()
    assert found["train/temporal_loss"] == pytest.approx(expected, rel=1e-4)
    assert "train/equivariance_loss" not in found
    plain = task.loss.summary(task.loss(task(photos), photos))["total_loss"].item()
    assert found["total"] == pytest.approx(plain + 30 * expected, rel=1e-4)


def test_arguments_that_came_after_a_checkpoint_are_what_they_were_without(task):
    task.trainer = None
    kept = {"target": "fast_style.networks.TransformerNetwork", "arguments": dict(task.network.arguments)}
    task.on_load_checkpoint({"network": kept})
    del kept["arguments"]["antialias"]
    with pytest.raises(ValueError, match="resume with the same model"):
        task.on_load_checkpoint({"network": kept})
    task.network.arguments["antialias"] = False
    task.on_load_checkpoint({"network": kept})


@pytest.mark.parametrize("again", [torch.contiguous_format, torch.channels_last])
def test_training_goes_on_in_another_layout(loss, monkeypatch, tmp_path, again):
    batches = [{"image": torch.rand(1, 3, 16, 16)}] * 4
    style = torch.rand(1, 3, 16, 20)

    def fit(layouts, path=None):
        """Train up to each number of steps in its layout, each time from the checkpoint before."""
        torch.manual_seed(0)
        optimizer = partial(torch.optim.Adam, lr=1e-2, fused=True)
        network = TransformerNetwork(4, 1)
        task = FeedForward(network, loss(style=style), optimizer, partial(warmup_constant, warmup_steps=0))
        for steps, layout in layouts:
            monkeypatch.setattr("fast_style.training.network_task.layout", lambda *_, chosen=layout: chosen)
            trainer = Trainer(
                accelerator="cpu",
                max_steps=steps,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(task, DataLoader(batches, batch_size=None), ckpt_path=path)
            path = tmp_path / "last.ckpt"
            trainer.save_checkpoint(path)
        assert trainer.global_step == 4
        return [weight.detach().contiguous() for weight in network.parameters() if weight.ndim == 4]

    other = torch.channels_last if again == torch.contiguous_format else torch.contiguous_format
    for unbroken, continued in zip(fit([(4, again)]), fit([(3, other), (4, again)]), strict=True):
        torch.testing.assert_close(continued, unbroken, rtol=1e-3, atol=1e-4)


def resumed(task, path=None, steps=3):
    """Train up to a number of steps, from a checkpoint or from the first; return the trainer."""
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(accelerator="cpu", max_steps=steps, enable_model_summary=False, **quiet)
    batches = [{"image": torch.rand(1, 3, 16, 16)}] * 6
    trainer.fit(task, DataLoader(batches, batch_size=None), ckpt_path=path)
    return trainer


@pytest.mark.parametrize("final", [1.0, 0.5])
def test_a_resumed_run_has_the_numbers_it_is_told(loss, tmp_path, caplog, final):
    style = torch.rand(1, 3, 16, 20)

    def fit(path=None, steps=4, **told):
        torch.manual_seed(0)
        optimizer = partial(torch.optim.Adam, **{"lr": 1e-3, "betas": (0.9, 0.999)} | told)
        scheduler = partial(hold_linear, total_steps=6, hold=0.0, final=final)
        task = FeedForward(TransformerNetwork(2, 0), loss(style=style), optimizer, scheduler)
        trainer = resumed(task, path, steps)
        return trainer, trainer.optimizers[0].param_groups[0], trainer.lr_scheduler_configs[0].scheduler

    def told():
        return [message for message in caplog.messages if message.startswith("model.")]

    caplog.set_level("INFO", "fast_style")
    path = tmp_path / "step-3.ckpt"
    fit(steps=3)[0].save_checkpoint(path)
    _, whole, _ = fit()
    _, group, _ = fit(path)
    assert group["lr"] == whole["lr"]
    assert not told()

    _, group, schedule = fit(path, lr=1e-4)
    assert told() == ["model.optimizer.lr is now 0.0001, it was 0.001"]
    assert (group["lr"], group["initial_lr"]) == (pytest.approx(whole["lr"] / 10), 1e-4)
    assert (schedule.base_lrs, schedule.get_last_lr()) == ([1e-4], [group["lr"]])
    _, group, _ = fit(path, betas=(0.5, 0.999))
    assert told()[1:] == ["model.optimizer.betas is now (0.5, 0.999), it was (0.9, 0.999)"]
    assert (group["lr"], group["betas"]) == (whole["lr"], (0.5, 0.999))


def test_the_first_step_after_a_resume_has_the_rate_it_is_told(loss, tmp_path):
    style = torch.rand(1, 3, 16, 20)

    def fit(rate, path=None, steps=4):
        scheduler = partial(warmup_constant, warmup_steps=0)
        task = FeedForward(TransformerNetwork(2, 0), loss(style=style), partial(torch.optim.SGD, lr=rate), scheduler)
        return resumed(task, path, steps)

    fit(1e-3, steps=3).save_checkpoint(tmp_path / "step-3.ckpt")
    before = torch.load(tmp_path / "step-3.ckpt", weights_only=True)["state_dict"]
    still = fit(0.0, tmp_path / "step-3.ckpt").lightning_module.state_dict()
    assert all(torch.equal(still[key], value) for key, value in before.items())


def test_a_start_of_other_arguments_is_told_by_these_alone():
    small, large = TransformerNetwork(4, 1), TransformerNetwork(8, 1, norm="conditional", styles=["a", "b"])
    sentence = (
        "it is a TransformerNetwork with width=8, norm=conditional, 2 styles, the model a TransformerNetwork with "
        "width=4, norm=instance"
    )
    with pytest.raises(ValueError, match=sentence):
        take_over(small, large)

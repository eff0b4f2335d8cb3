"""Pairs: pictures like their targets."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from fast_style.losses import ADVERSARIAL_LOSSES, FeatureLoss
from fast_style.networks import VGG
from fast_style.training import Pix2Pix

L1 = {"terms": {"l1_loss": F.l1_loss}, "term_weights": {"l1_loss": 200.0}}
LSGAN = ADVERSARIAL_LOSSES["lsgan"]


@pytest.mark.parametrize("channels", [3, 6])
def test_the_losses_by_hand(make, batch, logged, channels):
    task = make(Pix2Pix, channels, **L1)
    found = logged(task, batch)
    judge, fake = task.adversaries["B"].discriminator, task.network(batch["real_a"])
    beside = [batch["real_a"]] if channels == 6 else []
    real, made = (judge(torch.cat([*beside, x], 1)) for x in (batch["real_b"], fake))
    expected = {
        "l1_loss": F.l1_loss(fake, batch["real_b"]),
        "adversarial_loss": LSGAN.generator(real, made),
        "discriminator_loss": LSGAN.discriminator(real, made),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value.item(), rel=1e-4)
    total = 200 * expected["l1_loss"] + expected["adversarial_loss"] + 0.5 * expected["discriminator_loss"]
    assert found["total"] == pytest.approx(total.item(), rel=1e-4)


def test_features_in_place_of_pixels(make, batch, logged):
    loss = FeatureLoss(VGG("vgg19", None, width=4), "relu1_1")
    task = make(
        Pix2Pix, terms={"feature_loss": loss, "l1_loss": F.l1_loss}, term_weights={"feature_loss": 10.0, "l1_loss": 0.0}
    )
    found = logged(task, batch)
    assert "l1_loss" not in found
    assert found["weighted/feature_loss"] == pytest.approx(10 * found["feature_loss"])
    kept = {key.partition(".")[0] for key in task.state_dict() if key.startswith(task.kept)}
    assert kept == {"network", "adversaries"}


def test_without_a_discriminator(make, batch, logged):
    task = make(Pix2Pix, 6, adversarial_weight=0.0, **L1)
    found = logged(task, batch)
    assert set(found) == {"total", "total_loss", "l1_loss", "weighted/l1_loss"}
    assert found["total"] == pytest.approx(200 * found["l1_loss"])
    assert len(task.configure_optimizers()["optimizer"].param_groups) == 1


def test_held_out_pairs_are_compared_and_shown(make, batch):
    task, values = make(Pix2Pix, **L1), {}
    task.log = lambda name, value, **_: values.update({name: float(value)})
    with torch.no_grad():
        shown = task.validation_step(batch, 0)["grids"][""]
    assert torch.equal(shown[0], batch["real_a"])
    torch.testing.assert_close(shown[1], task(batch["real_a"]))
    assert torch.equal(shown[2], batch["real_b"])
    assert values["heldout/total_loss"] == pytest.approx(200 * values["heldout/l1_loss"])
    assert -1 <= values["heldout/ssim"] <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"adversarial_weight": -1.0}, r"adversarial_weight must not be negative, got -1\.0"),
        ({"discriminator_weight": -0.5}, r"discriminator_weight must not be negative, got -0\.5"),
        ({"discriminator_weight": float("nan")}, "discriminator_weight must not be negative, got nan"),
        ({"term_weights": {}}, "the term l1_loss has no weight"),
        ({"term_weights": {"l1_loss": 0.0}}, "pairs are compared by nothing: give a term"),
    ],
)
def test_bad_arguments(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(partial(Pix2Pix, **L1 | arguments))

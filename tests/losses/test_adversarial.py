"""Adversarial losses, by hand."""

from math import exp, log

import pytest
import torch

from fast_style.losses import ADVERSARIAL_LOSSES, r1_penalty

REAL, FAKE = torch.tensor([2.0, -1.0]).view(2, 1, 1, 1), torch.tensor([0.5, -3.0]).view(2, 1, 1, 1)


def softplus(x):
    return log(1 + exp(x))


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [
        ("lsgan", ((1 + 4) / 2 + (0.25 + 9) / 2) / 2, (0.25 + 16) / 2),
        (
            "vanilla",
            (softplus(-2) + softplus(1)) / 2 + (softplus(0.5) + softplus(-3)) / 2,
            (softplus(-0.5) + softplus(3)) / 2,
        ),
        ("hinge", (0 + 2) / 2 + (1.5 + 0) / 2, -(0.5 - 3) / 2),
        ("relativistic", (softplus(-1.5) + softplus(-2)) / 2, (softplus(1.5) + softplus(2)) / 2),
    ],
)
def test_by_hand(name, discriminator, generator):
    loss = ADVERSARIAL_LOSSES[name]
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(discriminator, rel=1e-6)
    assert loss.generator(REAL, FAKE).item() == pytest.approx(generator, rel=1e-6)


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_each_side_pulls_its_way(name):
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    ADVERSARIAL_LOSSES[name].discriminator(real, fake).backward()
    assert real.grad.sum() < 0  # a step down the gradient raises real logits
    assert fake.grad.sum() > 0 or name == "lsgan"  # which draws them to 0
    fake.grad = None
    ADVERSARIAL_LOSSES[name].generator(real.detach(), fake).backward()
    assert fake.grad.sum() < 0


def test_numbers_of_half_precision_are_added_in_float32():
    for loss in ADVERSARIAL_LOSSES.values():
        assert loss.discriminator(REAL.bfloat16(), FAKE.bfloat16()).dtype == torch.float32


def test_pairs_must_be_alike():
    for side in ADVERSARIAL_LOSSES["relativistic"]:
        with pytest.raises(
            ValueError, match=r"compares patches in pairs: logits of shape \(2, 1, 1, 1\)|\(1, 1, 1, 1\)"
        ):
            side(REAL, FAKE[:1])


def test_r1_of_a_linear_discriminator_is_half_the_squared_norm_of_its_weight():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    images = torch.rand(5, 2, 1, 1).requires_grad_()
    logits = (images * weight.view(1, 2, 1, 1)).sum(1, keepdim=True)  # ∇ = (3, 4) everywhere
    penalty = r1_penalty(logits, images)
    assert penalty.item() == pytest.approx(25 / 2)
    penalty.backward()
    torch.testing.assert_close(weight.grad, weight.detach())  # of ½ ‖w‖²


def test_r1_takes_the_mean_of_an_images_patches():
    images = torch.rand(1, 1, 1, 2).requires_grad_()
    penalty = r1_penalty(2 * images, images)  # D = mean of two patches, ∇ = (1, 1)
    assert penalty.item() == pytest.approx(1)


def test_r1_needs_a_gradient():
    with pytest.raises(ValueError, match="needs images that require a gradient"):
        r1_penalty(REAL, torch.rand(2, 3, 1, 1))

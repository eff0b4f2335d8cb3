"""One backward pass trains both sides, each by its own loss."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import l1_loss

from fast_style.losses import ADVERSARIAL_LOSSES, r1_penalty
from fast_style.networks import PatchDiscriminator
from fast_style.training import Pix2Pix
from fast_style.training.adversarial import Adversary


@pytest.fixture
def discriminator():
    return PatchDiscriminator(4, 1)


@pytest.fixture
def generator():
    return nn.Conv2d(3, 3, 3, padding=1)


REAL, PHOTOS = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)


def gradients(module):
    return [None if parameter.grad is None else parameter.grad.clone() for parameter in module.parameters()]


@pytest.mark.parametrize("loss", ADVERSARIAL_LOSSES)
def test_the_gradients_are_those_of_two_turns(loss, discriminator, generator):
    """The generator's loss leaves the discriminator alone, and the reverse."""
    sides = ADVERSARIAL_LOSSES[loss]
    fake = generator(PHOTOS)
    sides.generator(discriminator(REAL).detach(), discriminator(fake)).backward()
    expected_makers = gradients(generator)
    discriminator.zero_grad()
    sides.discriminator(discriminator(REAL), discriminator(fake.detach())).backward()
    expected_judges = gradients(discriminator)
    for module in (generator, discriminator):
        module.zero_grad()
    losses = Adversary(discriminator, loss)(REAL, generator(PHOTOS), torch.arange(2), 0)
    assert set(losses) == {"adversarial_loss", "discriminator_loss"}
    sum(losses.values()).backward()
    torch.testing.assert_close(gradients(generator), expected_makers)
    torch.testing.assert_close(gradients(discriminator), expected_judges)


def test_spectral_norms_are_constants_as_well(generator):
    discriminator = PatchDiscriminator(4, 1, spectral=True)
    losses = Adversary(discriminator)(REAL, generator(PHOTOS), torch.arange(2), 0)
    losses["adversarial_loss"].backward()
    assert gradients(discriminator) == [None] * len(gradients(discriminator))
    assert all(gradient is not None for gradient in gradients(generator))


def test_r1_is_due_every_few_steps(discriminator, generator):
    adversary = Adversary(discriminator, r1_weight=2.0, r1_every=4)
    assert adversary.r1_weights == {"r1_loss": 8.0}
    found = [adversary(REAL, generator(PHOTOS), torch.arange(2), step) for step in range(5)]
    assert ["r1_loss" in losses for losses in found] == [True, False, False, False, True]
    images = REAL.clone().requires_grad_()
    torch.testing.assert_close(found[0]["r1_loss"], r1_penalty(discriminator(images), images))


def test_r1_is_due_in_all_batches_of_a_step(make, fit, batch):
    task, due = make(Pix2Pix, terms={"l1_loss": l1_loss}, term_weights={"l1_loss": 1.0}), []
    task.adversaries["B"].r1_weight, task.adversaries["B"].r1_every = 1.0, 2
    task.adversaries["B"].register_forward_hook(lambda _, given, losses: due.append("r1_loss" in losses))
    fit(task, [batch] * 8, accumulate=2)
    assert due == [True, True, False, False] * 2


def test_negatives_are_rejected_as_made_images_are(discriminator, generator):
    grey, lsgan = REAL.mean(1, keepdim=True).expand(-1, 3, -1, -1), ADVERSARIAL_LOSSES["lsgan"]
    fake = generator(PHOTOS)
    losses = Adversary(discriminator)(REAL, fake, torch.arange(2), 0, [grey])
    real, *rejected = (discriminator(each) for each in (REAL, fake, grey))
    expected = sum(lsgan.discriminator(real, each) for each in rejected) / 2
    torch.testing.assert_close(losses["discriminator_loss"], expected)


def test_real_and_made_images_are_augmented_alike(discriminator):
    """Where the made images are the real ones, the discriminator cannot tell them apart."""
    adversary = Adversary(discriminator, "vanilla", augment=["colour", "translation", "cutout"])
    losses = adversary(REAL, REAL.clone(), torch.arange(2), 0)
    logits = discriminator(adversary.augment(REAL, adversary.augment.draw(torch.arange(2))))
    assert losses["discriminator_loss"].item() == pytest.approx(
        ADVERSARIAL_LOSSES["vanilla"].discriminator(logits, logits).item()
    )


def test_the_pool_is_kept(discriminator):
    adversary = Adversary(discriminator, pool=3)
    for step in range(5):
        adversary(REAL, torch.rand(2, 3, 16, 16), torch.arange(2) + 2 * step, step)
    assert adversary.get_extra_state() == {}  # until the step is taken
    adversary.pool.commit()
    other = adversary.another()
    assert other.pool.images is None
    assert not torch.equal(other.discriminator.body[0].weight, discriminator.body[0].weight)
    other.load_state_dict(copy.deepcopy(adversary.state_dict()))
    assert torch.equal(other.pool.images, adversary.pool.images)
    assert torch.equal(other.discriminator.body[0].weight, discriminator.body[0].weight)
    fake, samples = torch.rand(2, 3, 16, 16), torch.arange(10, 12)
    torch.testing.assert_close(other(REAL, fake, samples, 5), adversary(REAL, fake, samples, 5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "wgan"}, "loss must be one of lsgan, vanilla, hinge, relativistic, got 'wgan'"),
        ({"augment": ["flip"]}, "augment must be a list of"),
        ({"r1_weight": -1.0}, r"r1_weight must not be negative, got -1\.0"),
        ({"r1_every": 0}, "r1_every must be at least 1 step, got 0"),
        ({"pool": -2}, "pool must be 0 images or more, got -2"),
    ],
)
def test_bad_arguments(discriminator, arguments, message):
    with pytest.raises(ValueError, match=message):
        Adversary(discriminator, **arguments)


def test_a_pool_does_not_go_with_kinds():
    adversary = Adversary(PatchDiscriminator(4, 1, kinds=2), pool=2)
    with pytest.raises(ValueError, match=r"a pool does not tell of which kind its pictures are: give model.adversary"):
        adversary(REAL, REAL, torch.arange(2), 0, kinds=[0, 1])

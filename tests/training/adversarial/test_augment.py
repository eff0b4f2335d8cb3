"""The same change for real and for made images."""

import pytest
import torch

from fast_style.training.adversarial import DiffAugment

ALL = ["colour", "translation", "cutout"]


def draws(**values):
    """Draws that change nothing, but for some."""
    names = ["brightness", "saturation", "contrast", "down", "right", "top", "left"]
    neutral = dict(zip(names, [0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0], strict=True))
    return torch.tensor([[(neutral | values)[name] for name in names]])


def test_draws_depend_on_seed_and_sample_alone():
    samples = torch.tensor([7, 3])
    first = DiffAugment(ALL, seed=1).draw(samples)
    assert first.shape == (2, 7)
    assert torch.equal(first, DiffAugment(ALL, seed=1).draw(samples))
    assert torch.equal(first[:1], DiffAugment([], seed=1).draw(samples[:1]))
    assert not torch.equal(first, DiffAugment(ALL, seed=2).draw(samples))
    assert ((first >= 0) & (first < 1)).all()


def test_without_a_policy_images_stay():
    images = torch.rand(1, 3, 8, 8)
    assert DiffAugment()(images, draws()) is images


def test_colour_by_hand():
    images = torch.rand(1, 3, 4, 4)
    augment = DiffAugment(["colour"])
    torch.testing.assert_close(augment(images, draws()), images)
    torch.testing.assert_close(augment(images, draws(brightness=1.0)), images + 0.25)
    grey = images.mean(1, keepdim=True)
    torch.testing.assert_close(augment(images, draws(saturation=0.0)), grey.expand_as(images))
    torch.testing.assert_close(augment(images, draws(saturation=1.0)), grey + 2 * (images - grey))
    torch.testing.assert_close(augment(images, draws(contrast=0.0)), images.mean() + (images - images.mean()) / 2)


def test_translation_by_hand():
    images = torch.rand(1, 3, 16, 16)  # moved by up to two pixels
    augment = DiffAugment(["translation"])
    assert torch.equal(augment(images, draws()), images)
    moved = augment(images, draws(down=0.0, right=0.99))
    assert torch.equal(moved[..., 2:, :-2], images[..., :-2, 2:])
    assert (moved[..., :2, :] == 0.5).all()
    assert (moved[..., -2:] == 0.5).all()


def test_cutout_by_hand():
    images = torch.rand(1, 3, 8, 8)
    augment = DiffAugment(["cutout"])
    middle = augment(images, draws(top=0.5, left=0.5))  # rows and columns 2 to 5
    assert (middle[..., 2:6, 2:6] == 0.5).all()
    assert ((middle == images).sum().item()) == 3 * (64 - 16)
    corner = augment(images, draws())  # half of the square lies outside
    assert (corner[..., :2, :2] == 0.5).all()
    assert torch.equal(corner[..., 2:, :], images[..., 2:, :])


def test_two_images_of_a_sample_are_changed_alike():
    images, augment = torch.rand(2, 3, 12, 12), DiffAugment(ALL, seed=3)
    drawn = augment.draw(torch.tensor([5, 6]))
    both = augment(torch.cat([images, images], 1), drawn)
    assert torch.equal(both[:, :3], both[:, 3:])
    torch.testing.assert_close(both[:, :3], augment(images, drawn))


def test_gradients_go_through():
    images = torch.rand(1, 3, 16, 16, requires_grad=True)
    augment = DiffAugment(ALL)
    augment(images, augment.draw(torch.tensor([0]))).sum().backward()
    assert images.grad.isfinite().all()
    assert images.grad.abs().sum() > 0


def test_an_unknown_policy():
    with pytest.raises(ValueError, match="augment must be a list of colour, translation, cutout, got 'flip'"):
        DiffAugment(["flip"])

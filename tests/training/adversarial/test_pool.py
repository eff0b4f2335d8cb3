"""What is remembered depends on the samples alone."""

import pytest
import torch

from fast_style.training.adversarial import ImagePool


def image(value, side=2):
    return torch.full((1, 3, side, side), value / 255)


def run(pool, first, last):
    """Feed images 0.004·i; return what comes back, as numbers of the images."""
    found = []
    for sample in range(first, last):
        shown = pool(image(sample), torch.tensor([sample]))
        found.append(round(shown[0, 0, 0, 0].item() * 255))
    return found


def test_it_is_filled_first():
    pool = ImagePool(5)
    assert run(pool, 0, 5) == [0, 1, 2, 3, 4]
    assert pool.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_then_half_are_earlier_ones_whose_place_they_take():
    pool, size = ImagePool(5), 5
    kept = set(run(pool, 0, size))
    exchanged = 0
    for sample in range(size, 200):
        (shown,) = run(pool, sample, sample + 1)
        if shown != sample:
            exchanged += 1
            kept = kept - {shown} | {sample}
        assert set(pool.images[:, 0, 0, 0].tolist()) == kept
    assert 75 < exchanged < 120


@pytest.mark.parametrize("before", [0, 2, 4, 9])
def test_what_a_step_puts_in_holds_once_it_is_committed(before):
    pool = ImagePool(4)
    run(pool, 0, before)
    pool.commit()
    expected = None if pool.images is None else pool.images.clone()
    run(pool, before, before + 12)
    assert torch.equal(pool.committed, expected) if before else pool.committed is None
    assert not before or not torch.equal(pool.images, pool.committed)
    pool.commit()
    assert torch.equal(pool.committed, pool.images)
    assert pool.committed is not pool.images


def test_crops_of_another_size_hold_once_they_are_committed():
    pool = ImagePool(3)
    run(pool, 0, 3)
    pool.commit()
    pool(image(9, side=4), torch.tensor([3]))
    assert pool.images.shape == (1, 3, 4, 4)
    assert pool.committed[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_draws_depend_on_seed_and_sample_alone():
    whole, first = ImagePool(4, seed=1), ImagePool(4, seed=1)
    expected = run(whole, 0, 40)
    found = run(first, 0, 17)
    second = ImagePool(4, seed=1)
    second.images = first.images.clone()
    assert found + run(second, 17, 40) == expected
    assert run(ImagePool(4, seed=2), 0, 40) != expected


def test_a_batch_is_as_its_images_one_by_one():
    alone = run(ImagePool(4), 0, 24)
    pool, found = ImagePool(4), []
    for first in range(0, 24, 3):
        samples = torch.arange(first, first + 3)
        shown = pool(torch.cat([image(sample.item()) for sample in samples]), samples)
        found += [round(each.item() * 255) for each in shown[:, 0, 0, 0]]
    assert found == alone


def test_the_numbers_of_one_process_stay_where_they_are():
    """To read them back from a GPU would wait for it at every step."""

    class Numbers(torch.Tensor):
        def to(self, *_):
            raise AssertionError("numbers were moved")

    samples = torch.arange(2).as_subclass(Numbers)
    assert ImagePool(3)(torch.cat([image(0), image(1)]), samples).shape == (2, 3, 2, 2)


def test_size_zero_returns_what_it_is_given_without_a_gradient():
    fakes = torch.rand(2, 3, 4, 4, requires_grad=True)
    shown = ImagePool(0)(fakes, torch.arange(2))
    assert torch.equal(shown, fakes)
    assert not shown.requires_grad


def test_values_are_clamped_and_rounded():
    pool = ImagePool(1)
    pool(torch.tensor([-0.2, 0.5, 1.3]).view(1, 3, 1, 1), torch.tensor([0]))
    assert pool.images.flatten().tolist() == [0, 128, 255]


def test_crops_of_another_size_begin_anew():
    pool = ImagePool(3)
    run(pool, 0, 3)
    assert pool(image(9, side=4), torch.tensor([9])).shape == (1, 3, 4, 4)
    assert pool.images.shape == (1, 3, 4, 4)


def test_a_negative_size():
    with pytest.raises(ValueError, match="pool must be 0 images or more, got -1"):
        ImagePool(-1)

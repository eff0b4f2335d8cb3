import pytest
import torch

from fast_style.evaluate import compare_pairs, compare_sets
from fast_style.metrics import describe_images, halves
from fast_style.networks import VGG


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return VGG("vgg19", None, width=4)


def scenes(count, seed, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    return list((torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bicubic") + shift).clamp(0, 1).split(1))


def test_a_set_is_nearer_to_its_like(network):
    real = describe_images(scenes(12, 0), network, seed=1)
    same, other = (describe_images(images, network) for images in (scenes(12, 1), [1 - x / 3 for x in scenes(12, 2)]))
    near, far = compare_sets("same", same, real), compare_sets("other", other, real)
    assert near.patch_distance < far.patch_distance
    assert near.kernel_distance < far.kernel_distance
    assert list(near.patch_levels) == [32, 16]
    assert near.images == 12
    assert near.l1 is None


def test_perfect_pictures_are_no_nearer_than_a_sample(network):
    """Of pairs: neither what belongs together nor patches of the same places bring them below nothing."""
    real, pictures = (describe_images(scenes(12, 0), network, seed) for seed in (1, 0))
    found = compare_sets("perfect", pictures, real, paired=True)
    assert found.kernel_distance == pytest.approx(0, abs=1e-6)
    assert found.patch_distance > 0
    assert compare_sets("itself", real, real).patch_distance == 0


def test_halves_are_what_would_be_described(network):
    images = scenes(5, 0)
    first, second = halves(describe_images(images, network))
    assert (len(first.features), len(second.features)) == (3, 2)
    torch.testing.assert_close(second.features, describe_images(images[1::2], network).features)
    assert {side: len(level) for side, level in first.patches.items()} == {32: 3 * 128, 16: 3 * 128}
    with pytest.raises(ValueError, match="at least four images, so that its halves can be compared, got 3"):
        halves(describe_images(images[:3], network))


def test_pairs_are_means():
    real = scenes(3, 0)
    found = compare_pairs([x + 0.1 for x in real], real)
    assert found["l1"] == pytest.approx(0.1, rel=1e-4)
    assert found["psnr"] == pytest.approx(20, rel=1e-4)
    assert compare_pairs(real, real)["ssim"] == pytest.approx(1)
    with pytest.raises(ValueError, match="longer than"):
        compare_pairs(real, scenes(4, 0))


def test_no_images(network):
    with pytest.raises(ValueError, match="there are no images to measure"):
        describe_images([], network)

"""Measures of sets of images, and of pairs."""

import numpy as np
import pytest
import torch

from fast_style.metrics import (
    kernel_distance,
    mean_absolute_error,
    patch_descriptors,
    patch_distance,
    peak_signal_to_noise_ratio,
)
from fast_style.metrics.patches import laplacian_pyramid


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_kernel_distance_equals_loops():
    x, y = torch.randn(4, 6), torch.randn(3, 6) + 0.5
    rows = [(z / z.square().mean(1, keepdim=True).sqrt()).double().numpy() for z in (x, y)]

    def mean(left, right, same):
        values = [
            (a @ b / 6 + 1) ** 3 for i, a in enumerate(left) for j, b in enumerate(right) if not (same and i == j)
        ]
        return np.mean(values)

    expected = mean(rows[0], rows[0], True) + mean(rows[1], rows[1], True) - 2 * mean(*rows, False)
    assert kernel_distance(x, y).item() == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(kernel_distance(3 * x, y), kernel_distance(x, y))
    pairs = mean(rows[0][:3], rows[0][:3], True) + mean(rows[1], rows[1], True) - 2 * mean(rows[0][:3], rows[1], True)
    assert kernel_distance(x[:3], y, paired=True).item() == pytest.approx(pairs, rel=1e-5)


def test_kernel_distance_is_without_bias():
    samples = [kernel_distance(torch.randn(5, 8), torch.randn(7, 8)) for _ in range(2000)]
    values = torch.stack(samples)
    assert values.min() < 0
    assert abs(values.mean()) < 4 * values.std() / len(values) ** 0.5


def test_kernel_distance_of_pairs_is_without_bias():
    """What belongs together is alike, and counts for nothing: perfect pictures are at 0."""
    features = torch.randn(6, 8)
    assert kernel_distance(features, features, paired=True).item() == pytest.approx(0, abs=1e-12)
    assert kernel_distance(features, features) < -0.1
    pairs = [(x, 0.8 * x + 0.6 * torch.randn(5, 8)) for x in torch.randn(2000, 5, 8)]
    values = torch.stack([kernel_distance(x, y, paired=True) for x, y in pairs])
    assert abs(values.mean()) < 4 * values.std() / len(values) ** 0.5
    with pytest.raises(ValueError, match="pairs must be as many images in each set, got 6 and 5"):
        kernel_distance(features, features[:5], paired=True)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [(((4, 6), (4, 5)), r"\(N, C\) and \(M, C\), got \(4, 6\) and \(4, 5\)"), (((1, 6), (4, 6)), "two images in each")],
)
def test_kernel_distance_refuses(shapes, message):
    with pytest.raises(ValueError, match=message):
        kernel_distance(*(torch.rand(shape) for shape in shapes))


def test_levels_of_a_pyramid():
    image = torch.rand(2, 3, 64, 96)
    levels = laplacian_pyramid(image)
    assert [tuple(level.shape[2:]) for level in levels] == [(64, 96), (32, 48), (16, 24)]
    flat = laplacian_pyramid(torch.full((1, 3, 64, 64), 0.3))
    assert flat[0].abs()[..., 4:-4, 4:-4].max() < 1e-6
    torch.testing.assert_close(flat[-1], torch.full((1, 3, 16, 16), 0.3))


@pytest.mark.parametrize(("size", "sides"), [((64, 96), [64, 32, 16]), ((90, 63), [63, 32, 16]), ((31, 40), [31])])
def test_patches_are_told_by_the_side_of_their_level(size, sides):
    image = torch.rand(1, 3, *size)
    assert list(patch_descriptors(image, 2, generator())) == sides
    assert [min(level.shape[2:]) for level in laplacian_pyramid(image)] == sides


def test_patches_are_those_of_the_image():
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(24.0), indexing="ij")
    image = torch.stack([y, x, 100 * y + x])[None]
    (patches,) = patch_descriptors(image, 5, generator()).values()
    assert patches.shape == (5, 3, 49)
    for rows, columns, both in patches.view(5, 3, 7, 7):
        assert torch.equal(both, 100 * rows + columns)
        assert torch.equal(rows[:, 0] - rows[0, 0], torch.arange(7.0))
        assert torch.equal(columns[0] - columns[0, 0], torch.arange(7.0))


def test_patch_distance_of_gaussians():
    """A shift of all values by s standard deviations moves a projection d by s · |Σ d|."""
    real = torch.randn(4000, 3, 49)
    assert patch_distance(real, real) == 0
    directions = torch.randn(512, 147, generator=generator())
    directions /= directions.norm(dim=1, keepdim=True)
    expected = 0.7 * directions.sum(1).abs().mean()
    assert patch_distance(real + 0.7, real).item() == pytest.approx(expected.item(), rel=0.01)


def test_patch_distance_of_other_numbers_and_scales():
    real, other = torch.randn(3000, 3, 49), torch.randn(2000, 3, 49)
    near, far = patch_distance(other, real), patch_distance(1.5 * other, real)
    assert near < 0.05
    assert far > 0.3
    torch.testing.assert_close(patch_distance(4 * other + 1, 4 * real + 1), near, rtol=1e-3, atol=1e-4)


def test_patches_refuse_small_images():
    with pytest.raises(ValueError, match="16 pixels and more a side"):
        patch_descriptors(torch.rand(1, 3, 15, 40), 4, generator())


def test_errors_by_hand():
    target = torch.full((1, 3, 2, 2), 0.5)
    image = target.clone()
    image[0, 0, 0, 0] = 0.8
    pair = torch.cat([image, target]), torch.cat([target, target])
    torch.testing.assert_close(mean_absolute_error(*pair), torch.tensor([0.3 / 12, 0.0]))
    torch.testing.assert_close(
        peak_signal_to_noise_ratio(*pair), torch.tensor([-10 * np.log10(0.09 / 12), 100.0]).float()
    )
    for measure in (mean_absolute_error, peak_signal_to_noise_ratio):
        with pytest.raises(ValueError, match="images have shape"):
            measure(image, target[..., :1])

"""Procedural scenes: a function of seed and index, with the statistics of photos."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from fast_style.data import HeldOutScenes, ProceduralImages, SampleIndices, collate, procedural_image
from fast_style.data.procedural.textures import _fields


@pytest.fixture(scope="module")
def scenes() -> torch.Tensor:
    """Sixty scenes at 128 px."""
    return torch.stack([procedural_image(3, index, 128) for index in range(60)])


def spectrum_slope(image: torch.Tensor) -> float:
    """Exponent of the power spectrum, by least squares over all frequencies but the lowest and highest."""
    light = (image - image.mean(dim=(1, 2), keepdim=True)).mean(dim=0).numpy()
    window = np.hanning(len(light))
    power = np.abs(np.fft.fft2(light * window * window[:, None])) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(len(light)), np.fft.fftfreq(len(light))))
    band = (frequency > 0.03) & (frequency < 0.45)
    return float(np.polyfit(np.log(frequency[band]), np.log(power[band] + 1e-9), 1)[0])


def test_sample():
    sample = ProceduralImages(32, seed=7)[5]
    assert sample["image"].shape == (3, 32, 32)
    assert sample["image"].dtype == torch.float32
    assert sample["skipped"] == sample["enlarged"] == []
    assert torch.equal(sample["image"], procedural_image(7, 5, 32))


def test_depends_on_seed_and_index_alone():
    expected = [procedural_image(1, index, 64) for index in range(20)]
    torch.manual_seed(123)
    np.random.seed(123)  # noqa: NPY002 - the global generator is what must not matter
    for index in reversed(range(20)):
        assert torch.equal(procedural_image(1, index, 64), expected[index])


def test_leaves_the_global_generators_alone():
    ours, theirs = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    procedural_image(0, 0, 32)
    assert torch.equal(torch.get_rng_state(), ours)
    assert np.array_equal(np.random.get_state()[1], theirs)  # noqa: NPY002


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_change_nothing():
    dataset = ProceduralImages(48, seed=2)

    def first_batches(workers: int) -> list[torch.Tensor]:
        sampler = SampleIndices(lambda: 3, 2)
        loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=collate, num_workers=workers)
        return [batch["image"] for batch, _ in zip(loader, range(6), strict=False)]

    expected = first_batches(0)
    _fields.cache_clear()  # each worker makes its own
    assert torch.equal(torch.stack(first_batches(2)), torch.stack(expected))


def test_other_seeds_and_indices_differ():
    images = [procedural_image(seed, index, 32) for seed in (0, 1, 2**40) for index in (0, 1, 2**40)]
    for first in range(len(images)):
        assert not any(torch.equal(images[first], image) for image in images[first + 1 :])


@pytest.mark.parametrize("size", [16, 17, 100, 513, 1024])
def test_any_size(size):
    for index in range(40 if size < 200 else 2):
        image = procedural_image(0, index, size)
        assert image.shape == (3, size, size)
        assert image.isfinite().all()
        assert 0 <= image.min() < image.max() <= 1


def test_none_is_flat(scenes):
    assert 0 <= scenes.min() < scenes.max() <= 1
    assert (scenes.mean(dim=1).std(dim=(1, 2)) > 0.04).all()


def test_spectra_fall_as_those_of_photos(scenes):
    slopes = torch.tensor([spectrum_slope(image) for image in scenes])
    assert -3.6 < slopes.mean() < -2.7  # photos, measured in the same way at the same size: −3.13 ± 0.56
    assert 0.3 < slopes.std() < 1.2


def test_colours_are_those_of_photos(scenes):
    means = scenes.mean(dim=(2, 3))  # (N, 3)
    assert 0.36 < means.mean() < 0.50
    assert means[:, 0].mean() > means[:, 2].mean()  # warm
    assert 0.06 < means.mean(dim=1).std() < 0.16
    assert 0.15 < scenes.mean(dim=1).std(dim=(1, 2)).mean() < 0.26
    chroma = scenes.amax(dim=1) - scenes.amin(dim=1)
    assert 0.08 < chroma.mean() < 0.22
    red, green, blue = scenes.transpose(0, 1).flatten(1)  # (N·H·W,) each
    assert torch.corrcoef(torch.stack([red, green]))[0, 1] > 0.8
    assert torch.corrcoef(torch.stack([green, blue]))[0, 1] > 0.7


def test_edges_are_sparse_and_smooth_regions_occur(scenes):
    gradients = scenes.mean(dim=1).diff(dim=2)
    kurtosis = gradients.pow(4).mean(dim=(1, 2)) / gradients.square().mean(dim=(1, 2)).square()
    assert 8 < kurtosis.median() < 50
    flat = (gradients.abs() < 2 / 255).float().mean(dim=(1, 2))
    assert flat.max() > 0.5
    assert flat.min() < 0.2


def test_held_out_scenes_are_fixed_and_named():
    scenes = HeldOutScenes(3, 32)
    assert len(scenes) == 3
    assert scenes.names == ["scene 1", "scene 2", "scene 3"]
    assert scenes.skipped == []
    again = HeldOutScenes(8, 32)
    for index in range(3):
        assert torch.equal(scenes[index]["image"], again[index]["image"])
    assert not torch.equal(scenes[0]["image"], scenes[1]["image"])


def test_some_held_out_scenes_can_come_first():
    plain, chosen = HeldOutScenes(6, 16), HeldOutScenes(4, 16, first=(5, 1))
    for index, number in enumerate((5, 1, 0, 2)):
        assert torch.equal(chosen[index]["image"], plain[number]["image"])
    assert len(HeldOutScenes(1, 16, first=(5, 1))) == 1


def test_held_out_scenes_are_not_trained_on():
    heldout = [HeldOutScenes(4, 16)[index]["image"] for index in range(4)]
    trained = [procedural_image(seed, index, 16) for seed in range(5) for index in range(20)]
    assert not any(torch.equal(first, second) for first in heldout for second in trained)


def test_numbers_out_of_range():
    with pytest.raises(ValueError, match="size of procedural images must be at least 16 pixels, got 15"):
        ProceduralImages(15)
    with pytest.raises(ValueError, match="seed of procedural images must not be negative, got -1"):
        ProceduralImages(16, seed=-1)
    with pytest.raises(ValueError, match="at least 16 pixels, got 8"):
        procedural_image(0, 0, 8)
    with pytest.raises(IndexError, match="a sample index must not be negative, got -1"):
        ProceduralImages(16)[-1]
    with pytest.raises(ValueError, match="at least 1 held-out scene, got 0"):
        HeldOutScenes(0, 16)
    with pytest.raises(ValueError, match="at least 16 pixels, got 15"):
        HeldOutScenes(1, 15)
    for index in (-1, 2):
        with pytest.raises(IndexError, match=f"there are 2 held-out scenes, got index {index}"):
            HeldOutScenes(2, 16)[index]

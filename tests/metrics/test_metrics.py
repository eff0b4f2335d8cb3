import numpy as np
import pytest
import torch

from fast_style.metrics import feature_distance, palette_distance, ssim


def test_ssim_equals_loops():
    image, photo = torch.rand(2, 1, 1, 13, 12).expand(2, 1, 3, 13, 12)
    places = np.arange(11) - 5
    window = np.exp(-(places[:, None] ** 2 + places**2) / (2 * 1.5**2))
    window /= window.sum()
    x, y = image[0, 0].double().numpy(), photo[0, 0].double().numpy()
    values = []
    for top in range(3):
        for left in range(2):
            a, b = (z[top : top + 11, left : left + 11] for z in (x, y))
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            cov = (window * (a - mean_a) * (b - mean_b)).sum()
            light = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
            values.append(light * (2 * cov + 9e-4) / (var_a + var_b + 9e-4))
    assert ssim(image, photo).item() == pytest.approx(np.mean(values), rel=1e-4)


def test_ssim_equals_torchmetrics():
    functional = pytest.importorskip("torchmetrics.functional.image")
    photos = torch.rand(2, 3, 40, 50)
    images = (photos + 0.2 * torch.randn_like(photos)).clamp(0, 1)
    _, full = functional.structural_similarity_index_measure(images, photos, data_range=1.0, return_full_image=True)
    torch.testing.assert_close(ssim(images, photos), full[..., 5:-5, 5:-5].mean((1, 2, 3)))  # theirs pads by reflection


def test_ssim_of_the_same_is_one():
    photos = torch.rand(2, 3, 20, 20)
    torch.testing.assert_close(ssim(photos, photos), torch.ones(2))


def test_ssim_refuses():
    with pytest.raises(ValueError, match="at least 11 pixels"):
        ssim(*torch.rand(2, 1, 3, 10, 20))
    with pytest.raises(ValueError, match="images have shape"):
        ssim(torch.rand(1, 3, 20, 20), torch.rand(1, 3, 20, 21))


def test_palette_distance_sees_colours_and_not_where():
    style = torch.rand(1, 3, 20, 30)
    shuffled = style.flatten(2)[..., torch.randperm(600)].view(1, 3, 30, 20)
    assert palette_distance(shuffled, style).item() == pytest.approx(0, abs=1e-6)
    moved = palette_distance(torch.cat([style + torch.tensor([0.1, 0, 0]).view(3, 1, 1), style + 0.1]), style)
    assert moved[0].item() == pytest.approx(0.1 / 3**0.5, rel=0.1)
    assert moved[1].item() == pytest.approx(0.1, rel=0.1)


def test_palette_distance_of_another_size():
    style = torch.rand(1, 3, 64, 64)
    larger = torch.nn.functional.interpolate(style, scale_factor=2.0)
    assert palette_distance(larger, style).item() < 1e-3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("measure", [palette_distance, ssim])
def test_measures_are_computed_in_float32_whatever_is_around_them(measure, dtype):
    images, style = torch.rand(2, 1, 3, 20, 20)
    exact = measure(images, style)
    with torch.autocast("cpu", dtype):
        torch.testing.assert_close(measure(images, style), exact, rtol=0, atol=0)


def test_palette_distance_refuses():
    for images, style in (((2, 3, 4, 4), (2, 3, 4, 4)), ((2, 4, 4, 4), (1, 3, 4, 4)), ((3, 4, 4), (1, 3, 4, 4))):
        with pytest.raises(ValueError, match=r"images must have shape \(N, 3, H, W\) and the style \(1, 3, H, W\)"):
            palette_distance(torch.rand(images), torch.rand(style))


def test_feature_distance_by_hand():
    features = {"a": torch.tensor([3.0, 4.0]).view(1, 2, 1, 1), "b": torch.tensor([0.0, 2.0]).view(1, 2, 1, 1)}
    targets = {"a": torch.tensor([6.0, 8.0]).view(1, 2, 1, 1), "b": torch.tensor([5.0, 0.0]).view(1, 2, 1, 1)}
    assert feature_distance(features, targets).item() == pytest.approx(0 + 2)
    with pytest.raises(ValueError, match="differ"):
        feature_distance(features, {"a": targets["a"]})

import pytest
import torch

from fast_style.functional import luma
from fast_style.inference.control import (
    Control,
    automatic_strokes,
    match_colours,
    resize_mask,
    restroke,
    with_colours_of,
)
from fast_style.inference.phases import mean_over_phases

PHOTOS = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(1)) * 0.5 + 0.25
RED = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)


def paint_red(photos):
    return RED.expand_as(photos)


def invert(photos):
    return 1 - photos


def test_neutral_is_the_network_alone():
    assert torch.equal(Control().apply([invert], PHOTOS), 1 - PHOTOS)


@pytest.mark.parametrize("strength", [0.0, 0.25, 1.0])
def test_strength(strength):
    expected = (1 - strength) * PHOTOS + strength * (1 - PHOTOS)
    torch.testing.assert_close(Control(strength=strength).apply([invert], PHOTOS), expected)


def test_strength_0_is_the_photo_to_the_bit():
    assert torch.equal(Control(strength=0).apply([paint_red], PHOTOS), PHOTOS)


def test_masks_lay_networks_over_one_another_and_over_the_photo():
    left, top = torch.zeros(2, 1, 1, 24, 32)
    left[..., :16], top[..., :12, :] = 1, 1
    result = Control().apply([invert, paint_red], PHOTOS, [left, top])
    assert torch.equal(result[..., :12, :], RED.expand(2, 3, 12, 32))
    torch.testing.assert_close(result[..., 12:, :16], 1 - PHOTOS[..., 12:, :16])
    assert torch.equal(result[..., 12:, 16:], PHOTOS[..., 12:, 16:])


def test_a_network_without_mask_is_everywhere():
    result = Control().apply([invert, paint_red], PHOTOS, [None, torch.full((1, 1, 24, 32), 0.5)])
    torch.testing.assert_close(result, (1 - PHOTOS + RED) / 2)


def test_a_mask_of_another_size_is_resized():
    mask = torch.zeros(1, 1, 3, 4)
    mask[..., :2] = 1
    resized = resize_mask(mask, PHOTOS)
    assert resized.shape == (1, 1, 24, 32)
    assert resized[..., :8].min() == 1
    assert resized[..., 24:].max() == 0
    assert ((resized > 0) & (resized < 1)).any()


def test_too_few_masks():
    with pytest.raises(ValueError, match="one mask for each of 2 networks, got 1"):
        Control().apply([invert, invert], PHOTOS, [None])


def test_luminance_keeps_the_colours_of_the_photo():
    pictures = torch.rand_like(PHOTOS) * 0.2 + 0.4
    calm = 0.5 + (PHOTOS - PHOTOS.mean(dim=1, keepdim=True)) * 0.3
    result = with_colours_of(calm, pictures)
    torch.testing.assert_close(luma(result), luma(pictures), atol=1e-5, rtol=0)
    # Cb and Cr, ITU-R BT.601
    torch.testing.assert_close(result[:, 2:] - luma(result), calm[:, 2:] - luma(calm), atol=1e-5, rtol=0)
    torch.testing.assert_close(result[:, :1] - luma(result), calm[:, :1] - luma(calm), atol=1e-5, rtol=0)


def test_histogram_gives_mean_and_covariance_image_by_image():
    pictures = torch.rand_like(PHOTOS) * torch.tensor([0.1, 0.3, 0.2]).view(3, 1, 1)
    calm = 0.5 + (PHOTOS - 0.5) * 0.3
    result = match_colours(pictures, calm)
    for one, other in zip(result, calm, strict=True):
        torch.testing.assert_close(one.mean(dim=(1, 2)), other.mean(dim=(1, 2)), atol=1e-3, rtol=0)
        torch.testing.assert_close(one.flatten(1).cov(), other.flatten(1).cov(), atol=4e-4, rtol=0)


def test_histogram_leaves_a_picture_of_the_same_colours():
    torch.testing.assert_close(match_colours(PHOTOS, PHOTOS), PHOTOS, atol=1e-4, rtol=0)


def test_histogram_does_not_amplify_noise_in_grey_pictures():
    grey = torch.linspace(0, 1, 64 * 64).view(1, 1, 64, 64).expand(1, 3, 64, 64)
    noisy = grey + 0.002 * torch.randn(1, 3, 64, 64)
    photos = 0.35 + 0.3 * torch.rand(1, 3, 64, 64)
    difference = match_colours(noisy, photos) - match_colours(grey, photos)
    assert difference.std() < 0.03


def test_finer_strokes_have_a_limit():
    with pytest.raises(ValueError, match=r"stroke size 0\.125 makes 32000×16000 pixels of 4000×2000, more than"):
        restroke(paint_red, torch.zeros(1, 3, 2000, 4000), 0.125)


@pytest.mark.parametrize("colour", ["luminance", "histogram"])
@pytest.mark.parametrize("size", [(1, 1), (5, 7)])
def test_one_colour_is_no_trouble(colour, size):
    result = Control(preserve_color=colour).apply([paint_red], torch.full((1, 3, *size), 0.5))
    assert result.isfinite().all()
    assert result.shape == (1, 3, *size)


@pytest.mark.parametrize(("factor", "size"), [(2, (12, 16)), (0.5, (48, 64)), (1.5, (16, 21)), (8, (3, 4))])
def test_the_network_sees_another_size(factor, size):
    seen = []

    def look(photos):
        seen.append(tuple(photos.shape[-2:]))
        return photos

    result = restroke(look, PHOTOS, factor)
    assert seen == [size]
    assert result.shape == PHOTOS.shape


def test_strokes_become_larger():
    def stripes(photos):  # 2 pixels wide
        return ((torch.arange(photos.shape[-1]) // 2) % 2).float().expand_as(photos)

    grey = torch.full((1, 3, 32, 64), 0.5)
    row = restroke(stripes, grey, 4)[0, 0, 16]
    assert ((row[1:] > 0.5) != (row[:-1] > 0.5)).nonzero().flatten().diff().unique().tolist() == [8]


@pytest.mark.parametrize(("side", "size"), [(40, 1.0), (1280, 1.0), (2560, 2.0), (1920, 1.5), (20_000, 8.0)])
def test_automatic_strokes_are_larger_in_large_photos(side, size):
    assert automatic_strokes(side) == size
    photos = torch.rand(1, 3, 4, side)
    picture = Control(stroke_size=None).apply([invert], photos)
    assert torch.equal(picture, Control(stroke_size=size).apply([invert], photos))


def test_the_detail_of_the_photo_is_kept():
    fine = 0.5 + 0.2 * ((torch.arange(32)[:, None] + torch.arange(32)) % 2 - 0.5).expand(1, 3, 32, 32)
    result = restroke(lambda small: torch.full_like(small, 0.5), fine, 4)
    assert result.std().item() == pytest.approx(fine.std().item(), rel=0.05)
    assert restroke(torch.ones_like, fine, 4).max() == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strength": 1.5}, "strength must be 0 .* to 1 .*, got 1.5"),
        ({"strength": -0.1}, "strength must be"),
        ({"strength": float("nan")}, "strength must be"),
        ({"preserve_color": "hue"}, "must be one of luminance, histogram, got 'hue'"),
        ({"stroke_size": 0}, r"stroke size must be 0.125 to 8.0 times, got 0"),
        ({"stroke_size": float("nan")}, "stroke size must be"),
        ({"stroke_size": 9}, "stroke size must be"),
    ],
)
def test_bad_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        Control(**arguments)


def test_the_best_quality_is_the_mean_over_phases():
    def blocks(photos):
        return torch.nn.functional.interpolate(photos[..., ::4, ::4], size=photos.shape[-2:], mode="nearest")

    photos = torch.rand(1, 3, 16, 20)
    found = Control(quality="best").apply([blocks], photos)
    torch.testing.assert_close(found, mean_over_phases(blocks, photos, 16))


def test_other_qualities_are_refused():
    with pytest.raises(ValueError, match="quality must be one of normal, best, got 'better'"):
        Control(quality="better")

import numpy as np
import PIL.Image
import pytest
import torch

from fast_style import images
from fast_style.images.tensors import middle, to_depth, to_float


def test_to_pil_rounds_and_clamps():
    image = torch.tensor([-1.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 2.0]).expand(3, 1, 5)
    assert np.asarray(images.to_pil(image))[0, :, 0].tolist() == [0, 0, 1, 255, 255]


def test_pil_round_trip(noise):
    image = images.from_pil(noise)
    assert np.array_equal(np.asarray(images.to_pil(image)), np.asarray(noise))
    assert np.array_equal(np.asarray(images.to_pil(image[0])), np.asarray(noise))


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (1, 4, 4), (4, 4)])
def test_to_pil_checks_the_shape(shape):
    with pytest.raises(ValueError, match=r"must have shape \(3, H, W\) or \(1, 3, H, W\), got"):
        images.to_pil(torch.zeros(shape))


def test_to_float():
    assert images.to_float(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx([0, 0.2, 1])
    with pytest.raises(TypeError, match=r"must be uint8, or uint16 in 0 … 65535, got torch\.float32"):
        images.to_float(torch.zeros(3))


def test_depths():
    every = torch.arange(65_536, dtype=torch.int32).to(torch.uint16).reshape(1, 256, 256)
    as_float = to_float(every)
    assert as_float.max() == 1
    assert torch.equal(to_depth(as_float, 16), every)
    assert torch.equal(to_depth(every, 8).int(), (as_float * 255).round().int())
    assert torch.equal(to_depth(to_depth(to_depth(every, 8), 16), 8), to_depth(every, 8))
    assert to_depth(torch.tensor([[[-1.0, 2.0]]], dtype=torch.bfloat16), 16).tolist() == [[[0, 65_535]]]


@pytest.mark.parametrize(
    ("size", "side", "short", "long"),
    [
        ((60, 100), 30, (30, 50), (18, 30)),
        ((100, 60), 30, (50, 30), (30, 18)),
        ((60, 100), 120, (120, 200), (72, 120)),
        ((1, 100), 10, (10, 80), (1, 10)),
        ((1, 1), 4, (4, 4), (4, 4)),
    ],
)
def test_resize_keeps_the_aspect(size, side, short, long):
    image = torch.rand(2, 3, *size)
    assert images.resize_short_side(image, side).shape == (2, 3, *short)
    assert images.resize_long_side(image, side).shape == (2, 3, *long)


def test_resize_equals_pillow(pixels):
    reference = images.to_pil(pixels).resize((16, 10), PIL.Image.Resampling.BICUBIC)
    assert (images.resize_long_side(pixels, 16) - images.from_pil(reference)).abs().max() < 2 / 255


def test_resize_stays_in_range():
    edges = (torch.rand(1, 3, 16, 16) > 0.5).float()
    resized = images.resize_short_side(edges, 11)
    assert resized.min() == 0
    assert resized.max() == 1


@pytest.mark.parametrize("size", [(30, 11), (9, 50)])
def test_resize_to_a_height_and_a_width(size):
    image = torch.rand(2, 3, 20, 24).round()
    expected = torch.nn.functional.interpolate(image, size, mode="bicubic", antialias=True).clamp(0, 1)
    torch.testing.assert_close(images.resize(image, size), expected)
    assert images.resize(image, (20, 24)) is image


def test_resize_to_the_same_size_changes_nothing(pixels):
    assert torch.equal(images.resize_long_side(pixels, 37), pixels)


@pytest.mark.parametrize("resize", [images.resize_short_side, images.resize_long_side])
def test_resize_checks_the_side(resize, pixels):
    with pytest.raises(ValueError, match="must be at least 1 pixel, got 0"):
        resize(pixels, 0)


def test_a_line_is_cut_before_it_is_resized():
    # Whole, 64 MB of it would become 1.6 GB.
    line = torch.arange(4 * 2000, dtype=torch.int32).remainder(256).to(torch.uint8).view(1, 1, 4, 2000)
    for image in (line, line.mT):
        resized = images.resize_short_side(image.expand(1, 3, *image.shape[-2:]), 100)
        assert sorted(resized.shape[-2:]) == [100, 800]
    middle = images.resize_short_side(line[..., 984:1016], 100)
    assert torch.equal(images.resize_short_side(line, 100), middle)
    assert images.resize_long_side(line, 100).shape[-2:] == (1, 100)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
@pytest.mark.parametrize("side", [7, 100, 600, 700])
def test_integers_are_resized_as_floats_are(dtype, side):
    image = torch.rand(1, 3, 600, 40)
    whole = to_depth(image[0], 8 if dtype == torch.uint8 else 16)[None]
    expected = torch.nn.functional.interpolate(
        to_float(whole), (side, max(1, round(40 * side / 600))), mode="bicubic", antialias=True
    ).clamp(0, 1)
    assert (images.resize_long_side(whole, side) - expected).abs().max() < 1e-5


@pytest.mark.parametrize(("height", "width", "rows", "columns"), [(2, 3, (1, 3), (1, 4)), (5, 1, (0, 5), (2, 3))])
def test_the_middle(height, width, rows, columns):
    image = torch.rand(2, 3, 5, 6)
    assert torch.equal(middle(image, height, width), image[:, :, slice(*rows), slice(*columns)])
    with pytest.raises(ValueError, match=r"cannot cut 7×2 pixels out of the middle of 6×5"):
        middle(image, 2, 7)

import numpy as np
import pytest
import torch

from fast_style.images.tensors import TOPS
from fast_style.images.transparency import BAND, fill_hidden, flatten


def test_visible_pixels_stay_as_they_are():
    generator = np.random.default_rng(0)
    for dtype in (np.uint8, np.uint16):
        pixels = torch.from_numpy(generator.integers(0, 256, (3, 37, 53)).astype(dtype))
        alpha = torch.from_numpy((generator.random((1, 37, 53)) < 0.3).astype(dtype))
        filled = fill_hidden(pixels, alpha)
        visible = alpha.numpy()[0] > 0
        assert filled.dtype == pixels.dtype
        assert np.array_equal(filled.numpy()[:, visible], pixels.numpy()[:, visible])
        assert not torch.equal(filled, pixels)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
@pytest.mark.parametrize(("height", "width"), [(1, 2), (2, 1), (5, 7), (2 * BAND + 3, 9)])
def test_hidden_pixels_take_the_only_colour_there_is(dtype, height, width):
    colour = torch.tensor([200, 100, 50]).to(dtype)
    pixels = torch.zeros(3, height, width, dtype=dtype)
    pixels[:, height - 1, width - 1] = colour
    alpha = torch.zeros(1, height, width, dtype=dtype)
    alpha[:, height - 1, width - 1] = 1
    assert torch.equal(fill_hidden(pixels, alpha), colour[:, None, None].expand(3, height, width))


def test_hidden_pixels_take_the_colours_next_to_them():
    # Red on the left, blue on the right, black hidden between them.
    pixels = torch.zeros(3, 32, 96, dtype=torch.uint8)
    pixels[0, :, :32], pixels[2, :, 64:] = 255, 255
    alpha = torch.full((1, 32, 96), 255, dtype=torch.uint8)
    alpha[:, :, 32:64] = 0
    red, green, blue = fill_hidden(pixels, alpha).float()
    assert (red[:, 32:34] > 200).all()
    assert (blue[:, 62:64] > 200).all()
    assert (red + blue > 200).all()
    assert not green.any()


def test_half_hidden_colours_count_less():
    pixels = torch.tensor([255, 0, 0], dtype=torch.uint8).expand(3, 1, 3)
    alpha = torch.tensor([[[255, 1, 0]]], dtype=torch.uint8)
    pixels, alpha = torch.cat([pixels, pixels[..., :1]], dim=2), torch.cat([alpha, alpha[..., 2:]], dim=2)
    assert (fill_hidden(pixels, alpha)[:, 0, 3] > 250).all()


def test_without_anything_visible_or_hidden_nothing_changes():
    pixels = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8)
    for opacity in (0, 1, 255):
        assert torch.equal(fill_hidden(pixels, torch.full((1, 5, 7), opacity, dtype=torch.uint8)), pixels)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_flatten(dtype):
    top, generator = TOPS[dtype], np.random.default_rng(0)
    pixels, alpha = (generator.integers(0, top + 1, (channels, 40, 50)) for channels in (3, 1))
    pixels[:, 0, 0], alpha[:, 0, 0] = top, top
    background = (255, 128, 0)
    below = np.array(background)[:, None, None] / 255 * top
    expected = pixels * (alpha / top) + below * (1 - alpha / top)
    as_tensors = (torch.from_numpy(values).to(dtype) for values in (pixels, alpha))
    assert np.abs(flatten(*as_tensors, background).numpy() - expected).max() <= 1

import pytest
import torch
from torch.nn import functional as F

from fast_style.data.crops import draw_square, random_crop, resize_part, resized
from fast_style.images import resize_short_side, to_float


def test_squares_lie_in_the_picture_and_have_the_size_where_it_fits():
    draws = torch.Generator().manual_seed(0)
    for top, left, side in (draw_square(40, 60, 16, draws) for _ in range(200)):
        assert 16 <= side <= 40
        assert 0 <= top <= 40 - side
        assert 0 <= left <= 60 - side
    assert draw_square(10, 10, 16, draws) == (0, 0, 10)


def test_images_one_over_the_other_are_cropped_alike():
    pixels = torch.randint(256, (3, 40, 60), dtype=torch.uint8)
    both = random_crop(torch.cat([pixels, pixels]), 16, torch.Generator().manual_seed(3))
    alone = random_crop(pixels, 16, torch.Generator().manual_seed(3))
    assert torch.equal(both, torch.cat([alone, alone]))


@pytest.mark.parametrize("shape", [(40, 61), (50, 33), (20, 80)])
def test_a_part_of_an_ordinary_photo_is_that_of_the_whole(shape):
    pixels = torch.randint(256, (3, *shape), dtype=torch.uint8)
    whole = resize_short_side(to_float(pixels)[None], 32)[0]
    assert resized(pixels, 32) == tuple(whole.shape[1:])
    for top, left in ((0, 0), (whole.shape[1] - 20, whole.shape[2] - 20)):
        part = resize_part(pixels, 32, top, left, 20)
        assert torch.equal(part, whole[:, top : top + 20, left : left + 20])


@pytest.mark.parametrize("wide", [True, False])
def test_of_a_line_only_what_is_needed_is_resized(wide, monkeypatch):
    pixels = torch.randint(256, (3, 4, 600) if wide else (3, 600, 4), dtype=torch.uint8)
    size = (32, 4800) if wide else (4800, 32)
    whole = F.interpolate(to_float(pixels)[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)
    seen = []
    monkeypatch.setattr(
        "fast_style.data.crops.resize_short_side",
        lambda image, side: seen.append(image.shape) or resize_short_side(image, side),
    )
    for start in (0, 2000, 4800 - 32):
        place = (0, start) if wide else (start, 0)
        expected = whole[:, place[0] : place[0] + 32, place[1] : place[1] + 32]
        # At a border of what was cut out, the filter meets the border instead of the neighbours.
        assert (resize_part(pixels, 32, *place, 32) - expected).abs().max() < 1e-4
    assert {max(shape) for shape in seen} == {16}
    thin = torch.zeros(3, 1, 2000, dtype=torch.uint8)
    assert resize_part(thin, 256, 0, 255_872, 256).shape == (3, 256, 256)

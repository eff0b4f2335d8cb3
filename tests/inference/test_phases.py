"""The mean over phases."""

import pytest
import torch
from torch.nn import functional as F

from fast_style.inference.phases import mean_over_phases


def blocks(photos):
    """A network that is nothing but its grid: each 4×4 square gets the colour of its corner."""
    return F.interpolate(photos[..., ::4, ::4], size=photos.shape[-2:], mode="nearest")


def test_what_depends_on_pixels_alone_stays():
    photos = torch.rand(2, 3, 9, 13)
    for phases in (1, 4, 16):
        torch.testing.assert_close(mean_over_phases(lambda x: 1 - x, photos, phases), 1 - photos)


def test_all_phases_move_with_the_photo():
    photo = torch.rand(1, 3, 40, 40)
    still = mean_over_phases(blocks, photo, 16)
    moved = mean_over_phases(blocks, photo.roll(-1, dims=3), 16)
    torch.testing.assert_close(moved[..., 8:-8, 8:-8], still.roll(-1, dims=3)[..., 8:-8, 8:-8])
    assert (blocks(photo.roll(-1, dims=3)) - blocks(photo).roll(-1, dims=3)).abs().max() > 0.1


def test_other_numbers():
    with pytest.raises(ValueError, match="phases must be 1, 4 or 16, got 9"):
        mean_over_phases(blocks, torch.rand(1, 3, 8, 8), 9)

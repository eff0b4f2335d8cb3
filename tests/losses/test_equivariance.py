"""Pictures move with the photo."""

import pytest
import torch
from torch.nn import functional as F

from fast_style.losses.equivariance import equivariance_loss, shifted


@pytest.mark.parametrize(("down", "right"), [(1, 0), (-2, 3), (3, -3)])
def test_a_convolution_moves_with_the_photo(down, right):
    kernel = torch.randn(3, 3, 5, 5)
    photos = torch.rand(2, 3, 64, 80)

    def network(x):
        return F.conv2d(x, kernel, padding=2)

    assert equivariance_loss(network(photos), network(shifted(photos, down, right)), down, right) < 1e-10


def test_what_keeps_to_a_grid_does_not():
    photos = torch.rand(1, 3, 64, 64)

    def network(x):
        return F.interpolate(x[..., ::4, ::4], scale_factor=4.0)

    assert equivariance_loss(network(photos), network(shifted(photos, 0, 4)), 0, 4) < 1e-10
    moved, still = network(shifted(photos, 0, 1)), network(photos)
    found = equivariance_loss(still, moved, 0, 1)
    torch.testing.assert_close(found, (moved[..., 24:40, 24:40] - still[..., 24:40, 25:41]).square().mean())
    assert found > 0.01


def test_a_shift_shows_what_lies_below_and_to_the_right():
    photo = torch.arange(12.0).view(1, 1, 3, 4)
    torch.testing.assert_close(shifted(photo, 1, 2)[0, 0, 0, :2], photo[0, 0, 1, 2:])
    assert shifted(photo, -1, 0)[0, 0, 0, 0] == photo[0, 0, 1, 0]  # reflected


def test_small_photos_have_nothing_to_compare():
    photos = torch.rand(1, 3, 48, 48)
    assert equivariance_loss(photos, photos, 1, 1) == 0
    with pytest.raises(ValueError, match=r"pictures have shape \(1, 3, 48, 48\), those of shifted photos"):
        equivariance_loss(photos, photos[..., 1:], 1, 1)

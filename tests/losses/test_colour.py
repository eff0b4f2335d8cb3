"""Colours stay."""

import pytest
import torch

from fast_style.losses import colour_loss


def test_by_hand():
    photo = torch.full((1, 3, 2, 2), 0.25)
    assert colour_loss(photo, photo) == 0
    assert colour_loss(photo + 0.5, photo).item() == pytest.approx(0.5, abs=1e-4)  # grey: U and V stay
    red = photo.clone()
    red[:, 0] += 0.4
    expected = 0.299 * 0.4 + ((0.14713 * 0.4) ** 2 + (0.615 * 0.4) ** 2) / 2
    assert colour_loss(red, photo).item() == pytest.approx(expected, rel=1e-4)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"images have shape \(1, 3, 2, 2\), photos \(1, 3, 2, 3\)"):
        colour_loss(torch.rand(1, 3, 2, 2), torch.rand(1, 3, 2, 3))

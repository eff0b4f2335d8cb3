"""Light stays light."""

import pytest
import torch

from fast_style.losses.tone import tone_loss


def test_a_photo_has_its_own_tone_in_any_colours_and_contrast():
    photos = torch.rand(2, 3, 64, 64)
    assert tone_loss(photos, photos) == 0
    checks = (torch.arange(64)[:, None] // 16 + torch.arange(64) // 16) % 2
    photo = checks.float().expand(1, 3, 64, 64)
    paler = torch.stack([0.2 + 0.6 * photo[:, 0], 0.1 + 0.6 * photo[:, 1], 0.3 + 0.6 * photo[:, 2]], dim=1)
    assert tone_loss(paler, photo) < 0.01


def test_a_negative_scores_four_and_chance_two():
    photo = ((torch.arange(64)[:, None] // 16 + torch.arange(64) // 16) % 2).float().expand(1, 3, 64, 64)
    # z is ±0.5 / 0.55
    torch.testing.assert_close(tone_loss(1 - photo, photo), torch.tensor(4 * (0.5 / 0.55) ** 2))
    stripes = (torch.arange(64) // 32).float().expand(1, 3, 64, 64)
    torch.testing.assert_close(tone_loss(stripes, photo), torch.tensor(2 * (0.5 / 0.55) ** 2))


def test_flat_pictures_have_a_finite_gradient():
    flat = torch.full((1, 3, 32, 32), 0.5, requires_grad=True)
    tone_loss(flat, torch.rand(1, 3, 32, 32)).backward()
    assert flat.grad.isfinite().all()


def test_a_picture_smaller_than_a_square_has_no_tone():
    assert tone_loss(torch.rand(1, 3, 5, 7), torch.rand(1, 3, 5, 7)) == 0


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"images have shape \(1, 3, 8, 8\), photos \(1, 3, 8, 9\)"):
        tone_loss(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9))

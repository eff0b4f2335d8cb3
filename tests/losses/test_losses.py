import numpy as np
import pytest
import torch

from fast_style.functional import gram_matrix
from fast_style.losses import content_loss, style_loss


def test_content_loss_by_hand():
    assert content_loss(torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 2, 2), 1.0)).item() == 4.0


def test_content_loss_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"shape \(1, 2, 3, 3\), their target \(1, 2, 3, 4\)"):
        content_loss(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 4))


def test_style_loss_equals_explicit_sum():
    features, style = torch.randn(3, 4, 5, 6), torch.randn(1, 4, 7, 8)

    def gram(f):  # (C, H, W) float64
        flat = f.double().numpy().reshape(f.shape[0], -1)
        return flat @ flat.T / flat.size

    expected = np.mean([((gram(f) - gram(style[0])) ** 2).sum() for f in features])
    assert style_loss(features, gram_matrix(style)).item() == pytest.approx(expected, rel=1e-5)


def test_style_loss_ignores_where_features_are():
    features = torch.randn(1, 4, 5, 6)
    assert style_loss(features.flip(3), gram_matrix(features)).item() == pytest.approx(0.0, abs=1e-10)


def test_style_loss_refuses_a_target_of_another_layer():
    with pytest.raises(ValueError, match=r"must have shape \(1, 4, 4\), got \(1, 3, 3\)"):
        style_loss(torch.zeros(1, 4, 2, 2), torch.zeros(1, 3, 3))

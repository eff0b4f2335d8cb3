import numpy as np
import pytest
import torch

from fast_style.functional import channel_statistics, gram_matrix
from fast_style.losses import (
    STYLE_LOSSES,
    content_loss,
    feature_gradient_loss,
    feature_l1_loss,
    gram_loss,
    laplacian_loss,
    mean_std_loss,
    sliced_wasserstein_loss,
)
from fast_style.losses.style import CovarianceLoss, WassersteinLoss


def test_content_loss_by_hand():
    assert content_loss(torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 2, 2), 1.0)).item() == 4.0


def test_content_loss_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"shape \(1, 2, 3, 3\), their target \(1, 2, 3, 4\)"):
        content_loss(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 4))


def test_gram_loss_equals_explicit_sum():
    features, style = torch.randn(3, 4, 5, 6), torch.randn(1, 4, 7, 8)

    def gram(f):  # (C, H, W) float64
        flat = f.double().numpy().reshape(f.shape[0], -1)
        return flat @ flat.T / flat.size

    expected = np.mean([((gram(f) - gram(style[0])) ** 2).sum() for f in features])
    assert gram_loss(features, gram_matrix(style)).item() == pytest.approx(expected, rel=1e-5)


def test_gram_loss_ignores_where_features_are():
    features = torch.randn(1, 4, 5, 6)
    assert gram_loss(features.flip(3), gram_matrix(features)).item() == pytest.approx(0.0, abs=1e-10)


def test_gram_loss_refuses_a_target_of_another_layer():
    with pytest.raises(ValueError, match=r"must have shape \(1, 4, 4\), got \(1, 3, 3\)"):
        gram_loss(torch.zeros(1, 4, 2, 2), torch.zeros(1, 3, 3))


def statistics(features):
    """Mean (C) and covariance (C, C) in float64 by NumPy, over the positions of (1, C, H, W)."""
    flat = features[0].double().numpy().reshape(features.shape[1], -1)
    return flat.mean(1), np.cov(flat, bias=True)


def test_mean_std_loss_equals_numpy():
    features, style = torch.randn(1, 4, 5, 6), 2 * torch.randn(1, 4, 7, 8) + 1
    (mean, covariance), (other_mean, other) = statistics(features), statistics(style)
    stds, other_stds = np.sqrt(np.diag(covariance)), np.sqrt(np.diag(other))
    expected = ((mean - other_mean) ** 2).mean() + ((stds - other_stds) ** 2).mean()
    assert mean_std_loss(features, *channel_statistics(style)).item() == pytest.approx(expected, rel=1e-5)


def test_covariance_loss_equals_numpy():
    features, style = torch.randn(1, 4, 5, 6), 2 * torch.randn(1, 4, 7, 8) + 1
    expected = (((statistics(features)[1] - statistics(style)[1]) / 4) ** 2).sum()  # C = 4
    assert CovarianceLoss(style)(features).item() == pytest.approx(expected, rel=1e-5)


def test_wasserstein_loss_equals_the_formula_in_numpy():
    features, style = torch.randn(1, 4, 5, 6), 2 * torch.randn(1, 4, 7, 8) + 1
    (mean, covariance), (other_mean, other) = statistics(features), statistics(style)

    def root(matrix):  # by the eigenvectors of a matrix that need not be symmetric, unlike the package
        values, vectors = np.linalg.eig(matrix)
        return (vectors * np.sqrt(values)) @ np.linalg.inv(vectors)

    distance = ((mean - other_mean) ** 2).sum() + np.trace(covariance + other - 2 * root(covariance @ other)).real
    assert WassersteinLoss(style)(features).item() == pytest.approx(distance / 4, rel=1e-4)


def test_wasserstein_loss_of_fewer_positions_than_channels_has_a_finite_gradient():
    features = torch.randn(1, 8, 2, 2, requires_grad=True)
    WassersteinLoss(torch.randn(1, 8, 5, 5))(features).backward()
    assert features.grad.isfinite().all()
    assert features.grad.abs().sum() > 0


def test_sliced_wasserstein_loss_by_hand():
    features = torch.tensor([[[[3.0, 1.0, 2.0]], [[0.0, 0.0, 9.0]]]])  # (1, 2, 1, 3)
    target = torch.tensor([[[0.0, 4.0]]])  # its quantiles at 1/6, 1/2, 5/6: 0, 2, 4
    directions = torch.tensor([[1.0, 0.0]])  # sees 1, 2, 3
    assert sliced_wasserstein_loss(features, target, directions).item() == pytest.approx((1 + 0 + 1) / 3)


def test_sliced_wasserstein_directions_are_orthogonal():
    directions = STYLE_LOSSES["sliced_wasserstein"](torch.rand(1, 6, 3, 3)).directions
    torch.testing.assert_close(directions @ directions.T, torch.eye(6))


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_style_losses_see_what_there_is_and_not_where(name):
    style = torch.rand(1, 4, 6, 5)
    loss = STYLE_LOSSES[name](style)
    assert loss(style).item() == pytest.approx(0, abs=1e-6)
    assert loss(style.flip(2).transpose(2, 3)).item() == pytest.approx(0, abs=1e-6)
    assert loss(3 * style).item() > 1e-3
    assert loss(torch.zeros_like(style)).item() == pytest.approx(loss.scale)


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_style_losses_have_the_gradient_of_differences(name):
    loss = STYLE_LOSSES[name](torch.randn(1, 3, 4, 4))
    features = torch.randn(1, 3, 4, 4)
    direction = torch.randn_like(features)
    features.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(features), features)
    step = 3e-4  # sorting is smooth only as long as no two change places
    with torch.no_grad():
        difference = (loss(features + step * direction) - loss(features - step * direction)) / (2 * step)
    assert (gradient * direction).sum().item() == pytest.approx(difference.item(), rel=2e-2, abs=1e-3)


def test_one_position_is_compared_with_the_middle():
    target = torch.tensor([[[1.0, 2.0, 3.0]]])
    assert sliced_wasserstein_loss(torch.full((1, 1, 1, 1), 2.0), target, torch.ones(1, 1)).item() == 0


@pytest.mark.parametrize("name", [*STYLE_LOSSES, "laplacian", "gradient", "l1"])
def test_losses_are_exact_in_mixed_precision(name):
    other = {
        "laplacian": lambda x, y: laplacian_loss(x, y, 2),
        "gradient": feature_gradient_loss,
        "l1": feature_l1_loss,
    }
    x, y = torch.rand(2, 1, 3, 16, 16)

    def value():
        return other[name](x, y) if name in other else STYLE_LOSSES[name](x)(y)

    exact = value()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = value()
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, exact)


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_style_losses_refuse_features_of_another_layer(name):
    with pytest.raises(ValueError, match="must have shape"):
        STYLE_LOSSES[name](torch.rand(1, 4, 6, 5))(torch.rand(1, 3, 6, 5))


def test_feature_l1_loss_by_hand():
    assert feature_l1_loss(torch.tensor([[[[3.0, 1.0]]]]), torch.tensor([[[[1.0, 2.0]]]])).item() == 1.5


def test_feature_gradient_loss_by_hand():
    features = torch.tensor([[[[0.0, 2.0], [1.0, 1.0]]]])
    # of the difference to zero: horizontally 2, 0 and vertically 1, −1
    assert feature_gradient_loss(features, torch.zeros_like(features)).item() == (4 + 0) / 2 + (1 + 1) / 2
    assert feature_gradient_loss(features + 5, features).item() == 0


def test_laplacian_loss_equals_loops():
    images, photos = torch.rand(2, 1, 3, 8, 10)
    total, count = 0.0, 0
    light = (images - photos)[0].double().sum(0).numpy()
    light = light.reshape(4, 2, 5, 2).mean((1, 3))
    for y in range(1, 3):
        for x in range(1, 4):
            value = 4 * light[y, x] - light[y - 1, x] - light[y + 1, x] - light[y, x - 1] - light[y, x + 1]
            total, count = total + value**2, count + 1
    assert laplacian_loss(images, photos, 2).item() == pytest.approx(total / count, rel=1e-4)


def test_laplacian_loss_of_too_small_images_is_nothing():
    assert laplacian_loss(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8), 4).item() == 0

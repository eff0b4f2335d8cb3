import numpy as np
import pytest
import torch

from fast_style.functional import gram_matrix, total_variation


def test_gram_matrix_equals_explicit_sum():
    features = torch.randn(2, 3, 4, 5)
    flat = features.double().numpy().reshape(2, 3, 20)
    expected = np.einsum("nik,njk->nij", flat, flat) / (3 * 4 * 5)
    np.testing.assert_allclose(gram_matrix(features).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gram_matrix_of_half_precision_is_float32_and_does_not_overflow(dtype):
    features = torch.full((1, 2, 64, 64), 100.0, dtype=dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        gram = gram_matrix(features)
    assert gram.dtype == torch.float32
    torch.testing.assert_close(gram, torch.full((1, 2, 2), 100.0**2 / 2), rtol=1e-3, atol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_gradient_of_the_gram_matrix(dtype, tolerance):
    features, towards = torch.randn(2, 3, 4, 5).to(dtype), torch.randn(2, 3, 3)
    exact = features.double().requires_grad_()
    flat = exact.flatten(2)
    ((flat @ flat.mT / 60) * towards.double()).sum().backward()
    features.requires_grad_()
    (gram_matrix(features) * towards).sum().backward()
    assert features.grad.dtype == dtype
    difference = (features.grad.double() - exact.grad).norm() / exact.grad.norm()
    assert difference < tolerance


def test_gram_matrix_does_not_change_its_argument():
    features = torch.randn(1, 3, 4, 5)
    before = features.clone()
    gram_matrix(features)
    assert torch.equal(features, before)


def test_gram_matrix_refuses_a_single_feature_map():
    with pytest.raises(ValueError, match=r"must have shape \(N, C, H, W\), got \(3, 4, 5\)"):
        gram_matrix(torch.zeros(3, 4, 5))


def test_total_variation_equals_explicit_sum():
    images = torch.rand(2, 3, 5, 7)
    x = images.double().numpy()
    expected = np.mean((x[..., 1:] - x[..., :-1]) ** 2) + np.mean((x[:, :, 1:] - x[:, :, :-1]) ** 2)
    assert total_variation(images).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (4, 1)])
def test_total_variation_of_a_line_or_pixel_is_finite(size):
    images = torch.rand(1, 3, *size)
    expected = 0.0 if size == (1, 1) else images.flatten(2).diff(dim=2).square().mean().item()
    assert total_variation(images).item() == pytest.approx(expected)

"""Patches find their places."""

from math import exp, log

import pytest
import torch
from torch.nn import functional as F

from fast_style.losses import patch_nce_loss


def test_by_hand():
    queries = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    keys = torch.tensor([[[1.0, 0.0], [0.6, 0.8]]])
    first = -log(exp(1 / 0.5) / (exp(1 / 0.5) + exp(0.6 / 0.5)))
    second = -log(exp(0.8 / 0.5) / (exp(0 / 0.5) + exp(0.8 / 0.5)))
    assert patch_nce_loss(queries, keys, 0.5).item() == pytest.approx((first + second) / 2)


def test_the_others_are_those_of_the_same_image():
    queries, keys = (F.normalize(torch.randn(2, 5, 4), dim=2) for _ in range(2))
    apart = [patch_nce_loss(queries[n : n + 1], keys[n : n + 1]) for n in range(2)]
    torch.testing.assert_close(patch_nce_loss(queries, keys), sum(apart) / 2)


def test_keys_get_no_gradient():
    queries, keys = (torch.randn(1, 3, 4, requires_grad=True) for _ in range(2))
    patch_nce_loss(queries, keys).backward()
    assert keys.grad is None
    assert queries.grad.abs().sum() > 0


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"queries have shape \(1, 3, 4\), keys \(1, 2, 4\)"):
        patch_nce_loss(torch.rand(1, 3, 4), torch.rand(1, 2, 4))
    with pytest.raises(ValueError, match="temperature must be more than 0, got 0"):
        patch_nce_loss(torch.rand(1, 3, 4), torch.rand(1, 3, 4), 0.0)

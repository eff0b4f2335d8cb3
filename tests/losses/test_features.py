"""Images compared by features."""

import pytest
import torch
from torch.nn import functional as F

from fast_style.losses import FeatureLoss
from fast_style.networks import VGG


@pytest.fixture
def vgg():
    return VGG("vgg19", None, width=4)


def test_by_hand(vgg):
    images, targets = torch.rand(2, 3, 16, 16, requires_grad=True), torch.rand(2, 3, 16, 16)
    loss = FeatureLoss(vgg, {"relu1_1": 0.5, "relu2_1": 2.0})
    found, wanted = (vgg(x, ["relu1_1", "relu2_1"]) for x in (images, targets))
    expected = 0.5 * F.l1_loss(found["relu1_1"], wanted["relu1_1"]) + 2 * F.l1_loss(found["relu2_1"], wanted["relu2_1"])
    value = loss(images, targets)
    torch.testing.assert_close(value, expected)
    value.backward()
    assert images.grad.abs().sum() > 0
    assert loss(targets, targets) == 0


def test_bad_arguments(vgg):
    for arguments, message in [
        ({"feature_layers": "relu9_1"}, "unknown layer 'relu9_1'"),
        ({"feature_layers": "relu1_1", "distance": "l2"}, "distance must be one of mse, l1, gradient, got 'l2'"),
        ({"feature_layers": {"relu1_1": 0.0}}, "has no layer of a weight above 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            FeatureLoss(vgg, **arguments)

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


@pytest.mark.parametrize("distance", ["l1", "mse"])
def test_relative_to_what_is_lost_with_the_means(vgg, distance):
    """Whatever the scale of the features, an image whose features are their own mean is at the sum of the weights."""
    reference = torch.rand(3, 3, 16, 16)
    loss = FeatureLoss(vgg, {"relu1_1": 0.5, "relu2_1": 2.0}, distance, reference)
    lost = {"relu1_1": [], "relu2_1": []}
    for image in reference.split(1):
        for layer, x in vgg(image, lost).items():
            difference = x - x.mean((2, 3), keepdim=True)
            lost[layer].append(difference.abs().mean() if distance == "l1" else difference.square().mean())
    images, targets = torch.rand(2, 2, 3, 16, 16)
    scales = {layer: torch.stack(values).mean() for layer, values in lost.items()}
    alone = {layer: FeatureLoss(vgg, layer, distance)(images, targets) / scale for layer, scale in scales.items()}
    torch.testing.assert_close(loss(images, targets), 0.5 * alone["relu1_1"] + 2 * alone["relu2_1"])


def test_bad_arguments(vgg):
    for arguments, message in [
        ({"feature_layers": "relu9_1"}, "unknown layer 'relu9_1'"),
        ({"feature_layers": "relu1_1", "distance": "l2"}, "distance must be one of mse, l1, gradient, got 'l2'"),
        ({"feature_layers": {"relu1_1": 0.0}}, "has no layer of a weight above 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            FeatureLoss(vgg, **arguments)

import numpy as np
import pytest
import torch

from fast_style.losses import AnyStyleLoss
from fast_style.networks import VGG


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return VGG("vgg19", None, width=4)


def statistics(features):
    flat = features.double().flatten(2).numpy()
    return flat.mean(2), flat.std(2)


def test_against_numpy(network):
    loss = AnyStyleLoss(network, {"relu1_1": 1.0, "relu2_1": 0.5}, 2.0, 10.0, encoder_weight=3.0)
    pictures, paintings = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16) ** 2
    found, wanted, encoded = (torch.randn(2, 5, 2, 2) for _ in range(3))
    losses = loss(pictures, found, wanted, paintings, encoded)
    expected = {}
    difference, size = (found - wanted).double().numpy() ** 2, wanted.double().numpy() ** 2
    expected["content_loss"] = np.mean(difference.mean((1, 2, 3)) / size.mean((1, 2, 3)))
    pairs = {"encoder": (found, encoded)}
    for layer in ("relu1_1", "relu2_1"):
        pairs[layer] = network(pictures, [layer])[layer], network(paintings, [layer])[layer]
    for layer, (x, y) in pairs.items():
        (mean, std), (wanted_mean, wanted_std) = statistics(x), statistics(y)
        distance = ((mean - wanted_mean) ** 2 + (std - wanted_std) ** 2).mean(1)  # of each picture
        expected[f"style_loss/{layer}"] = (distance / (wanted_mean**2 + wanted_std**2).mean(1)).mean()
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(expected, rel=2e-3)
    weights = {"content_loss": 2, "style_loss/encoder": 30, "style_loss/relu1_1": 10, "style_loss/relu2_1": 5}
    total = sum(weights[name] * value for name, value in expected.items())
    assert loss.summary(losses)["total_loss"].item() == pytest.approx(total, rel=1e-3)


def test_the_same_picture_has_no_loss(network):
    loss = AnyStyleLoss(network, ["relu1_1"], 1.0, 1.0)
    image, features = torch.rand(1, 3, 16, 16), torch.randn(1, 5, 2, 2)
    assert loss.summary(loss(image, features, features, image, features))["total_loss"].item() < 1e-10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["relu9_1"], 1.0, 1.0), "unknown layer 'relu9_1'"),
        ((["relu1_1"], -1.0, 1.0), "the weight content_weight must not be negative, got -1.0"),
        ((["relu1_1"], 0.0, 0.0), "every loss weight is 0"),
    ],
)
def test_bad_arguments(network, arguments, message):
    with pytest.raises(ValueError, match=message):
        AnyStyleLoss(network, *arguments)

import numpy as np
import pytest
import torch

from fast_style.losses import AdaINLoss
from fast_style.networks import VGG


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return VGG("vgg19", None, width=4)


def statistics(features):
    flat = features.double().flatten(2).numpy()
    return flat.mean(2), flat.std(2)


def test_against_numpy(network):
    loss = AdaINLoss(network, {"relu1_1": 1.0, "relu2_1": 0.5}, 2.0, 10.0, encoder_weight=3.0, identity_weight=4.0)
    assert loss.wants_identity
    pictures, paintings = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16) ** 2
    found, wanted, encoded = (torch.randn(2, 5, 2, 2) for _ in range(3))
    wanted[1] += 3  # which does not change what it is divided by
    photos, decoded = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    losses = loss(pictures, found, wanted, paintings, encoded, (decoded, photos))
    expected = {}
    for name, x, y in (("content_loss", found, wanted), ("identity_loss", decoded, photos)):
        variance = y.double().numpy().var((2, 3)).mean(1)
        expected[name] = np.mean(((x - y).double().numpy() ** 2).mean((1, 2, 3)) / variance)
    pairs = {"encoder": (found, encoded)}
    for layer in ("relu1_1", "relu2_1"):
        pairs[layer] = network(pictures, [layer])[layer], network(paintings, [layer])[layer]
    for layer, (x, y) in pairs.items():
        (mean, std), (wanted_mean, wanted_std) = statistics(x), statistics(y)
        distance = ((mean - wanted_mean) ** 2 + (std - wanted_std) ** 2).mean(1)  # of each picture
        expected[f"style_loss/{layer}"] = (distance / (wanted_mean**2 + wanted_std**2).mean(1)).mean()
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(expected, rel=2e-3)
    weights = {"content_loss": 2, "style_loss/encoder": 30, "style_loss/relu1_1": 10, "style_loss/relu2_1": 5}
    weights["identity_loss"] = 4
    total = sum(weights[name] * value for name, value in expected.items())
    assert loss.summary(losses)["total_loss"].item() == pytest.approx(total, rel=1e-3)


def test_the_same_picture_has_no_loss(network):
    loss = AdaINLoss(network, ["relu1_1"], 1.0, 1.0, identity_weight=1.0)
    image, features = torch.rand(1, 3, 16, 16), torch.randn(1, 5, 2, 2)
    losses = loss(image, features, features, image, features, (image, image))
    assert loss.summary(losses)["total_loss"].item() < 1e-10


def test_a_mean_alone_is_a_loss_of_one(network):
    loss = AdaINLoss(network, ["relu1_1"], 1.0, 1.0, identity_weight=1.0)
    image, features = torch.rand(2, 3, 16, 16), torch.randn(2, 5, 2, 2)
    nothing = [x.mean((2, 3), keepdim=True).expand_as(x) for x in (features, image)]
    losses = loss(image, nothing[0], features, image, features, (nothing[1], image))
    assert losses["content_loss"].item() == pytest.approx(1, rel=1e-4)
    assert losses["identity_loss"].item() == pytest.approx(1, rel=1e-4)


def test_a_flat_photo_does_not_outweigh_the_others(network):
    loss = AdaINLoss(network, ["relu1_1"], 1.0, 1.0, identity_weight=1.0)
    image, flat = torch.rand(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.5)
    losses = loss(image, image, flat, image, image, (image, flat))
    expected = (image - flat).square().mean().item() / (0.05 * 0.5**2)
    assert losses["content_loss"].item() == pytest.approx(expected, rel=1e-4)
    assert losses["identity_loss"].item() == pytest.approx(expected, rel=1e-4)
    black = torch.zeros(1, 3, 16, 16)
    assert loss(black, black, black, black, black, (black, black))["identity_loss"].item() == 0


def test_the_identity_must_be_given(network):
    image = torch.rand(1, 3, 16, 16)
    with pytest.raises(ValueError, match="with an identity_weight, what is decoded from photos as they are must be"):
        AdaINLoss(network, ["relu1_1"], 1.0, 1.0, identity_weight=1.0)(image, image, image, image, image)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["relu9_1"], 1.0, 1.0), "unknown layer 'relu9_1'"),
        ((["relu1_1"], -1.0, 1.0), "content_weight must not be negative, got -1.0"),
        ((["relu1_1"], 1.0, 1.0, 1.0, -2.0), "identity_weight must not be negative, got -2.0"),
        ((["relu1_1"], 0.0, 0.0), "every loss weight is 0"),
    ],
)
def test_bad_arguments(network, arguments, message):
    with pytest.raises(ValueError, match=message):
        AdaINLoss(network, *arguments)

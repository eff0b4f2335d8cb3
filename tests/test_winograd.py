import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fast_style.layers import winograd
from fast_style.layers.winograd import FrozenConv, winograd_conv, winograd_weight
from fast_style.networks import VGG


@pytest.mark.parametrize(("n", "size"), [(2, (7, 9)), (1, (8, 8)), (2, (1, 1)), (1, (66, 130)), (3, (2, 5))])
def test_equals_the_convolution_and_its_gradient(n, size):
    weight, bias = torch.randn(5, 3, 3, 3, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    x = torch.randn(n, 3, *size, dtype=torch.float64, requires_grad=True)
    expected, found = F.conv2d(x, weight, bias, padding=1), winograd_conv(x, winograd_weight(weight), bias)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-11)
    gradient = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, x, gradient), torch.autograd.grad(expected, x, gradient), rtol=1e-12, atol=1e-11
    )


def test_parts_do_not_show(monkeypatch):
    weight, bias, x = winograd_weight(torch.randn(4, 3, 3, 3)), torch.randn(4), torch.randn(2, 3, 40, 20)
    whole = winograd_conv(x, weight, bias)
    monkeypatch.setattr(winograd, "TILES", 1)
    torch.testing.assert_close(winograd_conv(x, weight, bias), whole)


@pytest.fixture
def conv(monkeypatch):
    monkeypatch.setattr(winograd, "FEW", 2)
    monkeypatch.setattr(winograd, "MANY", 3)
    return FrozenConv(2, 3, 3, padding=1).requires_grad_(False)


@pytest.fixture
def calls(monkeypatch):
    counted = []

    def count(weight):
        counted.append(weight)
        return winograd_weight(weight)

    monkeypatch.setattr(winograd, "winograd_weight", count)
    return counted


def test_weight_is_transformed_once_until_it_changes(conv, calls):
    x = torch.randn(1, 2, 8, 8)
    for _ in range(3):
        conv(x)
    assert len(calls) == 1
    conv.load_state_dict({"weight": torch.randn(3, 2, 3, 3), "bias": torch.randn(3)})
    torch.testing.assert_close(conv(x), nn.Conv2d.forward(conv, x), rtol=1e-4, atol=1e-5)
    assert len(calls) == 2


def test_copies_see_their_own_weight(conv):
    x = torch.randn(1, 2, 8, 8)
    conv(x)
    for other in (copy.deepcopy(conv), pickle.loads(pickle.dumps(conv))):
        torch.testing.assert_close(other(x), conv(x))
        other.weight.mul_(2)
        torch.testing.assert_close(other(x), nn.Conv2d.forward(other, x), rtol=1e-4, atol=1e-5)


def test_used_in_inference_mode_first_it_has_a_gradient_later(conv):
    x = torch.randn(1, 2, 8, 8, requires_grad=True)
    with torch.inference_mode():
        conv(x)
    conv(x).sum().backward()
    assert x.grad is not None


def test_made_in_inference_mode():
    with torch.inference_mode():
        conv = FrozenConv(128, 256, 3, padding=1).requires_grad_(False)
        x = torch.randn(1, 128, 8, 8)
        torch.testing.assert_close(conv(x), nn.Conv2d.forward(conv, x), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("change", ["half", "autocast", "trained", "circular", "few"])
def test_else_it_is_the_plain_convolution(conv, calls, change):
    x = torch.randn(1, 2, 8, 8)
    if change == "half":
        conv, x = conv.bfloat16(), x.bfloat16()
    elif change == "trained":
        conv.requires_grad_(True)
    elif change == "circular":
        conv.padding_mode, conv._reversed_padding_repeated_twice = "circular", [1] * 4
    elif change == "few":
        winograd.MANY = 4
    with torch.autocast("cpu", torch.bfloat16, enabled=change == "autocast"):
        torch.testing.assert_close(conv(x), nn.Conv2d.forward(conv, x), rtol=0, atol=0)
    assert not calls


def test_gradient_of_a_trained_weight_is_kept(conv):
    conv.requires_grad_(True)
    conv(torch.randn(1, 2, 8, 8)).sum().backward()
    assert conv.weight.grad is not None


def test_loss_network_gives_the_same_features_and_gradients(monkeypatch, calls):
    torch.manual_seed(0)
    vgg, layers = VGG("vgg19", weights=None), ["relu3_3", "relu4_2", "relu5_1"]
    image = torch.rand(1, 3, 68, 52, requires_grad=True)

    def look():
        features = vgg(image, layers)
        return [*features.values(), *torch.autograd.grad(sum(f.square().mean() for f in features.values()), image)]

    found = look()
    assert len(calls) == 9  # conv3_1 … conv5_1
    monkeypatch.setattr(winograd, "MANY", 10**9)
    for a, b in zip(found, look(), strict=True):
        assert ((a - b).norm() / b.norm()) < 1e-5

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fast_style.layers import ConvLayer, winograd
from fast_style.layers.winograd import FrozenConv, winograd_conv, winograd_weight
from fast_style.networks import VGG


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize(
    ("n", "size"), [(2, (7, 9)), (1, (8, 8)), (2, (3, 3)), (1, (3, 8)), (1, (66, 130)), (3, (4, 5))]
)
def test_equals_the_convolution_and_its_gradients(n, size, padding, layout):
    weight, bias = torch.randn(5, 3, 3, 3, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    weight, bias = weight.contiguous(memory_format=layout).requires_grad_(), bias.requires_grad_()
    x = torch.randn(n, 3, *size, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    expected, found = F.conv2d(x, weight, bias, padding=padding), winograd_conv(x, weight, bias, padding)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-11)
    expected, found = expected.relu_(), found.relu_()  # in place, as the loss network does it
    gradient = torch.randn_like(expected)
    for exact, ours in zip(
        *(torch.autograd.grad(y, (x, weight, bias), gradient) for y in (expected, found)), strict=True
    ):
        torch.testing.assert_close(ours, exact, rtol=1e-11, atol=1e-10)


def test_one_pixel():
    weight, x = torch.randn(4, 3, 3, 3), torch.randn(2, 3, 1, 1)
    torch.testing.assert_close(winograd_conv(x, weight, None, 1), F.conv2d(x, weight, padding=1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("wanted", ["x", "weight", "bias"])
def test_one_gradient_alone(wanted):
    given = {"x": torch.randn(1, 3, 9, 7), "weight": torch.randn(4, 3, 3, 3), "bias": torch.randn(4)}
    given[wanted].requires_grad_()
    found, expected = winograd_conv(**given, padding=0), F.conv2d(given["x"], given["weight"], given["bias"])
    found, expected = (torch.autograd.grad(y.square().sum(), given[wanted]) for y in (found, expected))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


def test_parts_do_not_show(monkeypatch):
    weight, x = (torch.randn(*shape, dtype=torch.float64) for shape in ((4, 3, 3, 3), (2, 3, 40, 20)))
    weight.requires_grad_(), x.requires_grad_()

    def compute():
        y = winograd_conv(x, weight, None, 1)
        return y, *torch.autograd.grad(y.square().sum(), (x, weight))

    whole = compute()
    monkeypatch.setattr(winograd, "TILES", 1)
    torch.testing.assert_close(compute(), whole)


def test_layer_in_training_computes_so_with_many_channels():
    layer, x = ConvLayer(128, 128, 3), torch.randn(1, 128, 40, 30, requires_grad=True)
    exact = F.conv2d(F.pad(x, (1,) * 4, mode="reflect"), layer.weight, layer.bias)
    found = layer(x)
    assert "Winograd" in str(found.grad_fn)
    wanted = (x, layer.weight, layer.bias)
    gradients = [torch.autograd.grad(y.square().sum(), wanted) for y in (found, exact)]
    for ours, theirs in zip((found, *gradients[0]), (exact, *gradients[1]), strict=True):
        assert (ours - theirs).norm() < 1e-5 * theirs.norm()
    with torch.no_grad():
        torch.testing.assert_close(layer(x), exact)


@pytest.mark.parametrize("change", ["few", "stride", "large", "bfloat16"])
def test_other_layers_are_plain(change):
    layer = ConvLayer(
        64 if change == "few" else 128, 128, 5 if change == "large" else 3, 2 if change == "stride" else 1
    )
    x = torch.randn(1, layer.in_channels, 9, 10, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=change == "bfloat16"):
        assert "Winograd" not in str(layer(x).grad_fn)


def test_autocast_around_the_gradient_alone_does_not_round_it():
    x, weight = torch.randn(1, 3, 9, 7, requires_grad=True), torch.randn(4, 3, 3, 3, requires_grad=True)
    y = winograd_conv(x, weight, None, 0).square().sum()
    exact = torch.autograd.grad(y, (x, weight), retain_graph=True)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(torch.autograd.grad(y, (x, weight)), exact, rtol=0, atol=0)


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
    x = torch.randn(1, 128, 8, 8, requires_grad=True)
    conv(x).sum().backward()  # a gradient of the input alone
    assert x.grad is not None


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

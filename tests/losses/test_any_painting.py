import pytest
import torch

from fast_style.functional import gram_matrix
from fast_style.losses import AnyPaintingLoss, PerceptualLoss, tone_loss
from fast_style.losses.any_painting import FLAT
from fast_style.networks import VGG

WEIGHTS = {"content_layers": "relu2_2", "style_layers": {"relu1_1": 2.0, "relu2_1": 1.0}, "tv_weight": 3.0}
WEIGHTS |= {"content_weight": 0.5, "style_weight": 4.0}
TERMS = {"terms": {"tone_loss": tone_loss}, "term_weights": {"tone_loss": 0.5}}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return VGG("vgg19", None, width=4)


def test_it_is_the_perceptual_loss_of_each_painting(network):
    photos, pictures = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    reference, paintings = torch.rand(3, 3, 32, 32) / 9, torch.rand(2, 3, 32, 32) ** 3  # not alike, see FLAT
    loss = AnyPaintingLoss(network, reference=reference, **WEIGHTS, **TERMS)
    found = loss.summary(loss(pictures, photos, loss.look_at(paintings)))
    each = []
    for place in range(2):
        one = slice(place, place + 1)
        single = PerceptualLoss(network, paintings[one], reference=reference, **WEIGHTS, **TERMS)
        each.append(single.summary(single(pictures[one], photos[one])))
    for name in ("total_loss", "weighted/style_loss", "weighted/content_loss", "tv_loss", "tone_loss"):
        expected = torch.stack([summary[name] for summary in each]).mean()
        assert found[name].item() == pytest.approx(expected.item(), rel=1e-3), name


def test_one_painting_serves_all_pictures(network):
    loss = AnyPaintingLoss(network, reference=torch.rand(2, 3, 32, 32), **WEIGHTS)
    photos, pictures, painting = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32), torch.rand(1, 3, 24, 40)
    one = loss(pictures, photos, loss.look_at(painting))
    both = loss(pictures, photos, loss.look_at(painting.expand(2, -1, -1, -1)))
    for name, value in one.items():
        assert value.item() == pytest.approx(both[name].item()), name


def test_a_painting_that_looks_like_a_photo_does_not_outweigh_a_batch(network):
    reference = torch.rand(1, 3, 32, 32)
    loss = AnyPaintingLoss(network, reference=reference, **WEIGHTS)
    pictures = torch.rand(1, 3, 32, 32) ** 2
    value = loss(pictures, pictures, loss.look_at(reference))["style_loss/relu1_1"]
    target = gram_matrix(network(reference, ["relu1_1"])["relu1_1"])
    distance = (gram_matrix(network(pictures, ["relu1_1"])["relu1_1"]) - target).square().sum()
    assert value.item() == pytest.approx((distance / (FLAT * target.square().sum())).item(), rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_large_gram_matrices_are_compared_in_float32_whatever_is_around_them(dtype):
    network = VGG("vgg19", None, width=4)
    with torch.no_grad():
        network.convs["conv1_1"].weight.mul_(200)
    loss = AnyPaintingLoss(network, reference=torch.rand(3, 3, 32, 32), **WEIGHTS | {"style_layers": "relu1_1"})
    photos, pictures, paintings = torch.rand(3, 2, 3, 32, 32)
    painted = loss.look_at(paintings**2)
    assert painted["relu1_1"][0].max() > 1e3
    exact = loss(pictures, photos, painted)["style_loss/relu1_1"]
    with torch.autocast("cpu", dtype):  # which rounds features as well
        mixed = loss(pictures, photos, painted)["style_loss/relu1_1"]
    assert mixed.item() == pytest.approx(exact.item(), rel=5e-3)


def test_it_needs_a_reference(network):
    with pytest.raises(ValueError, match=r"^reference must be images .*, not null: give loss=deep"):
        AnyPaintingLoss(network, reference=None, **WEIGHTS)


def test_it_needs_a_style(network):
    with pytest.raises(ValueError, match="the weight of the style is 0"):
        AnyPaintingLoss(network, reference=torch.rand(1, 3, 32, 32), **WEIGHTS | {"style_weight": 0.0})
    with pytest.raises(ValueError, match="unknown layer 'relu9_9'"):
        AnyPaintingLoss(network, reference=torch.rand(1, 3, 32, 32), **WEIGHTS | {"style_layers": "relu9_9"})

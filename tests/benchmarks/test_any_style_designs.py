import importlib

import pytest
import torch
from torch import nn

from fast_style.networks import VGG, SlimNetwork


@pytest.fixture
def networks():
    return importlib.import_module("any_style_networks")


@pytest.fixture
def designs():
    return importlib.import_module("any_style_designs")


@pytest.fixture
def whitening(networks):
    network = networks.Whitening(VGG("vgg19", None, width=4))
    network.standardize(torch.rand(2, 3, 32, 32))
    return network


def test_micro_encoders_paint_each_photo_in_its_own_style(networks):
    network, photos, styles = networks.MicroAST(8), torch.rand(2, 3, 24, 32), torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        together = network.paint(photos, network.signals(styles))
        alone = network(photos[1:], styles[1:])
        other = network(photos[1:], styles[:1])
    assert together.shape == photos.shape
    torch.testing.assert_close(together[1:], alone)
    assert not torch.allclose(alone, other)


def test_the_contrast_is_that_of_each_picture_with_the_other_styles(networks):
    found, wanted = ([(torch.rand(3, 4), torch.rand(3, 4)) for _ in range(2)] for _ in range(2))

    def distance(i, j):
        parts = zip(sum(found, ()), sum(wanted, ()), strict=True)
        return sum(((one[i] - other[j]) ** 2).mean() for one, other in parts)

    expected = sum(distance(i, i) / sum(distance(i, j) for j in range(3) if j != i) for i in range(3)) / 3
    torch.testing.assert_close(networks.contrast_loss(found, wanted), expected)


def test_coloured_features_have_the_covariance_of_the_style(networks):
    found, style = torch.rand(4, 8, 8), torch.rand(4, 8, 8) ** 2
    mean, whitening, flat = networks._root(found, -0.5)
    wanted, root, of_style = networks._root(style, 0.5)
    coloured = root @ (whitening @ (flat - mean)) + wanted
    torch.testing.assert_close(coloured.mean(1), of_style.mean(1))
    torch.testing.assert_close(torch.cov(coloured), torch.cov(of_style))


def test_what_does_not_vary_is_left_out_of_whitening(networks):
    _, whitening, _ = networks._root(torch.rand(1, 8, 8).expand(3, 8, 8), -0.5)
    assert torch.linalg.matrix_rank(whitening) == 1


def test_whitening_paints_coarse_to_fine(whitening):
    photo = torch.rand(1, 3, 16, 24)
    style = whitening.look_at(torch.rand(1, 3, 32, 32))
    assert set(style) == set(whitening.levels)
    pictures = [whitening.paint(photo, style, strength) for strength in (0.0, 1.0)]
    assert all(picture.shape == photo.shape for picture in pictures)
    assert not torch.equal(*pictures)


def test_whitening_learns_each_level_twice_as_long_as_the_finer_one(designs, whitening):
    shares = {level: share for level, (_, share) in designs.steps_of(whitening, None).items()}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["relu4_1"] == pytest.approx(2 * shares["relu3_1"]) == pytest.approx(8 * shares["relu1_1"])


def test_decoders_learn_to_reconstruct(designs, whitening):
    photos = torch.rand(2, 3, 16, 16)
    step, _ = designs.steps_of(whitening, None)["relu1_1"]
    before = step(photos, photos).item()
    assert designs.learn(step, whitening.parameters(), lambda _: (photos, photos), 0.5) > 1
    assert step(photos, photos).item() < before


def test_only_networks_that_take_style_images_are_judged(designs):
    with pytest.raises(ValueError, match="must take style images, got a SlimNetwork"):
        designs.painter_of(SlimNetwork())
    assert isinstance(designs.painter_of(importlib.import_module("any_style_networks").MicroAST(8)), nn.Module)


def test_each_network_is_timed_in_float32(designs):
    found = designs.seconds({"a": lambda photo, style: photo + 1, "b": lambda photo, style: photo}, rounds=1, side=8)
    assert list(found) == ["a", "b"]
    assert all(row["float32"] >= 0 for row in found.values())

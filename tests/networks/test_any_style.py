import itertools

import pytest
import torch

from fast_style import Stylizer
from fast_style.checkpoint import load_network, save_network
from fast_style.data import procedural_image
from fast_style.networks import AnyStyleNetwork, StyleNetwork, TakesImages
from fast_style.networks.style_encoder import as_seen

SMALL = {"johnson": {"width": 4, "blocks": 1, "antialias": True}, "slim": {"width": 8, "blocks": 1, "antialias": True}}


@pytest.fixture(params=["johnson", "slim"])
def network(request):
    network = AnyStyleNetwork(request.param, SMALL[request.param], encoder_width=4, code=8).eval()
    standardized(network)
    return network


def standardized(network):
    """Let the encoder have seen some style images, as in training."""
    network.encoder.train()
    for _ in range(20):
        network.encoder(torch.rand(4, 3, 64, 64) ** torch.rand(4, 1, 1, 1).mul(3))
    network.encoder.eval()


@pytest.fixture
def paintings():
    return {"waves": procedural_image(0, 1, 96)[None], "dots": procedural_image(0, 2, 96)[None, :, :72]}


def test_it_makes_a_network_of_several_styles(network, paintings):
    assert isinstance(network, TakesImages)
    known, photo = network.of_images(paintings), torch.rand(1, 3, 30, 41)
    assert isinstance(known, StyleNetwork)
    assert known.styles == ["waves", "dots", "photo"]
    pictures = {name: known.of_style({name: 1})(photo) for name in known.styles}
    for one, other in itertools.combinations(pictures.values(), 2):
        assert one.shape == photo.shape
        assert (one - other).abs().mean() > 1e-4


def test_what_is_trained_is_what_is_used(network, paintings):
    photos = torch.rand(2, 3, 32, 32)
    codes = torch.cat([network.encoder(as_seen(image)) for image in paintings.values()])
    trained = network.in_styles(photos, network.rows(codes))
    known = network.of_images(paintings)
    for place, name in enumerate(paintings):
        used = known.of_style({name: 1})(photos[place : place + 1])
        assert torch.allclose(trained[place : place + 1], used, atol=1e-5)
    plain = known.of_style({"photo": 1})(photos)
    assert torch.allclose(network.in_styles(photos, network.photo_rows(2)), plain, atol=1e-5)


def test_gradients_reach_encoder_head_and_transformer(network):
    network.train()
    pictures = network.in_styles(torch.rand(2, 3, 32, 32), network.rows(network.encoder(torch.rand(2, 3, 64, 64))))
    pictures.square().mean().backward()
    for part in (network.encoder.scales[0][0], network.encoder.to_code[1], network.head):
        assert part.weight.grad.abs().sum() > 0
    others = [name for name, each in network.named_parameters() if each.grad is None]
    assert sorted(others) == sorted(f"transformer.{name}" for name in network.sizes), "the row of photo had no part"


def test_it_survives_a_file(network, paintings, tmp_path):
    save_network(tmp_path / "any.safetensors", network, {}, torch.float32)
    loaded, photo = load_network(tmp_path / "any.safetensors"), torch.rand(1, 3, 24, 24)
    pictures = [each.of_images(paintings).of_style({"dots": 1})(photo) for each in (network, loaded)]
    assert torch.equal(*pictures)


def test_strengthening_moves_styles_away_from_photo(network, paintings):
    before = network.of_images(paintings)
    network.strengthen(1.5)
    after = network.of_images(paintings)
    for key in before.style_parameters:
        one, other = before.get_parameter(key), after.get_parameter(key)
        assert torch.equal(one[2], other[2])
        assert torch.allclose(other[:2] - other[2], 1.5 * (one[:2] - one[2]), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": "unet"}, "must be johnson or slim, got 'unet'"),
        ({"arguments": {"norm": "batch"}}, "leave out norm and styles"),
        ({"encoder_width": 0}, "width of 1 to 128 channels, got 0"),
        ({"code": 5000}, "1 to 1024 numbers, got 5000"),
    ],
)
def test_arguments_outside_their_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        AnyStyleNetwork(**arguments)


def test_misuse(network, paintings):
    with pytest.raises(ValueError, match="there is no style image"):
        network.of_images({})
    with pytest.raises(ValueError, match="'photo' comes more than once"):
        network.of_images({"photo": paintings["dots"]})
    with pytest.raises(ValueError, match=r"takes style images: use network\.of_images"):
        network(torch.rand(1, 3, 32, 32))
    with pytest.raises(ValueError, match=r"takes style images: take network\.of_images"):
        Stylizer(network)


def test_a_network_in_training_makes_a_network_of_one_image(network, paintings):
    expected = network.of_images({"dots": paintings["dots"]}).state_dict()
    network.train()
    found = network.of_images({"dots": paintings["dots"]}).state_dict()
    assert network.encoder.training
    assert all(torch.equal(value, found[key]) for key, value in expected.items())

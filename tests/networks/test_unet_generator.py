import pytest
import torch

from fast_style.checkpoint import load_network, save_network
from fast_style.inference.stylizer import Stylizer
from fast_style.networks import UnetGenerator


@pytest.mark.parametrize("size", [(1, 1), (8, 9), (21, 30), (64, 48)])
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_keeps_the_size_and_the_range(norm, size):
    network = UnetGenerator(4, 3, norm).eval()
    with torch.inference_mode():
        pictures = network(torch.rand(2, 3, *size))
    assert pictures.shape == (2, 3, *size)
    assert 0 <= pictures.min() <= pictures.max() <= 1
    assert [network.padded(side) for side in range(1, 40)] == [8 * -(-side // 8) for side in range(1, 40)]


def test_has_the_parameters_of_the_published_generator():
    # 54.414 M, pix2pix' unet_256 with batch norms, whose convolutions before norms have no bias.
    network = UnetGenerator(norm="batch")
    convs = [layer[0] for layer in [*network.down, *network.up]]
    biases = sum(conv.bias.numel() for conv in convs) - 3
    assert sum(p.numel() for p in network.parameters()) - biases == 54_413_955


def test_every_parameter_gets_a_gradient():
    network = UnetGenerator(4, 3)
    network(torch.rand(1, 3, 32, 32)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_round_trip(tmp_path):
    network = UnetGenerator(2, 4).eval()
    save_network(tmp_path / "unet.safetensors", network, {}, torch.float32)
    image = torch.rand(1, 3, 21, 30)
    assert torch.equal(load_network(tmp_path / "unet.safetensors")(image), network(image))


def test_several_styles():
    network = UnetGenerator(2, 3, "conditional", ["night", "waves"]).eval()
    with torch.no_grad():
        for name in network.style_parameters:
            network.get_parameter(name).uniform_(0.5, 1.5)
    image = torch.rand(1, 3, 16, 24)
    expected = network(image, network.mixture({"waves": 1}))
    torch.testing.assert_close(network.of_style({"waves": 1})(image), expected, rtol=1e-4, atol=1e-5)


def test_runs_in_the_stylizer():
    network, photo = UnetGenerator(2, 3), torch.rand(1, 3, 20, 30)
    found = Stylizer(network, "cpu", "fp32", "torch").stylize(photo)
    torch.testing.assert_close(found, network.eval()(photo), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width must be 1 to 512 channels, got 0"),
        ({"depth": 1}, "depth must be 2 to 10 levels, got 1"),
        ({"norm": "group"}, "norm must be one of"),
        ({"styles": ["night"]}, "got norm: instance and 1 styles"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        UnetGenerator(**arguments)

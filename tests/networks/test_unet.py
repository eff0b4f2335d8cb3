import pytest
import torch

from fast_style.checkpoint import load_network, save_network
from fast_style.inference.stylizer import Stylizer
from fast_style.networks import UNet


@pytest.mark.parametrize("size", [(1, 1), (8, 9), (21, 30), (64, 48)])
@pytest.mark.parametrize("depth", [1, 3])
def test_keeps_the_size(depth, size):
    network = UNet(4, depth).eval()
    with torch.inference_mode():
        assert network(torch.rand(2, 3, *size)).shape == (2, 3, *size)
    step = 2**depth
    expected = [max(2 * step, step * -(-side // step)) for side in range(1, 6 * step)]
    assert [network.padded(side) for side in range(1, 6 * step)] == expected


def test_each_level_is_seen_on_the_way_up():
    network = UNet(4, 2).eval()
    x = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        full = network.first(x)
        half = network.down[0](full)
        quarter = network.down[1](half)
        assert [tuple(level.shape) for level in (full, half, quarter)] == [
            (1, 4, 16, 16),
            (1, 8, 8, 8),
            (1, 16, 4, 4),
        ]
        up = torch.cat([network.up[1](quarter), half], dim=1)
        up = torch.cat([network.up[0](up), full], dim=1)
        torch.testing.assert_close(network(x), 0.5 + 150 / 255 * network.last(up))


def test_every_parameter_gets_a_gradient():
    network = UNet(4, 3)
    network(torch.rand(1, 3, 32, 32)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_round_trip(tmp_path):
    network = UNet(2, 2).eval()
    save_network(tmp_path / "unet.safetensors", network, {}, torch.float32)
    image = torch.rand(1, 3, 21, 30)
    assert torch.equal(load_network(tmp_path / "unet.safetensors")(image), network(image))


def test_a_residual_network_adds_to_the_photo(tmp_path):
    network = UNet(2, 2, residual=True).eval()
    image = torch.rand(1, 3, 21, 30)
    assert torch.equal(network(image), image)  # a fresh one adds nothing
    torch.nn.init.normal_(network.last.weight)
    plain = UNet(2, 2).eval()
    plain.load_state_dict(network.state_dict())
    torch.testing.assert_close(network(image), image + plain(image) - 0.5)
    save_network(tmp_path / "unet.safetensors", network, {}, torch.float32)
    assert torch.equal(load_network(tmp_path / "unet.safetensors")(image), network(image))


def test_several_styles():
    network = UNet(2, 2, "conditional", ["night", "waves"]).eval()
    with torch.no_grad():
        for name in network.style_parameters:
            network.get_parameter(name).uniform_(0.5, 1.5)
    image = torch.rand(1, 3, 16, 20)
    expected = network(image, network.mixture({"waves": 1}))
    torch.testing.assert_close(network.of_style({"waves": 1})(image), expected, rtol=1e-4, atol=1e-5)


def test_runs_whole_but_not_in_tiles():
    network = UNet(2, 2)
    photo = torch.rand(1, 3, 20, 30)
    found = Stylizer(network, "cpu", "fp32", "torch").stylize(photo)
    torch.testing.assert_close(found, network.eval()(photo).clamp(0, 1), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="cannot run in tiles"):
        Stylizer(network, "cpu", "fp32", "torch", tile=256)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width must be 1 to 512 channels, got 0"),
        ({"depth": 9}, "depth must be 1 to 8 levels, got 9"),
        ({"norm": "group"}, "norm must be one of"),
        ({"styles": ["night"]}, "got norm: instance and 1 styles"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        UNet(**arguments)

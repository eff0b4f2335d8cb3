import pytest
import torch

from fast_style.checkpoint import load_network, save_network
from fast_style.inference.tiling import stylize_tiled
from fast_style.networks import SlimNetwork


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (2, 3), (5, 5), (8, 8), (17, 30), (31, 33), (64, 48)])
def test_output_size_is_input_size(size):
    output = SlimNetwork(width=2, blocks=1).eval()(torch.rand(2, 3, *size))
    assert output.shape == (2, 3, *size)
    assert torch.isfinite(output).all()


def test_a_flat_photo_stays_flat():
    """Whatever the weights: no pattern repeats where there is nothing."""
    network = SlimNetwork(width=4, blocks=1).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    stylized = network(torch.rand(1, 3, 1, 1).expand(1, 3, 32, 48))
    assert stylized.std(dim=(2, 3)).max() < 1e-3


def test_every_parameter_gets_a_gradient():
    network = SlimNetwork(width=4, blocks=2)
    network(torch.rand(1, 3, 32, 32)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_arguments_rebuild_the_network():
    network = SlimNetwork(width=6, blocks=2, norm="batch")
    SlimNetwork(**network.arguments).load_state_dict(network.state_dict())


def test_tiles_give_the_same():
    network, photo = SlimNetwork(width=4, blocks=2).eval(), torch.rand(3, 75, 102)
    with torch.inference_mode():
        torch.testing.assert_close(stylize_tiled(network, photo, tile=40), network(photo[None])[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 1}, "width must be 2 to 512 channels, got 1"),
        ({"blocks": 65}, "blocks must be 0 to 64, got 65"),
        ({"norm": "group"}, "norm must be one of instance, conditional, filter_response, batch, none, got 'group'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SlimNetwork(**arguments)


def test_a_file_gives_the_same_network(tmp_path):
    network, photos = SlimNetwork(width=4, blocks=1).eval(), torch.rand(1, 3, 16, 24)
    save_network(tmp_path / "slim.safetensors", network, {}, torch.float32)
    torch.testing.assert_close(load_network(tmp_path / "slim.safetensors")(photos), network(photos))

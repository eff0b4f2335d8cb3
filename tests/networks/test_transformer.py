import pytest
import torch

from fast_style.networks import SlimNetwork, TransformerNetwork


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (2, 3), (5, 5), (8, 8), (17, 30), (31, 33), (64, 48)])
@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
def test_output_size_is_input_size(size, upsampling):
    network = TransformerNetwork(width=2, blocks=1, upsampling=upsampling).eval()
    output = network(torch.rand(2, 3, *size))
    assert output.shape == (2, 3, *size)
    assert torch.isfinite(output).all()


def test_johnson_has_the_parameters_of_the_published_network():
    # 1.68 M: the count of pytorch/examples' TransformerNet, whose layers these are.
    assert sum(p.numel() for p in TransformerNetwork().parameters()) == 1_679_235


def test_tanh_output_is_scaled_as_johnsons():
    network = TransformerNetwork(width=2, blocks=0, output="tanh")
    torch.nn.init.zeros_(network.conv4.weight)
    network.conv4.bias.data = torch.tensor([-20.0, 0.0, 20.0])
    output = network(torch.rand(1, 3, 8, 8))
    expected = torch.tensor([0.5 - 150 / 255, 0.5, 0.5 + 150 / 255]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    torch.testing.assert_close(output, expected)


def test_linear_output_has_the_same_scale_without_bounds():
    network = TransformerNetwork(width=2, blocks=0)
    torch.nn.init.zeros_(network.conv4.weight)
    network.conv4.bias.data = torch.tensor([-20.0, 0.0, 0.1])
    expected = 0.5 + 150 / 255 * network.conv4.bias.detach().view(3, 1, 1)
    torch.testing.assert_close(network(torch.rand(1, 3, 8, 8))[0, :, :1, :1], expected)


def test_images_of_a_batch_do_not_influence_each_other():
    network = TransformerNetwork(width=4, blocks=1).eval()
    a, b = torch.rand(2, 1, 3, 24, 20)
    torch.testing.assert_close(network(torch.cat([a, b]))[:1], network(a))


def test_every_parameter_gets_a_gradient():
    network = TransformerNetwork(width=4, blocks=2)
    network(torch.rand(1, 3, 32, 32)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_batch_norm_network_runs():
    assert TransformerNetwork(width=2, blocks=1, norm="batch")(torch.rand(2, 3, 16, 16)).shape == (2, 3, 16, 16)


def test_arguments_rebuild_the_network():
    network = TransformerNetwork(width=3, blocks=2, norm="batch", upsampling="transposed", output="tanh")
    TransformerNetwork(**network.arguments).load_state_dict(network.state_dict())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width must be 1 to 512 channels, got 0"),
        ({"blocks": 65}, "blocks must be 0 to 64, got 65"),
        ({"norm": "group"}, "norm must be one of instance, conditional, filter_response, batch, none, got 'group'"),
        ({"upsampling": "cubic"}, "upsampling must be one of nearest, transposed, got 'cubic'"),
        ({"output": "relu"}, "output must be one of linear, tanh, sigmoid, got 'relu'"),
        ({"padding": "same"}, "padding must be one of reflect, zeros, got 'same'"),
        ({"antialias": True, "padding": "zeros"}, "antialias goes with padding: reflect, got padding: zeros"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TransformerNetwork(**arguments)


def shift_error(network, pixels):
    """Root mean square of what a shift of the photo changes beyond shifting the picture."""
    generator = torch.Generator().manual_seed(0)
    photo = torch.nn.functional.interpolate(torch.rand(1, 3, 24, 24, generator=generator), scale_factor=4.0)
    with torch.no_grad():
        still, moved = network(photo[..., :88, :88]), network(photo[..., :88, pixels : 88 + pixels])
    return (still[..., 16:-16, 16 + pixels : -16] - moved[..., 16:-16, 16 : -16 - pixels]).square().mean().sqrt()


@pytest.mark.parametrize("kind", [TransformerNetwork, SlimNetwork])
def test_antialiased_networks_move_with_the_photo(kind):
    errors = {}
    for antialias in (False, True):
        torch.manual_seed(0)
        errors[antialias] = shift_error(kind(width=16, blocks=1, antialias=antialias), 1)
    assert errors[True] < 0.75 * errors[False]


def test_antialiasing_needs_nearest_upsampling():
    with pytest.raises(ValueError, match="antialias goes with upsampling: nearest, got upsampling: transposed"):
        TransformerNetwork(antialias=True, upsampling="transposed")

import pytest
import torch
from torch import nn

from fast_style.layers import (
    BlurredConv,
    ConvLayer,
    ResidualBlock,
    SubpixelConv,
    TransposedConv,
    UpsampleConv,
    frozen,
    norm_layer,
)
from fast_style.layers.antialias import binomial


def test_conv_layer_pads_by_reflection():
    layer = ConvLayer(2, 3, 5)
    x = torch.randn(1, 2, 9, 8)
    expected = nn.functional.conv2d(nn.functional.pad(x, (2, 2, 2, 2), mode="reflect"), layer.weight, layer.bias)
    torch.testing.assert_close(layer(x), expected)


def test_residual_block_is_identity_where_its_last_scale_is_zero():
    block = ResidualBlock(4)
    nn.init.zeros_(block.norm2.weight)
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(block(x), x)


@pytest.mark.parametrize("layer", [UpsampleConv, TransposedConv])
def test_upsampling_doubles_the_size(layer):
    assert layer(4, 2, 3)(torch.randn(1, 4, 5, 7)).shape == (1, 2, 10, 14)


def test_upsample_conv_has_no_checkerboard_on_a_constant_image():
    y = UpsampleConv(4, 2, 3)(torch.ones(1, 4, 6, 6))
    assert (y.amax(dim=(2, 3)) - y.amin(dim=(2, 3))).max() < 1e-6


def test_a_blurred_conv_is_a_conv_of_what_is_blurred():
    layer = BlurredConv(2, 3, 3, stride=2, taps=3)
    x = torch.randn(1, 2, 16, 12)
    row = torch.tensor([0.25, 0.5, 0.25])
    blurred = nn.functional.conv2d(x, torch.outer(row, row).expand(2, 1, 3, 3), groups=2)  # two pixels less each way
    kernel = layer.parametrizations.weight.original
    expected = nn.functional.conv2d(blurred, kernel, layer.bias, stride=2)  # from the third pixel on
    torch.testing.assert_close(layer(x)[..., 1:-1, 1:-1], expected[..., : 16 // 2 - 2, : 12 // 2 - 2])
    torch.testing.assert_close(frozen(layer)(x), layer(x))


def test_a_blurred_conv_lets_no_checkerboard_through():
    finest = torch.tensor([1.0, -1.0]).repeat(8)
    for x in (finest.expand(1, 1, 16, 16), finest[:, None].expand(1, 1, 16, 16)):
        seen = [layer(x) - layer(0 * x) for layer in (BlurredConv(1, 4, 3, 2, taps=3), ConvLayer(1, 4, 3, 2))]
        assert seen[0][..., 2:-2, 2:-2].abs().max() < 1e-6
        assert seen[1][..., 2:-2, 2:-2].abs().max() > 1e-3


def test_a_blurred_subpixel_conv_is_a_conv_of_what_is_upsampled_and_blurred():
    layer = SubpixelConv(2, 3, 3, factor=2, taps=3)
    x = torch.randn(1, 2, 9, 8)
    large = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
    row = torch.tensor([0.25, 0.5, 0.25])
    blurred = nn.functional.conv2d(large, torch.outer(row, row).expand(2, 1, 3, 3), groups=2)
    expected = nn.functional.conv2d(blurred, layer.parametrizations.weight.original, layer.bias[::4])
    torch.testing.assert_close(nn.PixelShuffle(2)(layer(x))[..., 2:-2, 2:-2], expected, atol=1e-5, rtol=1e-5)


def test_binomial_filters():
    torch.testing.assert_close(binomial(5), torch.tensor([1.0, 4, 6, 4, 1]) / 16)


def test_instance_norm_is_per_image_and_has_scale_and_shift():
    norm = norm_layer("instance", 3)
    y = norm(torch.randn(2, 3, 16, 16) * torch.tensor([1.0, 50.0]).view(2, 1, 1, 1) + 7)
    torch.testing.assert_close(y.mean(dim=(2, 3)), torch.zeros(2, 3), atol=1e-4, rtol=0)
    assert norm.weight.shape == norm.bias.shape == (3,)


def test_filter_response_norm_divides_by_the_root_of_the_mean_square():
    norm, x = norm_layer("filter_response", 3), torch.randn(2, 3, 5, 7) * 4 + 1
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
    for image, y in zip(x.double(), norm(x), strict=True):
        for channel, found, weight, bias in zip(image, y, norm.weight, norm.bias, strict=True):
            expected = weight * channel / channel.square().mean().sqrt() + bias
            torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-5)
    assert norm(x.bfloat16()).dtype == torch.bfloat16


def test_no_norm_is_no_norm():
    x = torch.randn(1, 3, 4, 4)
    assert norm_layer("none", 3)(x) is x


def test_unknown_norm():
    with pytest.raises(ValueError, match=r"norm must be one of instance, conditional, .*, none, got 'layer'"):
        norm_layer("layer", 3)


@pytest.mark.parametrize(("kernel_size", "factor"), [(1, 2), (3, 2), (5, 2), (5, 4), (9, 4), (7, 3)])
def test_subpixel_conv_is_upsampling_and_a_convolution_inside_the_borders(kernel_size, factor):
    layer, x = SubpixelConv(4, 3, kernel_size, factor), torch.randn(2, 4, 9, 11)
    y = nn.functional.pixel_shuffle(layer(x), factor)
    kernel, bias = layer.parametrizations.weight.original, layer.parametrizations.bias.original
    assert kernel.shape == (3, 4, kernel_size, kernel_size)
    upsampled = nn.functional.interpolate(x, scale_factor=factor, mode="nearest")
    expected = nn.functional.conv2d(upsampled, kernel, bias, padding=kernel_size // 2)
    assert y.shape == expected.shape
    rim = kernel_size
    inner = slice(rim, -rim)
    torch.testing.assert_close(y[..., inner, inner], expected[..., inner, inner], atol=1e-5, rtol=1e-5)


def test_a_frozen_network_computes_the_same_with_settled_weights():
    network = nn.Sequential(ConvLayer(3, 4, 3), SubpixelConv(4, 3, 5, 2))
    copy, x = frozen(network), torch.rand(1, 3, 8, 8)
    assert torch.equal(copy(x), network(x))
    assert sorted(copy.state_dict()) == ["0.bias", "0.weight", "1.bias", "1.weight"]
    assert not any(parameter.requires_grad for parameter in copy.parameters())
    assert not copy.training
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())

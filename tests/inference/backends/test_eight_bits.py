import pytest
import torch
from torch.nn import functional as F

from fast_style.inference.backends.choice import choose
from fast_style.inference.backends.eight_bits import by_pixel, steps_of, takes_eight_bits, unshuffled, whole_weights
from fast_style.networks import SlimNetwork, TransformerNetwork


@pytest.mark.parametrize("kernel", [3, 7, 11])
def test_blocks_of_pixels_are_convolved_as_pixels_are(kernel):
    photo, weight = torch.rand(2, 3, 20, 28), torch.randn(5, 3, kernel, kernel)
    half, reach = kernel // 2, -(-kernel // 4) - 1
    blocks = F.pixel_unshuffle(F.pad(photo, (half, 4 * reach - half) * 2, mode="reflect"), 4)
    blocks = blocks.unflatten(1, (3, 16)).transpose(1, 2).flatten(1, 2)  # each pixel with all its colours
    expected = F.conv2d(F.pad(photo, (half,) * 4, mode="reflect"), weight, stride=4)
    torch.testing.assert_close(F.conv2d(blocks, unshuffled(weight)), expected, atol=1e-4, rtol=1e-4)


def test_channels_of_a_pixel_come_together():
    x = torch.rand(1, 12, 2, 3)
    shuffled = by_pixel(x[0]).view(2, 2, 3, 2, 3).permute(2, 3, 0, 4, 1).reshape(1, 3, 4, 6)  # (y, x, C, H, W)
    assert torch.equal(shuffled, F.pixel_shuffle(x, 2))


@pytest.mark.parametrize("top", [63, 127])
def test_weights_are_rounded_by_channel(top):
    weight = torch.randn(4, 6, 3, 3) * torch.tensor([1e-3, 1, 10, 0])[:, None, None, None]
    whole, steps = whole_weights(weight, top)
    assert whole.dtype == torch.int8
    assert whole.abs().max() <= top
    plain = weight.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12) / top
    error, usual = (
        (each - weight).square().sum((1, 2, 3)) for each in (whole * steps, (weight / plain).round() * plain)
    )
    assert (error <= usual * 1.0001).all()
    assert (whole[3] == 0).all()


@pytest.mark.parametrize("rectified", [True, False])
def test_steps_reach_as_far_as_a_normalisation_goes(rectified):
    mean, deviation = torch.tensor([-1.0, 0.5]), torch.tensor([0.25, 0.5])
    steps = steps_of(mean, deviation, rectified)
    assert (steps.low, steps.high) == ((0, 255) if rectified else (-127, 127))
    assert steps.step * steps.high == pytest.approx(0.5 + 8 * 0.5)


def test_which_networks_it_takes():
    assert takes_eight_bits(SlimNetwork(4, 1))
    assert not takes_eight_bits(SlimNetwork(4, 1, norm="filter_response"))
    assert not takes_eight_bits(TransformerNetwork(4, 1))


def test_others_are_refused(network):
    with pytest.raises(ValueError, match=r"^int8 is not available on cpu \(it is for networks of network=slim with"):
        choose(network, "cpu", "int8")
    with pytest.raises(ValueError, match=r"^torch int8 is not available on cpu: take one of openvino .*openvino int8$"):
        choose(SlimNetwork(4, 1), "cpu", "int8", "torch")

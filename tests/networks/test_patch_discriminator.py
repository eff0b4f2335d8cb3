"""The discriminator of patches."""

import pytest
import torch
from torch import nn

from fast_style.networks import PatchDiscriminator


def test_it_is_the_discriminator_of_pix2pix():
    """C64-C128-C256-C512: four 4×4 convolutions and the one that gives the logits."""
    convs = [layer for layer in PatchDiscriminator().body if isinstance(layer, nn.Conv2d)]
    assert [conv.out_channels for conv in convs] == [64, 128, 256, 512, 1]
    assert [conv.stride[0] for conv in convs] == [2, 2, 2, 1, 1]
    assert {conv.kernel_size for conv in convs} == {(4, 4)}
    assert PatchDiscriminator()(torch.rand(1, 3, 256, 256)).shape == (1, 1, 30, 30)  # as published


@pytest.mark.parametrize(("layers", "expected"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_a_patch(layers, expected):
    network = PatchDiscriminator(2, layers, norm="none")
    images = torch.rand(1, 3, 160, 160, requires_grad=True)
    logits = network(images)
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    seen = images.grad.abs().sum((0, 1)).nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [expected, expected]


def test_images_are_mapped_to_minus_one_to_one():
    network = PatchDiscriminator(2, 1)
    images = torch.rand(2, 3, 20, 24)
    torch.testing.assert_close(network(images), network.body(2 * images - 1))


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_the_shortest_side_gives_one_logit(layers):
    network = PatchDiscriminator(2, layers, norm="none")
    side = network.least_side
    assert network(torch.rand(1, 3, side, side)).shape == (1, 1, 1, 1)
    with pytest.raises(ValueError, match=f"needs images of at least {side} pixels, got {side}×{side - 1}: give data"):
        network(torch.rand(1, 3, side - 1, side))


def test_spectral_norms_are_one():
    network = PatchDiscriminator(4, 2, norm="none", spectral=True)
    for _ in range(30):  # power iterations
        network(torch.rand(1, 3, 32, 32))
    network.eval()
    for layer in network.body:
        if isinstance(layer, nn.Conv2d):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, rel=0.02)


def test_every_parameter_gets_a_gradient():
    network = PatchDiscriminator(4, 2, spectral=True, channels=6)
    network(torch.rand(1, 6, 32, 32)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_kinds_share_features_and_have_logits_of_their_own():
    network = PatchDiscriminator(2, 1, norm="none", kinds=3)
    images = torch.rand(4, 3, 20, 24)
    logits = network(images, torch.tensor([2, 0, 2, 1]))
    every = network.body(2 * images - 1)
    assert logits.shape == (4, 1, *every.shape[-2:])
    torch.testing.assert_close(logits[:, 0], torch.stack([every[0, 2], every[1, 0], every[2, 2], every[3, 1]]))
    with pytest.raises(ValueError, match="the discriminator knows 3 kinds: give that of each image"):
        network(images)
    assert PatchDiscriminator(**network.arguments).body[-1].out_channels == 3
    assert "kinds" not in PatchDiscriminator().arguments  # lest older checkpoints name another discriminator


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width must be 1 to 512 channels, got 0"),
        ({"layers": 7}, "layers must be 1 to 6, got 7"),
        ({"channels": 0}, "channels must be at least 1, got 0"),
        ({"kinds": 0}, "kinds must be at least 1, got 0"),
        ({"norm": "group"}, "norm must be one of"),
        ({"norm": "conditional"}, "norm: conditional, and no other, has styles"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PatchDiscriminator(**arguments)


def test_other_channels():
    with pytest.raises(ValueError, match="takes 6 channels, got 3"):
        PatchDiscriminator(channels=6)(torch.rand(1, 3, 32, 32))

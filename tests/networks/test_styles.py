"""Networks of several styles: conditional instance normalisation, mixtures, maps."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fast_style.checkpoint import load_network, load_styled, save_network
from fast_style.functional import instance_norm
from fast_style.inference.tiling import stylize_tiled
from fast_style.layers import ConditionalInstanceNorm, StyleMap
from fast_style.networks import SlimNetwork, TransformerNetwork

STYLES = ["cubist", "waves", "night"]
KINDS = [TransformerNetwork, SlimNetwork]


def randomised(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        for name in network.style_parameters:
            network.get_parameter(name).uniform_(0.5, 1.5)
    return network.eval()


@pytest.fixture(params=KINDS)
def network(request):
    return randomised(request.param(width=4, blocks=1, norm="conditional", styles=STYLES))


def test_conditional_norm_is_the_formula():
    norm = ConditionalInstanceNorm(5, 2)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x, shares = torch.randn(3, 5, 6, 7), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]])
    for image, row, y in zip(x, shares, norm(x, shares), strict=True):
        weight, bias = row @ norm.weight, row @ norm.bias
        torch.testing.assert_close(
            y[None], F.instance_norm(image[None], weight=weight, bias=bias), rtol=1e-4, atol=1e-5
        )


def test_conditional_norm_has_the_gradient_of_differences():
    norm = ConditionalInstanceNorm(2, 2).double()
    x, shares = torch.randn(2, 2, 3, 4, dtype=torch.double), torch.tensor([[1.0, 0.0], [0.5, 0.5]]).double()

    def loss(weight, bias):
        return instance_norm(x, shares @ weight, shares @ bias).float().sum()

    loss(norm.weight, norm.bias).backward()
    assert norm.bias.grad.sum(1).tolist() == pytest.approx([2 * 12 * 1.5, 2 * 12 * 0.5])


def test_each_image_has_its_style(network):
    images = torch.rand(3, 3, 20, 24)
    together = network(images, torch.eye(3))
    for number, style in enumerate(STYLES):
        alone = network(images[number : number + 1], network.mixture({style: 1}))
        torch.testing.assert_close(together[number : number + 1], alone, rtol=1e-4, atol=1e-5)
    assert (together[0] - network(images[:1], network.mixture({"waves": 1}))[0]).abs().max() > 1e-3


def test_a_network_of_one_style_gives_the_same(network):
    images = torch.rand(2, 3, 21, 18)
    for weights in ({"waves": 1.0}, {"cubist": 3, "night": 1}):
        plain = network.of_style(weights)
        assert plain.styles == []
        assert plain.arguments["norm"] == "instance"
        expected = network(images, network.mixture(weights).expand(2, -1))
        torch.testing.assert_close(plain(images), expected, rtol=1e-4, atol=1e-5)


def test_one_style_alone_keeps_its_weights_to_the_bit(network):
    plain = network.of_style({"waves": 0.3}).state_dict()
    assert all(torch.equal(plain[name], network.get_parameter(name)[1]) for name in network.style_parameters)


def test_a_map_of_one_style_is_that_style(network):
    image = torch.rand(1, 3, 20, 24)
    mapped = network.of_style_map([{"waves": 1}], torch.rand(1, 1, 3, 5) + 0.1)
    torch.testing.assert_close(mapped(image), network.of_style({"waves": 1})(image), rtol=1e-4, atol=1e-5)


def test_a_map_mixes_scales_from_place_to_place():
    shares = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    style_map = StyleMap(torch.cat([shares, 1 - shares], 1), torch.tensor([[2.0], [4.0]]), torch.tensor([[0.0], [1.0]]))
    steps = torch.tensor([-1.0, 1]).repeat(4).expand(1, 1, 2, 8)  # of mean 0 and variance 1
    first, second, mixed = style_map(torch.cat([steps, 3 * steps + 5, torch.ones_like(steps)]))
    torch.testing.assert_close(first[0, 0], 2 * steps[0, 0, 0], rtol=1e-4, atol=0)
    torch.testing.assert_close(second[0, 0], 4 * steps[0, 0, 0] + 1, rtol=1e-4, atol=0)
    # 1 lies 4/3 below the mean of the second: 4·(−4/3) + 1 there; at an eighth beyond the first place, ⅞ and ⅛ of them.
    here, there = 2.0, 1 - 16 / 3
    expected = torch.tensor([here, here, 0.875 * here + 0.125 * there, there, there])
    torch.testing.assert_close(mixed[0, 0, [0, 1, 2, 6, 7]], expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(mixed[0, 0], mixed[0, 1])


def test_where_a_style_has_all_of_the_share_the_picture_is_what_it_is_in_that_style_alone(network):
    """Whatever lies elsewhere: the norms see each style by itself, also in a batch, and in tiles."""
    styles: list[dict[str, float]] = [{"waves": 1}, {"night": 1, "cubist": 1}]
    half = torch.cat([torch.ones(1, 1, 1, 40), torch.zeros(1, 1, 1, 40)], dim=3)
    mapped, photos = network.of_style_map(styles, torch.cat([half, 1 - half], dim=1)), torch.rand(2, 3, 40, 320)
    with torch.inference_mode():
        left, right = (network.of_style(style)(photos) for style in styles)
        both = mapped(photos)
        tiled = stylize_tiled(mapped, photos[0], tile=60)
    assert (left - right).abs().mean() > 0.02
    for picture, alone in ((both, (left, right)), (tiled[None], (left[:1], right[:1]))):
        torch.testing.assert_close(picture[..., :100], alone[0][..., :100], rtol=0, atol=1e-4)
        torch.testing.assert_close(picture[..., -100:], alone[1][..., -100:], rtol=0, atol=1e-4)


def test_tiles_of_a_map_give_the_same(network):
    shares = torch.rand(1, 2, 7, 9) + 0.05
    mapped, photo = network.of_style_map([{"waves": 1}, {"night": 0.5, "cubist": 0.5}], shares), torch.rand(3, 75, 102)
    with torch.inference_mode():
        torch.testing.assert_close(stylize_tiled(mapped, photo, tile=40), mapped(photo[None])[0], atol=1e-4, rtol=0)


def test_round_trip_and_choice(network, tmp_path):
    path = tmp_path / "gallery.safetensors"
    save_network(path, network, {}, torch.float32)
    loaded = load_network(path)
    assert loaded.styles == STYLES
    image = torch.rand(1, 3, 16, 16)
    assert torch.equal(load_styled(path, {"night": 1})(image), loaded.of_style({"night": 1})(image))


def test_more_styles_leave_the_old_ones_as_they_are(network):
    more = network.with_styles([*STYLES, "dots"])
    image = torch.rand(1, 3, 16, 16)
    for style in STYLES:
        assert torch.equal(more(image, more.mixture({style: 1})), network(image, network.mixture({style: 1})))
    name = network.style_parameters[0]
    torch.testing.assert_close(more.get_parameter(name)[3], network.get_parameter(name).mean(0))


def test_more_styles_begin_with_the_mean_of_paintings(network):
    kept = randomised(type(network)(width=4, blocks=1, norm="conditional", styles=["cubist", "waves", "photo"]))
    more, name = kept.with_styles(["photo", "dots"]), network.style_parameters[0]
    photo, dots = more.get_parameter(name)
    torch.testing.assert_close(dots, kept.get_parameter(name)[:2].mean(0))
    assert torch.equal(photo, kept.get_parameter(name)[2])
    assert torch.equal(more.with_styles(["photo"]).with_styles(["dots"]).get_parameter(name)[0], photo)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_of_one_style_becomes_one_of_several(kind):
    plain = kind(width=4, blocks=1).eval()
    several = plain.with_styles(["a", "b"])
    image = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(several(image, several.mixture({"b": 1})), plain(image), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="norm: batch cannot take on styles"):
        kind(width=4, blocks=1, norm="batch").with_styles(["a"])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"wave": 1}, r"no style 'wave' in the network \(did you mean waves\?\): it has cubist, waves, night"),
        ({"waves": -1}, "weight of style waves must not be negative, got -1"),
        ({"waves": float("nan")}, "must be a finite number, got nan"),
        ({"waves": 0}, "must not all be 0"),
        ({}, "must not all be 0"),
    ],
)
def test_weights_that_cannot_be(network, weights, message):
    with pytest.raises(ValueError, match=message):
        network.of_style(weights)


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\\b", "a:b", "a,b", "a\nb"])
def test_names_that_cannot_be(name):
    with pytest.raises(ValueError, match="must be a printable text without slash"):
        TransformerNetwork(4, 1, norm="conditional", styles=[name])


def test_misuse():
    with pytest.raises(ValueError, match="a name of its own, 'a' comes more than once"):
        TransformerNetwork(4, 1, norm="conditional", styles=["a", "a"])
    with pytest.raises(ValueError, match="norm: conditional, and no other, has styles"):
        TransformerNetwork(4, 1, norm="instance", styles=["a"])
    with pytest.raises(ValueError, match="norm: conditional, and no other, has styles"):
        SlimNetwork(4, 1, norm="conditional")
    with pytest.raises(ValueError, match="must be told which"):
        TransformerNetwork(4, 1, norm="conditional", styles=["a"])(torch.rand(1, 3, 8, 8))


def test_shares_that_cannot_be(network):
    for shares, message in (
        (torch.ones(1, 1, 2, 2), r"must be \(1, 2, H, W\)"),
        (-torch.ones(1, 2, 2, 2), "must not be negative"),
        (torch.zeros(1, 2, 2, 2), "nor all be 0"),
        (torch.full((1, 2, 2, 2), float("nan")), "must not be negative"),
        (torch.full((1, 2, 2, 2), float("inf")), "must not be negative or infinite"),
        (torch.ones(1, 2, 0, 2), r"must be \(1, 2, H, W\)"),
    ):
        with pytest.raises(ValueError, match=message):
            network.of_style_map([{"waves": 1}, {"night": 1}], shares)


def test_a_file_of_one_style_has_no_choice(tmp_path, network):
    save_network(tmp_path / "one.safetensors", TransformerNetwork(4, 1), {})
    with pytest.raises(ValueError, match=r"one\.safetensors has a single style: leave out"):
        load_styled(tmp_path / "one.safetensors", {"waves": 1})
    save_network(tmp_path / "some.safetensors", network, {})
    with pytest.raises(ValueError, match=r"some\.safetensors has several styles: choose one, or a mixture, of cubist"):
        load_styled(tmp_path / "some.safetensors")
    with pytest.raises(ValueError, match=r"some\.safetensors: there is no style 'dots'"):
        load_styled(tmp_path / "some.safetensors", {"dots": 1})

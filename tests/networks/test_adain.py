"""AdaIN: an encoder, the statistics of a style image, a decoder."""

import json
import re

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from fast_style.checkpoint import load_network, load_styled, read_metadata, save_network, styles_of, takes_style
from fast_style.functional import adaptive_instance_norm
from fast_style.inference.stylizer import Stylizer
from fast_style.inference.tiling import stylize_tiled
from fast_style.networks import VGG, AdaIN, adain


def named(images):
    return {str(number): image for number, image in enumerate(images, start=1)}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = AdaIN().eval()
    network.standardize(torch.rand(2, 3, 32, 32))
    return network


@pytest.fixture(scope="module")
def paintings():
    torch.manual_seed(1)
    return [torch.rand(1, 3, 40, 33) ** 3, torch.rand(1, 3, 1, 1).expand(1, 3, 24, 24) * torch.rand(1, 1, 24, 24)]


def test_flat_areas_survive_bfloat16(network):
    # Where a photo is flat, the norm multiplies what rounding has left.
    ramp = torch.linspace(0.55, 0.62, 64)[:, None].expand(64, 64)
    sky = torch.stack([0.8 * ramp, 0.9 * ramp, 1.1 * ramp])[None]
    style = network.encode(torch.rand(1, 3, 64, 64))
    with torch.inference_mode():
        exact = adaptive_instance_norm(network.encode(sky), style)
        with torch.autocast("cpu", torch.bfloat16):
            found = adaptive_instance_norm(network.encode(sky), style)
    assert (found - exact).norm() / exact.norm() < 0.08


def test_adaptive_instance_norm_is_the_formula():
    content, style = torch.randn(2, 5, 6, 7).double(), 3 * torch.randn(2, 5, 4, 9).double() + 1
    for c, s, y in zip(content, style, adaptive_instance_norm(content, style), strict=True):
        for channel, other, found in zip(c, s, y, strict=True):
            deviation, wanted = channel.std(correction=0), other.std(correction=0)
            expected = wanted * (channel - channel.mean()) / deviation + other.mean()
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_encoder_is_the_loss_network_away_from_the_border(network):
    image = torch.rand(1, 3, 160, 160)
    expected = VGG("vgg19", "slim")
    expected.taps.clear()
    assert torch.equal(network.mean, expected.mean)
    assert torch.equal(network.std, expected.std)
    with torch.inference_mode():
        wanted, found = expected(image, ["relu4_1"])["relu4_1"], network.encode(image)
    assert found.shape == wanted.shape
    torch.testing.assert_close(found[..., 7:-7, 7:-7], wanted[..., 7:-7, 7:-7], rtol=1e-3, atol=1e-3)
    assert (found - wanted).abs().max() > 1e-2  # theirs pads with zeros


def test_the_decoder_mirrors_the_encoder(network):
    shapes = [tuple(layer.weight.shape[:2]) for layer in network.decoder if hasattr(layer, "weight")]
    encoder = [tuple(conv.weight.shape[1::-1][::-1]) for conv in network.encoder.values()]
    assert shapes == [(inputs, outputs) for outputs, inputs in reversed(encoder)]
    assert network.decoder(torch.rand(1, 128, 2, 3)).shape == (1, 3, 16, 24)


def test_a_wider_decoder(tmp_path):
    network = AdaIN(decoder_width=2).eval()
    shapes = [tuple(layer.weight.shape[:2]) for layer in network.decoder if hasattr(layer, "weight")]
    assert shapes[0] == (2 * network.arguments["widths"][-2], 128)
    assert shapes[-1] == (3, 2 * network.arguments["widths"][0])
    assert network.decoder(torch.rand(1, 128, 2, 3)).shape == (1, 3, 16, 24)
    save_network(tmp_path / "wide.safetensors", network, {})
    assert load_network(tmp_path / "wide.safetensors").arguments == network.arguments


@torch.inference_mode()
def test_the_decoder_sees_standardised_features(paintings, tmp_path):
    network, images = AdaIN().eval(), torch.rand(4, 3, 32, 32)
    assert not network.standardized
    network.standardize(images)
    assert network.standardized
    seen = []
    features = network.encode(images)
    network.decoder[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    picture = network.decode(features, (32, 32))
    deviation, mean = torch.std_mean(seen[0], (0, 2, 3))
    torch.testing.assert_close(mean, torch.zeros(128), atol=1e-3, rtol=0)
    alive = features.std((0, 2, 3)) > 0.2 * features.std((0, 2, 3)).mean()
    torch.testing.assert_close(deviation[alive], torch.ones(int(alive.sum())), atol=1e-3, rtol=0)
    assert deviation.max() < 1.001
    save_network(tmp_path / "adain.safetensors", network, {}, torch.float32)
    loaded = load_network(tmp_path / "adain.safetensors")
    assert loaded.standardized
    torch.testing.assert_close(loaded.decode(features, (32, 32)), picture)
    # A photo in its own style is decoded from its own features.
    own = network.of_images(named(paintings[:1])).of_style({"1": 1})(paintings[0])
    decoded = network.decode(network.encode(paintings[0]), paintings[0].shape[2:])
    torch.testing.assert_close(own, decoded, atol=1e-4, rtol=1e-3)


def test_only_the_decoder_learns(network):
    assert all(parameter.requires_grad == name.startswith("decoder.") for name, parameter in network.named_parameters())


@pytest.mark.parametrize("size", [(1, 1), (16, 24), (17, 70)])
def test_a_network_of_images_does_what_training_does(network, paintings, size):
    photo = torch.rand(1, 3, *size)
    known = network.of_images(named(paintings))
    assert known.styles == ["1", "2"]
    for number, painting in enumerate(paintings, start=1):
        with torch.inference_mode():
            picture, wanted = network.transfer(network.encode(photo), network.encode(painting), size)
            plain = known.of_style({str(number): 1})(photo)
        assert wanted.shape[1] == 128
        torch.testing.assert_close(plain, picture, rtol=1e-4, atol=1e-5)


def test_each_photo_has_its_style_image(network):
    photos, paintings = torch.rand(2, 3, 16, 24), torch.rand(2, 3, 16, 16) ** 2
    with torch.inference_mode():
        features, styles = network.encode(photos), network.encode(paintings)
        together = network.transfer(features, styles, (16, 24))[0]
        alone = network.transfer(features[1:], styles[1:], (16, 24))[0]
    torch.testing.assert_close(together[1:], alone, rtol=1e-4, atol=1e-5)


def test_a_mixture_mixes_statistics(network, paintings):
    known = network.of_images(named(paintings))
    mixed = known.of_style({"1": 1, "2": 3})
    torch.testing.assert_close(mixed.norm.weight, 0.25 * known.norm.weight[0] + 0.75 * known.norm.weight[1])


def test_a_map_of_one_image_is_that_image(network, paintings):
    photo, known = torch.rand(1, 3, 32, 40), network.of_images(named(paintings))
    with torch.inference_mode():
        mapped = known.of_style_map([{"2": 1}], torch.ones(1, 1, 2, 2))(photo)
        torch.testing.assert_close(mapped, known.of_style({"2": 1})(photo), rtol=1e-4, atol=1e-5)


def test_tiles_give_the_same(network, paintings):
    plain, photo = network.of_images(named(paintings[:1])).of_style({"1": 1}), torch.rand(3, 171, 203)
    with torch.inference_mode():
        torch.testing.assert_close(stylize_tiled(plain, photo, tile=96), plain(photo[None])[0], atol=1e-4, rtol=0)


def test_round_trip(network, paintings, tmp_path):
    path = tmp_path / "adain.safetensors"
    save_network(path, network, {})
    loaded = load_network(path)
    assert loaded.takes_images
    assert takes_style(path)
    assert styles_of(path) == []
    with torch.inference_mode():
        torch.testing.assert_close(loaded.encode(paintings[0]), network.encode(paintings[0]), rtol=1e-2, atol=5e-2)
        pictures = [each.of_images(named(paintings[:1])).of_style({"1": 1})(paintings[0]) for each in (network, loaded)]
    torch.testing.assert_close(pictures[1], pictures[0], rtol=0, atol=5e-2)
    assert all(p.requires_grad == name.startswith("decoder.") for name, p in loaded.named_parameters())
    assert path.stat().st_size < 2e6


@pytest.fixture
def encoder(tmp_path):
    """VGG-19 up to relu4_1 of few channels."""
    torch.manual_seed(2)
    state, index = {}, 0
    for name, conv in VGG("vgg19", None, width=2).convs.items():
        index += name.endswith("_1") and name != "conv1_1"
        state |= {f"features.{index}.{key}": value for key, value in conv.state_dict().items()}
        index += 2
        if name == "conv4_1":
            break
    save_file(state, tmp_path / "encoder.safetensors")
    return tmp_path / "encoder.safetensors"


def test_an_encoder_from_a_file_travels_in_the_file(encoder, tmp_path, paintings):
    network, path = AdaIN(str(encoder)).eval(), tmp_path / "adain.safetensors"
    save_network(path, network, {}, torch.float32)
    encoder.unlink()
    assert read_metadata(path)["arguments"]["encoder"] == "own"
    assert str(tmp_path) not in json.dumps(read_metadata(path))
    loaded, photo = load_network(path), torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        pictures = [
            each.transfer(each.encode(photo), each.encode(paintings[0]), (16, 16))[0] for each in (network, loaded)
        ]
    torch.testing.assert_close(*pictures)


def change(path, **arguments):
    """Change arguments in the metadata of a file; None: leave one out."""
    with safe_open(path, "pt") as file:
        texts, state = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    changed = json.loads(texts["arguments"]) | arguments
    texts["arguments"] = json.dumps({key: value for key, value in changed.items() if value is not None})
    save_file(state, path, texts)


@pytest.mark.parametrize("widths", [[2, 2, 4, 4, 8, 8, 8, 8, 16], None, []])
def test_a_file_names_no_file_to_open(network, encoder, tmp_path, monkeypatch, widths):
    path = tmp_path / "adain.safetensors"
    save_network(path, network, {}, torch.float32)
    change(path, encoder=str(encoder), widths=widths)
    monkeypatch.setattr(adain, "VGG", lambda *_: pytest.fail("an encoder was opened"))
    for read in (load_network, takes_style, styles_of):
        with pytest.raises(ValueError, match=r"does not describe a network that can be built: .*(encoder|widths)"):
            read(path)


def test_a_published_encoder_is_named_and_found(encoder, tmp_path, paintings, monkeypatch):
    vgg, path, photo = VGG("vgg19", str(encoder)), tmp_path / "adain.safetensors", torch.rand(1, 3, 16, 16)
    monkeypatch.setattr(adain, "VGG", lambda *_: vgg)
    network = AdaIN("oxford_8bit").eval()
    save_network(path, network, {}, torch.float32)
    with safe_open(path, "pt") as file:
        assert not any(key.startswith("encoder.") for key in file.keys())  # noqa: SIM118
    with torch.inference_mode():
        torch.testing.assert_close(load_network(path).encode(photo), network.encode(photo))
    vgg.convs["conv1_1"].bias.data += 1
    with pytest.raises(ValueError, match="its encoder oxford_8bit is not the one it was trained with"):
        load_network(path)

    def refuse(*_):
        raise FileNotFoundError("a package is missing")

    monkeypatch.setattr(adain, "VGG", refuse)
    assert takes_style(path), "which needs no encoder"
    with pytest.raises(FileNotFoundError, match=re.escape(f"{path}: its encoder is not to be had: a package")):
        load_network(path)


@pytest.mark.parametrize("content", [b"hello", b"", {1: 2}, {1: torch.zeros(2)}, [1]])
def test_an_encoder_that_is_none(content, tmp_path):
    path = tmp_path / "encoder.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=r"encoder\.pth"):
        AdaIN(str(path))


def test_copies_need_no_encoder(encoder, paintings):
    network = AdaIN(str(encoder)).eval()
    encoder.unlink()
    known = network.of_images(named(paintings))
    photo = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        expected = network.transfer(network.encode(photo), network.encode(paintings[1]), (16, 16))[0]
        torch.testing.assert_close(known.of_style({"2": 1})(photo), expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        known.decoder[0].weight.zero_()
    assert network.decoder[0].weight.abs().sum() > 0


def test_styles_from_a_file_are_images(network, tmp_path, style_folder):
    path = tmp_path / "adain.safetensors"
    save_network(path, network, {}, torch.float32)
    waves, photo = str(style_folder / "waves.png"), torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        one, other = (load_styled(path, {name: 1.0})(photo) for name in (waves, "cubist"))
        mixed = load_styled(path, {waves: 1.0, "cubist": 1.0})(photo)
        side_by_side = load_styled(path, [{waves: 1.0}, {"cubist": 1.0}], torch.ones(1, 2, 1, 1))(photo)
    assert (one - other).abs().max() > 1e-3
    torch.testing.assert_close(mixed, side_by_side, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("style", "error", "message"),
    [
        (None, ValueError, r"adain\.safetensors takes any style: choose an image, or one of .*cubist"),
        ({"cubsit": 1.0}, FileNotFoundError, r"no image for style 'cubsit'.*did you mean cubist\?"),
        ({"nowhere/x.jpg": 1.0}, FileNotFoundError, r"nowhere/x\.jpg"),
        ({__file__: 1.0}, ValueError, r"test_adain\.py"),
        ({"cubist": -1.0}, ValueError, "must not be negative"),
        ({"cubist": 0.0}, ValueError, "must not all be 0"),
    ],
)
def test_bad_styles(network, tmp_path, style, error, message):
    save_network(tmp_path / "adain.safetensors", network, {})
    with pytest.raises(error, match=message):
        load_styled(tmp_path / "adain.safetensors", style)


def test_refusals(network, paintings, vgg_file):
    known = network.of_images(named(paintings))
    with pytest.raises(ValueError, match="has its styles: it cannot take on those of images"):
        known.of_images(named(paintings))
    with pytest.raises(ValueError, match="there is no style image"):
        network.of_images({})
    with pytest.raises(ValueError, match=r"takes style images: train it with model=adain, use network\.of_images"):
        network(torch.rand(1, 3, 16, 16))
    with pytest.raises(ValueError, match="takes style images as they are"):
        network.with_styles(["night"])
    with pytest.raises(ValueError, match=r"takes style images: take network\.of_images"):
        Stylizer(network)
    with pytest.raises(ValueError, match="norm must be one of adaptive, conditional, instance, got 'batch'"):
        AdaIN(norm="batch")
    with pytest.raises(ValueError, match="got norm: adaptive and 1 styles"):
        AdaIN(styles=["night"])
    with pytest.raises(ValueError, match=r"must have 9 widths of 1 to 512 channels, got \[1, 2\]"):
        AdaIN(widths=[1, 2])
    with pytest.raises(
        ValueError, match=r"must be one of oxford_8bit, slim, .*own where widths are given, got 'a\.pth'"
    ):
        AdaIN("a.pth", widths=[1] * 9)
    for width in (0, 1.5, "2", 9):
        with pytest.raises(ValueError, match=f"decoder_width must be a whole number from 1 to 8, got {width!r}"):
            AdaIN(decoder_width=width)
    with pytest.raises(ValueError, match="end at relu2_1 and lack layer 'relu4_1'"):
        AdaIN(str(vgg_file))

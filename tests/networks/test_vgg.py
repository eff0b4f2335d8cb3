import math
import re

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

from fast_style.networks import VGG

TORCHVISION = {"vgg16": torchvision.models.vgg16, "vgg19": torchvision.models.vgg19}
# Position of the layer in torchvision's `features`, read off the printed module.
POSITIONS = {
    "vgg16": {"conv1_1": 0, "relu1_2": 3, "relu2_2": 8, "relu3_3": 15, "conv4_2": 19, "relu4_3": 22, "relu5_3": 29},
    "vgg19": {"relu1_1": 1, "relu2_2": 8, "relu3_4": 17, "conv4_2": 21, "relu4_4": 26, "relu5_4": 35},
}


@pytest.fixture(scope="module")
def reference():
    """torchvision's own networks, features only (the classifier is 500 MB), with random weights."""
    torch.manual_seed(0)
    return {name: build(weights=None, init_weights=False).features for name, build in TORCHVISION.items()}


def expected_features(features, images, mean, std, positions):
    x = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    return {layer: features[: position + 1](x) for layer, position in positions.items()}


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
@pytest.mark.parametrize("prefix", ["", "features."])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_equals_torchvision(name, prefix, suffix, reference, tmp_path):
    state = {f"{prefix}{key}": value for key, value in reference[name].state_dict().items()}
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        state["classifier.0.weight"] = torch.zeros(1)
        torch.save(state, path)
    else:
        save_file(state, path)
    images = torch.rand(1, 3, 40, 36)
    features = VGG(name, path)(images, POSITIONS[name])
    expected = expected_features(
        copy_without_inplace(reference[name]), images, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), POSITIONS[name]
    )
    assert features.keys() == expected.keys()
    for layer, value in expected.items():
        torch.testing.assert_close(features[layer], value)


def copy_without_inplace(features):
    return torch.nn.Sequential(*(torch.nn.ReLU() if isinstance(m, torch.nn.ReLU) else m for m in features))


def test_real_weights_equal_torchvision_with_the_metadata_of_the_file(shared):
    path = shared / "weights" / "vgg19_features_relu3_4.safetensors"
    network = VGG("vgg19", path)
    assert network.mean.flatten().tolist() == pytest.approx([0.48502, 0.457957, 0.407604])
    assert network.std.flatten().tolist() == pytest.approx([1 / 255] * 3)
    reference = copy_without_inplace(torchvision.models.vgg19(weights=None, init_weights=False).features[:18])
    tensors = load_file(path)
    reference.load_state_dict({key.removeprefix("features."): value for key, value in tensors.items()})
    images = torch.rand(1, 3, 32, 32)
    expected = reference((images - network.mean) / network.std)
    atol = 1e-5 * expected.max().item()
    torch.testing.assert_close(network(images, ["relu3_4"])["relu3_4"], expected, rtol=0, atol=atol)


def test_computes_only_as_deep_as_asked(monkeypatch):
    network = VGG("vgg16", weights=None)
    called = []
    for name, conv in network.convs.items():
        conv.register_forward_hook(lambda *_, name=name: called.append(name))
    network(torch.rand(1, 3, 16, 16), ["relu2_1", "conv1_2"])
    assert called == ["conv1_1", "conv1_2", "conv2_1"]


def test_frozen_and_always_in_evaluation():
    network = VGG("vgg16", weights=None).train()
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


def test_gradient_reaches_the_images():
    images = torch.rand(1, 3, 16, 16, requires_grad=True)
    VGG("vgg16", weights=None)(images, ["relu2_2"])["relu2_2"].sum().backward()
    assert images.grad.abs().sum() > 0


@pytest.mark.parametrize("pooling", ["max", "avg"])
def test_recomputing_changes_what_is_kept_alone(pooling):
    network, image = VGG("vgg19", None, width=4, pooling=pooling), torch.rand(1, 3, 40, 48)
    layers = ["conv1_2", "relu2_1", "relu3_3"]
    results, kept = [], []
    for recompute in (False, True):
        pixels, seen = image.clone().requires_grad_(), []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, seen=seen: seen.append(x.numel()) or x, lambda x: x):
            features = network(pixels, layers, recompute)
        kept.append(sum(seen))
        sum(feature.square().mean() for feature in features.values()).backward()
        results.append([*(features[layer] for layer in layers), pixels.grad])
    for plain, again in zip(*results, strict=True):
        assert torch.equal(plain, again)
    assert kept[1] < 0.5 * kept[0]


def test_file_cut_off_below_the_layers_asked_for(reference, tmp_path):
    state = {k: v for k, v in reference["vgg19"].state_dict().items() if int(k.split(".")[0]) <= 5}
    save_file(state, tmp_path / "short.safetensors")
    network = VGG("vgg19", tmp_path / "short.safetensors")
    assert network(torch.rand(1, 3, 16, 16), ["relu2_1"])["relu2_1"].shape == (1, 128, 8, 8)
    with pytest.raises(ValueError, match=r"short\.safetensors end at relu2_1 and lack layer 'relu2_2'"):
        network.check_layers(["relu2_2"])


@pytest.mark.parametrize("layer", ["relu6_1", "pool1", "relu3_4", "", "3_1"])
def test_unknown_layer(layer):
    with pytest.raises(ValueError, match=f"unknown layer '{layer}': vgg16 has conv1_1"):
        VGG("vgg16", weights=None).check_layers([layer])


def test_unknown_network():
    with pytest.raises(ValueError, match="loss network must be one of vgg16, vgg19, got 'vgg11'"):
        VGG("vgg11")


def test_file_of_something_else(tmp_path):
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="holds no VGG features"):
        VGG("vgg16", tmp_path / "other.pth")


def test_vgg16_file_as_vgg19(reference, tmp_path):
    torch.save(reference["vgg16"].state_dict(), tmp_path / "vgg16.pth")
    with pytest.raises(ValueError, match=r"does not fit vgg19: it has features\.17\.weight but not 16\.weight"):
        VGG("vgg19", tmp_path / "vgg16.pth")


@pytest.mark.parametrize("std", [[0.2, 0.2, 0.0], [0.2, 0.2], [], [0.2, 0.2, math.nan]])
def test_bad_std(std):
    with pytest.raises(ValueError, match="std of the loss network must be three numbers above 0"):
        VGG("vgg16", None, std=std)


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize(
    ("name", "weights", "normalisation"),
    [
        ("vgg16", "IMAGENET1K_V1", IMAGENET),
        ("vgg16", "IMAGENET1K_FEATURES", ((0.48235, 0.45882, 0.40784), (1 / 255,) * 3)),
        ("vgg19", "IMAGENET1K_V1", IMAGENET),
    ],
)
def test_published_weights(monkeypatch, reference, name, weights, normalisation):
    state = {f"features.{key}": value for key, value in reference[name].state_dict().items()}
    # The published IMAGENET1K_FEATURES are like this: nobody has trained their classifier.
    state |= {"classifier.0.weight": torch.full((2, 2), torch.nan), "classifier.0.bias": torch.full((2,), torch.nan)}
    asked = []

    def download(url, **options):
        asked.append((url, options["check_hash"]))
        return state

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", download)
    network = VGG(name, weights)
    published = torchvision.models.get_model_weights(name)[weights]
    assert asked == [(published.url, True)]
    assert network.source == weights
    for values, expected in zip((network.mean, network.std), normalisation, strict=True):
        assert values.flatten().tolist() == pytest.approx(expected)
    images = torch.rand(1, 3, 32, 32)
    layers = {"relu2_2": POSITIONS[name]["relu2_2"]}
    expected = expected_features(copy_without_inplace(reference[name]), images, *normalisation, layers)
    torch.testing.assert_close(network(images, layers), expected)
    assert expected["relu2_2"].isfinite().all()


def test_mean_and_std_given_go_before_those_of_the_weights(tmp_path, reference):
    save_file(reference["vgg16"].state_dict(), tmp_path / "weights.safetensors", {"mean": "[0.1, 0.1, 0.1]"})
    network = VGG("vgg16", tmp_path / "weights.safetensors", std=[1, 2, 3])
    assert network.mean.flatten().tolist() == pytest.approx([0.1] * 3)
    assert network.std.flatten().tolist() == [1, 2, 3]


@pytest.fixture
def narrow():
    """Weights of a VGG-19 of width 3 to relu2_1, by torchvision's keys."""
    convs = VGG("vgg19", None, width=3).convs
    positions = {"conv1_1": 0, "conv1_2": 2, "conv2_1": 5}
    return {f"features.{i}.{k}": p for name, i in positions.items() for k, p in convs[name].state_dict().items()}


def test_width():
    images = torch.rand(1, 3, 32, 32)
    features = VGG("vgg19", None, width=5)(images, ["relu1_1", "relu2_2", "conv3_4", "relu4_1", "relu5_4"])
    assert [feature.shape[1] for feature in features.values()] == [5, 10, 20, 40, 40]
    assert VGG("vgg16", None)(images, ["relu2_1"])["relu2_1"].shape[1] == 128
    features = VGG("vgg19", None, width=[2, 3, 5, 4, 1])(
        images, ["relu1_1", "relu2_2", "relu3_4", "relu4_1", "relu5_4"]
    )
    assert [feature.shape[1] for feature in features.values()] == [2, 3, 5, 4, 1]


@pytest.mark.parametrize("width", [0, [1, 2, 3], [4, 4, 4, 4, 0]])
def test_width_of_nothing(width):
    sentence = f"must be at least 1 channel, or five numbers of channels, got {re.escape(str(width))}"
    with pytest.raises(ValueError, match=sentence):
        VGG("vgg19", None, width=width)


def test_width_is_that_of_the_file(narrow, tmp_path):
    save_file(narrow, tmp_path / "narrow.safetensors")
    for width in (None, 3):
        network = VGG("vgg19", tmp_path / "narrow.safetensors", width=width)
        assert network(torch.rand(1, 3, 16, 16), ["relu2_1"])["relu2_1"].shape == (1, 6, 8, 8)
    with pytest.raises(
        ValueError, match=r"features\.0\.weight must have shape \(4, 3, 3, 3\), found shape \(3, 3, 3, 3"
    ):
        VGG("vgg19", tmp_path / "narrow.safetensors", width=4)
    torch.save({"0.weight": torch.tensor(1.0)}, tmp_path / "scalar.pth")
    with pytest.raises(ValueError, match=r"features\.0\.weight must have shape \(64, 3, 3, 3\), found shape \(\)"):
        VGG("vgg19", tmp_path / "scalar.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_taps_multiply_what_is_returned_and_nothing_else(narrow, tmp_path, suffix):
    taps = {"relu1_1": torch.rand(3, 3), "relu1_2": torch.rand(3, 3), "conv2_1": torch.rand(6, 6)}
    state = narrow | {f"taps.{layer}.weight": matrix.half() for layer, matrix in taps.items()}
    torch.save(narrow, tmp_path / "plain.pth")
    save = torch.save if suffix == ".pth" else save_file
    save(state, tmp_path / f"tapped{suffix}")
    images, layers = torch.rand(2, 3, 16, 20), [*taps, "conv1_2", "relu2_1"]
    network = VGG("vgg19", tmp_path / f"tapped{suffix}")
    tapped, plain = network(images, layers), VGG("vgg19", tmp_path / "plain.pth")(images, layers)
    for layer, feature in plain.items():
        matrix = taps[layer].half().float() if layer in taps else torch.eye(feature.shape[1])
        expected = torch.einsum("ij,njhw->nihw", matrix, feature)
        torch.testing.assert_close(tapped[layer], expected)
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    ("layer", "shape"),
    [("relu1_2", (6, 6)), ("relu1_2", (3, 4)), ("relu1_2", (3,)), ("relu2_2", (6, 6)), ("relu9_9", (3, 3))],
)
def test_taps_that_do_not_fit(narrow, tmp_path, layer, shape):
    save_file(narrow | {f"taps.{layer}.weight": torch.zeros(shape)}, tmp_path / "tapped.safetensors")
    sentence = (
        rf"does not fit this loss network: taps\.{layer}\.weight of shape {re.escape(str(shape))} must be a square"
    )
    with pytest.raises(ValueError, match=sentence):
        VGG("vgg19", tmp_path / "tapped.safetensors")


def test_slim_reaches_relu4_1():
    network = VGG("vgg19", "slim")
    layers = [f"relu{block}" for block in ("1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "3_4", "4_1")]
    features = network(torch.rand(1, 3, 32, 48), layers)
    assert [feature.shape[1] for feature in features.values()] == [16, 16, 48, 48, 96, 96, 96, 96, 128]
    assert features["relu4_1"].shape == (1, 128, 4, 6)
    assert set(network.taps) == set(layers)
    with pytest.raises(ValueError, match="the weights slim end at relu4_1 and lack layer 'relu4_2'"):
        network.check_layers(["relu4_2"])


def test_average_pooling():
    torch.manual_seed(0)
    network, images = VGG("vgg16", None, width=2, pooling="avg"), torch.rand(1, 3, 8, 8)
    inner = network(images, ["relu1_2"])["relu1_2"]
    expected = torch.relu(network.convs["conv2_1"](torch.nn.functional.avg_pool2d(inner, 2)))
    torch.testing.assert_close(network(images, ["relu2_1"])["relu2_1"], expected)


def test_circular_padding_does_not_know_where_a_tile_begins():
    network, images = VGG("vgg16", None, width=2, padding_mode="circular"), torch.rand(1, 3, 16, 16)
    features = network(images, ["relu3_1"])["relu3_1"]
    torch.testing.assert_close(
        network(images.roll((4, 8), (2, 3)), ["relu3_1"])["relu3_1"], features.roll((1, 2), (2, 3))
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pooling": "min"}, "pooling of the loss network must be one of max, avg, got 'min'"),
        ({"padding_mode": "same"}, "padding_mode of the loss network must be one of zeros, circular, got 'same'"),
    ],
)
def test_refuses_other_pooling_and_padding(change, message):
    with pytest.raises(ValueError, match=message):
        VGG("vgg16", None, **change)

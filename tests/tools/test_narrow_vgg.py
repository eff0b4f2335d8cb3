import shutil

import pytest
import torch
from distillation.narrow_vgg import NarrowVGG, narrow_student
from safetensors.torch import save_file
from torch.nn import functional as F

from fast_style.images import read, resize_short_side, to_float
from fast_style.networks import VGG


@pytest.fixture
def state(narrow_vgg_state):
    return narrow_vgg_state


@pytest.fixture
def path(narrow_vgg_file, tmp_path):
    return shutil.copy(narrow_vgg_file, tmp_path / "narrow.safetensors")


def test_equals_the_literal_computation(state, path):
    images = torch.rand(2, 3, 18, 32)

    def conv(x, name):
        return F.conv2d(x, state[f"conv{name}.weight"], state[f"conv{name}.bias"])

    def head(x, name):
        return torch.relu(conv(x, f"{name}_aux"))

    def pad(x):
        return F.pad(x, (1, 1, 1, 1), mode="reflect")

    x = torch.relu(conv(pad(conv(images, "0")), "11"))
    expected = {"relu1_1": head(x, "11")}
    x = F.max_pool2d(torch.relu(conv(pad(x), "12")), 2)
    x = torch.relu(conv(pad(x), "21"))
    expected["relu2_1"] = head(x, "21")
    x = F.max_pool2d(torch.relu(conv(pad(x), "22")), 2)
    x = torch.relu(conv(pad(x), "31"))
    expected["relu3_1"] = head(x, "31")
    for name in ("32", "33", "34"):
        x = torch.relu(conv(pad(x), name))
    x = torch.relu(conv(pad(F.max_pool2d(x, 2)), "41"))
    expected["relu4_1"] = head(x, "41")

    features = NarrowVGG(path)(images, expected)
    assert [feature.shape[1:] for feature in features.values()] == [(6, 18, 32), (7, 9, 16), (8, 4, 8), (9, 2, 4)]
    for layer, feature in expected.items():
        torch.testing.assert_close(features[layer], feature)


def test_computes_only_as_deep_as_asked(path):
    network = NarrowVGG(path)
    called = []
    for name, conv in network.convs.items():
        conv.register_forward_hook(lambda *_, name=name: called.append(name))
    assert network(torch.rand(1, 3, 16, 16), ["relu2_1"]).keys() == {"relu2_1"}
    assert called == ["conv0", "conv11", "conv12", "conv21", "conv21_aux"]


def test_frozen(path):
    network = NarrowVGG(str(path))
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_what_it_predicts_resembles_the_wide_network(shared):
    weights = shared / "weights"
    photo = to_float(read(min((shared / "data" / "photos" / "heldout").iterdir())))[None]
    photo = resize_short_side(photo, 96)
    narrow = NarrowVGG(weights / "vgg19_16x_relu5_1.safetensors")(photo, ["relu3_1"])["relu3_1"]
    wide = VGG("vgg19", weights / "vgg19_features_relu3_4.safetensors")(photo, ["relu3_1"])["relu3_1"]
    assert narrow.shape == wide.shape

    def correlation(a, b):
        return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item()

    assert correlation(narrow, wide) > 0.7
    assert correlation(narrow, wide.roll(1, dims=1)) < 0.4


@pytest.mark.parametrize("layer", ["relu1_2", "conv1_1", "relu5_1"])
def test_a_layer_without_a_head(path, layer):
    with pytest.raises(ValueError, match=f"predicts relu1_1, relu2_1, relu3_1, relu4_1, not {layer}"):
        NarrowVGG(path)(torch.rand(1, 3, 16, 16), ["relu1_1", layer])


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there are no weights of the narrow VGG-19 at .*nowhere\.safetensors"):
        NarrowVGG(tmp_path / "nowhere.safetensors")


def test_damaged_file(path):
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"narrow\.safetensors is not a complete safetensors file"):
        NarrowVGG(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"conv0.weight": None}, "conv0.weight and conv0.bias must be a 1×1 convolution of 3 channels"),
        ({"conv22.bias": None}, "conv22.weight and conv22.bias must be a 3×3 convolution of 3 channels"),
        ({"conv31.weight": torch.zeros(4, 2, 3, 3)}, "conv31.weight and conv31.bias must be a 3×3 convolution of 3"),
        ({"conv31.weight": torch.zeros(4, 3, 3, 1)}, "conv31.weight and conv31.bias must be a 3×3 convolution of 3"),
        ({"conv41_aux.bias": torch.zeros(8)}, "conv41_aux.weight and conv41_aux.bias must be a 1×1 convolution of 5"),
    ],
)
def test_weights_of_something_else(state, tmp_path, changes, sentence):
    changed = {key: value for key, value in (state | changes).items() if value is not None}
    save_file(changed, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=rf"other\.safetensors is not the narrow VGG-19: {sentence}"):
        NarrowVGG(tmp_path / "other.safetensors")


def student_state():
    widths = {"0": (3, 3), "11": (3, 2), "12": (2, 2), "21": (2, 4), "22": (4, 4), "31": (4, 8)}
    widths |= dict.fromkeys(("32", "33", "34"), (8, 8)) | {"41": (8, 16)}
    state = {}
    for name, (channels, out) in widths.items():
        state[f"conv{name}.weight"] = torch.randn(out, channels, *([1, 1] if name == "0" else [3, 3])) / channels
        state[f"conv{name}.bias"] = torch.randn(out)
    for name in ("11", "21", "31", "41"):
        state[f"conv{name}_aux.weight"] = torch.randn(5, widths[name][1], 1, 1)
        state[f"conv{name}_aux.bias"] = torch.zeros(5)
    return state


def test_student_computes_the_same_away_from_the_rim(tmp_path):
    state = student_state()
    save_file(state, tmp_path / "narrow.safetensors")
    images = torch.rand(1, 3, 96, 96)
    student = narrow_student(tmp_path / "narrow.safetensors")
    features = student(images, ["relu2_1", "relu4_1"])
    for layer, margin in (("relu2_1", 6), ("relu4_1", 5)):
        head = state[f"conv{layer[4]}1_aux.weight"]
        expected = NarrowVGG(tmp_path / "narrow.safetensors")(images, [layer])[layer]
        found = F.relu(F.conv2d(features[layer], head))
        inner = (..., slice(margin, -margin), slice(margin, -margin))
        assert expected[inner].abs().max() > 0
        torch.testing.assert_close(found[inner], expected[inner], rtol=1e-3, atol=1e-3)


def test_a_wider_student_computes_the_same_in_its_first_channels(tmp_path):
    save_file(student_state(), tmp_path / "narrow.safetensors")
    images = torch.rand(1, 3, 32, 32)
    narrow = narrow_student(tmp_path / "narrow.safetensors")
    wide = narrow_student(tmp_path / "narrow.safetensors", width=[2, 7, 9, 16, 16])
    layers = {"relu1_2": 2, "relu2_2": 4, "relu3_4": 8, "relu4_1": 16}
    expected, found = narrow(images, layers), wide(images, layers)
    assert [feature.shape[1] for feature in found.values()] == [2, 7, 9, 16]
    for layer, channels in layers.items():
        torch.testing.assert_close(found[layer][:, :channels], expected[layer])
    assert found["relu2_2"][:, 4:].any()


def test_a_student_that_is_too_narrow(tmp_path):
    save_file(student_state(), tmp_path / "narrow.safetensors")
    with pytest.raises(
        ValueError, match=r"conv3_1\.weight of .* has shape \(8, 4, 3, 3\), which does not fit into \(7, "
    ):
        narrow_student(tmp_path / "narrow.safetensors", width=[2, 4, 7, 16, 16])


def test_student_needs_an_invertible_colour_transform(tmp_path):
    state = student_state()
    state["conv0.weight"] = torch.zeros(3, 3, 1, 1)
    save_file(state, tmp_path / "narrow.safetensors")
    with pytest.raises(ValueError, match="no inverse"):
        narrow_student(tmp_path / "narrow.safetensors")

import re
import urllib.error

import pytest
import torch
from safetensors.torch import save_file

from fast_style.networks import VGG
from fast_style.networks.vgg_weights import load_weights, named_weights


@pytest.fixture
def state():
    """Weights of the first two convolutions of a VGG, by torchvision's keys."""
    convs = zip((0, 2), VGG("vgg16", None).convs.values(), strict=False)
    return {f"features.{index}.{key}": value for index, conv in convs for key, value in conv.state_dict().items()}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_is_read_under_the_names_of_torchvision(suffix, state, tmp_path):
    path = tmp_path / f"weights{suffix}"
    more = state | {"classifier.0.weight": torch.zeros(2, 2), "taps.relu1_1.weight": torch.eye(64)}
    torch.save(more, path) if suffix == ".pth" else save_file(more, path, {"mean": "[0.1, 0.2, 0.3]"})
    weights = load_weights("vgg16", path)
    assert weights.state.keys() == {"0.weight", "0.bias", "2.weight", "2.bias", "taps.relu1_1.weight"}
    assert torch.equal(weights.state["2.weight"], state["features.2.weight"])
    assert list(weights.mean) == ([0.485, 0.456, 0.406] if suffix == ".pth" else [0.1, 0.2, 0.3])
    assert list(weights.std) == [0.229, 0.224, 0.225]


def test_names():
    assert named_weights("vgg19") == ("oxford_8bit", "slim", "IMAGENET1K_V1")
    assert named_weights("vgg16") == ("IMAGENET1K_V1", "IMAGENET1K_FEATURES")
    assert load_weights("vgg19", None).state is None
    assert "34.bias" in load_weights("vgg19", "oxford_8bit").state
    assert "taps.relu4_1.weight" in load_weights("vgg19", "slim").state


def test_missing_file():
    with pytest.raises(
        FileNotFoundError, match=r"'nowhere\.pth' are neither a file nor one of oxford_8bit, slim, IMAGENET1K_V1$"
    ):
        load_weights("vgg19", "nowhere.pth")
    with pytest.raises(FileNotFoundError, match="'slim' are neither a file nor one of IMAGENET1K_V1, IMAGENET1K_FEAT"):
        load_weights("vgg16", "slim")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_file(suffix, state, tmp_path):
    path = tmp_path / f"weights{suffix}"
    torch.save(state, path) if suffix == ".pth" else save_file(state, path)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(ValueError, match="is not a complete file of VGG weights"):
        load_weights("vgg16", path)


def test_a_list_is_no_state_dict(tmp_path):
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="is not a state dict of tensors"):
        load_weights("vgg16", tmp_path / "list.pth")


@pytest.mark.parametrize("key", ["mean", "std"])
@pytest.mark.parametrize(
    "text",
    [
        "0.4, 0.4",
        "0.4",
        "[0.4, 0.4]",
        '"0.4"',
        '"123"',
        "[0.4, 0.4, NaN]",
        '[0.4, 0.4, "0.4"]',
        "null",
        "",
        "[" * 10**5,
    ],
    ids=lambda text: text[:20],
)
def test_bad_metadata(tmp_path, state, key, text):
    save_file(state, tmp_path / "weights.safetensors", {key: text})
    with pytest.raises(ValueError, match=rf"^{key} in the metadata of .*weights\.safetensors must be three numbers"):
        load_weights("vgg16", tmp_path / "weights.safetensors")


def test_std_of_zero_in_the_metadata(tmp_path, state):
    save_file(state, tmp_path / "weights.safetensors", {"mean": "[0, 0, 0]", "std": "[1, 0, 1]"})
    with pytest.raises(
        ValueError, match=r"^std in the metadata of .* must be three numbers above 0 .* got \[1, 0, 1\]"
    ):
        load_weights("vgg16", tmp_path / "weights.safetensors")


def test_download_and_its_failure(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def refuse(url, *args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    where = re.escape(str(tmp_path / "checkpoints"))
    with pytest.raises(RuntimeError, match=rf"vgg19-\w+\.pth from https://.*no network.*put that file into {where}"):
        load_weights("vgg19", "IMAGENET1K_V1")

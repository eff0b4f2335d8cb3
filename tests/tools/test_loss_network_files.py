"""Distilled loss networks written, and read back by `VGG`."""

import errno
import math

import pytest
import torch
import torchvision
from distillation.files import save_loss_network
from safetensors import safe_open
from safetensors.torch import load_file

from fast_style.networks import VGG

MEAN, STD = [0.48502, 0.457957, 0.407604], [0.25, 0.2, 0.125]


@pytest.fixture
def network():
    return VGG("vgg19", None, mean=MEAN, std=STD, width=3)


def test_round_trip(network, tmp_path):
    path = tmp_path / "slim.safetensors"
    convs = list(network.convs)[:9]  # to conv4_1
    taps = {"relu1_2": torch.rand(3, 3), "relu4_1": torch.rand(24, 24)}
    save_loss_network(path, network, convs, taps, {"steps": 3, "mean": "overruled"})

    loaded = VGG("vgg19", path)
    assert list(loaded.convs) == convs
    assert torch.equal(loaded.mean, network.mean)
    assert torch.equal(loaded.std, network.std)
    for name in convs:
        for key, tensor in network.convs[name].state_dict().items():
            assert torch.equal(loaded.convs[name].state_dict()[key], tensor.half().float())
    assert loaded.taps.keys() == taps.keys()
    for layer, matrix in taps.items():
        assert torch.equal(loaded.taps[layer], matrix.half().float())
    with safe_open(path, "pt") as file:
        assert file.metadata()["steps"] == "3"

    images = torch.rand(1, 3, 32, 32)
    expected = torch.einsum("ij,njhw->nihw", taps["relu4_1"], network(images, ["relu4_1"])["relu4_1"])
    torch.testing.assert_close(loaded(images, ["relu4_1"])["relu4_1"], expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_keys_are_those_of_torchvision(tmp_path, name):
    network = VGG(name, None, width=1)
    save_loss_network(tmp_path / "all.safetensors", network, list(network.convs), {}, {})
    build = {"vgg16": torchvision.models.vgg16, "vgg19": torchvision.models.vgg19}[name]
    with torch.device("meta"):
        expected = build(weights=None, init_weights=False).features.state_dict()
    tensors = load_file(tmp_path / "all.safetensors")
    assert tensors.keys() == {f"features.{key}" for key in expected}
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}


def test_saving_changes_nothing_in_the_network(network, tmp_path):
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    save_loss_network(tmp_path / "slim.safetensors", network.to(memory_format=torch.channels_last), ["conv1_1"], {}, {})
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


@pytest.mark.parametrize("value", [1e6, math.nan])
def test_saves_only_what_half_precision_holds(network, tmp_path, value):
    taps = {"relu1_1": torch.full((3, 3), value)}
    with pytest.raises(ValueError, match=r"weight taps\.relu1_1\.weight has values that are not finite in half precis"):
        save_loss_network(tmp_path / "slim.safetensors", network, ["conv1_1"], taps, {})
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_behind(network, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*slim\.safetensors: No space left on device"):
        save_loss_network(tmp_path / "slim.safetensors", network, ["conv1_1"], {}, {})
    assert not list(tmp_path.iterdir())

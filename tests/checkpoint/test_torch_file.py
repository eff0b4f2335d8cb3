"""Files of torch.save: ours, pytorch/examples', and hostile ones."""

import os
import pickle
import zipfile
from collections import OrderedDict
from contextlib import suppress
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from fast_style.checkpoint import load_network, read_metadata
from fast_style.networks import TransformerNetwork


class ExamplesNetwork:
    """Johnson's network in the names that pytorch/examples gives its weights; images in and out in 0 … 255.

    `width` is 32 there, and there are always five residual blocks.
    """

    def __init__(self, width=32, blocks=5):
        self.blocks, self.weights = blocks, OrderedDict()
        wide, wider = 2 * width, 4 * width
        for number, sizes in enumerate([(3, width, 9), (width, wide, 3), (wide, wider, 3)], start=1):
            self.add(f"conv{number}", f"in{number}", *sizes)
        for block in range(1, blocks + 1):
            for number in (1, 2):
                self.add(f"res{block}.conv{number}", f"res{block}.in{number}", wider, wider, 3)
        self.add("deconv1", "in4", wider, wide, 3)
        self.add("deconv2", "in5", wide, width, 3)
        self.add("deconv3", None, width, 3, 9)

    def add(self, conv, norm, inputs, outputs, side):
        self.weights[f"{conv}.conv2d.weight"] = torch.randn(outputs, inputs, side, side) / (side * inputs**0.5)
        self.weights[f"{conv}.conv2d.bias"] = torch.randn(outputs) / 10
        if norm:
            self.weights[f"{norm}.weight"] = torch.empty(outputs).uniform_(0.5, 1.5)
            self.weights[f"{norm}.bias"] = torch.empty(outputs).uniform_(0.5, 1.5)

    def state_dict(self):
        return self.weights

    def conv(self, x, name, stride=1):
        weight, bias = (self.weights[f"{name}.conv2d.{kind}"] for kind in ("weight", "bias"))
        return functional.conv2d(functional.pad(x, [weight.shape[-1] // 2] * 4, mode="reflect"), weight, bias, stride)

    def norm(self, x, name):
        scale, shift = (self.weights[f"{name}.{kind}"].view(-1, 1, 1) for kind in ("weight", "bias"))
        variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        return scale * (x - mean) / (variance + 1e-5).sqrt() + shift

    def __call__(self, x):
        for number, stride in enumerate([1, 2, 2], start=1):
            x = self.norm(self.conv(x, f"conv{number}", stride), f"in{number}").relu()
        for block in range(1, self.blocks + 1):
            inner = self.norm(self.conv(x, f"res{block}.conv1"), f"res{block}.in1").relu()
            x = x + self.norm(self.conv(inner, f"res{block}.conv2"), f"res{block}.in2")
        for number in (1, 2):
            enlarged = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
            x = self.norm(self.conv(enlarged, f"deconv{number}"), f"in{number + 3}").relu()
        return self.conv(x, "deconv3")


@pytest.fixture
def examples():
    """A network whose pictures cover 0 … 255."""
    network = ExamplesNetwork(width=4, blocks=2)
    network.weights["deconv3.conv2d.weight"] *= 30
    network.weights["deconv3.conv2d.bias"].fill_(127)
    return network


@pytest.fixture
def checkpoint(tmp_path):
    """A file as Lightning writes it, and its content."""
    network = TransformerNetwork(width=2, blocks=1)
    content = {
        "epoch": 0,
        "pytorch-lightning_version": "2.6.0",
        "state_dict": {f"network.{key}": tensor for key, tensor in network.state_dict().items()}
        | {"loss.mean": torch.zeros(3)},
        "network": {"target": "fast_style.networks.TransformerNetwork", "arguments": network.arguments},
        "optimizer_states": [{"state": {}, "param_groups": [{"lr": 1e-3}]}],
    }
    path = tmp_path / "step=1.ckpt"
    torch.save(content, path)
    return SimpleNamespace(path=path, content=content, network=network)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_examples_weights_give_the_same_images(examples, tmp_path, zipped, old):
    state = examples.state_dict()
    if old:
        for number in range(1, 6):
            channels = len(state[f"in{number}.weight"])
            state[f"in{number}.running_mean"] = torch.rand(channels)
            state[f"in{number}.running_var"] = torch.rand(channels)
        state["res1.in1.running_mean"] = torch.rand(16)
    torch.save(state, tmp_path / "mosaic.pth", _use_new_zipfile_serialization=zipped)
    loaded = load_network(tmp_path / "mosaic.pth")
    photos = torch.rand(2, 3, 20, 24)
    with torch.no_grad():
        expected = examples(photos * 255) / 255
        assert expected.std() > 0.05
        assert (loaded(photos) - expected).abs().max() < 1e-4
    assert read_metadata(tmp_path / "mosaic.pth") == {
        "format": "pytorch/examples",
        "network": "fast_style.networks.TransformerNetwork",
        "arguments": {"width": 4, "blocks": 2, "output": "linear"},
    }


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("nested", [False, True])
def test_weights_of_a_wrapped_network(examples, tmp_path, prefix, nested):
    state = {f"{prefix}{key}": tensor for key, tensor in examples.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state} if nested else state, tmp_path / "wrapped.pth")
    torch.save(examples.state_dict(), tmp_path / "bare.pth")
    photos = torch.rand(1, 3, 20, 24)
    with torch.no_grad():
        wrapped, bare = (load_network(tmp_path / f"{name}.pth")(photos) for name in ("wrapped", "bare"))
    assert torch.equal(wrapped, bare)


@pytest.mark.parametrize("prefix", ["network._orig_mod.", "_orig_mod.network.", "module.network."])
def test_a_checkpoint_of_a_wrapped_network(checkpoint, prefix):
    state = {key.replace("network.", prefix): tensor for key, tensor in checkpoint.content["state_dict"].items()}
    torch.save(checkpoint.content | {"state_dict": state}, checkpoint.path)
    assert torch.equal(load_network(checkpoint.path).conv1.weight, checkpoint.network.conv1.weight)


def test_bare_weights_of_ours_do_not_say_of_which_network(checkpoint):
    torch.save(checkpoint.network.state_dict(), checkpoint.path)
    with pytest.raises(
        ValueError, match=r"it holds bare weights, write them with fast_style\.checkpoint\.save_network"
    ):
        load_network(checkpoint.path)


def test_examples_network_as_published(tmp_path):
    torch.save(ExamplesNetwork().state_dict(), tmp_path / "candy.model")
    assert load_network(tmp_path / "candy.model").arguments == TransformerNetwork(output="linear").arguments


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"res2.in1.bias": None}, r"it lacks weight residuals\.1\.norm1\.bias"),
        ({"res9.in1.bias": torch.zeros(16)}, r"it lacks weight residuals\.2\.conv1\.bias"),
        ({"other": 3}, "it has a stray weight other"),
        ({5: 3}, "it has a stray weight 5"),
        ({"in1.weight": [1.0] * 4}, r"norm1\.weight is not a plain tensor"),
        ({"in1.weight": torch.ones(4, device="meta")}, r"norm1\.weight is not a plain tensor"),
        ({"in1.weight": torch.ones(4).to_sparse()}, r"norm1\.weight is not a plain tensor"),
        ({"in1.weight": torch.ones(1).expand(10**12)}, r"norm1\.weight must be .* of shape \(1000000000000,\)"),
        ({"conv1.conv2d.weight": torch.ones(1).expand(10**6, 3, 9, 9)}, "width must be 1 to 512 channels, got 1000000"),
        ({"conv1.conv2d.weight": torch.tensor(1.0)}, "width must be 1 to 512 channels, got 0"),
        ({"conv1.conv2d.weight": "a"}, "width must be 1 to 512 channels, got 0"),
        ({"deconv3.conv2d.bias": torch.tensor([1, 2, float("nan")])}, r"conv4\.bias has values that are not finite"),
    ],
)
def test_examples_weights_that_do_not_fit(examples, tmp_path, change, sentence):
    state = dict(examples.state_dict()) | change
    torch.save({key: value for key, value in state.items() if value is not None}, tmp_path / "mosaic.pth")
    with pytest.raises(ValueError, match=rf"mosaic\.pth .*{sentence}"):
        load_network(tmp_path / "mosaic.pth")


def test_lightning_checkpoint(checkpoint):
    loaded = load_network(checkpoint.path)
    assert loaded.arguments == checkpoint.network.arguments
    assert not loaded.training
    for key, tensor in checkpoint.network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor)
    assert read_metadata(checkpoint.path)["network"] == "fast_style.networks.TransformerNetwork"


def test_loaded_network_does_not_need_the_file_any_more(checkpoint):
    loaded = load_network(checkpoint.path)
    with checkpoint.path.open("r+b") as file:
        file.write(bytes(checkpoint.path.stat().st_size))
    assert torch.equal(loaded.conv1.weight, checkpoint.network.conv1.weight)


def test_lightning_checkpoint_of_another_network(checkpoint):
    checkpoint.content["network"]["target"] = "os.system"
    torch.save(checkpoint.content, checkpoint.path)
    with pytest.raises(ValueError, match=r"the network must be one of .*, got 'os\.system'"):
        load_network(checkpoint.path)


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": {"network.conv1.weight": torch.zeros(1)}},
        {"network": {"target": "a"}, "state_dict": {}},
        {"weight": torch.zeros(1)},
        [torch.zeros(1)],
        torch.zeros(1),
        None,
    ],
    ids=["no network", "no arguments", "other weights", "list", "tensor", "none"],
)
def test_torch_files_of_another_kind(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth is neither a checkpoint of fast_style nor weights in the layout"):
        load_network(tmp_path / "other.pth")


class Code:
    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("content", [Code(), nn.Linear(1, 1), SimpleNamespace(a=1)], ids=["code", "module", "object"])
def test_code_is_not_executed(tmp_path, monkeypatch, zipped, content):
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.conv2d.weight": content}, "evil.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"evil\.pth holds code or Python objects besides weights, which is unsafe"):
        load_network("evil.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["evil.pth"]


def test_bare_pickle(tmp_path):
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Code(), protocol=2))
    with pytest.raises(ValueError, match=r"evil\.pth (holds code|is incomplete or damaged)"):
        load_network(tmp_path / "evil.pth")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.3, 0.9, 0.999])
def test_truncated(examples, tmp_path, zipped, share):
    path = tmp_path / "mosaic.pth"
    torch.save(examples.state_dict(), path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ValueError, match=r"mosaic\.pth is incomplete or damaged"):
        load_network(path)


def test_zip_that_torch_did_not_write(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("photo.jpg", b"")
    with pytest.raises(ValueError, match=r"photos\.zip is incomplete or damaged"):
        load_network(tmp_path / "photos.zip")


def test_compressed_archive(checkpoint, tmp_path):
    bomb = tmp_path / "bomb.pth"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(10**6))
    assert bomb.stat().st_size < 10**4
    with pytest.raises(ValueError, match=r"bomb\.pth is a compressed archive, which torch\.save does not write"):
        load_network(bomb)


def test_archive_that_claims_too_much(checkpoint, monkeypatch):
    monkeypatch.setattr("fast_style.checkpoint.torch_file.MAX_GIB", 1e-6)
    with pytest.raises(ValueError, match=r"unpacks to more than 1e-06 GiB, which is no network of fast_style"):
        load_network(checkpoint.path)


def test_flipped_bytes_never_escape_as_anything_else(tmp_path):
    state = OrderedDict(ExamplesNetwork(width=1, blocks=1).state_dict())
    generator = torch.Generator().manual_seed(0)
    for zipped in (True, False):
        torch.save(state, tmp_path / "mosaic.pth", _use_new_zipfile_serialization=zipped)
        content = (tmp_path / "mosaic.pth").read_bytes()
        for _ in range(60):
            damaged = bytearray(content)
            for place in torch.randint(3000, (2,), generator=generator):
                damaged[place] ^= 1 << int(torch.randint(8, (), generator=generator))
            (tmp_path / "damaged.pth").write_bytes(damaged)
            with suppress(ValueError):
                load_network(tmp_path / "damaged.pth")

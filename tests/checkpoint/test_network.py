"""Networks written and read back; files that must be refused, in a sentence."""

import json
import os
from contextlib import suppress

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from fast_style.checkpoint import (
    describe,
    load_network,
    load_styled,
    read_metadata,
    save_network,
    styles_of,
    takes_style,
)
from fast_style.networks import LOADABLE, VGG, ChainNetwork, Generator, StyleNetwork, TransformerNetwork

SMALL = {"width": 2, "blocks": 1, "norm": "batch", "upsampling": "transposed", "output": "linear"}
SMALL |= {"antialias": False, "padding": "reflect"}


@pytest.fixture
def network():
    network = TransformerNetwork(**SMALL)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor))
    return network.train()


@pytest.fixture
def path(tmp_path, network):
    path = tmp_path / "network.safetensors"
    save_network(path, network, {"style": "waves"})
    return path


def names(folder):
    return [path.name for path in folder.iterdir()]


def rewrite(path, weights=None, **metadata):
    """Change a file's weights (None: leave one out) and metadata (None: likewise; str: as it stands)."""
    with safe_open(path, "pt") as file:
        texts = file.metadata()
    texts |= {key: value if isinstance(value, str | None) else json.dumps(value) for key, value in metadata.items()}
    tensors = {key: value for key, value in (load_file(path) | (weights or {})).items() if value is not None}
    save_file(tensors, path, {key: text for key, text in texts.items() if text is not None})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_round_trip(network, tmp_path, dtype):
    path = tmp_path / "network.safetensors"
    save_network(path, network, {}, dtype)
    assert {tensor.dtype for tensor in load_file(path).values()} == {dtype, torch.int64}
    loaded = load_network(path)
    assert isinstance(loaded, TransformerNetwork)
    assert loaded.arguments == SMALL
    assert not loaded.training
    for key, tensor in network.state_dict().items():
        found = loaded.state_dict()[key]
        expected = tensor.to(dtype).float() if tensor.is_floating_point() else tensor
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected), key


def test_loaded_network_works_and_trains(network, tmp_path):
    save_network(tmp_path / "network.safetensors", network, {}, torch.float32)
    loaded = load_network(str(tmp_path / "network.safetensors"))
    photos = torch.rand(1, 3, 16, 16)
    assert torch.equal(loaded(photos), network.eval()(photos))
    loaded(photos).sum().backward()
    assert all(parameter.grad is not None for parameter in loaded.parameters())


def test_loaded_network_does_not_need_the_file_any_more(network, tmp_path):
    path = tmp_path / "network.safetensors"
    save_network(path, network, {}, torch.float32)
    loaded = load_network(path)
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert torch.equal(loaded.conv1.weight, network.conv1.weight)


def test_channels_last_network(tmp_path):
    network = TransformerNetwork(2, 0).to(memory_format=torch.channels_last)
    save_network(tmp_path / "network.safetensors", network, {}, torch.float32)
    assert torch.equal(load_network(tmp_path / "network.safetensors").conv4.weight, network.conv4.weight)


def test_saving_changes_nothing_in_the_network(network, tmp_path):
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    save_network(tmp_path / "network.safetensors", network, {})
    assert network.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


def test_metadata(network, tmp_path):
    given = {"style": "Öl 😀", "steps": 3, "nested": {"list": [1.5, None, True]}, "network": "overruled"}
    save_network(tmp_path / "network.safetensors", network, given)
    metadata = read_metadata(tmp_path / "network.safetensors")
    assert metadata.pop("fast_style")
    assert metadata == given | {
        "format": "fast_style/1",
        "network": "fast_style.networks.TransformerNetwork",
        "arguments": SMALL,
        "torch": torch.__version__,
    }


def test_creates_folders_replaces_and_leaves_nothing_beside(network, tmp_path):
    path = tmp_path / "a" / "b" / "network.safetensors"
    for steps in (1, 2):
        save_network(path, network, {"steps": steps})
    assert read_metadata(path)["steps"] == 2
    assert names(path.parent) == ["network.safetensors"]


def test_failed_writing_leaves_the_old_file(path, network, monkeypatch):
    content = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*network\.safetensors: No space left on device"):
        save_network(path, network, {})
    assert path.read_bytes() == content
    assert names(path.parent) == ["network.safetensors"]


def test_folder_that_cannot_be_made(network, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"cannot write .*network\.safetensors: "):
        save_network(tmp_path / "file" / "network.safetensors", network, {})


@pytest.mark.parametrize("network", [VGG("vgg19", None), torch.nn.Linear(1, 1)], ids=["VGG", "Linear"])
def test_saves_only_what_can_be_loaded(network, tmp_path):
    with pytest.raises(TypeError, match=r"cannot save a (VGG|Linear): the network must be one of .*TransformerNetwork"):
        save_network(tmp_path / "network.safetensors", network, {})


def test_saves_only_finite_weights(network, tmp_path):
    network.conv4.bias.data[0] = 1e6
    save_network(tmp_path / "large.safetensors", network, {}, torch.float32)
    with pytest.raises(ValueError, match=r"weight conv4\.bias has values that are not finite in torch\.float16"):
        save_network(tmp_path / "network.safetensors", network, {})
    assert names(tmp_path) == ["large.safetensors"]


def test_saves_only_json(network, tmp_path):
    with pytest.raises(
        TypeError, match=r"its metadata must be JSON \(Object of type Tensor is not JSON serializable\)"
    ):
        save_network(tmp_path / "network.safetensors", network, {"loss": torch.zeros(1)})


@pytest.mark.parametrize("read", [load_network, read_metadata])
class TestNoNetwork:
    def test_missing(self, tmp_path, read):
        with pytest.raises(FileNotFoundError, match=r"there is no network at .*nowhere\.safetensors"):
            read(tmp_path / "nowhere.safetensors")

    def test_folder(self, tmp_path, read):
        with pytest.raises(ValueError, match=r"holds no network \(\.safetensors, \.ckpt, \.pth"):
            read(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"hello", b"hello, this is a text, not a network", b"\0" * 99, b"{}"])
    def test_other_content(self, tmp_path, read, content):
        (tmp_path / "network.safetensors").write_bytes(content)
        with pytest.raises(ValueError, match=r"is not a network: neither \.safetensors nor written by torch\.save"):
            read(tmp_path / "network.safetensors")

    @pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
    def test_truncated(self, path, read, share):
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ValueError, match="is not a complete safetensors file"):
            read(path)

    def test_metadata_that_is_not_json(self, path, read):
        rewrite(path, style="{'single': 'quotes'}")
        with pytest.raises(ValueError, match="was not written by fast_style: its metadata is not JSON"):
            read(path)

    def test_metadata_nested_without_end(self, path, read):
        rewrite(path, style="[" * 10**5)
        with pytest.raises(ValueError, match="its metadata is not JSON"):
            read(path)

    @pytest.mark.parametrize("format_", [None, "fast_style/2", 3])
    def test_other_format(self, path, read, format_):
        rewrite(path, format=None if format_ is None else json.dumps(format_))
        with pytest.raises(ValueError, match=r"has the format .* in its metadata, must be 'fast_style/1'"):
            read(path)


def test_file_without_metadata(tmp_path):
    save_file({"weight": torch.zeros(1)}, tmp_path / "network.safetensors")
    with pytest.raises(ValueError, match="has the format None"):
        load_network(tmp_path / "network.safetensors")


@pytest.mark.parametrize(
    "name", ["os.system", "fast_style.networks.VGG", "fast_style.networks.vgg", "TransformerNetwork", None, 3, ["a"]]
)
def test_unknown_network(path, name):
    rewrite(path, network=json.dumps(name))
    with pytest.raises(
        ValueError, match=r"does not describe .* the network must be one of fast_style\.networks\.AdaIN"
    ):
        load_network(path)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (None, "the arguments of the network must be a dictionary, got None"),
        ([2, 1], r"the arguments of the network must be a dictionary, got \[2, 1\]"),
        (SMALL | {"width": 10**6}, "width must be 1 to 512 channels, got 1000000"),
        (SMALL | {"width": "2"}, "not supported between"),
        (SMALL | {"norm": []}, "unhashable type"),
        (SMALL | {"depth": 3}, "unexpected keyword argument 'depth'"),
    ],
)
def test_arguments_the_network_refuses(path, arguments, sentence):
    rewrite(path, arguments=json.dumps(arguments))
    with pytest.raises(ValueError, match=f"does not describe a network that can be built: .*{sentence}"):
        load_network(path)


def test_large_claims_take_no_memory(path, monkeypatch):
    rewrite(path, arguments=SMALL | {"width": 512, "blocks": 64})
    copied = []
    monkeypatch.setattr("fast_style.checkpoint.network._to", lambda tensor, *_: copied.append(tensor))
    with pytest.raises(ValueError, match=r"it lacks weight residuals\.1\.conv1\.bias"):
        load_network(path)
    assert not copied


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ({"conv2.weight": None}, r"it lacks weight conv2\.weight"),
        ({"conv9.weight": torch.zeros(1)}, r"it has a stray weight conv9\.weight"),
        (
            {"conv4.bias": torch.zeros(4)},
            r"conv4\.bias must be torch\.float32 of shape \(3,\), found torch\.float32 of shape \(4,\)",
        ),
        (
            {"conv4.bias": torch.zeros(3, dtype=torch.int8)},
            r"conv4\.bias must be torch\.float32 of shape \(3,\), found torch\.int8 of shape \(3,\)",
        ),
    ],
)
def test_weights_of_another_network(path, weights, sentence):
    rewrite(path, weights)
    with pytest.raises(ValueError, match=f"does not fit the network it names: {sentence}"):
        load_network(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(path, value):
    rewrite(path, {"conv4.bias": torch.tensor([0, value, 0])})
    with pytest.raises(ValueError, match=r"is damaged: weight conv4\.bias has values that are not finite"):
        load_network(path)


def test_flipped_bytes_never_escape_as_anything_else(path, tmp_path):
    content = path.read_bytes()
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        damaged = bytearray(content)
        for place in torch.randint(2000, (3,), generator=generator):
            damaged[place] ^= 1 << int(torch.randint(8, (), generator=generator))
        (tmp_path / "damaged.safetensors").write_bytes(damaged)
        with suppress(ValueError):
            load_network(tmp_path / "damaged.safetensors")


def test_a_digest_of_weights_that_are_all_in_the_file_says_nothing(path):
    rewrite(path, elsewhere='"0"')
    load_network(path)


@pytest.mark.parametrize("kind", [ChainNetwork, StyleNetwork, Generator, VGG])
def test_what_is_no_network_to_keep_cannot_be_loaded(path, kind):
    assert kind not in LOADABLE
    rewrite(path, network=json.dumps(f"fast_style.networks.{kind.__name__}"))
    with pytest.raises(ValueError, match=r"the network must be one of fast_style\.networks\.AdaIN"):
        load_network(path)


def test_a_description_reads_the_header_alone(path, monkeypatch):
    monkeypatch.setattr("fast_style.checkpoint.content.safe_open", opened := Opened(path))
    description = describe(path)
    assert description.metadata["style"] == "waves"
    assert (description.path, description.styles, description.takes_style) == (path, (), False)
    assert opened.tensors == 0


class Opened:
    """A file of safetensors that counts what is read of it."""

    def __init__(self, path):
        self.file, self.tensors = safe_open(path, "pt"), 0

    def __call__(self, *_):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def metadata(self):
        return self.file.metadata()

    def keys(self):
        self.tensors += 1
        return []


def test_descriptions_of_styles():
    assert len(styles_of("gallery")) > 1
    assert describe("gallery").takes_style
    assert not describe("gallery").takes_images
    assert describe("any").takes_images
    assert not takes_style("starry_night")


class Plain(Generator):
    """A generator without styles."""

    def __init__(self, width: int = 2) -> None:
        super().__init__()
        self.arguments = {"width": width}
        self.conv = torch.nn.Conv2d(3, 3, 1)

    def of_padded(self, x):
        return self.to_rgb(self.conv(x))


def test_a_generator_needs_no_styles(tmp_path, monkeypatch):
    for module in ("network", "content"):
        monkeypatch.setattr(f"fast_style.checkpoint.{module}.LOADABLE", (*LOADABLE, Plain))
    network = Plain().eval()
    save_network(tmp_path / "plain.safetensors", network, {}, torch.float32)
    loaded = load_styled(tmp_path / "plain.safetensors")
    photos = torch.rand(1, 3, 5, 7)
    torch.testing.assert_close(loaded(photos), network(photos))
    assert not takes_style(tmp_path / "plain.safetensors")
    with pytest.raises(ValueError, match="has a single style: leave out the choice of one"):
        load_styled(tmp_path / "plain.safetensors", {"waves": 1.0})

"""Generators of junyanz/pytorch-CycleGAN-and-pix2pix: what is read makes the pictures that they make."""

import re

import pytest
import torch
from torch.nn import functional

from fast_style.checkpoint import load_network, read_metadata, save_network
from fast_style.checkpoint.cyclegan import fold
from fast_style.inference.tiling import stylize_tiled


class Layers:
    """Weights by their names, made up where the architecture asks for them, and what is computed with them."""

    def __init__(self, norm="instance"):
        self.norm_name, self.weights = norm, {}

    def add_conv(self, name, outputs, inputs, side, bias=None):
        self.weights[f"{name}.weight"] = torch.randn(outputs, inputs, side, side) / (side * inputs**0.5)
        if self.norm_name == "instance" if bias is None else bias:
            self.weights[f"{name}.bias"] = torch.randn(outputs) / 10

    def add_transposed(self, name, inputs, outputs, side, bias=None):
        self.add_conv(name, inputs, outputs, side, bias=False)
        if self.norm_name == "instance" if bias is None else bias:
            self.weights[f"{name}.bias"] = torch.randn(outputs) / 10

    def add_norm(self, name, channels):
        if self.norm_name == "batch":
            self.weights[f"{name}.weight"] = torch.empty(channels).uniform_(0.5, 1.5)
            self.weights[f"{name}.bias"] = torch.randn(channels) / 10
            self.weights[f"{name}.running_mean"] = torch.randn(channels) / 10
            self.weights[f"{name}.running_var"] = torch.empty(channels).uniform_(0.5, 1.5)
            self.weights[f"{name}.num_batches_tracked"] = torch.tensor(7)

    def conv(self, x, name, stride=1, padding=0):
        return functional.conv2d(x, self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias"), stride, padding)

    def transposed(self, x, name, output_padding=0):
        weight, bias = self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias")
        return functional.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=output_padding)

    def norm(self, x, name):
        if self.norm_name == "none":
            return x
        if self.norm_name == "instance":
            variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
            return (x - mean) / (variance + 1e-5).sqrt()
        parts = ("running_mean", "running_var", "weight", "bias")
        mean, variance, scale, shift = (self.weights[f"{name}.{part}"].view(-1, 1, 1) for part in parts)
        return scale * (x - mean) / (variance + 1e-5).sqrt() + shift


def reflect(x, width):
    return functional.pad(x, [width] * 4, mode="reflect")


class Resnet(Layers):
    """ReflectionPad 3, 7×7; two strided 3×3 padded with zeros; blocks padded by reflection; two transposed; 7×7; tanh.

    Each is a layer of one `nn.Sequential`, as are paddings, norms and ReLUs, and is called by its number in it.
    """

    def __init__(self, width=4, blocks=6, norm="instance", dropout=False):
        super().__init__(norm)
        self.blocks, self.second = blocks, 6 if dropout else 5
        for number, outputs, inputs, side in ((1, 1, 0, 7), (4, 2, 1, 3), (7, 4, 2, 3)):
            self.add_conv(f"model.{number}", outputs * width, inputs * width or 3, side)
            self.add_norm(f"model.{number + 1}", outputs * width)
        for block in self.names_of_blocks():
            for number in (1, self.second):
                self.add_conv(f"{block}.{number}", 4 * width, 4 * width, 3)
                self.add_norm(f"{block}.{number + 1}", 4 * width)
        self.up = 10 + blocks
        for number, inputs, outputs in ((self.up, 4, 2), (self.up + 3, 2, 1)):
            self.add_transposed(f"model.{number}", inputs * width, outputs * width, 3)
            self.add_norm(f"model.{number + 1}", outputs * width)
        self.add_conv(f"model.{self.up + 7}", 3, width, 7, bias=True)

    def names_of_blocks(self):
        return [f"model.{10 + block}.conv_block" for block in range(self.blocks)]

    def __call__(self, x):
        x = self.norm(self.conv(reflect(x, 3), "model.1"), "model.2").relu()
        for number in (4, 7):
            x = self.norm(self.conv(x, f"model.{number}", 2, 1), f"model.{number + 1}").relu()
        for block in self.names_of_blocks():
            inner = self.norm(self.conv(reflect(x, 1), f"{block}.1"), f"{block}.2").relu()
            inner = self.conv(reflect(inner, 1), f"{block}.{self.second}")
            x = x + self.norm(inner, f"{block}.{self.second + 1}")
        for number in (self.up, self.up + 3):
            x = self.norm(self.transposed(x, f"model.{number}", 1), f"model.{number + 1}").relu()
        return torch.tanh(self.conv(reflect(x, 3), f"model.{self.up + 7}"))


class Unet(Layers):
    """Blocks that lie in one another: leaky ReLU, 4×4 down, norm, the next block, ReLU, 4×4 up, norm; joined with x.

    The outermost has neither leaky ReLU nor norms, but a tanh; the innermost no norm on the way down.
    """

    def __init__(self, width=2, depth=7, norm="instance"):
        super().__init__(norm)
        self.depth = depth
        channels = [3, *(width * min(2**level, 8) for level in range(depth))]
        for level, prefix in enumerate(self.prefixes()):
            outer, inner = channels[level : level + 2]
            innermost = level == depth - 1
            down, up = self.numbers(level)
            self.add_conv(f"{prefix}.{down}", inner, outer, 4)
            self.add_transposed(
                f"{prefix}.{up}", inner if innermost else 2 * inner, outer, 4, True if level == 0 else None
            )
            if level > 0:
                self.add_norm(f"{prefix}.{up + 1}", outer)
                if not innermost:
                    self.add_norm(f"{prefix}.2", inner)

    def prefixes(self):
        return ["model.model", *("model.model.1.model" + ".3.model" * level for level in range(self.depth - 1))]

    def numbers(self, level):
        return (0, 3) if level == 0 else (1, 3) if level == self.depth - 1 else (1, 5)

    def __call__(self, x, level=0):
        prefix, (down, up) = self.prefixes()[level], self.numbers(level)
        if level == 0:
            inner = self(self.conv(x, f"{prefix}.{down}", 2, 1), 1)
            return torch.tanh(self.transposed(inner.relu(), f"{prefix}.{up}"))
        x = functional.leaky_relu(x, 0.2)  # in place there, so that what is joined went through it
        inner = self.conv(x, f"{prefix}.{down}", 2, 1)
        if level < self.depth - 1:
            inner = self(self.norm(inner, f"{prefix}.2"), level + 1)
        inner = self.norm(self.transposed(inner.relu(), f"{prefix}.{up}"), f"{prefix}.{up + 1}")
        return torch.cat([x, inner], dim=1)


def stored(tmp_path, weights, name="latest_net_G_A.pth"):
    torch.save(weights, tmp_path / name)
    return tmp_path / name


def check(tmp_path, theirs, side):
    path = stored(tmp_path, theirs.weights)
    photos = torch.rand(1, 3, side, 2 * side)
    network = load_network(path)
    with torch.no_grad():
        expected = (theirs(2 * photos - 1) + 1) / 2
        assert expected.std() > 0.05
        assert (network(photos) - expected).abs().max() < 1e-5
    return network, read_metadata(path)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize(("blocks", "dropout"), [(6, False), (9, True)])
def test_resnet_makes_the_same_pictures(tmp_path, norm, blocks, dropout):
    _, metadata = check(tmp_path, Resnet(4, blocks, norm, dropout), 32)
    arguments = {"width": 4, "blocks": blocks, "norm": norm}
    assert metadata == {
        "format": "junyanz/pytorch-CycleGAN-and-pix2pix",
        "network": "fast_style.networks.ResnetGenerator",
        "arguments": arguments | {"upsampling": "transposed", "padding": "zeros", "output": "sigmoid"},
    }


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("depth", [5, 7, 8])
def test_unet_makes_the_same_pictures(tmp_path, norm, depth):
    _, metadata = check(tmp_path, Unet(2, depth, norm), 2**depth)
    assert metadata["network"] == "fast_style.networks.UnetGenerator"
    assert metadata["arguments"] == {"width": 2, "depth": depth, "norm": norm}


def test_as_published(tmp_path):
    """The widths of `resnet_9blocks` and `unet_256`, at a size that these take."""
    resnet, _ = check(tmp_path, Resnet(64, 9), 64)
    norms = sum(p.numel() for name, p in resnet.named_parameters() if "norm" in name)
    assert sum(p.numel() for p in resnet.parameters()) - norms == 11_378_179


def test_statistics_that_instance_norms_kept_are_not_used(tmp_path):
    theirs = Resnet(4, 6)
    path = stored(tmp_path, theirs.weights)
    photos = torch.rand(1, 3, 16, 16)
    expected = load_network(path)(photos)
    kept = {"model.2.running_mean": torch.rand(4), "model.2.running_var": torch.rand(4)}
    stored(tmp_path, theirs.weights | kept)
    assert torch.equal(load_network(path)(photos), expected)


def test_weights_of_a_parallel_network(tmp_path):
    theirs = Unet(2, 5)
    photos = torch.rand(1, 3, 32, 32)
    bare = load_network(stored(tmp_path, theirs.weights))(photos)
    wrapped = {f"module.{key}": value for key, value in theirs.weights.items()}
    assert torch.equal(load_network(stored(tmp_path, wrapped))(photos), bare)


@pytest.mark.parametrize("theirs", [Resnet(4, 6), Unet(2, 5, "batch")], ids=["resnet", "unet"])
def test_other_sizes_and_our_own_file(tmp_path, theirs):
    network = load_network(stored(tmp_path, theirs.weights))
    photos = torch.rand(1, 3, 37, 50)
    picture = network(photos)
    assert picture.shape == photos.shape
    save_network(tmp_path / "ours.safetensors", network, {}, torch.float32)
    assert torch.equal(load_network(tmp_path / "ours.safetensors")(photos), picture)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_resnet_runs_in_tiles(tmp_path, norm):
    network = load_network(stored(tmp_path, Resnet(4, 6, norm).weights))
    photo = torch.rand(3, 75, 102)
    with torch.inference_mode():
        torch.testing.assert_close(stylize_tiled(network, photo, tile=64), network(photo[None])[0], atol=1e-4, rtol=0)


def changed(weights, change):
    return {key: value for key, value in (weights | change).items() if value is not None}


@pytest.mark.parametrize(
    ("theirs", "change", "sentence"),
    [
        (
            Resnet(4, 6, "batch"),
            {"model.5.running_mean": None},
            r"has batch norms without running statistics, it lacks model\.5\.running_mean",
        ),
        (Unet(2, 5, "batch"), {"model.model.1.model.2.running_var": None}, "batch norms without running statistics"),
        (Resnet(4, 6), {"model.10.conv_block.0.weight": torch.ones(1)}, "pads its residual blocks with zeros"),
        (Resnet(4, 6), {"model.7.filt": torch.ones(1)}, "samples with blurs, as CUT does"),
        (Resnet(4, 6), {"model.1.weight": torch.rand(4, 1, 7, 7)}, "takes pictures of 1 channels: only generators of"),
        (Resnet(4, 6), {"model.23.weight": torch.rand(2, 4, 7, 7)}, "makes pictures of 2 channels: only generators of"),
        (Unet(2, 5), {"model.model.3.weight": torch.rand(4, 1, 4, 4)}, "makes pictures of 1 channels"),
        (Resnet(4, 6), {"model.4.weight": None}, r"does not fit the network it names: it lacks weight conv2\.weight"),
        (Resnet(4, 6), {"model.23.bias": None}, r"it lacks weight conv4\.bias"),
        (Resnet(4, 6), {"model.30.weight": torch.ones(1)}, r"it has a stray weight model\.30\.weight"),
        (Resnet(4, 6), {"model.1.weight": "a"}, "width must be 1 to 512 channels, got 0"),
        (Unet(2, 5), {"model.model.0.weight": torch.tensor(1.0)}, "width must be 1 to 512 channels, got 0"),
    ],
)
def test_what_cannot_be_read(tmp_path, theirs, change, sentence):
    path = stored(tmp_path, changed(theirs.weights, change))
    with pytest.raises(ValueError, match=rf"{re.escape(str(path))} .*{sentence}"):
        load_network(path)


@pytest.mark.parametrize("names", [("model.0.weight", "model.2.weight"), ("net.0.weight", "net.2.weight")])
def test_a_discriminator(tmp_path, names):
    path = stored(tmp_path, {name: torch.rand(4, 3, 4, 4) for name in names}, "latest_net_D_A.pth")
    with pytest.raises(ValueError, match="is a discriminator, which makes no pictures: give the generator"):
        load_network(path)


def test_folding_leaves_the_weights_as_they_were():
    weights = {f"{layer}.{part}": torch.rand(3, 3, 1, 1) for layer in ("conv1", "conv4") for part in ("weight", "bias")}
    weights |= {"conv1.bias": torch.rand(3), "conv4.bias": torch.rand(3), "conv2.weight": torch.rand(2)}
    before = {key: value.clone() for key, value in weights.items()}
    folded = fold(weights)
    assert folded is not weights
    assert all(torch.equal(weights[key], value) for key, value in before.items())
    assert torch.equal(folded["conv4.bias"], 2 * before["conv4.bias"])
    assert torch.equal(folded["conv2.weight"], before["conv2.weight"])

import re
import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fast_style.checkpoint import load_network
from fast_style.data import procedural_image
from fast_style.inference.tiling import TiledNetwork, convolutions, stylize, stylize_tiled
from fast_style.layers import ConvLayer, FilterResponseNorm, TransposedConv, UpsampleConv
from fast_style.networks import VGG, TransformerNetwork

SIZES = [(1, 2), (3, 2), (9, 300), (64, 64), (65, 97), (130, 71), (40, 201)]


@torch.no_grad()
def randomised(network: nn.Module) -> nn.Module:
    """Other weights and statistics for the norms than those that do nothing."""
    for norm in network.modules():
        if isinstance(norm, nn.modules.batchnorm._NormBase):
            if norm.affine:
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.normal_()
            if norm.running_mean is not None:
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2)
        elif isinstance(norm, FilterResponseNorm):
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_()
    return network.eval().requires_grad_(False)


class Separable(nn.Module):
    """A residual block of other layers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 5, padding=2, padding_mode="replicate", groups=channels)
        self.rest = nn.Sequential(nn.InstanceNorm2d(channels, affine=True), nn.SiLU(), nn.Conv2d(channels, channels, 1))

    @property
    def branch(self):
        return [F.relu, self.depthwise, self.rest]

    def forward(self, x):
        return x + self.rest(self.depthwise(F.relu(x)))


class Slim(nn.Module):
    """A network of another kind: a stem of stride four, pixel shuffle at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), ConvLayer(12, 8, 5, stride=2))
        self.norm = nn.InstanceNorm2d(8, affine=True)
        self.blocks = nn.Sequential(Separable(8), Separable(8))
        self.head = nn.Sequential(UpsampleConv(8, 8, 3), nn.InstanceNorm2d(8), ConvLayer(8, 12, 3), nn.PixelShuffle(2))

    @property
    def chain(self):
        return [self.stem, self.norm, nn.ReLU(), self.blocks, self.head]

    @staticmethod
    def padded(side):
        return max(16, -(-side // 4) * 4)

    @staticmethod
    def to_rgb(x):
        return x.sigmoid()

    def forward(self, images):
        h, w = images.shape[-2:]
        x = F.pad(images, (0, self.padded(w) - w, 0, self.padded(h) - h), mode="replicate")
        return self.to_rgb(self.head(self.blocks(F.relu(self.norm(self.stem(x)))))[..., :h, :w])


NETWORKS = {
    "johnson": partial(TransformerNetwork, width=4, blocks=2),
    "transposed, tanh": partial(TransformerNetwork, width=3, blocks=1, upsampling="transposed", output="tanh"),
    "batch": partial(TransformerNetwork, width=4, blocks=1, norm="batch"),
    "batch, transposed": partial(TransformerNetwork, width=4, blocks=1, norm="batch", upsampling="transposed"),
    "filter response": partial(TransformerNetwork, width=4, blocks=2, norm="filter_response"),
    "no norm": partial(TransformerNetwork, width=4, blocks=1, norm="none"),
    "no blocks": partial(TransformerNetwork, width=4, blocks=0),
    "slim": Slim,
}


@pytest.fixture(params=NETWORKS)
def network(request):
    return randomised(NETWORKS[request.param]())  # made here, after the seed


@pytest.fixture
def starry_night(root):
    return load_network(root / "checkpoints" / "pretrained" / "starry_night.safetensors")


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_tiled_is_untiled(network, size):
    photo = torch.rand(3, *size)
    expected = network(photo[None])[0]
    for tile in (TiledNetwork(network).smallest_tile, 33, 64, 512):
        given = stylize_tiled(network, photo, tile)
        torch.testing.assert_close(given, expected, atol=3e-5, rtol=0)


# Where nothing varies, norms divide rounding errors by √1e-5, and random networks differ from themselves in float64.
@pytest.mark.parametrize("size", [(1, 1), (40, 70)], ids=str)
def test_one_colour(starry_night, size):
    photo = torch.tensor([0.2, 0.5, 0.9]).view(3, 1, 1).expand(3, *size)
    with torch.inference_mode():
        expected = starry_night(photo[None])[0]
    torch.testing.assert_close(stylize_tiled(starry_night, photo, 32), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("memory", [1, 100_000, 150_000, 250_000, 500_000, 10**7])
def test_the_memory_changes_the_way_not_the_result(network, memory):
    photo = torch.rand(3, 97, 130)
    given = stylize_tiled(network, photo, 40, memory=memory)
    # Kept in 16 bits where the memory is small.
    assert (given - network(photo[None])[0]).abs().max() < (3e-5 if memory == 10**7 else 5e-3)


def test_a_shipped_network(starry_night):
    photo = procedural_image(0, 1, 150)[None, :, :130]
    with torch.inference_mode():
        expected = starry_night(photo)
    exact = stylize_tiled(starry_night, photo, 64)
    assert (exact - expected).abs().max() < 1e-4
    assert exact.shape == photo.shape
    small = stylize_tiled(starry_night, photo, 64, dtype=torch.bfloat16)
    assert (small - expected).abs().mean() < 1.5 / 255
    rounded = stylize_tiled(starry_night, (photo * 255).round().to(torch.uint8), 100)
    assert rounded.dtype == torch.uint8
    assert (rounded / 255 - expected.clamp(0, 1)).abs().mean() < 0.5 / 255


@pytest.mark.parametrize(("dtype", "memory"), [(torch.bfloat16, 1 << 30), (torch.bfloat16, 1), (torch.float32, 1)])
@pytest.mark.parametrize("name", ["starry_night", "the_scream_slim"])
def test_what_is_nearly_flat(root, name, dtype, memory):
    network = load_network(root / "checkpoints" / "pretrained" / f"{name}.safetensors")
    photo = 0.8 + 0.03 * torch.rand(3, 12, 16, generator=torch.Generator().manual_seed(0))
    photo = photo.repeat_interleave(8, 1).repeat_interleave(8, 2)  # of which bfloat16 keeps eight levels
    with torch.inference_mode():
        error = stylize_tiled(network, photo, 64, dtype, memory) - network(photo[None])[0]
    assert error.abs().mean() < 0.5 / 255


def test_no_seams(starry_night):
    photo, side, tile = procedural_image(0, 2, 160), 160, 40
    with torch.inference_mode():
        untiled = starry_night(photo[None])[0]
    error = (stylize_tiled(starry_night, photo, tile) - untiled).abs().mean(dim=0)
    beside = torch.zeros(side, dtype=torch.bool)
    beside[[line + side for line in range(tile, side, tile) for side in (-1, 0)]] = True
    for lines in (error.mean(dim=0), error.mean(dim=1)):
        assert lines[beside].mean() < 1.5 * lines[~beside].mean()


def test_weights_are_converted_once(starry_night, monkeypatch):
    converted = []
    for name in ("_converted", "_squares"):
        real = getattr(convolutions, name)
        monkeypatch.setattr(convolutions, name, lambda *args, real=real: converted.append(1) or real(*args))
    tiled = TiledNetwork(starry_night, torch.bfloat16)
    assert tiled.untiled_bytes(64, 64) > 0
    assert tiled.smallest_tile > 1
    assert not converted, "sizes need no weights"
    pictures = [tiled(torch.full((3, 40, 50), 0.25), 32) for _ in range(2)]
    assert torch.equal(*pictures)
    assert len(converted) == sum(isinstance(layer, nn.Conv2d) for layer in starry_night.modules())


def test_plans_are_made_once_for_a_size(network, monkeypatch):
    made, real = [], stylize.best_plan
    monkeypatch.setattr(stylize, "best_plan", lambda *args: made.append(args[1]) or real(*args))
    tiled = TiledNetwork(network)
    for size in ((40, 50), (40, 50), (60, 50), (40, 50)):
        tiled(torch.rand(3, *size), 32)
    assert len(made) == 2


def test_batch_norm_keeps_nothing(monkeypatch):
    monkeypatch.delattr("fast_style.inference.tiling.store.Store.write")
    network = randomised(TransformerNetwork(width=4, blocks=2, norm="batch"))
    photo = torch.rand(1, 3, 90, 120)
    torch.testing.assert_close(stylize_tiled(network, photo, 40), network(photo))


def test_activations_beyond_float16():
    network = randomised(TransformerNetwork(width=4, blocks=1))
    for conv in (network.conv3, network.residuals[0].conv2):
        conv.weight *= 1e6
    photo = torch.rand(3, 120, 100)
    given = stylize_tiled(network, photo, 64, memory=1)
    assert (given - network(photo[None])[0]).abs().mean() < 0.02


@pytest.mark.parametrize("first", [UpsampleConv(3, 4, 3), TransposedConv(3, 4, 3)], ids=["upsampled", "transposed"])
def test_a_network_that_begins_otherwise(first):
    class Network(nn.Sequential):
        chain = property(list)
        padded, to_rgb = (staticmethod(lambda x: x),) * 2

    network = Network(first, nn.InstanceNorm2d(4), nn.ReLU(), ConvLayer(4, 3, 3, stride=2)).eval().requires_grad_(False)
    photo = torch.rand(3, 50, 60)
    expected = network(photo[None])[0]
    torch.testing.assert_close(stylize_tiled(network, photo, 20), expected, atol=3e-5, rtol=0)
    small = stylize_tiled(network, photo, 20, dtype=torch.bfloat16)
    assert (small - expected).abs().mean() < 0.02


def test_photo_and_network_are_left_as_they_were(starry_night):
    photo = torch.randint(0, 256, (3, 40, 50), dtype=torch.uint8)
    copy, state = photo.clone(), {key: value.clone() for key, value in starry_night.state_dict().items()}
    stylize_tiled(starry_night, photo, 32, dtype=torch.bfloat16)
    assert torch.equal(photo, copy)
    assert all(torch.equal(value, state[key]) for key, value in starry_night.state_dict().items())


def test_progress(network):
    shares = []
    stylize_tiled(network, torch.rand(3, 90, 120), 40, progress=shares.append)
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.5
    assert shares[-1] == 1
    assert len(shares) > 5


def test_what_an_untiled_run_holds():
    network = TransformerNetwork().eval()
    # The input and the output of the last upsampling, before and after it is normalised: 64 and 32 channels.
    assert TiledNetwork(network).untiled_bytes(512, 1000) == 64 * 512 * 1000 * 4
    # In bfloat16 those up to the second convolution, which are of float32.
    assert TiledNetwork(network, torch.bfloat16).untiled_bytes(511, 999) == 64 * 512 * 1000 * 4
    narrow = TransformerNetwork(norm="none").eval()
    narrow.conv1 = ConvLayer(3, 8, 9)
    narrow.conv2 = ConvLayer(8, 64, 3, stride=2)
    assert TiledNetwork(narrow, torch.bfloat16).untiled_bytes(511, 999) == 64 * 512 * 1000 * 2


MEASURE = """
import re, sys, torch
from pathlib import Path
from fast_style.networks import TransformerNetwork
from fast_style.inference.tiling import stylize_tiled
torch.set_num_threads(1)
network = TransformerNetwork(width=8, blocks=1).eval()
peaks = []
for side in (300, int(sys.argv[1])):
    stylize_tiled(network, torch.zeros(3, side, side, dtype=torch.uint8), 128, memory=10**6)
    peaks.append(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]))
print(peaks[1] - peaks[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_bounded():
    side = 1600
    run = subprocess.run([sys.executable, "-c", MEASURE, str(side)], capture_output=True, text=True, check=True)
    pictures, more = 2 * 3 * side**2, int(run.stdout)
    assert more - pictures < 60_000_000
    assert TiledNetwork(TransformerNetwork(width=8, blocks=1).eval()).untiled_bytes(side, side) > 150_000_000


class Undescribed(nn.Module):
    def forward(self, images):
        return images


class Unknown(TransformerNetwork):
    @property
    def chain(self):
        return [*super().chain, nn.AvgPool2d(3)]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"network": Undescribed()}, TypeError, "cannot run a Undescribed in tiles: it does not describe its layers"),
        ({"network": VGG(weights=None, width=1)}, TypeError, "cannot run a VGG in tiles: it does not describe its"),
        ({"network": Unknown(2, 0).eval()}, TypeError, "the tiling does not know its layer AvgPool2d"),
        (
            {"network": TransformerNetwork(2, 0).train()},
            ValueError,
            "network in training mode in tiles: call its eval()",
        ),
        ({"tile": 5}, ValueError, "tile must be at least 8 pixels, what this network sees around one; got 5"),
        ({"dtype": torch.float64}, TypeError, "dtype must be one of torch.float32, .*, got torch.float64"),
        ({"memory": 0}, ValueError, "memory must be positive, got 0"),
        ({"photo": torch.rand(2, 3, 9, 9)}, ValueError, r"a photo must have shape .*, got \(2, 3, 9, 9\)"),
        ({"photo": torch.rand(1, 9, 9)}, ValueError, r"a photo must have shape .*, got \(1, 9, 9\)"),
        ({"photo": torch.rand(3, 0, 9)}, ValueError, r"a photo must have shape .*, got \(3, 0, 9\)"),
        ({"photo": torch.ones(3, 9, 9).int()}, TypeError, r"a photo must be uint8, or floating .*, got torch.int32"),
    ],
)
def test_bad_input(change, error, message):
    given = {"network": TransformerNetwork(2, 1).eval(), "photo": torch.rand(3, 9, 9)} | change
    with pytest.raises(error, match=message.replace("()", re.escape("()"))):
        stylize_tiled(**given)

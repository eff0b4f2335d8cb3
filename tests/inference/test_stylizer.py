import re
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from fast_style import images
from fast_style.checkpoint import save_network
from fast_style.inference import stylizer
from fast_style.inference.export import export
from fast_style.inference.stylizer import Stylizer
from fast_style.networks import TransformerNetwork
from tests.pictures import noise


class Doubled(nn.Module):
    """Twice the input, which leaves [0, 1]."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))
        self.dropout = nn.Dropout(0.9)

    def forward(self, photos):
        return self.dropout(self.factor * photos) - 0.5


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 13), (16, 16)])
def test_stylize_is_the_network_clamped(size):
    network = TransformerNetwork(width=2, blocks=1).eval()
    photos = torch.rand(2, 3, *size)
    stylized = Stylizer(network, "cpu", "fp32", "torch").stylize(photos)
    with torch.no_grad():
        torch.testing.assert_close(stylized, network(photos).clamp(0, 1), atol=1e-4, rtol=0)


def test_stylize_clamps_in_evaluation_mode_without_gradients():
    photos = torch.tensor([0.0, 0.5, 1.0]).view(1, 3, 1, 1)
    stylized = Stylizer(Doubled(), "cpu").stylize(photos)
    assert stylized.flatten().tolist() == [0, 0.5, 1]
    assert stylized.is_inference()
    assert stylized.device.type == "cpu"


def test_the_network_is_left_as_it_was():
    network = Doubled().train()
    Stylizer(network, "cpu").stylize(torch.rand(1, 3, 4, 4))
    assert network.training
    assert network.factor.requires_grad


@pytest.mark.parametrize("given", ["starry_night", "checkpoints/mine.safetensors", Path("mine.pth")])
def test_a_name_is_told_where_names_are_taken(given):
    with pytest.raises(
        TypeError, match=r"got '(starry_night|.*mine.*)': names and other files are taken by Stylizer\.from_"
    ):
        Stylizer(given)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_stylize_takes_every_float(dtype):
    photos = torch.rand(1, 3, 8, 8).to(dtype)
    assert Stylizer(Doubled(), "cpu").stylize(photos).dtype == torch.float32


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 4, 8, 8), (1, 1, 8, 8)])
def test_stylize_checks_the_shape(shape):
    with pytest.raises(ValueError, match=r"images must have shape \(N, 3, H, W\), got"):
        Stylizer(Doubled(), "cpu").stylize(torch.rand(shape))


@pytest.mark.parametrize(
    ("photos", "message"),
    [
        (torch.linspace(0, 255, 48).view(1, 3, 4, 4), "in [0, 1], found 0 to 255: divide by 255"),
        (torch.linspace(-2.118, 2.64, 48).view(1, 3, 4, 4), "found -2.118 to 2.64: undo their standardisation"),
    ],
)
def test_stylize_checks_the_range(photos, message):
    made = Stylizer(TransformerNetwork(8, 1), "cpu", "fp32", "torch")
    with pytest.raises(ValueError, match=re.escape(message)):
        made.stylize(photos)
    with pytest.raises(ValueError, match=re.escape(message)):
        made(photos[0].permute(1, 2, 0).numpy())
    assert made.stylize(torch.full((1, 3, 8, 8), 1.1)).shape == (1, 3, 8, 8)  # a little overshoot is no mistake
    assert made.stylize(torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)).dtype == torch.uint8


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_stylize_refuses_what_is_no_finite_number(number):
    photos = torch.rand(2, 3, 8, 8)
    photos[1, 2, 3, 4] = number
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], found .*: replace what is no finite number"):
        Stylizer(Doubled(), "cpu").stylize(photos)


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_stylize_refuses_pictures_without_pixels(dtype):
    made = Stylizer(TransformerNetwork(width=2, blocks=1), "cpu", "fp32", "torch")
    with pytest.raises(ValueError, match=r"at least one pixel high and wide, got \(1, 3, 0, 5\)"):
        made.stylize(torch.zeros(1, 3, 0, 5, dtype=dtype))
    assert made.stylize(torch.zeros(0, 3, 8, 8, dtype=dtype)).shape == (0, 3, 8, 8)


def test_stylize_checks_the_type():
    with pytest.raises(TypeError, match=r"must be floating point in \[0, 1\] or uint8, got torch\.int16"):
        Stylizer(Doubled(), "cpu").stylize(torch.ones(1, 3, 8, 8, dtype=torch.int16))


@pytest.mark.parametrize("tile", ["off", 96])
def test_stylize_gives_integers_for_integers(tile):
    stylizer = Stylizer(TransformerNetwork(width=2, blocks=1), "cpu", "fp32", "torch", tile=tile)
    photos = torch.randint(256, (1, 3, 120, 20), dtype=torch.uint8)
    stylized = stylizer.stylize(photos)
    assert stylized.dtype == torch.uint8
    expected = images.to_depth(stylizer.stylize(images.to_float(photos)), 8)
    assert (stylized.int() - expected.int()).abs().max() <= 1


class Carried(TorchFunctionMode):
    """Notes the types of what is brought to the main memory."""

    def __init__(self):
        super().__init__()
        self.dtypes = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.cpu:
            self.dtypes.append(args[0].dtype)
        return func(*args, **kwargs or {})


def test_integers_go_to_the_device_and_come_from_it():
    made = Stylizer(Doubled(), "cpu")
    made.device = torch.device("meta")
    given = []
    made.backend = lambda photos: given.append(photos) or torch.full((1, 3, 4, 4), 0.2)
    with Carried() as carried:
        stylized = made.stylize(torch.zeros(1, 3, 4, 4, dtype=torch.uint8))
    assert given[0].device.type == "meta"
    assert given[0].dtype == torch.float32
    assert carried.dtypes == [torch.uint8]
    assert stylized.unique().tolist() == [51]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "1"])
def test_call_takes_and_returns_pillow(mode):
    stylizer = Stylizer(TransformerNetwork(width=2, blocks=1), "cpu")
    photo = noise((19, 11)).convert("RGB").convert(mode)
    stylized = stylizer(photo)
    assert stylized.mode == "RGB"
    assert stylized.size == (19, 11)
    expected = stylizer.stylize(images.from_pil(photo))
    assert (images.from_pil(stylized) - expected).abs().max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("kind", [str, Path])
def test_call_takes_files(tmp_path, kind):
    stylizer = Stylizer(TransformerNetwork(width=2, blocks=1), "cpu")
    photo = noise((19, 11)).convert("RGB")
    photo.save(tmp_path / "photo.png")
    assert stylizer(kind(tmp_path / "photo.png")).tobytes() == stylizer(photo).tobytes()
    with pytest.raises(FileNotFoundError, match=r"nowhere\.jpg"):
        stylizer(kind(tmp_path / "nowhere.jpg"))


def test_call_takes_arrays():
    stylizer = Stylizer(TransformerNetwork(width=2, blocks=1), "cpu")
    photo = noise((19, 11)).convert("RGB")
    expected = np.asarray(stylizer(photo))
    for array in (np.asarray(photo), np.asarray(photo) / 255, np.asarray(photo)[::-1][::-1]):
        stylized = stylizer(array)
        assert stylized.size == (19, 11)
        assert np.abs(np.asarray(stylized).astype(int) - expected).max() <= 1
    with pytest.raises(ValueError, match=r"an array must be RGB of shape \(H, W, 3\), got \(11, 19\)"):
        stylizer(np.zeros((11, 19), np.uint8))
    with pytest.raises(TypeError, match=r"must be floating point in \[0, 1\] or uint8, got torch\.int64"):
        stylizer(np.zeros((11, 19, 3), np.int64))


@pytest.mark.parametrize("image", [None, 3, torch.rand(1, 3, 8, 8), [1, 2]])
def test_call_takes_nothing_else(image):
    with pytest.raises(TypeError, match=r"an image must be a Pillow image, a file or an array, got \w+: for tensors"):
        Stylizer(Doubled(), "cpu")(image)


def test_stylize_takes_tensors_only():
    with pytest.raises(TypeError, match=r"images must be a tensor, got str: call the stylizer itself"):
        Stylizer(Doubled(), "cpu").stylize("photo.jpg")


def test_from_the_name_of_a_network_that_ships():
    by_name = Stylizer.from_checkpoint("starry_night_slim", "cpu", "fp32", "torch")
    assert by_name.stylize(torch.rand(1, 3, 12, 12)).shape == (1, 3, 12, 12)


def test_from_a_folder(tmp_path):
    save_network(tmp_path / "tiny.safetensors", TransformerNetwork(width=2, blocks=1), {})
    assert Stylizer.from_checkpoint(tmp_path, "cpu", "fp32", "torch").network.arguments["width"] == 2


def test_from_checkpoint(tmp_path):
    network = TransformerNetwork(width=2, blocks=1)
    save_network(tmp_path / "tiny.safetensors", network, {}, dtype=torch.float32)
    photos = torch.rand(1, 3, 12, 12)
    loaded = Stylizer.from_checkpoint(tmp_path / "tiny.safetensors", "cpu", "fp32", "torch")
    assert str(loaded.backend) == "torch fp32 on cpu"
    assert torch.equal(loaded.stylize(photos), Stylizer(network, "cpu", "fp32", "torch").stylize(photos))


def test_from_an_onnx_file(tmp_path):
    network = TransformerNetwork(width=2, blocks=1)
    save_network(tmp_path / "tiny.safetensors", network, {}, dtype=torch.float32)
    export(tmp_path / "tiny.safetensors", tmp_path / "tiny.ONNX")
    photos = torch.rand(1, 3, 12, 13)
    for path in (tmp_path / "tiny.ONNX", str(tmp_path / "tiny.ONNX")):
        loaded = Stylizer.from_checkpoint(path, precision="fp32")
        assert loaded.network is None
        assert loaded.device.type == "cpu"
        expected = Stylizer(network, "cpu", "fp32", "torch").stylize(photos)
        torch.testing.assert_close(loaded.stylize(photos), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_the_backend_says_which_it_is(backend):
    stylizer = Stylizer(TransformerNetwork(width=2, blocks=1), "cpu", "fp32", backend)
    assert str(stylizer.backend) == f"{backend} fp32 on cpu"
    assert stylizer.stylize(torch.rand(1, 3, 8, 8)).shape == (1, 3, 8, 8)


def test_from_checkpoint_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.safetensors"):
        Stylizer.from_checkpoint(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", "", "cpu:3"])
def test_unknown_devices(device):
    with pytest.raises(ValueError, match=f"device must be auto or one of those available here, cpu.*; got '{device}'"):
        Stylizer(Doubled(), device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu():
    network = TransformerNetwork(width=2, blocks=1)
    photos = torch.rand(1, 3, 33, 47)
    stylized = Stylizer(network, "cuda").stylize(photos)
    assert stylized.device.type == "cpu"
    assert (stylized - Stylizer(network, "cpu").stylize(photos)).abs().max() < 2 / 255


@pytest.fixture
def network():
    torch.manual_seed(3)
    return TransformerNetwork(width=4, blocks=1).eval()


def test_tiles_give_the_same(network):
    photos = torch.rand(2, 3, 70, 93)
    whole = Stylizer(network, "cpu", "fp32", "torch", tile="off").stylize(photos)
    torch.testing.assert_close(
        Stylizer(network, "cpu", "fp32", "torch", tile=32).stylize(photos), whole, rtol=0, atol=1e-4
    )


@pytest.mark.parametrize(("limit", "tile", "tiled"), [(1, "auto", True), (1 << 40, "auto", False), (1, "off", False)])
def test_when_tiles_are_taken(network, monkeypatch, limit, tile, tiled):
    calls = []
    monkeypatch.setattr(stylizer, "UNTILED", limit)
    monkeypatch.setattr(stylizer.TiledNetwork, "__call__", lambda _, photo, tile: calls.append(tile) or photo)
    Stylizer(network, "cpu", "fp32", "torch", tile=tile).stylize(torch.rand(1, 3, 16, 16))
    assert bool(calls) == tiled


@pytest.mark.parametrize(
    ("spare", "precision", "limit"),
    [(2 << 30, "fp32", 512 << 20), (79 << 30, "fp32", 8 << 30), (79 << 30, "bf16", 4 << 30)],
)
def test_on_a_gpu_its_memory_says_when_tiles_are_taken(network, monkeypatch, spare, precision, limit):
    made = Stylizer(network, "cpu", "fp32", "torch")
    made.device, made.backend.precision = torch.device("cuda"), precision
    monkeypatch.setattr(stylizer, "spare_memory", lambda _device: spare)
    monkeypatch.setattr(made._tiled, "untiled_bytes", lambda _height, _width: 300 << 20)
    assert made._fitting(torch.rand(1, 3, 8, 8)) == limit // (300 << 20)


def test_a_batch_for_which_memory_runs_out_is_halved(monkeypatch):
    sizes = []

    def small(photos):
        sizes.append(len(photos))
        if len(photos) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return photos

    monkeypatch.setattr(stylizer.TiledNetwork, "__call__", None)
    made = Stylizer(TransformerNetwork(width=2, blocks=1), "cpu", "fp32", "torch")
    made.backend = small
    small.precision = "fp32"
    photos = torch.rand(5, 3, 8, 8)
    assert torch.equal(made.stylize(photos), photos)
    assert sizes == [5, 3, 2, 1, 2]


@pytest.mark.parametrize(("tile", "falls_back"), [("auto", True), ("off", False)])
def test_out_of_memory(network, tile, falls_back):
    def fail(_photos):
        raise torch.OutOfMemoryError("CUDA out of memory")

    photos = torch.rand(1, 3, 40, 40)
    tight = Stylizer(network, "cpu", "fp32", "torch", tile=tile)
    expected = tight.stylize(photos)
    fail.precision = "fp32"
    tight.backend = fail
    if falls_back:
        torch.testing.assert_close(tight.stylize(photos), expected, rtol=0, atol=1e-4)
    else:
        with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
            tight.stylize(photos)


def test_a_failed_attempt_holds_no_memory_while_tiles_are_tried(network, monkeypatch):
    alive = []

    class Full:
        precision = "fp32"

        def __call__(self, photos):
            activations = photos.new_zeros(8)
            self.activations = weakref.ref(activations)
            raise torch.OutOfMemoryError("CUDA out of memory")

    tight = Stylizer(network, "cpu", "fp32", "torch")
    tight.backend = full = Full()
    run = stylizer.TiledNetwork.__call__
    monkeypatch.setattr(
        stylizer.TiledNetwork, "__call__", lambda *args: alive.append(full.activations() is not None) or run(*args)
    )
    tight.stylize(torch.rand(1, 3, 40, 40))
    assert alive == [False]


def test_what_is_known_of_the_network_is_kept_between_calls(network, monkeypatch):
    made = Stylizer(network, "cpu", "fp32", "torch")
    monkeypatch.setattr("fast_style.inference.tiling.stylize.program_of", None)
    monkeypatch.setattr("fast_style.inference.tiling.stylize.untiled_bytes", untiled := Counted())
    for _ in range(3):
        made.stylize(torch.rand(1, 3, 16, 16))
    assert untiled.calls == 1


class Counted:
    calls = 0

    def __call__(self, *_):
        self.calls += 1
        return 1000


@pytest.mark.parametrize(
    ("tile", "message"),
    [
        ("some", "tile must be auto, off or a number of pixels, got 'some'"),
        (-4, "tile must be auto, off or a number of pixels, got -4"),
        (5, "tile must be at least 8 pixels, what this network sees around one; got 5"),
    ],
)
def test_tiles_that_are_refused(network, tile, message):
    with pytest.raises(ValueError, match=message):
        Stylizer(network, "cpu", "fp32", "torch", tile=tile)


def test_a_network_without_tiles():
    plain = nn.Conv2d(3, 3, 1)
    assert Stylizer(plain, "cpu", "fp32", "torch").stylize(torch.rand(1, 3, 8, 8)).shape == (1, 3, 8, 8)
    with pytest.raises(ValueError, match="this network cannot run in tiles"):
        Stylizer(plain, "cpu", "fp32", "torch", tile=64)


def test_a_batch_that_is_too_large_is_split_not_tiled(monkeypatch):
    monkeypatch.setattr(stylizer, "UNTILED", 100_000)
    monkeypatch.setattr(stylizer.TiledNetwork, "__call__", None)
    made = Stylizer(TransformerNetwork(width=2, blocks=1), "cpu", "fp32", "torch")
    sizes, real = [], made.backend
    made.backend = lambda photos: (sizes.append(len(photos)), real(photos))[1]
    made.backend.precision = "fp32"
    photos = torch.rand(9, 3, 32, 32)
    expected = torch.cat([real(photo[None]) for photo in photos])
    torch.testing.assert_close(made.stylize(photos), expected, atol=1e-5, rtol=0)
    assert sum(sizes) == 9
    assert 1 < max(sizes) < 9

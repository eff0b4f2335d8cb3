"""Every backend computes what PyTorch computes in float32: made-up images, real photos, the networks that ship."""

from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from fast_style.checkpoint import load_network
from fast_style.inference.backends import Backend, choose, multiplies_bf16
from fast_style.networks import TransformerNetwork

NAMES = ["starry_night", "the_scream", "composition_vii"]
NAMES += [f"{name}_slim" for name in NAMES]
# Not (8, 8): from the 2×2 positions of the inner layers the normalisation makes noise, in float32 too.
SIZES = [(1, 1), (21, 34), (37, 53), (64, 96), (200, 301), (256, 255)]
TOLERANCE = {"fp32": 0.5 / 255, "bf16": 1.5 / 255}  # mean absolute difference
without = pytest.mark.skipif(not multiplies_bf16("cpu"), reason="the processor does not multiply bfloat16")
EVERY = [
    ("torch", "fp32"),
    pytest.param("torch", "bf16", marks=without),
    ("onnx", "fp32"),
    ("openvino", "fp32"),
    pytest.param("openvino", "bf16", marks=without),
]
each = pytest.mark.parametrize(("backend", "precision"), EVERY)


@cache
def pretrained(root: Path, name: str) -> torch.nn.Module:
    return load_network(root / "checkpoints" / "pretrained" / f"{name}.safetensors")


@cache
def ready(root: Path, name: str, backend: str, precision: str) -> Backend:
    return choose(pretrained(root, name), "cpu", precision, backend)


@torch.inference_mode()
def difference(backend: Backend, network: torch.nn.Module, photos: torch.Tensor) -> float:
    stylized = backend(photos)
    assert stylized.shape == photos.shape
    assert stylized.dtype == torch.float32
    assert 0 <= stylized.min() <= stylized.max() <= 1
    return (stylized - network(photos).clamp(0, 1)).abs().mean().item()


@each
@pytest.mark.parametrize("name", ["the_scream", "starry_night_slim"])
def test_real_photos(root, shared, name, backend, precision):
    """All but photos of one pixel in bfloat16, where a normalisation sees nothing but rounding."""
    chosen, network = ready(root, name, backend, precision), pretrained(root, name)
    for number, path in enumerate(sorted((shared / "data" / "photos" / "heldout").glob("*.jpg"))):
        height, width = SIZES[number % len(SIZES)]
        if height * width == 1 and precision == "bf16":
            continue
        with PIL.Image.open(path) as image:
            photo = image.convert("RGB").resize((width, height), PIL.Image.Resampling.BOX)
        assert difference(chosen, network, to_tensor(photo)) <= TOLERANCE[precision], (path.name, height, width)


@each
@pytest.mark.parametrize("name", NAMES)
def test_real_skies(root, shared, name, backend, precision):
    """What a normalisation makes the most of is next to nothing."""
    with PIL.Image.open(shared / "data" / "photos" / "heldout" / "unsplash_viktor_forgacs_tower.jpg") as image:
        photo = image.convert("RGB").crop((100, 100, 401, 300))
    found = difference(ready(root, name, backend, precision), pretrained(root, name), to_tensor(photo))
    assert found <= TOLERANCE[precision]


def to_tensor(photo: PIL.Image.Image) -> torch.Tensor:
    pixels = torch.from_numpy(np.array(photo) / np.float32(255))
    return pixels.permute(2, 0, 1)[None]  # (1, 3, H, W)


@each
@pytest.mark.parametrize("size", SIZES)
def test_made_up_photos(root, photo, size, backend, precision):
    if size == (1, 1) and precision == "bf16":
        pytest.skip("of one pixel a normalisation sees nothing but rounding")
    photos = 0.8 * torch.stack([photo(seed, *size) for seed in range(2)]) / 255 + 0.2 * torch.rand(2, 3, *size)
    chosen, network = ready(root, NAMES[0], backend, precision), pretrained(root, NAMES[0])
    assert difference(chosen, network, photos) <= TOLERANCE[precision]
    nearly_flat = 0.8 + 0.03 * photos  # of which bfloat16 keeps eight levels
    assert difference(chosen, network, nearly_flat) <= TOLERANCE[precision]


@each
@pytest.mark.parametrize("size", [(1, 9), (9, 1), (2, 3), (8, 8)])
def test_the_smallest_photos_keep_their_size(network, size, backend, precision):
    photos = torch.rand(1, 3, *size)
    assert choose(network, "cpu", precision, backend)(photos).shape == photos.shape


@each
@pytest.mark.parametrize(
    "arguments",
    [{"norm": "batch"}, {"upsampling": "transposed"}, {"output": "tanh"}, {"blocks": 0}],
    ids=lambda arguments: next(iter(arguments)),
)
def test_every_kind_of_network(photo, arguments, backend, precision):
    network = TransformerNetwork(**{"width": 4, "blocks": 1} | arguments).eval()
    for name, parameter in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            parameter.uniform_(0.5, 2)
    chosen = choose(network, "cpu", precision, backend)
    for size in ((21, 34), (3, 5)):
        assert difference(chosen, network, photo(0, *size)[None] / 255) <= TOLERANCE[precision]


@each
def test_whatever_memory_the_photos_lie_in(network, backend, precision):
    chosen = choose(network, "cpu", precision, backend)
    photos = torch.rand(2, 3, 20, 30)
    expected = chosen(photos)
    for other in (
        photos.to(memory_format=torch.channels_last),
        photos.transpose(2, 3).contiguous().transpose(2, 3),
        photos.clone().requires_grad_(),
    ):
        torch.testing.assert_close(chosen(other), expected)
    kept = chosen(photos[:1])
    before = kept.clone()
    chosen(photos[1:])
    assert torch.equal(kept, before)  # not the memory of the next result


def test_fp16_files(network, onnx_file_fp16):
    chosen = choose(onnx_file_fp16)
    assert difference(chosen, network, torch.rand(1, 3, 33, 47)) <= 1.5 / 255
    chosen = choose(onnx_file_fp16, backend="onnx")
    assert str(chosen) == "onnx fp16 on cpu"
    assert difference(chosen, network, torch.rand(1, 3, 33, 47)) <= 1.5 / 255


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", NAMES)
def test_cuda(root, photo, name, precision):
    network = pretrained(root, name)
    chosen = choose(network, "cuda", precision)
    assert chosen.name == "torch"
    photos = torch.stack([photo(seed, 37, 53) for seed in range(2)]) / 255
    with torch.inference_mode():
        found = (chosen(photos).cpu() - network(photos).clamp(0, 1)).abs().mean()
    assert found <= TOLERANCE.get(precision, 1.5 / 255)

"""Every kind of network runs in every backend."""

import pytest
import torch

from fast_style.data import procedural_image
from fast_style.inference.backends import choose, multiplies_bf16
from fast_style.layers import FilterResponseNorm
from fast_style.networks import AdaIN, ResnetGenerator, SlimNetwork, TransformerNetwork, UNet, UnetGenerator

WAYS = [("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")]


def adain():
    network = AdaIN().eval()
    network.standardize(procedural_image(0, 4, 64)[None])
    return network.of_images({"1": procedural_image(0, 3, 64)[None]}).of_style({"1": 1})


def residual():
    network = UNet(8, 3, residual=True)
    torch.nn.init.normal_(network.last.weight, std=0.02)  # a fresh one adds nothing
    return network


KINDS = {
    "johnson": lambda: TransformerNetwork(8, 2),
    "filter response": lambda: TransformerNetwork(8, 2, norm="filter_response"),
    "no norm": lambda: TransformerNetwork(8, 2, norm="none"),
    "slim": lambda: SlimNetwork(8, 1),
    "resnet": lambda: ResnetGenerator(8, 2),
    "unet": lambda: UNet(8, 3),
    "shallow unet": lambda: UNet(8, 1),
    "residual unet": residual,
    "unet of pix2pix": lambda: UnetGenerator(8, 3),
    "adain": adain,
}


@pytest.mark.parametrize(("backend", "precision"), WAYS)
@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_gives_the_same_pictures(kind, backend, precision):
    if precision == "bf16" and not multiplies_bf16("cpu"):
        pytest.skip("the processor does not multiply bfloat16")
    pytest.importorskip({"torch": "torch", "onnx": "onnxscript", "openvino": "openvino"}[backend])
    network = KINDS[kind]().eval()
    for norm in network.modules():
        if isinstance(norm, FilterResponseNorm):
            norm.bias.normal_(std=0.2)
    chosen = choose(network, "cpu", precision, backend)
    for size in ((64, 64), (37, 50), (5, 90)):
        photo = procedural_image(1, 2, 96)[None, :, : size[0], : size[1]]
        found, expected = chosen(photo), network(photo).clamp(0, 1)
        assert found.shape == expected.shape
        assert (found - expected).abs().mean() < (0.1 if precision == "fp32" else 2) / 255

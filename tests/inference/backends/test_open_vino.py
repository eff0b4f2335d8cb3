import copy
import subprocess
import sys
import threading

import pytest
import torch
from torch import nn

from fast_style.checkpoint import load_network
from fast_style.data import procedural_image
from fast_style.inference.backends import choose, multiplies_bf16, open_vino
from fast_style.inference.backends.open_vino import OpenVINO
from fast_style.networks import SlimNetwork


class Unknown(nn.Module):
    """What OpenVINO has no operation for."""

    def forward(self, photos):
        return torch.special.bessel_j0(photos)


def test_reports_itself_to_no_server():
    code = (
        "import sys, torch; from fast_style.inference.backends.open_vino import OpenVINO; "
        "OpenVINO(torch.nn.Identity(), 'fp32'); "
        "assert sys.modules['openvino_telemetry'] is None; print(sum('telemetry' in name for name in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert int(result.stdout) >= 1


def test_what_it_cannot_convert():
    with pytest.raises(RuntimeError, match=r"^OpenVINO cannot compile the network \("):
        OpenVINO(Unknown(), "fp32")


def test_calls_from_several_threads_wait_for_each_other(network):
    backend = OpenVINO(network, "fp32")
    photos = [torch.rand(1, 3, 40 + number, 50) for number in range(4)]
    expected = [backend(photo) for photo in photos]
    found: dict[int, torch.Tensor] = {}
    threads = [
        threading.Thread(target=lambda number=number: found.update({number: backend(photos[number])}))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(found[number], expected[number]) for number in range(4))


def test_the_network_is_left_in_training(network):
    training = nn.Sequential(copy.deepcopy(network), nn.Dropout(0.9)).train()
    photos = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(OpenVINO(training, "fp32")(photos), OpenVINO(network, "fp32")(photos))
    assert training.training


def test_it_computes_in_no_other_precision(network):
    with pytest.raises(ValueError, match=r"^backend openvino computes in fp32, bf16, int8, not in fp16$"):
        OpenVINO(network, "fp16")
    with pytest.raises(ValueError, match=r"^precision int8 is for networks of network=slim with instance"):
        OpenVINO(network, "int8")


@pytest.mark.parametrize("bf16", [True, False])
@torch.inference_mode()
def test_eight_bits_of_a_network_that_ships(root, monkeypatch, bf16):
    """Next to nothing to see, also where a photo is almost flat; whatever computes what is not of eight bits."""
    if bf16 and not multiplies_bf16("cpu"):
        pytest.skip("the processor does not multiply bfloat16")
    monkeypatch.setattr(open_vino, "multiplies_bf16", lambda _: bf16)
    network = load_network(root / "checkpoints" / "pretrained" / "starry_night_slim.safetensors").eval()
    backend = OpenVINO(network, "int8")
    flat = ((0.5 + 0.05 * procedural_image(1, 3, 160)[None, :, :120]) * 255).round() / 255
    for photos in (torch.stack([procedural_image(1, number, 128) for number in range(2)]), flat[..., :101, :155]):
        found, expected = backend(photos), network(photos).clamp(0, 1)
        assert found.shape == expected.shape
        assert (found - expected).square().mean().sqrt() < 2.5 / 255


@torch.inference_mode()
@pytest.mark.parametrize(("blocks", "antialias"), [(0, False), (1, True), (2, False)])
def test_eight_bits_of_every_slim_network(blocks, antialias):
    network = SlimNetwork(8, blocks, antialias=antialias).eval()
    backend = OpenVINO(network, "int8")
    for size in ((64, 64), (37, 50), (5, 90), (1, 1)):
        photo = procedural_image(1, 2, 96)[None, :, : size[0], : size[1]]
        found, expected = backend(photo), network(photo).clamp(0, 1)
        assert found.shape == expected.shape
        assert (found - expected).abs().mean() < 4 / 255


def test_eight_bits_only_where_asked_for():
    assert choose(SlimNetwork(4, 0), "cpu", backend="openvino").precision != "int8"
    assert choose(SlimNetwork(4, 0), "cpu", precision="int8").precision == "int8"

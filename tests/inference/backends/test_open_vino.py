import copy
import subprocess
import sys
import threading

import pytest
import torch
from torch import nn

from fast_style.inference.backends.open_vino import OpenVINO


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
    with pytest.raises(ValueError, match=r"^backend openvino computes in fp32 or bf16, not in fp16$"):
        OpenVINO(network, "fp16")

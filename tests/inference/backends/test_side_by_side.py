"""OpenVINO and ONNX Runtime in one process, in either order, with the C library watching its heap."""

import os
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

import pytest

CODE = """
import sys, torch
from fast_style.inference.backends import choose
from fast_style.networks import SlimNetwork
torch.manual_seed(0)
for order in (sys.argv[1:], sys.argv[:0:-1]):
    network = SlimNetwork(8, 1).eval()
    backends = [choose(network, "cpu", "fp32", name) for name in order]
    for side in (40, 13, 61):
        photos = torch.rand(1, 3, side, 50)
        one, other = (backend(photos) for backend in backends)
        torch.testing.assert_close(one, other, atol=1e-3, rtol=0)
print("done")
"""


@pytest.mark.openvino
def test_the_heap_stays_whole(tmp_path):
    pytest.importorskip("openvino")
    watched = {"MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "165", "FAST_STYLE_CACHE": str(tmp_path)}
    if (checker := find_library("c_malloc_debug")) and sys.platform == "linux":
        watched["LD_PRELOAD"] = checker
    command = [sys.executable, "-c", CODE, "onnx", "openvino"]
    result = subprocess.run(command, env=os.environ | watched, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert Path(tmp_path, "backends").is_dir(), "something was compiled"

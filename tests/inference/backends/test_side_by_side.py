"""OpenVINO and ONNX Runtime in one process, in either order."""

import os
import subprocess
import sys

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
print("done", flush=True)
"""


@pytest.mark.openvino
def test_they_make_the_same_pictures_beside_each_other(tmp_path):
    """The exit code is not asked for: OpenVINO by itself fails glibc's check of its heap in some processes, at exit."""
    pytest.importorskip("openvino")
    command = [sys.executable, "-c", CODE, "onnx", "openvino"]
    environment = os.environ | {"FAST_STYLE_CACHE": str(tmp_path)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "done" in result.stdout, result.stderr
    assert (tmp_path / "backends").is_dir(), "something was compiled"

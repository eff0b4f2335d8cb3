import pytest
import torch

from fast_style.inference.backends.onnx_runtime import OnnxRuntime


def test_networks_are_computed_in_fp32_and_files_in_their_own(network, onnx_file_fp16):
    with pytest.raises(ValueError, match=r"^backend onnx computes networks in fp32, not in bf16: take precision fp32"):
        OnnxRuntime(network, "bf16")
    with pytest.raises(ValueError, match=r"tiny16\.onnx computes in fp16, not in fp32: take precision fp16 or another"):
        OnnxRuntime(onnx_file_fp16, "fp32")


def test_what_fails_is_told_in_a_sentence(onnx_file, capfd):
    backend = OnnxRuntime(onnx_file, "fp32")
    with pytest.raises(RuntimeError, match=r"^ONNX Runtime cannot run the network \(.+\)$"):
        backend(torch.rand(1, 4, 8, 8))
    assert capfd.readouterr().err == ""

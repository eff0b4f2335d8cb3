"""What runs a network: PyTorch, ONNX Runtime or OpenVINO, behind one small interface."""

from fast_style.checkpoint import read_onnx_metadata
from fast_style.inference.backends.choice import BACKENDS, choose, find_device
from fast_style.inference.backends.interface import Backend
from fast_style.inference.backends.onnx_file import export_onnx
from fast_style.inference.backends.precision import PRECISIONS, multiplies_bf16

__all__ = [
    "BACKENDS",
    "PRECISIONS",
    "Backend",
    "choose",
    "export_onnx",
    "find_device",
    "multiplies_bf16",
    "read_onnx_metadata",
]

"""Networks in files: `.safetensors` out; `.safetensors`, Lightning's `.ckpt` and others' `.pth` in."""

from fast_style.checkpoint.description import Description, describe, read_metadata, styles_of, takes_style
from fast_style.checkpoint.network import load_network, save_network
from fast_style.checkpoint.onnx_metadata import ONNX_FORMAT, read_onnx_metadata, takes_style_image
from fast_style.checkpoint.source import find_network, networks_in
from fast_style.checkpoint.styled import keep_styles, load_style_image, load_styled

__all__ = [
    "ONNX_FORMAT",
    "Description",
    "describe",
    "find_network",
    "keep_styles",
    "load_network",
    "load_style_image",
    "load_styled",
    "networks_in",
    "read_metadata",
    "read_onnx_metadata",
    "save_network",
    "styles_of",
    "takes_style",
    "takes_style_image",
]

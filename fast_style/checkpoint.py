"""Networks in files: `.safetensors` out; `.safetensors`, Lightning's `.ckpt` and pytorch/examples' `.pth` in."""

import importlib.metadata
import json
import math
import os
import pickle
import re
import uuid
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fast_style import networks

FORMAT = "fast_style/1"
LIGHTNING = "lightning"
EXAMPLES = "pytorch/examples"
PREFIX = "fast_style.networks."
LOADABLE = tuple(name for name in networks.__all__ if name != "VGG")
MAX_BYTES = 2 * 2**30
# Names of https://github.com/pytorch/examples/blob/main/fast_neural_style/neural_style/transformer_net.py, and ours.
EXAMPLES_NAMES = (
    (r"conv([123])\.conv2d\.", r"conv\1."),
    (r"in([1-5])\.", r"norm\1."),
    (r"res(\d{1,2})\.conv([12])\.conv2d\.", r"residuals.\1.conv\2."),
    (r"res(\d{1,2})\.in([12])\.", r"residuals.\1.norm\2."),
    (r"deconv([12])\.conv2d\.", r"up\1."),
    (r"deconv3\.conv2d\.", r"conv4."),
)


def save_network(
    path: str | Path, network: nn.Module, metadata: Mapping[str, Any], dtype: torch.dtype = torch.float16
) -> None:
    """Write a network that `load_network` builds again; the file appears under its name only once it is complete.

    Args:
        path: the `.safetensors` file; what is there is replaced, missing folders are made.
        network: one of `fast_style.networks`.
        metadata: values by name, each kept as JSON. `format`, `network` (import path), `arguments` (of its
            constructor), `fast_style` and `torch` (versions) are added.
        dtype: type of the floating-point weights in the file.

    Raises:
        TypeError: if the network is not one that can be loaded, or a value of the metadata is not JSON.
        ValueError: if a weight is not finite, or not within the range of `dtype`.
        OSError: if the file cannot be written; nothing is left behind.
    """
    path = Path(path)
    name = type(network).__name__
    if getattr(networks, name, None) is not type(network) or name not in LOADABLE:
        raise TypeError(f"cannot save a {name}: it must be one of {', '.join(LOADABLE)}")
    state = {key: _to(tensor, dtype).contiguous() for key, tensor in network.state_dict().items()}
    for key, tensor in state.items():
        if not tensor.isfinite().all():
            raise ValueError(f"cannot save {path}: weight {key} has values that are not finite numbers in {dtype}")
    described = {
        **metadata,
        "format": FORMAT,
        "network": PREFIX + name,
        "arguments": network.arguments,
        "fast_style": _version(),
        "torch": torch.__version__,
    }
    _write(path, save(state, {key: json.dumps(value) for key, value in described.items()}))


def load_network(path: str | Path) -> nn.Module:
    """Build the network of a file: on the CPU, in float32, in evaluation mode.

    Args:
        path: what `save_network` wrote, a Lightning checkpoint of a training, or weights in the layout of
            pytorch/examples' fast_neural_style, whose range 0 … 255 is folded into the first and the last convolution.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a complete file of one of these kinds, its weights do not fit the network it names,
            or it holds anything but plain, finite weights. Nothing in the file is executed.
    """
    metadata, state = _read(Path(path))
    try:
        with torch.device("meta"):  # takes no memory, however large a network the file claims
            network: nn.Module = _network_class(metadata)(**metadata["arguments"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} does not describe a network that can be built: {error}") from error
    expected = network.state_dict()
    _check(path, expected, state)
    # Copies, since those read are views of the file.
    weights = {key: _to(tensor, torch.float32, copy=True) for key, tensor in state.items()}
    for key, tensor in weights.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{path} is damaged: weight {key} has values that are not finite numbers")
    if metadata["format"] == EXAMPLES:
        weights["conv1.weight"] *= 255
        weights["conv4.weight"] /= 255
        weights["conv4.bias"] /= 255
    network.load_state_dict(weights, assign=True)
    return network.eval()


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Read what a file says of its network: `format`, `network`, `arguments`, and what `save_network` was given.

    Raises:
        FileNotFoundError, ValueError: as `load_network`.
    """
    return _read(Path(path))[0]


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return metadata and weights under our names; the content tells the kind of file, not the suffix."""
    if not path.exists():
        raise FileNotFoundError(f"there is no network at {path}")
    if not path.is_file():
        raise ValueError(f"{path} is not a file: name a .safetensors, .ckpt or .pth file")
    with path.open("rb") as file:
        head = file.read(9)
    if head[4:] == b"\0\0\0\0{":  # the length of the header, then JSON
        return _read_safetensors(path)
    if head.startswith((b"PK", b"\x80")):
        return _read_torch(path)
    raise ValueError(f"{path} is not a network: neither .safetensors nor written by torch.save, or damaged")


def _read_safetensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, "pt") as file:
            texts = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except SafetensorError as error:
        raise ValueError(f"{path} is not a complete safetensors file ({error})") from error
    try:
        metadata = {key: json.loads(text) for key, text in texts.items()}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} was not written by fast_style: its metadata is not JSON") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} has the format {metadata.get('format')!r}, this fast_style reads {FORMAT!r}")
    return metadata, state


def _read_torch(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    loaded = _unpickle(path)
    if not isinstance(loaded, dict):
        raise ValueError(f"{path} holds a {type(loaded).__name__} instead of the weights of a network")
    if isinstance(loaded.get("conv1.conv2d.weight"), Tensor):
        return _from_examples(loaded)
    network, state = loaded.get("network"), loaded.get("state_dict")
    if not isinstance(network, dict) or not isinstance(state, dict):
        raise ValueError(f"{path} is neither a checkpoint of fast_style nor weights in the layout of {EXAMPLES}")
    metadata = {"format": LIGHTNING, "network": network.get("target"), "arguments": network.get("arguments")}
    prefix = "network."
    return metadata, {str(k).removeprefix(prefix): v for k, v in state.items() if str(k).startswith(prefix)}


def _unpickle(path: Path) -> Any:
    zipped = zipfile.is_zipfile(path)
    if zipped:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MAX_BYTES:
            raise ValueError(f"{path} unpacks to more than {MAX_BYTES >> 30} GiB, which no network here takes")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError(f"{path} is a compressed archive, which torch.save does not write: unpack it first")
    try:
        with warnings.catch_warnings(action="ignore"):  # about the ways of old files
            return torch.load(path, "cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        if re.search("global|class|create new|only build|function", str(error), re.IGNORECASE):
            raise ValueError(
                f"{path} holds code or Python objects besides weights, which is unsafe to load: "
                "keep the state dict alone"
            ) from error
        raise ValueError(f"{path} is damaged: it cannot be unpickled") from error
    except Exception as error:  # a damaged pickle makes the unpickler raise nearly anything
        raise ValueError(f"{path} is damaged or not written by torch.save") from error


def _from_examples(state: dict[Any, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    renamed = {}
    for key, tensor in state.items():
        # Statistics that instance normalisation kept before PyTorch 0.4 and never used.
        if str(key).endswith((".running_mean", ".running_var", ".num_batches_tracked")):
            continue
        new = str(key)
        for pattern, replacement in EXAMPLES_NAMES:
            new, count = re.subn(f"^{pattern}", replacement, new)
            if count:
                break
        renamed[re.sub(r"^residuals\.(\d+)", lambda match: f"residuals.{int(match[1]) - 1}", new)] = tensor
    width = renamed["conv1.weight"].shape[0] if renamed["conv1.weight"].ndim else 0
    blocks = len({key.split(".")[1] for key in renamed if key.startswith("residuals.")})
    arguments = {"width": width, "blocks": blocks, "output": "linear"}
    return {"format": EXAMPLES, "network": f"{PREFIX}TransformerNetwork", "arguments": arguments}, renamed


def _network_class(metadata: Mapping[str, Any]) -> type[nn.Module]:
    known = [PREFIX + name for name in LOADABLE]
    if metadata.get("network") not in known:
        raise ValueError(f"the network must be one of {', '.join(known)}, got {metadata.get('network')!r}")
    if not isinstance(metadata.get("arguments"), dict):
        raise ValueError(f"the arguments of the network must be a dictionary, got {metadata.get('arguments')!r}")
    return getattr(networks, metadata["network"].removeprefix(PREFIX))


def _check(path: str | Path, expected: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    for key in sorted(expected.keys() ^ state.keys()):
        raise ValueError(f"{path} does not fit its network: weight {key} is {'missing' if key in expected else 'extra'}")
    for key, wanted in expected.items():
        found = state[key]
        if type(found) not in (Tensor, nn.Parameter) or found.device.type != "cpu" or found.layout != torch.strided:
            raise ValueError(f"{path} does not fit its network: {key} is not a plain tensor")
        if found.shape != wanted.shape or found.is_floating_point() != wanted.is_floating_point():
            raise ValueError(
                f"{path} does not fit its network: {key} must be {wanted.dtype} of shape {tuple(wanted.shape)}, "
                f"found {found.dtype} of shape {tuple(found.shape)}"
            )


def _to(tensor: Tensor, dtype: torch.dtype, copy: bool = False) -> Tensor:
    return tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype, copy=copy)

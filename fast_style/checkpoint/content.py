"""What a file of a network holds: metadata and weights, and the network that these describe."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from fast_style.checkpoint.torch_file import read_torch_file
from fast_style.networks import LOADABLE, PREFIX, Generator

FORMAT = "fast_style/1"


def read(path: Path, weights: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a file of a network; its content tells the kind of file, not its suffix.

    Args:
        path: a `.safetensors` file of ours, a Lightning checkpoint, or weights of pytorch/examples or of
            pytorch-CycleGAN-and-pix2pix.
        weights: whether the weights are wanted: without them, no more than the header of a `.safetensors` is read.

    Returns:
        The metadata, with at least `format`, and the weights under our names. Of these nothing is checked.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is none of these, or damaged.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no network at {path}")
    if not path.is_file():
        raise ValueError(f"{path} is not a file: name a .safetensors, .ckpt or .pth file")
    with path.open("rb") as file:
        head = file.read(9)
    if head[4:] == b"\0\0\0\0{":  # 8 bytes for the length of the header, which is JSON
        return _read_safetensors(path, weights)
    if head.startswith((b"PK", b"\x80")):  # a zip archive; a bare pickle, as before PyTorch 1.6
        return read_torch_file(path, zipped=head.startswith(b"PK"))
    raise ValueError(f"{path} is not a network: neither .safetensors nor written by torch.save, or damaged")


def _read_safetensors(path: Path, weights: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        with safe_open(path, "pt") as file:
            texts = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in (file.keys() if weights else ())}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a complete safetensors file ({error})") from error
    try:
        metadata = {key: json.loads(text) for key, text in texts.items()}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} was not written by fast_style: its metadata is not JSON") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} has the format {metadata.get('format')!r} in its metadata, must be {FORMAT!r}")
    return metadata, state


def build(path: Path, metadata: Mapping[str, Any]) -> Generator:
    """Build the network that metadata describes, without its weights; nothing else is opened.

    Raises:
        ValueError: if it is not one of `networks.LOADABLE`, or its arguments are not right.
    """
    known = {PREFIX + kind.__name__: kind for kind in LOADABLE}
    name, arguments = metadata.get("network"), metadata.get("arguments")
    try:
        if not isinstance(name, str) or name not in known:
            raise ValueError(f"the network must be one of {', '.join(known)}, got {name!r}")
        if not isinstance(arguments, dict):
            raise TypeError(f"the arguments of the network must be a dictionary, got {arguments!r}")
        for each in known[name].required:
            if arguments.get(each) is None:
                raise ValueError(f"the arguments of the network must hold {each}")
        with torch.device("meta"):  # takes no memory, however large a network the file claims
            return known[name](**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} does not describe a network that can be built: {error}") from error

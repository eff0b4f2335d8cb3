"""What ONNX files say of themselves, read without a package for them."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

ONNX_FORMAT = "fast_style/onnx/1"
PRECISIONS = ("fp32", "fp16")
GRAPH, METADATA_PROPS = 7, 14  # numbers of ModelProto.graph and ModelProto.metadata_props
INPUTS = 11  # number of GraphProto.input
STYLE = "style"  # the input of an exported network for any style that takes the style image
EXTERNAL = b"\n\x08location\x12"  # begins the entry by which a tensor names the file that it is in


def read_onnx_metadata(path: str | Path) -> dict[str, Any]:
    """Read what an exported ONNX file says of itself; needs no ONNX package.

    Args:
        path: a file that `inference.export` wrote.

    Returns:
        Values by name: what the metadata of the checkpoint held, and `format`, `precision` and `torch`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no complete ONNX file, is of another program, or names other files to read.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no network at {path}")
    if not path.is_file():
        raise ValueError(f"{path} is not a file: name an .onnx file")
    content = path.read_bytes()
    try:
        fields = [dict(_fields(value)) for number, value in _fields(content) if number == METADATA_PROPS]
        texts = {entry[1].decode(): entry[2].decode() for entry in fields}
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path} is not a complete ONNX file") from error
    try:
        metadata = {key: json.loads(text) for key, text in texts.items()}
    except (ValueError, RecursionError):
        metadata = {}
    if metadata.get("format") != ONNX_FORMAT or metadata.get("precision") not in PRECISIONS:
        raise ValueError(f"{path} was not exported by fast_style: make it with python -m fast_style export")
    if EXTERNAL in content:
        raise ValueError(f"{path} names other files to read, which no exported network does: export it again")
    return metadata


def takes_style_image(path: str | Path) -> bool:
    """Tell whether an exported ONNX file takes a style image beside the photos.

    Args:
        path: a file that `read_onnx_metadata` reads.

    Raises:
        ValueError: if it is no complete ONNX file.
    """
    try:
        graphs = [value for number, value in _fields(Path(path).read_bytes()) if number == GRAPH]
        inputs = [dict(_fields(value)) for graph in graphs for number, value in _fields(graph) if number == INPUTS]
    except ValueError as error:
        raise ValueError(f"{path} is not a complete ONNX file") from error
    return STYLE.encode() in [each.get(1) for each in inputs]


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of each field of a protocol buffer; ValueError if it is none, or incomplete."""
    view = BytesIO(message)
    while key := _varint(view, end=True):
        kind, length = key & 7, 0
        if kind == 0:
            _varint(view)
        elif kind in (1, 2, 5):
            length = _varint(view) if kind == 2 else 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        content = view.read(length)
        if len(content) < length:
            raise ValueError("truncated")
        yield key >> 3, content


def _varint(view: BytesIO, end: bool = False) -> int:
    """Read a number of seven bits a byte; 0 at the end, if it may end here."""
    value = 0
    for shift in range(0, 64, 7):
        byte = view.read(1)
        if not byte:
            if end and shift == 0:
                return 0
            raise ValueError("truncated")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            break
    if end and value < 8:
        raise ValueError("field number 0")
    return value

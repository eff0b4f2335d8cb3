"""Networks as ONNX files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fast_style.checkpoint import find_network, load_network, load_styled, read_metadata
from fast_style.inference.backends import export_onnx
from fast_style.networks import AnyStyleNetwork


def export(
    source: str | Path, output: str | Path, precision: str = "fp32", style: Mapping[str, float] | None = None
) -> float:
    """Write the network of a checkpoint as ONNX, with the metadata of the checkpoint.

    Args:
        source: a file, a folder or the name of a network that ships, see `checkpoint.find_network`.
        output: a file that ends in `.onnx`; what is there is replaced.
        precision: `fp32` or `fp16`, of the weights and of what lies between layers.
        style: of a network of several styles the weights of one or some, by name; of a network for any style the names
            are files, URLs or names of shipped styles. None: the network has a single style, or it is an
            `AnyStyleNetwork`, whose file then takes the style image as a second input.

    Returns:
        The largest mean absolute difference between PyTorch in float32 and ONNX Runtime that was found, in [0, 1].

    Raises:
        FileNotFoundError: if there is no such network or style image.
        ValueError: if the output has another suffix, the precision is another, a package of the extra `onnx` is
            missing, the source is an ONNX file already, or the network or the style is refused, see
            `checkpoint.load_styled`.
        RuntimeError: if the export fails, or what it computes differs from PyTorch; nothing is written.
        OSError: if the file cannot be written; nothing is left behind.
    """
    if Path(output).suffix.lower() != ".onnx":
        raise ValueError(f"cannot write {output}: its suffix must be .onnx")
    path = find_network(source)
    if path.suffix.lower() == ".onnx":
        raise ValueError(f"{path} is an ONNX file already: give the checkpoint it was made of")
    network: Any = load_network(path)
    if style is not None or not isinstance(network, AnyStyleNetwork):
        network = load_styled(path, style)
    metadata = read_metadata(path)
    if style is not None:
        metadata |= {"style": ",".join(f"{name}:{weight:g}" for name, weight in style.items())}
    return export_onnx(output, network, metadata | {"arguments": network.arguments}, precision)

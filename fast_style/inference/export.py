"""Networks as ONNX files."""

from collections.abc import Mapping
from pathlib import Path

from fast_style.checkpoint import load_styled, read_metadata
from fast_style.inference.backends import export_onnx


def export(
    checkpoint: str | Path, output: str | Path, precision: str = "fp32", style: Mapping[str, float] | None = None
) -> float:
    """Write the network of a checkpoint as ONNX, with the metadata of the checkpoint.

    Args:
        checkpoint: whatever `checkpoint.load_network` reads.
        output: ends in `.onnx`; what is there is replaced.
        precision: `fp32` or `fp16`, see `backends.export_onnx`.
        style: of a network of several styles or for any, see `checkpoint.load_styled`.

    Returns:
        The largest mean absolute difference between PyTorch in float32 and ONNX Runtime that was found.

    Raises:
        ValueError, OSError, RuntimeError: as `checkpoint.load_styled` and `backends.export_onnx`, or if the output has
            another suffix.
    """
    if Path(output).suffix.lower() != ".onnx":
        raise ValueError(f"cannot write {output}: its suffix must be .onnx")
    network, metadata = load_styled(checkpoint, style), read_metadata(checkpoint)
    if style is not None:
        metadata |= {"style": ",".join(f"{name}:{weight:g}" for name, weight in style.items())}
    return export_onnx(output, network, metadata | {"arguments": network.arguments}, precision)

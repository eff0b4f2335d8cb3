"""Networks as ONNX files: `python -m fast_style.export CKPT OUT.onnx [--precision fp32|fp16]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from fast_style.backends import export_onnx
from fast_style.checkpoint import load_network, read_metadata


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Tell misuse as everything else is told: in one line, without the usage."""
        self.exit(2, f"error: {message}\n")


def export(checkpoint: str | Path, output: str | Path, precision: str = "fp32") -> float:
    """Write the network of a checkpoint as ONNX, with the metadata of the checkpoint.

    Args:
        checkpoint: whatever `checkpoint.load_network` reads.
        output: ends in `.onnx`; what is there is replaced.
        precision: `fp32` or `fp16`, see `backends.export_onnx`.

    Returns:
        The largest mean absolute difference between PyTorch in float32 and ONNX Runtime that was found.

    Raises:
        ValueError, OSError, RuntimeError: as `checkpoint.load_network` and `backends.export_onnx`, or if the output has
            another suffix.
    """
    if Path(output).suffix.lower() != ".onnx":
        raise ValueError(f"cannot write {output}: its suffix must be .onnx")
    return export_onnx(output, load_network(checkpoint), read_metadata(checkpoint), precision)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; exits with 2 for misuse, 1 if the export failed."""
    parser = _Parser(prog="python -m fast_style.export", description="Export a trained network as ONNX.")
    parser.add_argument("checkpoint", type=Path, metavar="CKPT", help="network that training exported")
    parser.add_argument("output", type=Path, metavar="OUT.onnx", help="the file to write")
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp32", help="of weights and activations")
    options = parser.parse_args(argv)
    try:
        difference = export(options.checkpoint, options.output, options.precision)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1 if isinstance(error, RuntimeError) else 2)
    size = options.output.stat().st_size / 1e6
    print(f"wrote {options.output} ({size:.1f} MB); differs from PyTorch by {difference * 255:.2g}/255 on average")


if __name__ == "__main__":
    main()

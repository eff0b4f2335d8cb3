"""The exporting command: `python -m fast_style export CKPT OUT.onnx [--precision fp32|fp16]`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from fast_style.cli.arguments import Parser, note_of, parse_style
from fast_style.inference.export import export


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; exits with 2 for misuse, 1 if the export failed."""
    parser = Parser(prog="python -m fast_style export", description="Export a trained network as ONNX.")
    parser.add_argument("checkpoint", type=Path, metavar="CKPT", help="network that training exported")
    parser.add_argument("output", type=Path, metavar="OUT.onnx", help="the file to write")
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp32", help="of weights and activations")
    choice = "of a network of several styles or for any the one to export, or a mixture: NAME:0.6,NAME:0.4"
    parser.add_argument("--style", metavar="NAME", help=choice)
    options = parser.parse_args(argv)
    try:
        style = parse_style(options.style) if options.style is not None else None
        difference = export(options.checkpoint, options.output, options.precision, style)
        if options.style is not None and (note := note_of(options.style)):
            print(note, file=sys.stderr)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1 if isinstance(error, RuntimeError) else 2)
    size = options.output.stat().st_size / 1e6
    print(f"wrote {options.output} ({size:.1f} MB); differs from PyTorch by {difference * 255:.2g}/255 on average")

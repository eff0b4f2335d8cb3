"""The exporting command: `python -m fast_style export CKPT OUT.onnx [--precision fp32|fp16]`."""

import sys
from collections.abc import Sequence

from fast_style.cli.arguments import Parser, add_overwrite, check_new, note_of, path
from fast_style.data import parse_styles
from fast_style.inference.export import export


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; exits with 2 for misuse, 1 if the export failed."""
    parser = Parser(prog="python -m fast_style export", description="Export a trained network as ONNX.")
    parser.add_argument("checkpoint", type=path, metavar="CKPT", help="network that training exported")
    parser.add_argument("output", type=path, metavar="OUT.onnx", help="the file to write")
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp32", help="of weights and activations")
    choice = "of a network of several styles or for any the one to export, or a mixture: NAME:0.6,NAME:0.4"
    parser.add_argument("--style", metavar="NAME", help=choice)
    add_overwrite(parser)
    options = parser.parse_args(argv)
    try:
        check_new(options.output, options.overwrite)
        style = parse_styles(options.style) if options.style is not None else None
        difference = export(options.checkpoint, options.output, options.precision, style)
        if options.style is not None and (note := note_of(options.style)):
            print(note, file=sys.stderr)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1 if isinstance(error, RuntimeError) else 2)
    size = options.output.stat().st_size / 1e6
    print(f"wrote {options.output} ({size:.1f} MB); differs from PyTorch by {difference * 255:.2g}/255 on average")

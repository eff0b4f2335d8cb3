"""The exporting command: `python -m fast_style export CKPT OUT.onnx [--precision fp32|fp16]`."""

import argparse
import sys

from fast_style.cli.arguments import check_new, note_of
from fast_style.cli.networks import fetched
from fast_style.data import parse_styles
from fast_style.inference.export import export
from fast_style.terminal import telling_errors


def run(options: argparse.Namespace) -> None:
    """Export a network.

    Args:
        options: see `fast_style.cli.parsers.export`.

    Raises:
        SystemExit: with 2 after misuse, with 1 if the export failed, with 130 after Ctrl-C.
    """
    with telling_errors():
        check_new(options.output, options.overwrite)
        style = None if options.style is None else parse_styles(options.style)
        difference = export(fetched(options.checkpoint), options.output, options.precision, style)
        if options.style is not None and (note := note_of(options.style)):
            print(note, file=sys.stderr)
        size = options.output.stat().st_size / 1e6
        print(f"wrote {options.output} ({size:.1f} MB); differs from PyTorch by {difference * 255:.2g}/255 on average")

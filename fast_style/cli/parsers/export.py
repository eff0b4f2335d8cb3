"""What `export` takes."""

import argparse
from collections.abc import Sequence

from fast_style.cli.arguments import Parser, add_overwrite, path, place


def parse(arguments: Sequence[str], prog: str) -> argparse.Namespace:
    """Read the arguments of `export`.

    Args:
        arguments: the words after the name of the command.
        prog: what the help calls the command.

    Returns:
        The options: `checkpoint`, `output`, `precision`, `style` and `overwrite`.

    Raises:
        SystemExit: with 0 after `--help`, with 2 after misuse, which is told.
    """
    parser = Parser(prog=prog, description="Export a trained network as ONNX.")
    parser.add_argument("checkpoint", type=place, metavar="CKPT", help="network that training exported")
    parser.add_argument("output", type=path, metavar="OUT.onnx", help="the file to write")
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp32", help="of weights and activations")
    choice = (
        "of a network of several styles or for any the one to export, or a mixture: NAME:0.6,NAME:0.4; without it the "
    )
    choice += "file of a network for any style takes the image as a second input"
    parser.add_argument("--style", metavar="NAME", help=choice)
    add_overwrite(parser)
    return parser.parse_args(arguments)

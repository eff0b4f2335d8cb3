"""What `publish` takes."""

import argparse
import re
from collections.abc import Sequence

from fast_style.cli.arguments import Parser, add_overwrite, path

LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def parse(arguments: Sequence[str], prog: str) -> argparse.Namespace:
    """Read the arguments of `publish`.

    Args:
        arguments: the words after the name of the command.
        prog: what the help calls the command.

    Returns:
        The options: `network`, `folder`, `license`, `painting`, `photos`, `repository`, `sheet` and `overwrite`.

    Raises:
        SystemExit: with 0 after `--help`, with 2 after misuse, which is told.
    """
    parser = Parser(
        prog=prog,
        description="Write a network and its model card into a folder, as a hub for networks expects them.",
        epilog="Nothing is sent anywhere. Absolute paths in the network's file are shortened to their last part.",
    )
    parser.add_argument("network", type=path, metavar="FILE", help="the .safetensors that training exported")
    parser.add_argument("folder", type=path, metavar="DIR", help="the folder, such as a clone of the hub's repository")
    parser.add_argument("--license", required=True, metavar="ID", help="of the network, such as cc-by-4.0 or mit")
    parser.add_argument("--painting", default="", metavar="TEXT", help="which painting it learned, and whose")
    parser.add_argument("--photos", default="", metavar="TEXT", help="which photos it was trained on")
    parser.add_argument(
        "--repository", default="", metavar="USER/REPO", help="where it will lie, for the card's command"
    )
    sheet = "contact sheet; default: the .png beside the network, where there is one"
    parser.add_argument("--sheet", type=path, metavar="PNG", help=sheet)
    add_overwrite(parser)
    options = parser.parse_args(arguments)
    if not LICENCE.fullmatch(options.license):
        parser.error(
            f"--license must be small letters, digits, dots and dashes, such as cc-by-4.0, got {options.license!r}"
        )
    if options.repository and not REPOSITORY.fullmatch(options.repository):
        parser.error(f"--repository must be USER/REPO, got {options.repository!r}")
    return options

"""What `serve` takes."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from fast_style.cli.arguments import Parser, path

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SHORTEST = 12  # letters of a token


def parse(arguments: Sequence[str], prog: str) -> argparse.Namespace:
    """Read the arguments of `serve`.

    Args:
        arguments: the words after the name of the command.
        prog: what the help calls the command.

    Returns:
        The options, one for each of those below, with an underscore for a dash in their names.

    Raises:
        SystemExit: with 0 after `--help`, with 2 after misuse, which is told.
    """
    parser = Parser(prog=prog, description="Open a page on this machine: stylize photos, learn paintings.")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="port (8000); 0: one that is free")
    host = "address at which other machines reach the page, such as 0.0.0.0; default: this machine alone"
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help=host)
    word = f"word of at least {SHORTEST} letters without which nobody is let in; demanded with --host"
    parser.add_argument("--token", metavar="WORD", help=word)
    folder = "where uploads, pictures and trainings are kept (runs/page)"
    parser.add_argument("--folder", type=path, default=Path("runs/page"), metavar="PATH", help=folder)
    networks = "folder of networks of your own, which are offered as styles (checkpoints)"
    parser.add_argument("--networks", type=path, default=Path("checkpoints"), metavar="PATH", help=networks)
    training = "further settings of trainings, as train takes them, such as data.root=PHOTOS"
    parser.add_argument("--train", nargs="+", default=[], metavar="KEY=VALUE", help=training)
    parser.add_argument("--device", default="auto", help="where pictures are made: auto (default), cpu, cuda or mps")
    runtime = "folder of the npm package onnxruntime-web, with which browsers run networks themselves, as for a webcam"
    parser.add_argument("--runtime", type=path, metavar="FOLDER", help=runtime)
    alone = "write the page as files for any host of static files instead of serving it; needs --runtime"
    parser.add_argument("--static", type=path, metavar="OUT", help=alone)
    options = parser.parse_args(arguments)
    if options.static is not None:
        _check_static(parser, options)
    if not 0 <= options.port <= 65_535:
        parser.error(f"--port must be 0 to 65535, got {options.port}")
    if options.host not in LOOPBACK and options.token is None:
        parser.error("--host lets other machines in: give --token WORD as well, without which nobody is let in")
    token = options.token
    if token is not None and (len(token) < SHORTEST or not (token.isascii() and token.isalnum())):
        parser.error(f"--token must be at least {SHORTEST} letters and digits, such as a long random word")
    for setting in options.train:
        if "=" not in setting:
            parser.error(f"--train takes settings such as data.root=PHOTOS, got {setting!r}")
    return options


def _check_static(parser: Parser, options: argparse.Namespace) -> None:
    if options.runtime is None:
        parser.error("--static needs the program that runs networks in browsers: npm install onnxruntime-web, and give "
                     "--runtime node_modules/onnxruntime-web")  # fmt: skip
    for name in ("port", "host", "token", "folder", "train", "device"):
        if getattr(options, name) != parser.get_default(name):
            parser.error(f"--static writes files and serves nothing: leave out --{name}")

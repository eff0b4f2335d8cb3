"""What `evaluate` takes."""

import argparse
from collections.abc import Sequence

from fast_style.cli.arguments import Parser, add_overwrite, filled, path


def parse(arguments: Sequence[str], prog: str) -> argparse.Namespace:
    """Read the arguments of `evaluate`.

    Args:
        arguments: the words after the name of the command.
        prog: what the help calls the command.

    Returns:
        The options, one for each of those below, with an underscore for a dash in their names.

    Raises:
        SystemExit: with 0 after `--help`, with 2 after misuse, which is told.
    """
    parser = Parser(
        prog=prog,
        description="Measure networks on photos: losses, similarity to the photo, colours of the style, time. Or on a "
        "film: how much its pictures flicker.",
        epilog="The identity is always measured too: it keeps all content and has no style.",
    )
    _add_options(parser)
    options = parser.parse_args(arguments)
    if options.video is None and (options.content is None or options.style is None):
        parser.error("the following arguments are required: --content and --style, or --video")
    if options.video is None and options.size is None:
        options.size = 256
    for name, least in (("size", 32), ("style_size", 16), ("lbfgs", 0), ("frames", 2)):
        if (getattr(options, name) or least) < least:
            parser.error(f"--{name.replace('_', '-')} must be at least {least}, got {getattr(options, name)}")
    return options


def _add_options(parser: argparse.ArgumentParser) -> None:
    models = "networks that training exported, or .onnx; of several styles the one named as the file of --style"
    parser.add_argument("--model", type=path, nargs="+", action="extend", required=True, metavar="CKPT", help=models)
    photos = "photos that no network was trained on"
    parser.add_argument("--content", type=filled, metavar="FOLDER", help=photos)
    film = "a film on which flicker is measured, in place of photos; --style then is for the objective alone"
    parser.add_argument("--video", type=path, metavar="CLIP", help=film)
    parser.add_argument("--frames", type=int, default=20, metavar="N", help="of the film, from its beginning (20)")
    remedies = "also measure each network with: best (--quality best), phases4 (a mean of four), smooth (--smooth 0.8)"
    choices = ("best", "phases4", "smooth")
    parser.add_argument("--remedies", nargs="+", choices=choices, default=[], metavar="NAME", help=remedies)
    style = "the painting: a file, a URL, or the name of a shipped style"
    parser.add_argument("--style", type=filled, metavar="FILE", help=style)
    size = "side of the middle squares (256); of a film the long side (its own)"
    parser.add_argument("--size", type=int, metavar="N", help=size)
    parser.add_argument("--style-size", type=int, default=256, metavar="N", help="short side of the style image (256)")
    lbfgs = "iterations of L-BFGS to compare with (50), 0 for none; each takes a few passes of the loss network"
    parser.add_argument("--lbfgs", type=int, default=50, metavar="K", help=lbfgs)
    parser.add_argument("--json", type=path, metavar="FILE", help="write the numbers")
    parser.add_argument("--sheet", type=path, metavar="FILE", help="write a contact sheet")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps; of the networks")
    parser.add_argument("--backend", default="auto", help="auto (default: the fastest), torch, onnx or openvino")
    parser.add_argument("--precision", default="auto", help="auto (default: the fastest), fp32, bf16 or fp16")
    add_overwrite(parser)
    settings = "settings of the losses, NAME=VALUE as in training, such as loss_network=vgg19"
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help=settings)

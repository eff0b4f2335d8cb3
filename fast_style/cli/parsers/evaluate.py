"""What `evaluate` takes."""

import argparse
from collections.abc import Sequence

from fast_style.cli.arguments import Parser, add_engine, add_overwrite, filled, path, place


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
        "film: how much its pictures flicker. Or pictures that are made already: how far they are from real ones.",
        epilog="The identity is always measured too: it keeps all content and has no style.",
    )
    _add_options(parser)
    options = parser.parse_args(arguments)
    if options.pictures is not None:
        if options.real is None:
            parser.error("--pictures are measured beside real ones: give --real")
        for name in ("model", "content", "video", "style", "sheet"):
            if getattr(options, name) is not None:
                parser.error(f"--{name} does not go with --pictures, which are made already")
    elif options.model is None:
        parser.error("the following arguments are required: --model, or --pictures and --real")
    elif options.real is not None or options.inputs is not None or options.pairs or options.inception is not None:
        parser.error("--real, --inputs, --pairs and --inception go with --pictures")
    elif options.video is None and (options.content is None or options.style is None):
        parser.error("the following arguments are required: --content and --style, or --video")
    if options.video is None and options.size is None:
        options.size = 256
    for name, least in (("size", 32), ("style_size", 16), ("lbfgs", 0), ("frames", 2)):
        if (getattr(options, name) or least) < least:
            parser.error(f"--{name.replace('_', '-')} must be at least {least}, got {getattr(options, name)}")
    return options


def _add_options(parser: argparse.ArgumentParser) -> None:
    models = "networks that training exported, or .onnx; of several styles the one named as the file of --style"
    parser.add_argument("--model", type=place, nargs="+", action="extend", metavar="CKPT", help=models)
    photos = "photos that no network was trained on"
    parser.add_argument("--content", type=filled, metavar="FOLDER", help=photos)
    film = "a film on which flicker is measured, in place of photos; --style then is for the objective alone"
    parser.add_argument("--video", type=path, metavar="CLIP", help=film)
    parser.add_argument("--frames", type=int, default=20, metavar="N", help="of the film, from its beginning (20)")
    pictures = "pictures that are made already, to be measured beside --real"
    parser.add_argument("--pictures", type=filled, metavar="FOLDER", help=pictures)
    parser.add_argument("--real", type=filled, metavar="FOLDER", help="what --pictures ought to look like")
    inputs = "what --pictures were made of, which are measured as they are"
    parser.add_argument("--inputs", type=filled, metavar="FOLDER", help=inputs)
    pairs = "--pictures and --inputs are those of --real, by their names: also measure L1, PSNR and SSIM"
    parser.add_argument("--pairs", action="store_true", help=pairs)
    inception = "weights of Inception as torch-fidelity publishes them: also measure the FID of papers"
    parser.add_argument("--inception", type=path, metavar="FILE", help=inception)
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
    parser.add_argument("--precision", default="auto", help="auto (default), fp32, bf16, fp16 or int8")
    add_engine(parser, "many photos", "measure")
    add_overwrite(parser)
    settings = "settings of the losses, NAME=VALUE as in training, such as loss_network=vgg19 (so with --pictures)"
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help=settings)

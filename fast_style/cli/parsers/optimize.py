"""What `optimize` takes."""

import argparse
from collections.abc import Sequence

from fast_style.cli.arguments import Parser, add_engine, add_overwrite, filled, path, place

COARSEST = 128
SEEDS = -(2**63), 2**64 - 1  # which PyTorch takes
EPILOG = """Settings of the losses: --set loss=wasserstein loss_network=vgg19 loss_network.weights=FILE
loss_network.pooling=avg loss.style_weight=10 'loss.content_layers=[relu3_2]' loss.tv_weight=0 …, see configs/."""


def parse(arguments: Sequence[str], prog: str) -> argparse.Namespace:
    """Read the arguments of `optimize`.

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
        description="Optimise a picture: the content of one image in the style of others, or a texture.",
        epilog=EPILOG,
    )
    _add_images(parser)
    _add_optimisation(parser)
    options = parser.parse_args(arguments)
    if options.iterations < 1 or options.preview < 0:
        parser.error("--iterations must be at least 1, --preview at least 0")
    if not 0.05 <= options.style_scale <= 20:
        parser.error(f"--style-scale must be 0.05 to 20, got {options.style_scale}")
    if options.tileable and options.content is not None:
        parser.error("--tileable makes textures: leave out --content")
    if options.preserve_color is not None and options.content is None:
        parser.error("--preserve-color keeps the colours of a photo: give it as --content, or leave the option out")
    if not SEEDS[0] <= options.seed <= SEEDS[1]:
        parser.error(f"--seed must be {SEEDS[0]} to {SEEDS[1]}, got {options.seed}")
    return options


def _add_images(parser: argparse.ArgumentParser) -> None:
    content = "what it shall show: a photo; or several, folders, globs and addresses of them, a picture each; left "
    content += "out: a texture"
    parser.add_argument("--content", type=filled, nargs="+", action="extend", metavar="FILE", help=content)
    styles = "style images: files, URLs, or names of shipped styles"
    parser.add_argument("--style", type=filled, nargs="+", action="extend", required=True, metavar="FILE", help=styles)
    output = "the picture to write; of many a folder, which mirrors a single folder, or its address"
    parser.add_argument("--output", type=place, required=True, metavar="FILE", help=output)
    weights = "of each style, against the others"
    parser.add_argument("--weights", type=float, nargs="+", action="extend", metavar="W", help=weights)
    mask = "for each style an image, white where it applies"
    parser.add_argument("--mask", type=path, nargs="+", action="extend", default=[], metavar="FILE", help=mask)


def _add_optimisation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", metavar="N|WxH", help="of the picture: its long side (512), or width and height")
    coarsest = f"long side of the first of the sizes from coarse to fine, each √2 times the one before ({COARSEST})"
    parser.add_argument("--coarsest", type=int, default=COARSEST, metavar="N", help=coarsest)
    iterations = "at the first size, half as many at each of the others (200)"
    parser.add_argument("--iterations", type=int, default=200, metavar="N", help=iterations)
    parser.add_argument("--optimizer", choices=("lbfgs", "adam"), default="lbfgs", help="lbfgs (default) or adam")
    init = "content (default), style, noise (default of textures), or a picture"
    parser.add_argument("--init", type=filled, default="auto", metavar="FILE", help=init)
    parser.add_argument("--match-histogram", action="store_true", help="begin in the colours of the (first) style")
    scale = "long side of the style images, times the picture's: larger, larger strokes (1)"
    parser.add_argument("--style-scale", type=float, default=1.0, metavar="X", help=scale)
    colours = "keep the content's colours: its own everywhere (luminance), or as a whole (histogram)"
    parser.add_argument("--preserve-color", choices=("luminance", "histogram"), help=colours)
    parser.add_argument("--tileable", action="store_true", help="a texture whose opposite edges fit")
    add_overwrite(parser)
    parser.add_argument("--preview", type=int, default=0, metavar="N", help="write the picture every N iterations")
    parser.add_argument("--logdir", type=path, metavar="FOLDER", help="losses and pictures for TensorBoard")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    add_engine(parser, "many photos", "optimise")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise (0)")
    settings = "settings of the losses, NAME=VALUE as in training"
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help=settings)

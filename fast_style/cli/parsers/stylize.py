"""What `stylize` takes."""

import argparse
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from fast_style.cli.arguments import Parser, add_engine, add_overwrite, filled, local, path, place

MAX_SIDE = 65_500  # of a JPEG file


def parse(arguments: Sequence[str], prog: str) -> argparse.Namespace:
    """Read the arguments of `stylize`.

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
        description="Stylize photos and films with a trained network.",
        epilog="In folders and among several inputs, stylized images are skipped, hidden files left out.",
    )
    _add_style(parser)
    _add_files(parser)
    _add_control(parser.add_argument_group("the picture"))
    _add_engine(parser.add_argument_group("how it is computed"))
    _add_encoding(parser.add_argument_group("the files that are written"))
    _add_film(parser.add_argument_group("films"))
    options = parser.parse_args(arguments)
    if not (options.model or options.list_styles):
        parser.error("the following arguments are required: --model")
    if not (options.input or options.list_styles or options.save_style):
        parser.error("the following arguments are required: --input")
    if options.list_styles and options.save_style:
        parser.error("--list-styles prints names, and stops: leave out --save-style")
    if options.size is not None and not 1 <= options.size <= MAX_SIDE:
        parser.error(f"--size must be 1 to {MAX_SIDE} pixels, got {options.size}")
    if options.work_size is not None and not 16 <= options.work_size <= (options.size or MAX_SIDE):
        most = options.size or MAX_SIDE
        parser.error(f"--work-size must be 16 pixels to the film's size, {most} at the most, got {options.work_size}")
    return options


def _add_style(parser: argparse.ArgumentParser) -> None:
    model = "network that training exported, or its address (https://…, hf://USER/REPO/FILE, s3://…); several are "
    model += "laid over one another, see --mask; of a folder of networks --style chooses one"
    parser.add_argument("--model", type=place, nargs="+", default=[], metavar="CKPT", help=model)
    style = "of a network of several styles one of these, or a mixture: NAME:0.6,NAME:0.4; of a network for any style "
    style += "image files or URLs in place of names, or names of shipped styles; several are laid over one "
    style += "another, see --mask, or side by side, see --style-map"
    parser.add_argument("--style", type=filled, nargs="+", action="extend", default=[], metavar="NAME", help=style)
    style_map = "where each of several --style applies: horizontal or vertical, from the first to the last; or images, "
    style_map += "one a style, white where it applies"
    parser.add_argument("--style-map", type=_mapped, nargs="+", default=[], metavar="MAP", help=style_map)
    kept = (
        "keep the --style images as styles of a network of several, in FILE.safetensors: for --model and --style NAME, "
    )
    kept += "and for training to start from; what the file has of the same network stays, with --overwrite but for "
    kept += "styles of the same name; without --input nothing else is done"
    parser.add_argument("--save-style", type=path, metavar="FILE", help=kept)
    listed = "print the names of the network's styles, without --model those of all networks that ship, and stop"
    parser.add_argument("--list-styles", action="store_true", help=listed)


def _add_files(parser: argparse.ArgumentParser) -> None:
    photos = "files, globs, folders with subfolders, or addresses of them (s3://…, gs://…, https://…); shards (.tar, "
    photos += ".parquet, photos-{0000..0099}.tar); or films (.mp4, .mov, .mkv, .webm, .avi, …)"
    parser.add_argument("--input", type=filled, nargs="+", metavar="PATH", help=photos)
    where = "a file for one input file, else a folder (with a subfolder for each of several input folders); "
    where += "or the address of one; FOLDER/*.tar for shards of the same names; default: NAME-MODEL, or "
    where += "NAME-STYLE, beside each input"
    parser.add_argument("--output", type=place, metavar="PATH", help=where)
    add_overwrite(parser)


def _add_control(group: argparse._ArgumentGroup) -> None:
    strength = "0 (the photo) to 1 (the stylized picture, default)"
    group.add_argument("--strength", type=float, default=1.0, metavar="S", help=strength)
    colours = "keep the photo's colours: its own everywhere (luminance), or as a whole (histogram)"
    group.add_argument("--preserve-color", choices=("luminance", "histogram"), help=colours)
    strokes = "make strokes X times as large, 0.125 to 8; by default they have as many pixels as in training; auto: to "
    strokes += "look the same whatever the resolution, larger in pictures of more than 1280 pixels on the long side"
    group.add_argument("--stroke-size", type=_strokes, default=1.0, metavar="X|auto", help=strokes)
    mask = "images, white where the network covers what is below it, at the bottom the photo; of several networks one "
    mask += "mask each, or for each but the first"
    group.add_argument("--mask", type=local, nargs="+", default=[], metavar="FILE", help=mask)
    group.add_argument("--size", type=int, metavar="N", help="resize to N pixels on the long side; default: as it is")
    group.add_argument("--still", action="store_true", help="take the first frame of animations")


def _add_engine(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    group.add_argument("--backend", default="auto", help="auto (default: the fastest), torch, onnx or openvino")
    group.add_argument("--precision", default="auto", help="auto (default), fp32, bf16, fp16 or int8")
    tile = "work in tiles of N pixels, off, or auto (default: where memory needs it); the result is the same"
    group.add_argument("--tile", default="auto", metavar="N", help=tile)
    batch = "stylize N images of one size together (1), which some GPUs do faster"
    group.add_argument("--batch-size", type=int, metavar="N", help=batch)
    add_engine(group, "folders and addresses of many, and long films", "hold the network")


def _add_encoding(group: argparse._ArgumentGroup) -> None:
    quality = (
        "1 to 100: of JPEG, WebP and AVIF (95); best: of the picture, the mean of 16, without a weave, 16 times as long"
    )
    group.add_argument("--quality", action=_Quality, metavar="N|best", help=quality)
    group.set_defaults(effort="normal")
    group.add_argument("--subsampling", help="of JPEG and AVIF: 4:4:4 (default), 4:2:2 or 4:2:0")
    group.add_argument("--bits", type=int, choices=(8, 16), help="per channel; default: as many as the image has")
    profile = "convert the colours to sRGB (default), or keep them"
    group.add_argument("--profile", choices=("srgb", "keep"), help=profile)
    group.add_argument("--background", metavar="COLOUR", help="flatten transparency on a colour; default: keep it")
    group.add_argument("--drop-metadata", action="store_true", help="leave out EXIF, XMP, resolution and text")


def _add_film(group: argparse._ArgumentGroup) -> None:
    codec = "h264, hevc, av1, vp9 or prores; default: what suits the container, the depth and the transparency"
    group.add_argument("--codec", metavar="NAME", help=codec)
    group.add_argument("--crf", type=int, metavar="N", help="quality of the film, 0 is the best; default: the codec's")
    group.add_argument("--audio", choices=("copy", "none"), help="copy the sound as it is (default), or leave it out")
    group.add_argument("--start", type=_seconds, metavar="TIME", help="where to begin: seconds or [HH:]MM:SS")
    group.add_argument("--end", type=_seconds, metavar="TIME", help="where to end; both from its first frame on")
    fps = "frames a second, evenly; default: the film's own times. Of frames in a folder: 25"
    group.add_argument("--fps", type=_rate, metavar="N", help=fps)
    work = "let the network work at N pixels on the long side and enlarge its pictures: faster, with larger strokes"
    group.add_argument("--work-size", type=int, metavar="N", help=work)
    shown = "show the film, or with --input camera a camera, on a page of this machine, and write nothing; without "
    shown += "PORT as a camera for other programs where pyvirtualcam has a device; late frames are dropped"
    group.add_argument("--preview", type=int, nargs="?", const=0, metavar="PORT", help=shown)
    smooth = "0 (none) to 1: blend each picture with the one before, moved along with the film, against flicker"
    group.add_argument("--smooth", type=float, metavar="A", help=smooth)
    over_time = "styles of one network and when they are reached: '0:mosaic, 4.5:great_wave'; of mixtures, with + for ,"
    group.add_argument("--style-over-time", type=filled, metavar="TIMES", help=over_time)


def _mapped(text: str) -> str:
    """Read a direction, or the path of a mask."""
    return str(local(text))


def _strokes(text: str) -> float | None:
    """Read how large strokes become; None for `auto`."""
    try:
        return None if text == "auto" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"it must be auto or a number from 0.125 to 8, got {text!r}") from None


def _seconds(text: str) -> Fraction:
    """Read a time, `75.5`, `1:15.5` or `0:01:15.5`, in seconds."""
    parts = text.split(":")
    try:
        values = [Fraction(part) for part in parts]
    except (ValueError, ZeroDivisionError):
        values = []
    if not 1 <= len(values) <= 3 or "/" in text or any(value < 0 for value in values):
        raise argparse.ArgumentTypeError(f"a time is written as seconds or [HH:]MM:SS, got {text!r}")
    return sum((value * 60**place for place, value in enumerate(reversed(values))), Fraction(0))


def _rate(text: str) -> Fraction:
    """Read frames a second, such as `25`, `29.97` or `30000/1001`, which `29.97002997` is meant to be."""
    try:
        rate = Fraction(text)
        return rate.limit_denominator(1001) if rate >= 1 else rate
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"frames a second are a number or a fraction, got {text!r}") from None


class _Quality(argparse.Action):
    """A number is of the files, a word of the picture."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        """Keep the number as `quality`, the word as `effort`."""
        if values in ("normal", "best"):
            namespace.effort = values
        elif values.isdecimal():
            namespace.quality = int(values)
        else:
            parser.error(f"argument --quality: it must be a number from 1 to 100, normal or best, got {values!r}")

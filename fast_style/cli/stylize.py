"""The stylizing command: files, globs and folders in, stylized images out."""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from fast_style import images
from fast_style.checkpoint import read_metadata, styles_of, takes_style
from fast_style.cli.arguments import Parser, filled, note_of, path
from fast_style.data import StyleSource, parse_styles, shipped_styles
from fast_style.functional import luma
from fast_style.inference.backends import read_onnx_metadata
from fast_style.inference.control import COLOURS, Control
from fast_style.inference.jobs import plan
from fast_style.inference.pipeline import Settings, one_line, run
from fast_style.inference.stylizer import Stylizer

MAX_SIDE = 65_500  # of a JPEG file
DIRECTIONS = ("horizontal", "vertical")
RAMP = 256  # steps from one style to the next
MAP = 1024  # pixels on the long side of a map


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; exits with 0, with 1 if an image failed, 2 for misuse, 130 after Ctrl-C."""
    options = _parse(argv)
    try:
        encoding = images.Encoding(
            options.quality, options.subsampling, options.bits, options.background, not options.drop_metadata
        )
        settings = Settings(
            encoding,
            profile=options.profile,
            size=options.size,
            still=options.still,
            overwrite=options.overwrite,
            batch_size=options.batch_size,
        )
        control = Control(options.strength, options.preserve_color, options.stroke_size)
        if options.list_styles:
            _list_styles(options.model)
            return
        layers = _layers(options)
        planned = plan(options.input, options.output, "+".join(layer.name for layer in layers), options.overwrite)
        masks = _read_masks(options.mask, len(layers))
        stylizers = [
            Stylizer.from_checkpoint(
                *(layer.model, options.device, options.precision, options.backend, options.tile),
                style=layer.style,
                style_map=layer.style_map,
            )
            for layer in layers
        ]
        notes = [*planned.left_out, *(note for text in options.style if (note := note_of(text)))]
        for note in dict.fromkeys([*notes, *(note for stylizer in stylizers for note in stylizer.backend.notes)]):
            print(note, file=sys.stderr)
        tally = run(planned.jobs, _Composition(stylizers, control, masks), settings)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        sys.exit(1 if isinstance(error, RuntimeError) else 2)
    except KeyboardInterrupt:
        print("interrupted before the first image", file=sys.stderr)
        sys.exit(130)
    for note in tally.notes:
        print(note, file=sys.stderr)
    for failure in tally.failures:
        print(failure, file=sys.stderr)
    if tally.interrupted:
        print(f"interrupted: {tally}, of {len(planned.jobs)} images", file=sys.stderr)
        sys.exit(130)
    print(f"{tally}, with {', '.join(dict.fromkeys(str(stylizer.backend) for stylizer in stylizers))}")
    sys.exit(1 if tally.failures else 0)


@dataclass(frozen=True)
class _Layer:
    """One of the networks that are laid over one another, and what outputs are called after it."""

    model: Path
    name: str
    style: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None
    style_map: Tensor | None = None


def _layers(options: argparse.Namespace) -> list[_Layer]:
    """Pair networks and styles: a style for each network of several, or several for one, by masks or in a map."""
    models: list[Path] = options.model
    styles = [parse_styles(text) for text in options.style]
    if not styles:
        if options.style_map:
            raise ValueError("--style-map lays out styles of one network: give --style NAME NAME")
        return [_Layer(model, model.stem) for model in models]
    if options.style_map:
        if len(models) > 1:
            raise ValueError(f"--style-map lays out styles of one network, got {len(models)} networks")
        style_map = _read_style_map(options.style_map, len(styles))
        return [_Layer(models[0], "-".join(map(_name, styles)), styles, style_map)]
    several = [model for model in models if model.suffix.lower() != ".onnx" and takes_style(model)]
    if not several:
        raise ValueError(f"{models[0]} has a single style: leave out --style")
    if len(models) == 1 and len(styles) > 1:
        if not options.mask:
            advice = f"mix them with --style {','.join(options.style)}, or say where each applies with --style-map"
            raise ValueError(f"{len(styles)} styles of one network: {advice} or --mask")
        models = several = models * len(styles)
    if len(several) != len(styles):
        raise ValueError(
            f"{len(several)} of the networks have several styles or take any, each needs a --style; got {len(styles)}"
        )
    chosen = iter(styles)
    layers = []
    for model in models:
        style = next(chosen) if model in several else None
        layers.append(_Layer(model, model.stem if style is None else _name(style), style))
    return layers


def _name(style: Mapping[str, float]) -> str:
    """Call files after a style; a mixture after the shares in percent as well."""
    total = sum(style.values()) or 1.0
    names = [StyleSource(name).name for name in style]
    shares = [f"{name}{100 * weight / total:.0f}" for name, weight in zip(names, style.values(), strict=True)]
    return re.sub(r"[^\w.+-]", "_", "+".join(names if len(style) == 1 else shares))


def _styles_of(model: Path) -> list[str]:
    return [] if model.suffix.lower() == ".onnx" else styles_of(model)


def _list_styles(models: Sequence[Path]) -> None:
    for model in models:
        onnx = model.suffix.lower() == ".onnx"
        metadata = read_onnx_metadata(model) if onnx else read_metadata(model)
        if not onnx and takes_style(model) and not styles_of(model):
            print("(any image)", *shipped_styles(), sep="\n")
            continue
        for name in _styles_of(model) or [metadata.get("style", model.stem)]:
            print(repr(name)[1:-1])  # whatever is in the file, nothing happens to the terminal


def _read_style_map(texts: Sequence[str], count: int) -> Tensor:
    """Read where each of some styles applies: (1, count, H, W) of shares."""
    if len(texts) == 1 and texts[0] in DIRECTIONS:
        places = torch.linspace(0, count - 1, RAMP * (count - 1) + 1) if count > 1 else torch.zeros(1)
        shares = (1 - (places - torch.arange(count)[:, None]).abs()).clamp_min(0)  # (count, RAMP · (count − 1) + 1)
        return shares[None, :, None, :] if texts[0] == "horizontal" else shares[None, :, :, None]
    if len(texts) != count:
        directions = " or ".join(DIRECTIONS)
        raise ValueError(f"--style-map must be {directions}, or a mask for each of {count} styles; got {len(texts)}")
    masks = [_read_mask(Path(text)) for text in texts]
    masks = [images.resize_long_side(mask, MAP) if max(mask.shape[-2:]) > MAP else mask for mask in masks]
    largest = max((mask.shape[-2:] for mask in masks), key=lambda size: size[0] * size[1])
    masks = [F.interpolate(mask, largest, mode="bilinear", antialias=True).clamp_(0, 1) for mask in masks]
    shares = torch.cat(masks, dim=1)
    # Where all masks are black there is no choice: all styles alike.
    return shares + (shares.sum(1, keepdim=True) < 1e-3).to(shares)


class _Composition:
    """Networks laid over one another by masks, as a single one.

    Args:
        stylizers: the networks.
        control: what is asked for besides.
        masks: where each covers what is below it, (1, 1, H, W) in [0, 1]; None: everywhere.
    """

    def __init__(self, stylizers: Sequence[Stylizer], control: Control, masks: Sequence[Tensor | None]) -> None:
        self.functions = [stylizer.stylize for stylizer in stylizers]
        self.control, self.masks = control, masks
        self.noted = False

    def __call__(self, photos: Tensor) -> Tensor:
        """Stylize a batch, as `Stylizer.stylize`."""
        if len(self.functions) == 1 and self.masks == [None] and self.control == Control():
            return self.functions[0](photos)
        sizes = {mask.shape[-2:] for mask in self.masks if mask is not None}
        if sizes - {photos.shape[-2:]} and not self.noted:
            self.noted = True
            print("masks of another size than the picture are resized to it", file=sys.stderr)
        photos = photos if photos.is_floating_point() else images.to_float(photos)
        return self.control.apply(self.functions, photos, self.masks)


def _read_masks(paths: Sequence[Path], count: int) -> list[Tensor | None]:
    """Read a mask for each of some networks, or for each but the first."""
    if len(paths) not in ((0, 1) if count == 1 else (count - 1, count)):
        rule = "takes one mask" if count == 1 else f"take {count} masks, or {count - 1} (none for the first)"
        raise ValueError(f"{count} network{'s' * (count > 1)} {rule}, got {len(paths)}")
    return [*[None] * (count - len(paths)), *map(_read_mask, paths)]


def _read_mask(path: Path) -> Tensor:
    """Read how light an image is, and nothing where it is transparent: (1, 1, H, W) in [0, 1]."""
    (frame,) = images.open_picture(path).still().frames
    light = luma(frame.to_float())
    return light if frame.alpha is None else light * images.to_float(frame.alpha)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        description="Stylize photos with a trained network.",
        epilog="In folders and among several inputs, stylized images are skipped, hidden files left out.",
    )
    parser.add_argument(
        "--model",
        type=path,
        nargs="+",
        required=True,
        metavar="CKPT",
        help="network that training exported; several are laid over one another, see --mask",
    )
    parser.add_argument(
        "--input", type=filled, nargs="+", metavar="PATH", help="files, globs, or folders with subfolders"
    )
    style = "of a network of several styles one of these, or a mixture: NAME:0.6,NAME:0.4; of a network for any style "
    style += "image files or URLs in place of names, or names of shipped styles; several are laid over one "
    style += "another, see --mask, or side by side, see --style-map"
    parser.add_argument("--style", type=filled, nargs="+", action="extend", default=[], metavar="NAME", help=style)
    style_map = "where each of several --style applies: horizontal or vertical, from the first to the last; or images, "
    style_map += "one a style, white where it applies"
    parser.add_argument("--style-map", nargs="+", default=[], metavar="MAP", help=style_map)
    parser.add_argument("--list-styles", action="store_true", help="print the names of the network's styles, and stop")
    where = "a file for one input file, else a folder (with a subfolder for each of several input folders); "
    where += "default: NAME-MODEL, or NAME-STYLE, beside each input"
    parser.add_argument("--output", type=path, metavar="PATH", help=where)
    parser.add_argument(
        "--strength", type=float, default=1.0, metavar="S", help="0 (the photo) to 1 (the stylized picture, default)"
    )
    colours = "keep the photo's colours: its own everywhere (luminance), or as a whole (histogram)"
    parser.add_argument("--preserve-color", choices=COLOURS, help=colours)
    strokes = "make strokes X times as large, 0.125 to 8; by default they have as many pixels as in training"
    parser.add_argument("--stroke-size", type=float, default=1.0, metavar="X", help=strokes)
    mask = "images, white where the network covers what is below it, at the bottom the photo; of several networks one "
    mask += "mask each, or for each but the first"
    parser.add_argument("--mask", type=path, nargs="+", default=[], metavar="FILE", help=mask)
    parser.add_argument("--size", type=int, metavar="N", help="resize to N pixels on the long side; default: as it is")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    parser.add_argument("--backend", default="auto", help="auto (default: the fastest), torch, onnx or openvino")
    parser.add_argument("--precision", default="auto", help="auto (default: the fastest), fp32, bf16 or fp16")
    tile = "work in tiles of N pixels, off, or auto (default: where memory needs it); the result is the same"
    parser.add_argument("--tile", default="auto", metavar="N", help=tile)
    parser.add_argument("--quality", type=int, default=95, metavar="N", help="1 to 100, of JPEG, WebP and AVIF (95)")
    parser.add_argument("--subsampling", default="4:4:4", help="of JPEG and AVIF: 4:4:4 (default), 4:2:2 or 4:2:0")
    parser.add_argument("--bits", type=int, choices=(8, 16), help="per channel; default: as many as the image has")
    parser.add_argument(
        "--profile",
        default="srgb",
        choices=("srgb", "keep"),
        help="convert the colours to sRGB (default), or keep them",
    )
    parser.add_argument("--background", metavar="COLOUR", help="flatten transparency on a colour; default: keep it")
    parser.add_argument("--still", action="store_true", help="take the first frame of animations")
    parser.add_argument("--drop-metadata", action="store_true", help="leave out EXIF, XMP, resolution and text")
    batch = "stylize N images of one size together (1), which some GPUs do faster"
    parser.add_argument("--batch-size", type=int, default=1, metavar="N", help=batch)
    parser.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    options = parser.parse_args(argv)
    if not options.input and not options.list_styles:
        parser.error("the following arguments are required: --input")
    if options.size is not None and not 1 <= options.size <= MAX_SIDE:
        parser.error(f"--size must be 1 to {MAX_SIDE} pixels, got {options.size}")
    return options

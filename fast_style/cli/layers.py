"""Which networks and styles a stylizing command lays over one another, and what its outputs are called."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from fast_style.assets import shipped_networks
from fast_style.checkpoint import describe, find_network, networks_in
from fast_style.data import StyleSource, find_style, parse_styles, shipped_styles, transparency_notes
from fast_style.inference.composition import read_style_map
from fast_style.inference.stylizer import Stylizer
from fast_style.networks.style_network import PHOTO


@dataclass(frozen=True)
class Layer:
    """One of the networks that are laid over one another, and what outputs are called after it."""

    model: Path
    name: str
    style: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None
    style_map: Tensor | None = None


def style_files(layers: Sequence[Layer]) -> list[Path]:
    """List the style images of those networks that take any, each once."""
    return [find_style(name) for name in _style_images(layers)]


def notes_of(layers: Sequence[Layer]) -> list[str]:
    """Tell which style images have transparency, since a network for any style sees them on white."""
    return transparency_notes(_style_images(layers))


def names_of_results(layers: Sequence[Layer]) -> set[str]:
    """List what results may be called after: networks and styles that ship, those beside these, and their styles."""
    names = {*shipped_networks(), *shipped_styles(), *(layer.name for layer in layers)}
    for layer in layers:
        path = find_network(layer.model)
        beside = {name for name, file in networks_in(path.parent).items() if file.suffix == ".safetensors"}
        names |= beside | {name_of({style: 1.0}) for style in describe(path).styles if style != PHOTO}
    return names


def _style_images(layers: Sequence[Layer]) -> list[str]:
    """List what the user called the style images of networks that take any, each once."""
    names: dict[str, None] = {}
    for layer in layers:
        if layer.style is not None and describe(layer.model).takes_images:
            for style in [layer.style] if isinstance(layer.style, Mapping) else layer.style:
                names |= dict.fromkeys(name for name in style if name != PHOTO)
    return list(names)


def layers_of(options: argparse.Namespace) -> list[Layer]:
    """Pair networks and styles: a style for each network of several, or several for one, by masks or in a map."""
    models: list[Path] = options.model
    styles = [parse_styles(text) for text in options.style]
    if options.style_map:
        return [_mapped(models, styles, options.style_map)]
    if not styles:
        return [Layer(model, _stem(model)) for model in models]
    several = [model for model in models if describe(model).takes_style]
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
    pairs = [(model, next(chosen) if model in several else None) for model in models]
    return [Layer(model, _stem(model) if style is None else name_of(style), style) for model, style in pairs]


def _mapped(models: Sequence[Path], styles: Sequence[Mapping[str, float]], style_map: Sequence[str]) -> Layer:
    """Lay out styles of one network side by side."""
    if len(styles) < 2:
        raise ValueError("--style-map lays out styles of one network: give --style NAME NAME, with a blank between")
    if len(models) > 1:
        raise ValueError(f"--style-map lays out styles of one network, got {len(models)} networks")
    return Layer(models[0], "-".join(map(name_of, styles)), styles, read_style_map(style_map, len(styles)))


def load(layer: Layer, options: argparse.Namespace) -> Stylizer:
    """Load the network of a layer."""
    return Stylizer.from_checkpoint(layer.model, **engine_of(options), style=layer.style, style_map=layer.style_map)


def engine_of(options: argparse.Namespace) -> dict[str, Any]:
    """Gather how networks are computed, as `Stylizer` takes it."""
    return {name: getattr(options, name) for name in ("device", "precision", "backend", "tile")}


def _stem(model: Path) -> str:
    """Call files after a network: by its name, not by that of the folder it lies in."""
    return find_network(model).stem if model.is_dir() else model.stem


def name_of(style: Mapping[str, float]) -> str:
    """Call files after a style; a mixture after the shares in percent as well."""
    total = sum(style.values()) or 1.0
    names = [StyleSource(name).name for name in style]
    shares = [f"{name}{100 * weight / total:.0f}" for name, weight in zip(names, style.values(), strict=True)]
    return re.sub(r"[^\w.+-]", "_", "+".join(names if len(style) == 1 else shares))

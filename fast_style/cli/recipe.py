"""What pictures depend on, so that those of one job are told from those of another."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fast_style.checkpoint import find_network
from fast_style.cli.layers import Layer, style_files
from fast_style.files import Place, digest_of
from fast_style.inference.jobs import at_address
from fast_style.inference.manifest import NAME, Manifest
from fast_style.remote import RemoteFolder, is_address

PLAIN = ["strength", "preserve_color", "stroke_size", "effort", "size", "still", "profile"]
PLAIN += ["quality", "subsampling", "bits", "background", "drop_metadata"]


def manifest_of(options: argparse.Namespace, layers: Sequence[Layer]) -> Manifest | None:
    """Choose where the manifest of a job lies, and list what its pictures depend on.

    Args:
        options: those of `stylize`.
        layers: the networks that are laid over one another.

    Returns:
        None where the pictures in a folder of this machine, as ever, tell alone what is done: unless Ray makes them, or
        there is a manifest that another command has left. None for a single picture as well.
    """
    place = place_of(options)
    if place is None or (isinstance(place, Path) and options.engine == "plain" and not place.exists()):
        return None
    return Manifest(place, _recipe(options, layers))


def place_of(options: argparse.Namespace) -> Place | None:
    """Name the file in which a manifest would lie; None where the output is no folder."""
    output = options.output
    place = at_address(output) if output is not None and is_address(output) else output
    if isinstance(place, RemoteFolder) or (isinstance(place, Path) and (not place.suffix or place.is_dir())):
        return place / NAME
    return None


def _recipe(options: argparse.Namespace, layers: Sequence[Layer]) -> dict[str, Any]:
    """List what pictures depend on, by option; what computes them does not count, which changes a value by one."""
    recipe: dict[str, Any] = {
        "--input": [text.rstrip("/") if is_address(text) else str(Path(text).absolute()) for text in options.input],
        "--model": [digest_of(find_network(layer.model)) for layer in layers],
        "--style": [*options.style, *map(digest_of, style_files(layers))],
        "--style-map": [digest_of(Path(text)) if Path(text).is_file() else text for text in options.style_map],
        "--mask": [digest_of(path) for path in options.mask],
    }
    return recipe | {f"--{name.replace('_', '-')}": getattr(options, name) for name in PLAIN}

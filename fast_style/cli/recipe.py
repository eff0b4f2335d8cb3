"""What pictures depend on, so that those of one job are told from those of another."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fast_style.checkpoint import find_network
from fast_style.cli.layers import Layer, style_files
from fast_style.files import Place, as_path, digest_of
from fast_style.inference.jobs import at_address
from fast_style.inference.manifest import NAME, Manifest
from fast_style.inference.shards import are_shards, is_tar
from fast_style.remote import RemoteFolder, is_address

PLAIN = ["strength", "preserve_color", "stroke_size", "effort", "size", "still", "profile"]
PLAIN += ["quality", "subsampling", "bits", "background", "drop_metadata"]


def manifest_of(options: argparse.Namespace, layers: Sequence[Layer]) -> Manifest | None:
    """Choose where the manifest of a job lies, and list what its pictures depend on.

    Args:
        options: those of `stylize`.
        layers: the networks that are laid over one another.

    Returns:
        None where the pictures in a folder of this machine, as ever, tell alone what is done: unless Ray makes them,
        they are those of shards, or there is a manifest that another command has left. None for a single picture as
        well.
    """
    engine = "shards" if are_shards(options.input) else options.engine
    return manifest_in(place_of(options), engine, _recipe(options, layers))


def manifest_in(place: Place | None, engine: str, recipe: Mapping[str, Any]) -> Manifest | None:
    """Choose whether a job has a manifest; see `manifest_of`.

    Args:
        place: of the file, see `place_of`; None: there is no folder for it.
        engine: what makes the pictures; in a folder of this machine `plain` needs none.
        recipe: what the pictures depend on, by option.
    """
    if place is None or (isinstance(place, Path) and engine == "plain" and not place.exists()):
        return None
    return Manifest(place, recipe)


def wherever(text: str) -> str:
    """Write a path or an address so that it means the same in every folder."""
    return text.rstrip("/") if is_address(text) else str(as_path(text).absolute())


def place_of(options: argparse.Namespace) -> Place | None:
    """Name the file in which a manifest of `stylize` would lie; None where the output is no folder."""
    output = options.output
    if output is None or not are_shards(options.input):
        return place_in(output)
    if is_tar(output):
        output = output.parent if isinstance(output, Path) else output.rpartition("/")[0]
    return (RemoteFolder(output) if isinstance(output, str) else output) / NAME


def place_in(output: Path | str | None) -> Place | None:
    """Name the file in which a manifest would lie; None where the output is no folder."""
    place = at_address(output) if isinstance(output, str) else output
    if isinstance(place, RemoteFolder) or (isinstance(place, Path) and (not place.suffix or place.is_dir())):
        return place / NAME
    return None


def _recipe(options: argparse.Namespace, layers: Sequence[Layer]) -> dict[str, Any]:
    """List what pictures depend on, by option; what computes them does not count, which changes a value by one."""
    recipe: dict[str, Any] = {
        "--input": [wherever(text) for text in options.input],
        "--model": [digest_of(find_network(layer.model)) for layer in layers],
        "--style": [*options.style, *map(digest_of, style_files(layers))],
        "--style-map": [digest_of(Path(text)) if Path(text).is_file() else text for text in options.style_map],
        "--mask": [digest_of(path) for path in options.mask],
    }
    return recipe | {f"--{name.replace('_', '-')}": getattr(options, name) for name in PLAIN}

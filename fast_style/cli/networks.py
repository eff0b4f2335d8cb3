"""The networks that a command was given: fetched from their addresses, chosen of the networks in a folder."""

import sys
from collections.abc import Sequence
from pathlib import Path

from fast_style.checkpoint import find_network, networks_in
from fast_style.checkpoint.hub import PIN, NetworkAddress
from fast_style.errors import did_you_mean
from fast_style.files import digest_of
from fast_style.remote import is_address


def fetched(model: Path | str) -> Path:
    """Fetch the network behind an address; the digest of one that may change there is told, when it is fetched.

    Args:
        model: an address, or a path, which stays as it is.

    Raises:
        ValueError, OSError, RuntimeError: as `checkpoint.hub.fetch_network`.
    """
    if not is_address(model):
        return Path(model)
    source = NetworkAddress.parse(str(model))
    known = source.kept.is_file()
    path = find_network(str(model))
    if not known and not source.digest:
        advice = f"{source.address}{PIN}{digest_of(path)}"
        print(f"fetched {path.name}; give {advice} to take no other file than this one", file=sys.stderr)
    return path


def of_gallery(models: Sequence[Path], styles: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Choose networks of a folder by the names of styles.

    Args:
        models: networks; one folder alone, of several networks, is a gallery.
        styles: the choices: of a gallery the names of its networks.

    Returns:
        The networks that are meant, and the choices of style that are left to be made.

    Raises:
        ValueError: if a gallery has no such network.
    """
    folder = models[0]
    if len(models) > 1 or not styles or not folder.is_dir() or len(inside := networks_in(folder)) < 2:
        return list(models), list(styles)
    for style in styles:
        if style not in inside:
            near = did_you_mean(style, inside)
            raise ValueError(f"{folder} holds no network {style}{near}: choose one of {', '.join(inside)}")
    return [inside[style] for style in styles], []

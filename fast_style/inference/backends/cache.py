"""What was made ready once, kept on disk for the processes after."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from fast_style import functional, layers, networks
from fast_style.files import cache_dir, replacing
from fast_style.version import __version__

KEPT = 32  # files; 7 MB each for Johnson's network


def fingerprint(network: nn.Module, *more: str) -> str | None:
    """Name what decides a compiled network: its code, arguments and weights, our version and PyTorch's, and `more`.

    Its code is `functional`, `layers`, `networks` and this folder; what else these use is told by our version.

    Args:
        network: what is compiled.
        more: the versions of what compiles it, and how.

    Returns:
        Hexadecimal digits; None for a network that is not one of `fast_style.networks`, which may depend on anything.
    """
    if getattr(networks, type(network).__name__, None) is not type(network) or not hasattr(network, "arguments"):
        return None
    digest = hashlib.sha256()
    sources = [Path(functional.__file__)]
    sources += [path for part in (layers, networks) for path in sorted(Path(part.__path__[0]).glob("*.py"))]
    sources += sorted(Path(__file__).parent.glob("*.py"))
    for source in sources:
        digest.update(source.read_bytes())
    digest.update(
        json.dumps([type(network).__name__, network.arguments, __version__, torch.__version__, *more]).encode()
    )
    for key, tensor in sorted(network.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def cached(name: str, make: Callable[[], bytes]) -> bytes:
    """Read what is kept under a name, or make and keep it; at most `KEPT` files, those used last.

    A cache that cannot be written is done without.
    """
    folder = cache_dir() / "backends"
    path = folder / name
    with suppress(OSError):
        content = path.read_bytes()
        path.touch()
        return content
    content = make()
    with suppress(OSError):
        with replacing(path) as file:
            file.write(content)
        for old in sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime)[:-KEPT]:
            old.unlink()
    return content


def forget(name: str) -> None:
    """Remove what is kept under a name."""
    with suppress(OSError):
        (cache_dir() / "backends" / name).unlink()

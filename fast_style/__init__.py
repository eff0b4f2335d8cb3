"""Train fast style transfer: a network learns a painting, then restyles any photo in a single forward pass."""

from typing import TYPE_CHECKING, Any

from fast_style.processor import tell_libraries
from fast_style.version import __version__

if TYPE_CHECKING:
    from fast_style.inference.stylizer import Stylizer

__all__ = ["Stylizer", "__version__"]

tell_libraries()


def __getattr__(name: str) -> Any:
    """Import `Stylizer`, and PyTorch with it, only where it is asked for."""
    if name != "Stylizer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fast_style.inference.stylizer import Stylizer

    return Stylizer

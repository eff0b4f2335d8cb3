"""Style images for the explorer of a distillation."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from fast_style.data import load_style, shipped_styles


def load_styles(
    names: Sequence[str] | None = None,
    dir: str | Path = "styles",  # noqa: A002 - the word in the configuration
    size: int = 256,
) -> dict[str, Tensor]:
    """Load several style images by their names.

    Args:
        names: of images in `dir` or of shipped styles; None: every shipped one.
        dir: folder of style images.
        size: short side in pixels, at least 16.

    Returns:
        RGB of shape (1, 3, H, W) in [0, 1] by name, in the order of the names.

    Raises:
        FileNotFoundError: if there is no style of a name.
        ValueError: if a file is not an image, a name is a path, or the size is too small.
    """
    return {name: load_style(name, dir=dir, size=size) for name in (shipped_styles() if names is None else names)}

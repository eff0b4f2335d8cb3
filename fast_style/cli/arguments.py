"""How the commands read their arguments."""

import os
from pathlib import Path

from fast_style import images


def check_picture(path: Path) -> None:
    """Tell before the work what would fail after it.

    Raises:
        ValueError: if the suffix is not one of an image.
        OSError: if the path is a folder, or cannot be written.
    """
    if path.suffix.lower() not in images.SUFFIXES:
        raise ValueError(f"cannot write {path}: its suffix must be one of {', '.join(images.SUFFIXES)}")
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise PermissionError(f"cannot write {path}: {parent} is no folder that can be written")


def parse_style(text: str) -> dict[str, float]:
    """Read a style, or a mixture: `starry_night`, `starry_night:0.6,the_scream:0.4`; a weight left out is 1.

    A name may be a file or a URL: what is a file as it stands is one style, and what follows the last colon is a weight
    unless it begins with a slash or a backslash.

    Raises:
        ValueError: if a name is missing or comes twice, or a weight is not a number, negative or not finite.
    """
    weights: dict[str, float] = {}
    for part in [text] if Path(text).is_file() else text.split(","):
        name, colon, weight = (piece.strip() for piece in part.rpartition(":"))
        if not colon or weight.startswith(("/", "\\")) or Path(part).is_file():
            name, colon, weight = part.strip(), "", ""
        if not name or name in weights:
            raise ValueError(f"style {text!r} must be NAME or NAME:WEIGHT,NAME:WEIGHT with each name once")
        try:
            weights[name] = float(weight) if colon else 1.0
        except ValueError:
            raise ValueError(f"the weight of style {name} must be a number, got {weight!r}") from None
        if not 0 <= weights[name] < float("inf"):
            raise ValueError(f"the weight of style {name} must not be negative, got {weight}")
    return weights


def note_of(text: str) -> str | None:
    """Tell what the weights of a mixture are taken as, if their sum is not 1; None if there is nothing to tell."""
    style = parse_style(text)
    total = sum(style.values())
    if all(weight == 1 for weight in style.values()) or abs(total - 1) < 1e-6:
        return None
    shares = ", ".join(f"{name} {weight / total:.3g}" for name, weight in style.items())
    return f"the weights of {text} sum to {total:.6g}, taken as {shares}"

"""The masks of films."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from fast_style import images, video
from fast_style.inference.composition import read_masks
from fast_style.inference.moving import Mask

Masks = list[Tensor | Mask | None]


def masks_of(paths: Sequence[Path], count: int, films: Sequence[video.Film | video.FrameFolder]) -> list[Masks]:
    """Read the masks that stand still, once, and open those that move, for each film.

    Args:
        paths: of images, films, or frames in folders.
        count: of the networks.
        films: which the masks are for.

    Returns:
        For each film what `MovingComposition` takes.

    Raises:
        ValueError: if there are more or fewer masks than networks take, or one is of another length than a film.
        OSError: if one cannot be read.
    """
    if not any(map(video.moves, paths)):
        return [list(read_masks(paths, count))] * len(films)
    if len(paths) not in (count - 1, count):
        raise ValueError(f"{count} networks take {count} masks, or {count - 1} (none for the first), got {len(paths)}")
    still = {path: read_masks([path], 1)[0] for path in paths if not video.moves(path)}
    free: Masks = [None] * (count - len(paths))
    return [
        [*free, *(still[path] if path in still else video.MovingMask(path, film) for path in paths)] for film in films
    ]


def notes_of_masks(paths: Sequence[Path]) -> list[str]:
    """Tell which masks stand still though they are animations: those that cannot be read as films."""
    still = [path for path in paths if path.suffix.lower() == ".webp" and images.open_picture(path).animated]
    return [
        f"mask {path} is an animated WebP, of which the first frame is used: give a GIF to let it move"
        for path in still
    ]

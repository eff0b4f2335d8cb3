"""Where photos are cropped, and how crops are resized."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fast_style.images import resize_short_side, to_float

SQUARES = 4  # of an image that is longer, this many times its short side are resized


def random_crop(pixels: Tensor, size: int, generator: torch.Generator, short: int | None = None) -> Tensor:
    """Cut a training crop out of a photo, as `PhotoDataset` describes it.

    Args:
        pixels: RGB of shape (3, H, W), uint8; or several images, (3·K, H, W), that are cut alike.
        size: side of the crop in pixels.
        generator: decides its place, its size in the photo, and whether it is mirrored.
        short: the shorter side of the photo is made as long first, and the crop has its size there; None: see above.

    Returns:
        RGB of shape (3, size, size) in [0, 1], or (3·K, size, size).
    """
    if short is not None:
        top, left = (_draw(side - size, generator) for side in resized(pixels, short))
        return finish(resize_part(pixels, short, top, left, size), size, generator)
    h, w = pixels.shape[-2:]
    top, left, side = draw_square(h, w, size, generator)
    return finish(to_float(pixels[:, top : top + side, left : left + side]), size, generator)


def draw_square(h: int, w: int, size: int, generator: torch.Generator) -> tuple[int, int, int]:
    """Draw the top, the left and the side of a square in a picture of h × w pixels, `size` at least where it fits."""
    short = min(h, w)
    side = size + _draw(short - size, generator) if short > size else short
    return _draw(h - side, generator), _draw(w - side, generator), side


def finish(square: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Resize a square (3, S, S) in [0, 1] to (3, size, size), and mirror it half the time."""
    if square.shape[-1] != size:
        square = F.interpolate(square[None], (size, size), mode="bilinear", antialias=True)[0]
    return square.flip(-1) if _draw(1, generator) else square


def resized(pixels: Tensor, short: int) -> tuple[int, int]:
    """Tell the height and the width of an image (…, H, W) once `resize_short_side` makes its short side `short`."""
    h, w = pixels.shape[-2:]
    return max(1, round(h * short / min(h, w))), max(1, round(w * short / min(h, w)))


def resize_part(pixels: Tensor, short: int, top: int, left: int, side: int) -> Tensor:
    """Resize an image so that its short side is `short`, and cut a square out of it.

    Of an image more than `SQUARES` times as long as wide, only as much as that around the square is resized: a line of
    600 × 4 pixels would else become 76,800 × 512. Any other is resized whole, which makes the pixels those of
    `resize_short_side` to the bit.

    Args:
        pixels: RGB of shape (3, H, W), uint8.
        short: short side of the whole in pixels.
        top: of the square in the resized image, as are its left and its side.
        left: see `top`.
        side: see `top`; at most `short`.

    Returns:
        RGB of shape (3, side, side) in [0, 1].
    """
    h, w = pixels.shape[-2:]
    least = min(h, w)
    kept = SQUARES * least
    if max(h, w) > kept:
        middle = (max(top, left) + side / 2) * least / short  # along the long side, in pixels of the image
        start = min(max(0, round(middle - kept / 2)), max(h, w) - kept)
        pixels = pixels.narrow(-2 if h > w else -1, start, kept)
        moved = round(start * short / least)
        last = SQUARES * short - side
        top, left = (min(max(0, top - moved), last), left) if h > w else (top, min(max(0, left - moved), last))
    image = resize_short_side(to_float(pixels)[None], short)[0]
    return image[:, top : top + side, left : left + side]


def _draw(highest: int, generator: torch.Generator) -> int:
    return int(torch.randint(highest + 1, (), generator=generator))

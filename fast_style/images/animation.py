"""Several frames, or one with a palette, to GIF, WebP or PNG."""

from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
from PIL.Image import Dither, Image, Quantize
from torch import Tensor

from fast_style.images.formats import GIF, WEBP, Format
from fast_style.images.picture import Frame
from fast_style.images.tensors import to_array

RESTORE_BACKGROUND = 2
LONGEST = {"GIF": 655_350, "WebP": 2**24 - 1, "PNG": 65_535_000}  # milliseconds for which a frame can be shown
MAX_PLAYS = 65_535


def write_frames(file: BinaryIO, form: Format, frames: Iterable[Frame], loop: int, options: dict[str, Any]) -> None:
    """Write frames, of which Pillow holds all at once.

    Args:
        file: open for writing.
        form: GIF, WebP or PNG.
        frames: of one size, uint8; in a GIF, alpha is 0 or 255.
        loop: how often they are played; 0: forever.
        options: quality, profile and metadata, as Pillow takes them.
    """
    images, durations = [], []
    for frame in frames:
        image = PIL.Image.fromarray(to_array(frame.pixels, None if form == GIF else frame.alpha))
        images.append(_paletted(image, frame.alpha) if form == GIF else image)
        durations.append(_duration(form, frame.duration))
    if form == GIF:
        options["optimize"] = False
        if any("transparency" in image.info for image in images):
            options["disposal"] = RESTORE_BACKGROUND
            # An opaque frame without a transparent colour would stay visible behind the next.
            images = [each if "transparency" in each.info else _transparent(each.convert("RGB")) for each in images]
    if form != GIF or loop != 1:  # GIF tells how often it is repeated
        options["loop"] = min(max(loop - 1, 0) if form == GIF else loop, MAX_PLAYS)
    first, *rest = images
    first.save(file, form.name, save_all=True, append_images=rest, duration=durations, **options)


def _duration(form: Format, duration: float) -> float:
    shown = min(duration, LONGEST[form.name])
    if form == GIF:
        return round(shown / 10) * 10
    # The fraction that a PNG holds has no room for thousandths of a longer time.
    return shown if form == WEBP or shown < 60_000 else round(shown / 1000) * 1000


def _paletted(image: Image, alpha: Tensor | None) -> Image:
    """Reduce RGB to a palette, in which the last colour is transparent if there is alpha."""
    return _reduced(image, 256) if alpha is None else _transparent(image, alpha.numpy()[0] == 0)


def _transparent(image: Image, hidden: np.ndarray | bool = False) -> Image:
    """Reduce RGB to 255 colours and a transparent one, which is where pixels are hidden."""
    reduced = _reduced(image, 255)
    colours = (reduced.getpalette() or [])[: 255 * 3]
    result = PIL.Image.fromarray(np.where(hidden, np.uint8(255), np.asarray(reduced)))
    result.putpalette(colours + [0] * (256 * 3 - len(colours)))
    result.info["transparency"] = 255
    return result


def _reduced(image: Image, count: int) -> Image:
    """Reduce RGB to `count` colours: without loss if it has no more, else dithered."""
    if image.getcolors(count) is None:
        return image.quantize(palette=image.quantize(count, Quantize.MEDIANCUT), dither=Dither.FLOYDSTEINBERG)
    array = np.asarray(image)
    colours, indices = np.unique(array.reshape(-1, 3), axis=0, return_inverse=True)
    result = PIL.Image.fromarray(indices.reshape(array.shape[:2]).astype(np.uint8))
    result.putpalette(colours.tobytes())
    return result

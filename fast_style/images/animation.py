"""Several frames, or one with a palette, to GIF, WebP or PNG."""

from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
from PIL.Image import Dither, Image, Quantize

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
        images.append(_paletted(image, frame) if form == GIF else image)
        durations.append(_duration(form, frame.duration))
    if form == GIF:
        hidden = any("transparency" in image.info for image in images)
        options |= {"optimize": False, "disposal": RESTORE_BACKGROUND if hidden else 0}
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


def _paletted(image: Image, frame: Frame) -> Image:
    """Reduce RGB to a palette, in which the last colour is transparent if there is alpha."""
    if frame.alpha is None:
        return _reduced(image, 256)
    reduced = _reduced(image, 255)
    indices, colours = np.array(reduced), (reduced.getpalette() or [])[: 255 * 3]
    indices[frame.alpha.numpy()[0] == 0] = 255
    result = PIL.Image.fromarray(indices)
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

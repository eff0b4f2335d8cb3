"""Several frames, or one with a palette, to GIF, WebP or PNG."""

from collections.abc import Iterable, Sequence
from io import BytesIO
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
# Of a WebP file: the name of its first chunk if that tells what is in the others, where its flags lie, and which of
# them says that there is transparency.
EXTENDED, WEBP_FLAGS, WEBP_ALPHA = b"VP8X", 20, 0x10


def as_images(form: Format, frames: Iterable[Frame]) -> list[tuple[Image, float]]:
    """Make frames what Pillow writes, which holds all of them at once.

    Args:
        form: GIF, WebP or PNG.
        frames: of one size, uint8; in a GIF, alpha is 0 or 255.

    Returns:
        Images, each with the milliseconds for which it is shown.
    """
    shown = []
    for frame in frames:
        image = PIL.Image.fromarray(to_array(frame.pixels, None if form == GIF else frame.alpha))
        shown.append((_paletted(image, frame.alpha) if form == GIF else image, frame.duration))
    if form == GIF:
        if any("transparency" in image.info for image, _ in shown):
            # An opaque frame without a transparent colour would stay visible behind the next.
            shown = [
                (each if "transparency" in each.info else _transparent(each.convert("RGB")), duration)
                for each, duration in shown
            ]
        shown = _joined(shown)
    return [(image, _duration(form, duration)) for image, duration in shown]


def write_images(
    file: BinaryIO, form: Format, shown: Sequence[tuple[Image, float]], loop: int, options: dict[str, Any]
) -> None:
    """Write an animation.

    Args:
        file: open for writing.
        form: GIF, WebP or PNG.
        shown: images and their durations, as `as_images` makes them.
        loop: how often they are played; 0: forever.
        options: quality, profile and metadata, as Pillow takes them.
    """
    if form == GIF:
        options["optimize"] = False
        if "transparency" in shown[0][0].info:
            options["disposal"] = RESTORE_BACKGROUND
    if form != GIF or loop != 1:  # GIF tells how often it is repeated
        options["loop"] = min(max(loop - 1, 0) if form == GIF else loop, MAX_PLAYS)
    first, *rest = (image for image, _ in shown)
    durations = [duration for _, duration in shown]
    buffer = BytesIO()
    first.save(buffer, form.name, save_all=True, append_images=rest, duration=durations, **options)
    content = buffer.getbuffer()
    if form == WEBP and content[12:16] == EXTENDED and any(_is_transparent(image) for image, _ in shown):
        # The encoder forgets it where what is visible of every frame is an opaque rectangle, which it cuts out.
        content[WEBP_FLAGS] |= WEBP_ALPHA
    file.write(content)


def _joined(shown: Iterable[tuple[Image, float]]) -> list[tuple[Image, float]]:
    """Make equal images that follow each other one, as Pillow does, which adds durations up to more than GIF holds."""
    result: list[tuple[Image, float]] = []
    for image, duration in shown:
        if result and np.array_equal(_rgba(result[-1][0]), _rgba(image)):
            result[-1] = (result[-1][0], result[-1][1] + duration)
        else:
            result.append((image, duration))
    return result


def _rgba(image: Image) -> np.ndarray:
    """Look up the colours of a palette, of which one may be transparent; Pillow's `convert` would change the image."""
    palette = np.reshape(image.getpalette() or [], (-1, 3))
    table = np.full((256, 4), 255, np.uint8)
    table[: len(palette), :3] = palette
    if "transparency" in image.info:
        table[image.info["transparency"]] = 0
    return table[np.asarray(image)]


def _is_transparent(image: Image) -> bool:
    return image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255)


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

"""The 16 bits of PNG and TIFF, of which Pillow keeps 8.

Pillow decodes a channel of 16 bits to its high byte. Told that the bytes stand in the other order, it takes the low
one: decoded twice, nothing is lost, whatever the compression.
"""

import re
import sys
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
from PIL.Image import Image

RAW = re.compile(r"(LA|RGB|RGBA|RGBX|RGBa);16([BLN])")
# N is the order of this machine.
OTHER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
BITS_PER_SAMPLE, PLANAR = 258, 284


def is_deep(image: Image) -> bool:
    """Tell whether an image, not loaded yet, has 16 bits a channel that `samples` can read."""
    return image.mode == "I" or image.mode.startswith("I;16") or bool(RAW.fullmatch(_raw_mode(image)))


def samples(image: Image, file: BinaryIO | None) -> np.ndarray:
    """Load an image that `is_deep` and has passed `check_planes`.

    Args:
        image: opened, not loaded.
        file: what it was opened from, able to seek; None if it is grey and there is no file.

    Returns:
        uint16 of shape (H, W, C), with 1 to 4 channels: grey or RGB, and perhaps alpha. What a TIFF has multiplied with
        alpha is divided again.
    """
    raw = RAW.fullmatch(_raw_mode(image))
    if raw is None or file is None:
        return np.asarray(image).clip(0, 65_535).astype(np.uint16)[..., None]
    name, order = raw.groups()
    if name == "LA":  # four bytes a pixel, as RGBA of 8 bits
        set_raw_mode(image, "RGBA")
        array = np.asarray(image).astype(np.uint16)
        return array[..., 0::2] << 8 | array[..., 1::2]
    plain = "RGBA" if name == "RGBa" else name
    set_raw_mode(image, f"{plain};16{order}")
    image.load()
    file.seek(0)
    with PIL.Image.open(file, formats=[image.format or ""]) as low:
        set_raw_mode(low, f"{plain};16{OTHER[order]}")
        low.load()
        result = np.empty((image.height, image.width, len(image.getbands())), dtype=np.uint16)
        for channel in range(result.shape[2]):
            result[..., channel] = np.asarray(image.getchannel(channel))
            result[..., channel] <<= 8
            result[..., channel] |= np.asarray(low.getchannel(channel))
    return _divided(result) if name == "RGBa" else result


def check_planes(image: Image) -> None:
    """Refuse a TIFF of 16 bits whose channels are stored apart.

    Raises:
        ValueError: if it is one.
    """
    tags: dict[int, Any] = getattr(image, "tag_v2", {})
    if tags.get(PLANAR) == 2 and max(tags.get(BITS_PER_SAMPLE, (1,))) > 8:
        raise ValueError("its channels of 16 bits are stored apart (planar), which is not read: save it interleaved")


def _raw_mode(image: Image) -> str:
    """Return how Pillow will unpack the file; empty if it is loaded already, or made of several pieces."""
    modes = {_arguments(tile)[0] for tile in getattr(image, "tile", [])}
    mode = modes.pop() if len(modes) == 1 else ""
    return mode if isinstance(mode, str) else ""


def set_raw_mode(image: Image, mode: str) -> None:
    """Change how Pillow will unpack the file."""
    tiles = getattr(image, "tile", [])
    tiles[:] = [tile._replace(args=(mode, *_arguments(tile)[1:])) for tile in tiles]


def _arguments(tile: Any) -> tuple[Any, ...]:
    return tile.args if isinstance(tile.args, tuple) else (tile.args,)


def _divided(array: np.ndarray) -> np.ndarray:
    for row in array:
        alpha = np.maximum(row[:, 3:].astype(np.uint32), 1)
        row[:, :3] = np.minimum((row[:, :3] * np.uint32(65_535) + alpha // 2) // alpha, 65_535)
    return array

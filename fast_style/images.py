"""Images between files, Pillow and tensors; the only importer of Pillow."""

import os
import struct
import warnings
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image
import torch
from PIL import ImageCms
from PIL.Image import Image, Transpose
from torch import Tensor
from torch.nn import functional as F

from fast_style.files import replacing

__all__ = ["MAX_PIXELS", "SUFFIXES", "Image", "from_pil", "read", "resize_long_side", "resize_short_side"]
__all__ += ["to_float", "to_pil", "write"]

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
SUFFIXES = tuple(FORMATS)
# Larger images are taken for decompression bombs; the limit beyond which Pillow refuses too.
MAX_PIXELS = 178_956_970
MAX_SIDES = {"JPEG": 65_500, "WEBP": 16_383}
# What Pillow's decoders raise on damaged files; most are no OSError.
DECODER_ERRORS = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error, zlib.error)
EXIF_ORIENTATION = 0x0112
TRANSPOSES = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def read(source: str | Path | BinaryIO, min_side: int | None = None) -> Tensor:
    """Read a JPEG, PNG or WebP file, upright, of whatever mode.

    Args:
        source: a path, or an open binary file that can seek.
        min_side: allows a smaller decode, as long as the short side stays at least this long. JPEG is decoded up to
            eight times smaller in a fraction of the time; other formats ignore it.

    Returns:
        A uint8 tensor of sRGB, shape (3, H, W): EXIF orientation and colour profile applied, 16 bits scaled to 8,
        transparency flattened on white.

    Raises:
        FileNotFoundError: if the file does not exist.
        OSError: if it cannot be opened.
        ValueError: if it is not a complete image, has more than `MAX_PIXELS` pixels, or `min_side` is below 1.
    """
    if min_side is not None and min_side < 1:
        raise ValueError(f"min_side must be at least 1 pixel, got {min_side}")
    if not isinstance(source, str | Path):
        return _decode(source, str(getattr(source, "name", "of a stream")), min_side)
    try:
        with Path(source).open("rb") as file:
            return _decode(file, str(source), min_side)
    except FileNotFoundError:
        raise FileNotFoundError(f"image {source} does not exist") from None
    except OSError as error:
        raise OSError(f"cannot read image {source}: {error.strerror}") from error


def write(path: str | Path, image: Tensor, quality: int = 95) -> None:
    """Write an image, its format chosen by the suffix; what is there is replaced, missing folders are made.

    The file appears under its name only once it is complete.

    Args:
        path: ends in one of `SUFFIXES`.
        image: RGB of shape (3, H, W) or (1, 3, H, W), clamped to [0, 1].
        quality: 1 to 100, for JPEG (colours at full resolution, 4:4:4) and WebP; PNG is lossless.

    Raises:
        ValueError: if the suffix, the quality or the shape is not one of these, or the format has no room for the size.
        OSError: if the file cannot be written; nothing is left behind.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"cannot write {path}: its suffix must be one of {', '.join(SUFFIXES)}")
    if not 1 <= quality <= 100:
        raise ValueError(f"quality must be 1 to 100, got {quality}")
    picture, form = to_pil(image), FORMATS[path.suffix.lower()]
    if form in MAX_SIDES and max(picture.size) > MAX_SIDES[form]:
        w, h = picture.size
        raise ValueError(
            f"cannot write {path}: {w}×{h} pixels exceed the {MAX_SIDES[form]} of a {form} side, take .png"
        )
    with replacing(path) as file:
        picture.save(file, form, quality=quality, subsampling=0)


def from_pil(image: Image) -> Tensor:
    """Convert a Pillow image of whatever mode as `read` does: float RGB of shape (1, 3, H, W) in [0, 1], upright."""
    return to_float(_to_tensor(image)).unsqueeze(0)


def to_pil(image: Tensor) -> Image:
    """Convert float RGB of shape (3, H, W) or (1, 3, H, W), clamped to [0, 1] and rounded to 8 bits.

    Raises:
        ValueError: if the shape is another.
    """
    pixels = image.squeeze(0) if image.ndim == 4 else image
    if pixels.ndim != 3 or pixels.shape[0] != 3:
        raise ValueError(f"an image must have shape (3, H, W) or (1, 3, H, W), got {tuple(image.shape)}")
    pixels = pixels.detach().float().clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    return PIL.Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())  # (H, W, 3)


def to_float(image: Tensor) -> Tensor:
    """Convert uint8 in 0 … 255 to float32 in [0, 1], of the same shape.

    Raises:
        TypeError: if the image is not uint8.
    """
    if image.dtype != torch.uint8:
        raise TypeError(f"an image in 0 … 255 must be uint8, got {image.dtype}")
    return image.float() / 255


def resize_short_side(images: Tensor, side: int) -> Tensor:
    """Resize (N, 3, H, W) in [0, 1] so that the short side has `side` pixels; the aspect is kept.

    Raises:
        ValueError: if `side` is below 1.
    """
    return _resize(images, side, min(images.shape[-2:]))


def resize_long_side(images: Tensor, side: int) -> Tensor:
    """Resize (N, 3, H, W) in [0, 1] so that the long side has `side` pixels; the aspect is kept.

    Raises:
        ValueError: if `side` is below 1.
    """
    return _resize(images, side, max(images.shape[-2:]))


def _resize(images: Tensor, side: int, reference: int) -> Tensor:
    if side < 1:
        raise ValueError(f"the side to resize to must be at least 1 pixel, got {side}")
    size = [max(1, round(length * side / reference)) for length in images.shape[-2:]]
    if size == list(images.shape[-2:]):
        return images
    # The cubic's overshoot at edges would leave [0, 1].
    return F.interpolate(images, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def _decode(file: BinaryIO, name: str, min_side: int | None) -> Tensor:
    try:
        # Pillow warns of large images, which we judge ourselves, and of damaged metadata, which we do without.
        with warnings.catch_warnings(action="ignore"), PIL.Image.open(file, formats=[*FORMATS.values()]) as image:
            w, h = image.size
            if w * h > MAX_PIXELS:
                raise ValueError(f"{w}×{h} pixels are more than {MAX_PIXELS}")
            if min_side is not None:
                # A square request bounds the short side, whichever way EXIF turns the image afterwards.
                image.draft(None, (min_side, min_side))
            return _to_tensor(image)
    except PIL.UnidentifiedImageError:
        reason = "it is not a JPEG, PNG or WebP file" if file.seek(0, os.SEEK_END) else "it is empty"
        raise ValueError(f"cannot read image {name}: {reason}") from None
    except PIL.Image.DecompressionBombError:
        raise ValueError(f"cannot read image {name}: it has more than {MAX_PIXELS} pixels") from None
    except DECODER_ERRORS as error:
        raise ValueError(f"cannot read image {name}: {error}") from error


def _to_tensor(image: Image) -> Tensor:
    image.load()
    orientation, profile = _orientation(image), image.info.get("icc_profile")
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = _to_8_bits(image)
    if image.has_transparency_data:
        white = PIL.Image.new("RGBA", image.size, "white")
        image = PIL.Image.alpha_composite(white, image.convert("RGBA"))
    image = _to_srgb(image, profile)
    if orientation in TRANSPOSES:
        image = image.transpose(TRANSPOSES[orientation])
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()  # (3, H, W)


def _to_8_bits(image: Image) -> Image:
    values = np.asarray(image).astype(np.int64)
    if "transparency" in image.info:
        values[values == image.info["transparency"]] = 65535
    return PIL.Image.fromarray(((values.clip(0, 65535) + 128) // 257).astype(np.uint8))


def _to_srgb(image: Image, profile: bytes | None) -> Image:
    if profile:
        # A damaged profile, or one of another kind than the pixels, is left out, as viewers do.
        with suppress(ImageCms.PyCMSError, OSError):
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(source):
                image = image if image.mode in ("L", "CMYK") else image.convert("RGB")
                target = ImageCms.createProfile("sRGB")
                return ImageCms.profileToProfile(image, source, target, outputMode="RGB") or image
    return image.convert("RGB")


def _orientation(image: Image) -> int:
    try:
        return image.getexif().get(EXIF_ORIENTATION, 1)
    except DECODER_ERRORS:  # damaged metadata does not make the picture unreadable
        return 1

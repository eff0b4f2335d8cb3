"""Colour profiles: from what the values of a file mean to sRGB."""

import struct
from functools import lru_cache
from io import BytesIO

import numpy as np
import PIL.Image
from PIL import ImageCms
from PIL.Image import Image
from torch import Tensor

from fast_style.images.deep import codecs
from fast_style.images.tensors import to_tensor

__all__ = ["SRGB", "deep_to_srgb", "is_srgb", "is_usable", "to_srgb"]

SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "LAB"}


def _srgb() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # a date, or no two files would be equal
    return bytes(profile)


SRGB = _srgb()


def is_usable(profile: bytes, mode: str) -> bool:
    """Tell whether an ICC profile is sound and describes colours of this mode: RGB, L, CMYK or LAB."""
    return _space(profile) == SPACES[mode] and _transform(profile, mode) is not None


@lru_cache(maxsize=32)
def is_srgb(profile: bytes) -> bool:
    """Tell whether conversion from this ICC profile to sRGB changes no colour by more than 1/255."""
    transform = _transform(profile, "RGB") if _space(profile) == "RGB" else None
    if transform is None:
        return False
    steps = np.linspace(0, 255, 18).round().astype(np.uint8)
    probe = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(18, 18 * 18, 3)
    converted = np.asarray(transform.apply(PIL.Image.fromarray(probe)))
    return bool(np.abs(converted.astype(int) - probe).max() <= 1)


def to_srgb(image: Image, profile: bytes | None) -> Image:
    """Convert an image of 8 bits per channel to sRGB.

    Args:
        image: of mode RGB, L, CMYK or LAB.
        profile: the ICC profile that says what the values mean; None: sRGB, or its like for grey and CMYK. One that is
            damaged, or of another kind than the pixels, is left out, as viewers do.

    Returns:
        An image of mode RGB.
    """
    if image.mode == "LAB":
        profile = _lab()
    if profile and not is_srgb(profile) and (transform := _transform(profile, image.mode)):
        return transform.apply(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def deep_to_srgb(pixels: Tensor, profile: bytes | None) -> Tensor:
    """Convert pixels of 16 bits per channel to sRGB, at their full precision.

    Args:
        pixels: uint16, shape (3, H, W) for RGB or (1, H, W) for grey.
        profile: the ICC profile that says what the values mean. None, and one that is damaged or of another kind than
            the pixels, mean sRGB.

    Returns:
        uint16 of shape (3, H, W).

    Raises:
        ValueError: if there is something to convert and the package that does it is not installed.
    """
    mode = "RGB" if len(pixels) == 3 else "L"
    if profile is None or is_srgb(profile) or not is_usable(profile, mode):
        return pixels.expand(3, *pixels.shape[1:])
    imagecodecs = codecs()
    array = pixels.permute(1, 2, 0).contiguous().numpy()
    converted = imagecodecs.cms_transform(
        array if mode == "RGB" else array[..., 0],
        profile,
        SRGB,
        colorspace="rgb" if mode == "RGB" else "gray",
        outcolorspace="rgb",
        outdtype="uint16",
        flags=imagecodecs.CMS.FLAGS.NOOPTIMIZE,  # which rounds to tables
    )
    # Rounding would tint grey.
    return to_tensor(converted if mode == "RGB" else converted[..., [1, 1, 1]])


def _space(profile: bytes) -> str:
    return profile[16:20].decode("latin-1").strip().upper()


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        target = ImageCms.ImageCmsProfile(BytesIO(SRGB))
        return ImageCms.buildTransform(source, target, mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None


@lru_cache(maxsize=1)
def _lab() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()

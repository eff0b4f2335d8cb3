"""Colour profiles: from what the values of a file mean to sRGB."""

import struct
from functools import lru_cache
from io import BytesIO

import numpy as np
import PIL.Image
import torch
from PIL import ImageCms
from PIL.Image import Image
from torch import Tensor

__all__ = ["SRGB", "deep_to_srgb", "is_srgb", "is_usable", "to_srgb"]

SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "LAB"}
BAND = 256  # rows that are converted at once


def _srgb() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # a date, or no two files would be equal
    return bytes(profile)


SRGB = _srgb()


def is_usable(profile: bytes, mode: str) -> bool:
    """Tell whether the profile is sound and describes colours of this mode: RGB, L or CMYK."""
    return _space(profile) == SPACES[mode] and _transform(profile, mode) is not None


@lru_cache(maxsize=32)
def is_srgb(profile: bytes) -> bool:
    """Tell whether conversion to sRGB changes no colour by more than 1/255."""
    transform = _transform(profile, "RGB") if _space(profile) == "RGB" else None
    if transform is None:
        return False
    steps = np.linspace(0, 255, 18).round().astype(np.uint8)
    probe = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(18, 18 * 18, 3)
    converted = np.asarray(transform.apply(PIL.Image.fromarray(probe)))
    return bool(np.abs(converted.astype(int) - probe).max() <= 1)


def to_srgb(image: Image, profile: bytes | None) -> Image:
    """Convert an image of 8 bits, of mode RGB, L, CMYK or LAB, to RGB.

    A profile that is damaged, or of another kind than the pixels, is left out, as viewers do.
    """
    if image.mode == "LAB":
        profile = _lab()
    if profile and not is_srgb(profile) and (transform := _transform(profile, image.mode)):
        return transform.apply(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def deep_to_srgb(pixels: Tensor, profile: bytes | None) -> Tensor:
    """Convert 16 bits at their full precision; where the profile holds a table instead of curves, at 8 bits.

    Args:
        pixels: uint16, shape (3, H, W) for RGB or (1, H, W) for grey.
        profile: as of `to_srgb`.

    Returns:
        uint16 of shape (3, H, W).
    """
    mode = "RGB" if len(pixels) == 3 else "L"
    if profile is None or is_srgb(profile) or not is_usable(profile, mode):
        return pixels.expand(3, *pixels.shape[1:])
    try:
        curves, matrix = _curves(profile, mode)
    except (LookupError, ValueError, struct.error):
        high = (pixels.numpy() // 257).astype(np.uint8)
        image = PIL.Image.fromarray(high.transpose(1, 2, 0) if mode == "RGB" else high[0])
        return torch.from_numpy(np.asarray(to_srgb(image, profile)).transpose(2, 0, 1).astype(np.uint16) * 257)
    result = torch.empty(3, *pixels.shape[1:], dtype=torch.uint16)
    for band, target in zip(pixels.split(BAND, dim=1), result.split(BAND, dim=1), strict=True):
        linear = torch.stack([curve[channel.long()] for curve, channel in zip(curves, band, strict=True)])
        if matrix is not None:
            linear = torch.einsum("dc,chw->dhw", matrix, linear)
        target.copy_(_gamma(linear.clamp(0, 1)).mul_(65_535).round_().expand_as(target))
    return result


def _gamma(linear: Tensor) -> Tensor:
    """Encode linear light as sRGB (IEC 61966-2-1)."""
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp_min(1e-9) ** (1 / 2.4) - 0.055)


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


def _curves(profile: bytes, mode: str) -> tuple[list[Tensor], Tensor | None]:
    """Read what takes 16 bit values to linear light, and linear RGB to linear sRGB (ICC.1:2022, 8.3 and 8.4).

    Raises:
        LookupError: if the profile is no such profile.
        ValueError: if a curve is of a kind that is not known.
        struct.error: if it is damaged.
    """
    tags = _tags(profile)
    if mode == "L":
        return [_curve(tags["kTRC"])], None
    curves = [_curve(tags[name]) for name in ("rTRC", "gTRC", "bTRC")]
    return curves, torch.linalg.solve(_colorants(_tags(SRGB)), _colorants(tags)).float()


def _tags(profile: bytes) -> dict[str, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * number) for number in range(count)]
    return {name.decode("latin-1"): profile[start : start + length] for name, start, length in entries}


def _colorants(tags: dict[str, bytes]) -> Tensor:
    columns = [struct.unpack_from(">3i", tags[name], 8) for name in ("rXYZ", "gXYZ", "bXYZ")]
    return torch.tensor(columns, dtype=torch.float64).T / 65_536


def _curve(tag: bytes) -> Tensor:
    """Tabulate a curve: linear light of each of the 65536 values (ICC.1:2022, 10.6 and 10.18)."""
    x = np.linspace(0, 1, 65_536)
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        values = struct.unpack_from(f">{count}H", tag, 12)
        y = np.interp(x, np.linspace(0, 1, count), np.array(values) / 65_535) if count > 1 else x
        return torch.from_numpy(x ** (values[0] / 256) if count == 1 else y).float()
    if tag[:4] != b"para":
        raise ValueError(f"a tone curve must be a curv or para, got {tag[:4]!r}")
    (kind,) = struct.unpack_from(">H", tag, 8)
    length = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}[kind]
    numbers = [value / 65_536 for value in struct.unpack_from(f">{length}i", tag, 12)]
    g, a, b, c, d, e, f = numbers + [0.0] * (7 - length)
    if kind == 0:
        return torch.from_numpy(x**g).float()
    if kind <= 2:
        d, e, f, c = -b / a, c, c, 0.0
    power = np.maximum(a * x + b, 0) ** g
    return torch.from_numpy(np.where(x >= d, power + e, c * x + f)).float()

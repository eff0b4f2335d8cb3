"""Pixels as tensors: depths, and sizes."""

from collections.abc import Iterable
from typing import Literal

import numpy as np
import PIL.Image
import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn import functional as F

DTYPES = {8: torch.uint8, 16: torch.uint16}
TOPS = {torch.uint8: 255, torch.uint16: 65_535}
MAX_ASPECT = 8  # of what is resized by its short side
BAND = 256  # rows that are float at once


def to_float(image: Tensor) -> Tensor:
    """Convert integers to float.

    Args:
        image: uint8 in 0 … 255 or uint16 in 0 … 65535, of any shape.

    Returns:
        Float32 in [0, 1] of the same shape.

    Raises:
        TypeError: if the image is of another type.
    """
    if image.dtype not in TOPS:
        raise TypeError(f"an image in 0 … 255 must be uint8, or uint16 in 0 … 65535, got {image.dtype}")
    return image.float() / TOPS[image.dtype]


def to_depth(image: Tensor, bits: int) -> Tensor:
    """Convert an image to integers, rounded.

    Args:
        image: float, which is clamped to [0, 1], uint8 or uint16; of shape (…, C, H, W), on any device.
        bits: 8 or 16.

    Returns:
        uint8 or uint16 of the same shape, on the CPU.
    """
    dtype = DTYPES[bits]
    if image.dtype == dtype:
        return image.cpu()
    if image.dtype == torch.uint16:
        return torch.from_numpy(((image.cpu().numpy().astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.dtype == torch.uint8:
        return torch.from_numpy(image.cpu().numpy().astype(np.uint16) * 257)
    # 8 bits are made where the image is, since they are the fewest bytes to fetch; uint16 not every device has.
    result = torch.empty(image.shape, dtype=dtype, device=image.device if bits == 8 else "cpu")
    # A channel at a time: an image of 8K takes 400 MB as float.
    for values, channel in zip(image.detach().flatten(0, -3), result.flatten(0, -3), strict=True):
        channel.copy_(values.float().clamp(0, 1).mul_(TOPS[dtype]).round_())
    return result.cpu()


def to_pil(image: Tensor) -> Image:
    """Convert a tensor to a Pillow image of mode RGB.

    Args:
        image: float RGB of shape (3, H, W) or (1, 3, H, W), clamped to [0, 1] and rounded to 8 bits.

    Raises:
        ValueError: if the shape is another.
    """
    return PIL.Image.fromarray(to_array(to_depth(one_image(image), 8)))


def one_image(image: Tensor) -> Tensor:
    """Strip the batch from (1, 3, H, W); returns (3, H, W).

    Raises:
        ValueError: if the shape is neither.
    """
    pixels = image.squeeze(0) if image.ndim == 4 else image
    if pixels.ndim != 3 or pixels.shape[0] != 3:
        raise ValueError(f"an image must have shape (3, H, W) or (1, 3, H, W), got {tuple(image.shape)}")
    return pixels


def to_array(*images: Tensor | None) -> np.ndarray:
    """Interleave integers of shape (C, H, W), such as pixels and alpha, to (H, W, ΣC)."""
    return np.stack([channel for image in images if image is not None for channel in image.numpy()], axis=2)


def to_tensor(array: np.ndarray) -> Tensor:
    """Copy (H, W, C) or (H, W) to (C, H, W)."""
    channels = [array] if array.ndim == 2 else [array[..., number] for number in range(array.shape[2])]
    return torch.from_numpy(np.stack(channels))


def resize_short_side(images: Tensor, side: int) -> Tensor:
    """Resize images so that the short side has `side` pixels; the aspect is kept.

    Of an image that is more than 8 times as long as it is short, the middle is taken: a line of 600×4 pixels would
    otherwise need gigabytes.

    Args:
        images: RGB of shape (N, 3, H, W): float in [0, 1], uint8 or uint16.
        side: pixels, at least 1.

    Returns:
        Float32 in [0, 1] of shape (N, 3, H', W').

    Raises:
        ValueError: if `side` is below 1.
    """
    longest = MAX_ASPECT * min(images.shape[-2:])
    height, width = (min(length, longest) for length in images.shape[-2:])
    images = middle(images, height, width)
    return _resize(images, side, min(images.shape[-2:]))


def middle(images: Tensor, height: int, width: int) -> Tensor:
    """Cut the middle out of images, as near to the top and to the left as half a pixel decides.

    Args:
        images: of shape (…, H, W).
        height: of what is cut, at most H.
        width: of what is cut, at most W.

    Returns:
        A view of shape (…, height, width).

    Raises:
        ValueError: if the images are smaller.
    """
    h, w = images.shape[-2:]
    if height > h or width > w:
        raise ValueError(f"cannot cut {width}×{height} pixels out of the middle of {w}×{h}")
    top, left = (h - height) // 2, (w - width) // 2
    return images[..., top : top + height, left : left + width]


def resize_long_side(images: Tensor, side: int) -> Tensor:
    """Resize images so that the long side has `side` pixels; the aspect is kept, as far as one pixel allows.

    Args:
        images: RGB of shape (N, 3, H, W): float in [0, 1], uint8 or uint16.
        side: pixels, at least 1.

    Returns:
        Float32 in [0, 1] of shape (N, 3, H', W').

    Raises:
        ValueError: if `side` is below 1.
    """
    return _resize(images, side, max(images.shape[-2:]))


def resize(images: Tensor, size: tuple[int, int], mode: Literal["bicubic", "bilinear"] = "bicubic") -> Tensor:
    """Resize images to a height and width, without aliasing, and without a copy of them in floating point.

    Args:
        images: of shape (N, C, H, W): float in [0, 1], uint8 or uint16.
        size: height and width in pixels.
        mode: how pixels are interpolated; of each new pixel's whole area where the image becomes smaller.

    Returns:
        Float32 in [0, 1] of shape (N, C, *size). Floating-point images of this size come back as they are.
    """
    height, width = size
    if images.shape[-2:] == size:
        return images if images.is_floating_point() else to_float(images)
    if images.is_floating_point():
        bands: Iterable[Tensor] = [images]
    else:
        bands = (to_float(band) for band in images.split(BAND, dim=-2))
    # Across first, a band of rows at a time, then down.
    narrow = torch.cat([F.interpolate(b, (b.shape[-2], width), mode=mode, antialias=True) for b in bands], dim=-2)
    # The cubic's overshoot at edges would leave [0, 1].
    return F.interpolate(narrow, (height, width), mode=mode, antialias=True).clamp(0, 1)


def _resize(images: Tensor, side: int, reference: int) -> Tensor:
    if side < 1:
        raise ValueError(f"the side to resize to must be at least 1 pixel, got {side}")
    height, width = (max(1, round(length * side / reference)) for length in images.shape[-2:])
    return resize(images, (height, width))

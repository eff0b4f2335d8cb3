"""What transparency does to colours: hidden ones are made up, half hidden ones laid on a background."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fast_style.images.tensors import TOPS

BAND = 256  # rows that are float at once; even


def fill_hidden(pixels: Tensor, alpha: Tensor) -> Tensor:
    """Let visible colours bleed into wholly transparent pixels, whose colours are anything, often black.

    A network looks at the surroundings of a pixel: what lies hidden there would show as fringes. Push-pull: averages
    weighted by opacity over ever larger blocks (Gortler et al., "The Lumigraph", 1996, section 3.4).

    Args:
        pixels: uint8 or uint16, shape (3, H, W).
        alpha: of the same type, shape (1, H, W).

    Returns:
        The pixels, shape and type as given; where alpha is above 0, or nothing is visible, they are as they were.
    """
    opacity = alpha.numpy()
    hidden = opacity[0] == 0
    if not hidden.any() or hidden.all():
        return pixels
    # A band at a time: an image of 8K takes 400 MB as float.
    bands = [_halved(*band) for band in zip(pixels.split(BAND, dim=1), alpha.split(BAND, dim=1), strict=True)]
    halves, weights = (torch.cat(parts, dim=2) for parts in zip(*bands, strict=True))
    colour = _fill(halves, weights)[0].numpy()  # (3, ⌈H/2⌉, ⌈W/2⌉)
    filled = pixels.numpy().copy()
    for channel, half in zip(filled, colour.round().astype(filled.dtype), strict=True):
        np.copyto(
            channel, half.repeat(2, axis=0)[: len(channel)].repeat(2, axis=1)[:, : channel.shape[1]], where=hidden
        )
    return torch.from_numpy(filled)


def _halved(pixels: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Average blocks of four pixels (3, h, w), weighted by opacity; returns (1, 3, h/2, w/2) and (1, 1, h/2, w/2)."""
    opacity = alpha.float()[None] / TOPS[alpha.dtype]
    weight = _halve(opacity)
    return _halve(pixels.float()[None] * opacity) / weight.clamp_min(1e-9), weight


def _halve(image: Tensor) -> Tensor:
    return F.avg_pool2d(image, 2, ceil_mode=True)


def _fill(colour: Tensor, weight: Tensor) -> Tensor:
    """Fill (1, 3, h, w) where the weight (1, 1, h, w) is 0."""
    empty = weight == 0
    if not empty.any():
        return colour
    coarse = _halve(weight)
    mean = _halve(colour * weight) / coarse.clamp_min(1e-30)
    filled = F.interpolate(_fill(mean, coarse), colour.shape[-2:], mode="bilinear", align_corners=False)
    return torch.where(empty, filled, colour)


def flatten(pixels: Tensor, alpha: Tensor, background: tuple[int, int, int]) -> Tensor:
    """Lay pixels on a background.

    Args:
        pixels: uint8 or uint16, shape (3, H, W).
        alpha: of the same type, shape (1, H, W).
        background: red, green, blue in 0 … 255.

    Returns:
        Opaque pixels, shape and type as given.
    """
    top = TOPS[pixels.dtype]
    result = np.empty_like(pixels.numpy())
    cover = alpha.numpy()[0].astype(np.uint32)
    for channel, image, below in zip(result, pixels.numpy(), background, strict=True):
        # At most 65535² + 32767, which uint32 holds.
        channel[:] = (image * cover + below * top // 255 * (top - cover) + top // 2) // top
    return torch.from_numpy(result)

"""Networks laid over one another by masks, and styles laid out side by side in a map."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from fast_style import images
from fast_style.functional import luma
from fast_style.inference.control import Control, Stylize

DIRECTIONS = ("horizontal", "vertical")
RAMP = 256  # steps from one style to the next
MAP = 1024  # pixels on the long side of a map
RESIZED = "masks of another size than the picture are resized to it"


class Composition:
    """Networks laid over one another by masks, which stylize as a single one.

    Args:
        stylizers: the networks, from the lowest to the uppermost; each from and to RGB of shape (N, 3, H, W), uint8 or
            float in [0, 1], such as `Stylizer.stylize`.
        control: how strong the pictures are, in which colours and with how large strokes.
        masks: for each network where it covers what is below it, of shape (1, 1, h, w) in [0, 1]; None: everywhere.

    Attributes:
        resized: whether a mask of another size than its photo was resized to it.
    """

    def __init__(self, stylizers: Sequence[Stylize], control: Control, masks: Sequence[Tensor | None]) -> None:
        self.stylizers, self.control, self.masks = stylizers, control, masks
        self.resized = False

    def __call__(self, photos: Tensor) -> Tensor:
        """Stylize a batch.

        Args:
            photos: RGB of shape (N, 3, H, W), uint8 or float in [0, 1].

        Returns:
            RGB of the same shape: of the same type from a single network alone, else float32 in [0, 1].

        Raises:
            ValueError: if the strokes asked for make the photos too large.
        """
        if len(self.stylizers) == 1 and self.masks == [None] and self.control == Control():
            return self.stylizers[0](photos)
        self.resized |= any(mask is not None and mask.shape[-2:] != photos.shape[-2:] for mask in self.masks)
        photos = photos if photos.is_floating_point() else images.to_float(photos)
        return self.control.apply(self.stylizers, photos, self.masks)


def read_masks(paths: Sequence[Path], count: int) -> list[Tensor | None]:
    """Read where each of some networks covers what is below it.

    Args:
        paths: of images, one for each network, or for each but the first; of one network also none.
        count: of the networks.

    Returns:
        For each network a mask of shape (1, 1, H, W) in [0, 1], or None: it covers all.

    Raises:
        ValueError: if there are more or fewer images, or one of the files is no image.
        OSError: if one of them cannot be read.
    """
    if len(paths) not in ((0, 1) if count == 1 else (count - 1, count)):
        rule = "takes one mask" if count == 1 else f"take {count} masks, or {count - 1} (none for the first)"
        raise ValueError(f"{count} network{'s' * (count > 1)} {rule}, got {len(paths)}")
    return [*[None] * (count - len(paths)), *map(_read_mask, paths)]


def read_style_map(texts: Sequence[str], count: int) -> Tensor:
    """Read where each of some styles applies.

    Args:
        texts: `horizontal` or `vertical`, for a ramp from the first style to the last; or an image for each style,
            white where it applies.
        count: of the styles.

    Returns:
        Shares of shape (1, count, H, W), each at least 0; H and W are at most 1024 where the map comes from images.

    Raises:
        ValueError: if there are more or fewer images, or one of the files is no image.
        OSError: if one of them cannot be read.
    """
    if len(texts) == 1 and texts[0] in DIRECTIONS:
        places = torch.linspace(0, count - 1, RAMP * (count - 1) + 1) if count > 1 else torch.zeros(1)
        shares = (1 - (places - torch.arange(count)[:, None]).abs()).clamp_min(0)  # (count, RAMP · (count − 1) + 1)
        return shares[None, :, None, :] if texts[0] == "horizontal" else shares[None, :, :, None]
    if len(texts) != count:
        directions = " or ".join(DIRECTIONS)
        raise ValueError(f"--style-map must be {directions}, or a mask for each of {count} styles; got {len(texts)}")
    masks = [_read_mask(Path(text)) for text in texts]
    masks = [images.resize_long_side(mask, MAP) if max(mask.shape[-2:]) > MAP else mask for mask in masks]
    largest = max((mask.shape[-2:] for mask in masks), key=lambda size: size[0] * size[1])
    masks = [F.interpolate(mask, largest, mode="bilinear", antialias=True).clamp_(0, 1) for mask in masks]
    shares = torch.cat(masks, dim=1)
    # Where all masks are black there is no choice: all styles alike.
    return shares + (shares.sum(1, keepdim=True) < 1e-3).to(shares)


def _read_mask(path: Path) -> Tensor:
    """Read how light an image is, and nothing where it is transparent: (1, 1, H, W) in [0, 1]."""
    (frame,) = images.open_picture(path).still().frames
    light = luma(frame.to_float())
    return light if frame.alpha is None else light * images.to_float(frame.alpha)

"""What a picture may be beyond the network's: how strong, in whose colours, with how large strokes, and where."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from fast_style.functional import luma
from fast_style.images import MAX_PIXELS, resize
from fast_style.inference.phases import mean_over_phases

Stylize = Callable[[Tensor], Tensor]
NOISE = 2 / 255  # standard deviation that any colour is taken to have, lest it be amplified
COLOURS = ("luminance", "histogram")
QUALITIES = ("normal", "best")
PHASES = 16  # of the best quality
STROKES = (0.125, 8.0)  # at the least and at the most
SIDE = 1280  # pixels on the long side up to which automatic strokes are as in training


@dataclass(frozen=True)
class Control:
    """What is asked of a stylized picture, without training.

    Attributes:
        strength: share of the stylized picture in the result, pixel by pixel; the rest is the photo. In [0, 1]. Scaling
            what the residual blocks add instead was compared: a quarter of it looks nearly like all of it.
        preserve_color: `luminance` takes the light from the stylized picture and the colours from the photo;
            `histogram` gives the stylized picture the photo's mean and covariance of colours, as far as [0, 1] has
            room for them; None: the style's colours.
        stroke_size: how many times as large the strokes become, 0.125 to 8: see `restroke`. None: to suit the size of
            the photo, see `automatic_strokes`.
        quality: `best` takes the mean of 16 pictures of the photo in as many places on the network's grid, which takes
            away the weave of networks that were trained without `antialias`, in 16 times as long: see
            `mean_over_phases`.

    Raises:
        ValueError: if a value is none of these.
    """

    strength: float = 1.0
    preserve_color: Literal["luminance", "histogram"] | None = None
    stroke_size: float | None = 1.0
    quality: Literal["normal", "best"] = "normal"

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength must be 0 (the photo) to 1 (the stylized picture), got {self.strength}")
        if self.preserve_color not in (None, *COLOURS):
            raise ValueError(f"the colour to preserve must be one of {', '.join(COLOURS)}, got {self.preserve_color!r}")
        if self.stroke_size is not None and not (
            isfinite(self.stroke_size) and STROKES[0] <= self.stroke_size <= STROKES[1]
        ):
            raise ValueError(f"stroke size must be {STROKES[0]} to {STROKES[1]} times, got {self.stroke_size}")
        if self.quality not in QUALITIES:
            raise ValueError(f"quality must be one of {', '.join(QUALITIES)}, got {self.quality!r}")

    def apply(self, stylizers: Sequence[Stylize], photos: Tensor, masks: Sequence[Tensor | None] = ()) -> Tensor:
        """Stylize photos.

        Args:
            stylizers: networks, laid over one another in order.
            photos: RGB of shape (N, 3, H, W), float in [0, 1].
            masks: for each stylizer where its picture covers what is below it, see `resize_mask`; None: everywhere. At
                the bottom lies the photo.

        Returns:
            RGB of the same shape in [0, 1].

        Raises:
            ValueError: if there are masks but not one for each stylizer, or finer strokes make the photos too large.
        """
        if masks and len(masks) != len(stylizers):
            raise ValueError(f"there must be one mask for each of {len(stylizers)} networks, got {len(masks)}")
        size = automatic_strokes(max(photos.shape[-2:])) if self.stroke_size is None else self.stroke_size
        result = photos
        for stylize, mask in zip(stylizers, masks or [None] * len(stylizers), strict=True):
            way = partial(mean_over_phases, stylize, phases=PHASES) if self.quality == "best" else stylize
            picture = restroke(way, photos, size)
            if self.preserve_color == "luminance":
                picture = with_colours_of(photos, picture)
            elif self.preserve_color == "histogram":
                picture = match_colours(picture, photos)
            result = picture if mask is None else torch.lerp(result, picture, resize_mask(mask, photos))
        return result if self.strength == 1 else torch.lerp(photos, result, self.strength)


def automatic_strokes(side: int) -> float:
    """Choose how large strokes become so that a photo looks the same whatever its resolution: 1280 pixels or more.

    Args:
        side: long side of the photo in pixels.
    """
    return min(max(1.0, side / SIDE), STROKES[1])


def restroke(stylize: Stylize, photos: Tensor, factor: float) -> Tensor:
    """Stylize with strokes `factor` times as large as the network was trained for.

    The photo is stylized at 1/factor of its size and enlarged again. What light and dark of the photo the smaller size
    could not hold, the finest levels of its Laplacian pyramid (Burt & Adelson 1983), is added again. Enlarging with a
    guided filter (He & Sun 2015) instead was compared: it takes the strokes away with the blur.

    Args:
        stylize: the network, from and to RGB of shape (N, 3, h, w) in [0, 1].
        photos: RGB of shape (N, 3, H, W) in [0, 1].
        factor: above 0; below 1 strokes become finer, and the network works on more pixels.

    Raises:
        ValueError: if these are more than `images.MAX_PIXELS`.
    """
    if factor == 1:
        return stylize(photos)
    h, w = photos.shape[-2:]
    height, width = (max(1, round(side / factor)) for side in (h, w))
    if height * width > MAX_PIXELS:
        raise ValueError(
            f"stroke size {factor} makes {width}×{height} pixels of {w}×{h}, more than {MAX_PIXELS}: "
            "take larger strokes or a smaller size"
        )
    small = resize(photos, (height, width))
    picture = resize(stylize(small), (h, w))
    if factor < 1:
        return picture
    return (picture + luma(photos) - luma(resize(small, (h, w)))).clamp_(0, 1)


def with_colours_of(photos: Tensor, pictures: Tensor) -> Tensor:
    """Give photos the luma of pictures; their Cb and Cr stay, as far as [0, 1] has room for them.

    "Luminance-only transfer" of Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer", section 4
    (https://arxiv.org/abs/1606.05897).

    Args:
        photos: RGB of shape (N, 3, H, W) in [0, 1].
        pictures: of the same shape and range.
    """
    # Grey is (1, 1, 1) in RGB: adding it changes the luma alone.
    return (photos + luma(pictures) - luma(photos)).clamp_(0, 1)


def match_colours(pictures: Tensor, photos: Tensor) -> Tensor:
    """Give pictures the mean and the covariance of the colours of photos, image by image.

    The linear map that does so and changes colours least: x ↦ A (x − μ) + μ', A = S^−½ (S^½ S' S^½)^½ S^−½ with the
    covariances S and S' (Monge–Kantorovich; Pitié & Kokaram 2007, "The linear Monge-Kantorovitch linear colour mapping
    for example-based colour transfer"); "colour histogram matching" of Gatys et al. 2016, section 3
    (https://arxiv.org/abs/1606.05897).

    Args:
        pictures: RGB of shape (N, 3, H, W) in [0, 1].
        photos: of the same shape and range.
    """
    (mean, covariance), (wanted_mean, wanted) = _statistics(pictures), _statistics(photos)
    root, inverse = _power(covariance, 0.5), _power(covariance, -0.5)
    matrix = inverse @ _power(root @ wanted @ root, 0.5) @ inverse  # (N, 3, 3)
    shift = wanted_mean - matrix @ mean
    mapped = matrix.to(pictures) @ pictures.flatten(2) + shift.to(pictures)
    return mapped.clamp_(0, 1).view_as(pictures)


def resize_mask(mask: Tensor, photos: Tensor) -> Tensor:
    """Resize a mask (1, 1, h, w) in [0, 1] to the size of photos (N, 3, H, W), smoothly."""
    if mask.shape[-2:] == photos.shape[-2:]:
        return mask
    return F.interpolate(mask, photos.shape[-2:], mode="bilinear", antialias=True).clamp_(0, 1)


def _statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (N, 3, 1) and covariance (N, 3, 3) of the colours, in float64, on the CPU."""
    colours = images.flatten(2)
    mean = colours.mean(2, keepdim=True)
    centred = colours - mean
    covariance = (centred @ centred.mT).cpu().double() / colours.shape[2]  # float64, which not every device has
    return mean.cpu().double(), covariance + NOISE**2 * torch.eye(3, dtype=torch.float64)


def _power(matrices: Tensor, exponent: float) -> Tensor:
    """Raise symmetric positive matrices to a power."""
    values, vectors = torch.linalg.eigh(matrices)
    return vectors * values.clamp_min(1e-12).pow(exponent).unsqueeze(-2) @ vectors.mT

"""What one way of stylizing is worth on some photos."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from fast_style.losses import PerceptualLoss
from fast_style.metrics import feature_distance, palette_distance, ssim

Stylize = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Scores:
    """Means over photos.

    Attributes:
        name: of what stylized.
        losses: raw and weighted, by name, see `PerceptualLoss.summary`.
        ssim: structural similarity to the photo, see `metrics.ssim`.
        feature_distance: to the photo, see `metrics.feature_distance`, over the layers of the content loss, or without
            it of the style loss.
        palette_distance: to the style image, see `metrics.palette_distance`.
        seconds: median over the photos, of the second pass where that takes less than a second.
    """

    name: str
    losses: dict[str, float]
    ssim: float
    feature_distance: float
    palette_distance: float
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


def evaluate(
    name: str, stylize: Stylize, photos: Sequence[Tensor], loss: PerceptualLoss, style: Tensor
) -> tuple[Scores, list[Tensor]]:
    """Stylize photos and measure the results, in float32.

    Args:
        name: what the scores are called.
        stylize: maps RGB of shape (1, 3, H, W) in [0, 1] to the same shape.
        photos: at least one, each (1, 3, H, W) in [0, 1], 11×11 pixels or more.
        loss: the perceptual loss.
        style: the style image, (1, 3, H, W) in [0, 1].

    Returns:
        The scores, and the pictures.

    Raises:
        ValueError: if there are no photos, one is too small, or the loss has neither content nor style.
    """
    if not photos:
        raise ValueError("there are no photos to measure on")
    pictures, seconds, rows = [], [], []
    layers = loss.content_layers or loss.style_layers
    if not layers:
        raise ValueError("the loss has neither content nor style layers: give one of them a weight")
    for photo in photos:
        for _ in range(2):
            started = time.perf_counter()
            picture = stylize(photo)
            duration = time.perf_counter() - started
            if duration > 1:
                break
        seconds.append(duration)
        pictures.append(picture)
        with torch.inference_mode():
            summary = {key: value.item() for key, value in loss.summary(loss(picture, photo)).items()}
            features, targets = loss.loss_network(picture, layers), loss.loss_network(photo, layers)
            summary["ssim"] = ssim(picture, photo).item()
            summary["feature_distance"] = feature_distance(features, targets).item()
            summary["palette_distance"] = palette_distance(picture, style).item()
        rows.append(summary)
    means = {key: statistics.fmean(row[key] for row in rows) for key in rows[0]}
    measures = {key: means.pop(key) for key in ("ssim", "feature_distance", "palette_distance")}
    return Scores(name, means, **measures, seconds=statistics.median(seconds)), pictures

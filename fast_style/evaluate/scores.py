"""What one way of stylizing is worth on some photos."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from fast_style.evaluate.numbers import for_json
from fast_style.losses import PerceptualLoss
from fast_style.metrics import feature_distance, palette_distance, ssim

Stylize = Callable[[Tensor], Tensor]
Row = dict[str, float]


@dataclass(frozen=True)
class Scores:
    """What a way of stylizing scores on photos: means over them.

    Attributes:
        name: name of the way of stylizing.
        losses: losses by name, raw and weighted, see `PerceptualLoss.summary`.
        ssim: structural similarity of the pictures to the photos, see `metrics.ssim`.
        feature_distance: distance of the pictures to the photos, see `metrics.feature_distance`, over the layers of the
            content loss, or of the style loss where there is no content loss.
        palette_distance: distance of the pictures' colours to those of the style image, see `metrics.palette_distance`.
        seconds: median time of a photo; the second pass is timed, unless the first took more than a second.
    """

    name: str
    losses: dict[str, float]
    ssim: float
    feature_distance: float
    palette_distance: float
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the scores as plain values, for JSON; None stands for what is not finite."""
        plain: dict[str, Any] = for_json(asdict(self))
        return plain


def evaluate(
    name: str, stylize: Stylize, photos: Iterable[Tensor], loss: PerceptualLoss, style: Tensor, keep: int = 0
) -> tuple[Scores, list[Tensor]]:
    """Stylize photos and measure the results, in float32.

    Args:
        name: what the scores are called.
        stylize: maps RGB of shape (1, 3, H, W) in [0, 1] to the same shape.
        photos: at least one, each (1, 3, H, W) in [0, 1], 11×11 pixels or more. They are taken one after the other, and
            none is held longer than it is measured.
        loss: the perceptual loss.
        style: the style image, (1, 3, H, W) in [0, 1].
        keep: how many pictures are returned.

    Returns:
        The scores, and the pictures of the first `keep` photos.

    Raises:
        ValueError: if there are no photos, one is too small, or the loss has neither content nor style.
    """
    kept: list[Tensor] = []
    rows = []
    for photo in photos:
        row, picture = measure_photo(stylize, photo, loss, style)
        rows.append(row)
        kept += [picture] * (len(kept) < keep)
    return mean_scores(name, rows), kept


def measure_photo(
    stylize: Stylize, photo: Tensor, loss: PerceptualLoss, style: Tensor
) -> tuple[dict[str, float], Tensor]:
    """Stylize one photo and measure the result, in float32.

    Args:
        stylize: see `evaluate`.
        photo: (1, 3, H, W) in [0, 1], 11×11 pixels or more.
        loss: see `evaluate`.
        style: see `evaluate`.

    Returns:
        What it scores, for `mean_scores`; and the picture.

    Raises:
        ValueError: if the photo is too small, or the loss has neither content nor style.
    """
    if not (loss.content_layers or loss.style_layers):
        raise ValueError("the loss has neither content nor style layers: give one of them a weight")
    picture, seconds = _timed(stylize, photo)
    return _measure(picture, photo, loss, style) | {"seconds": seconds}, picture


def mean_scores(name: str, rows: Sequence[Mapping[str, float]]) -> Scores:
    """Take the mean of what photos score, and of their times the median.

    Args:
        name: what the scores are called.
        rows: of each photo what `measure_photo` returns.

    Raises:
        ValueError: if there are no photos.
    """
    if not rows:
        raise ValueError("there are no photos to measure on")
    means = {key: statistics.fmean(row[key] for row in rows) for key in rows[0]}
    measures = {key: means.pop(key) for key in ("ssim", "feature_distance", "palette_distance")}
    means.pop("seconds")
    return Scores(name, means, **measures, seconds=statistics.median(row["seconds"] for row in rows))


def _timed(stylize: Stylize, photo: Tensor) -> tuple[Tensor, float]:
    """Stylize a photo twice, unless once takes more than a second, and time the last pass."""
    for _ in range(2):
        started = time.perf_counter()
        picture = stylize(photo)
        duration = time.perf_counter() - started
        if duration > 1:
            break
    return picture, duration


@torch.inference_mode()
def _measure(picture: Tensor, photo: Tensor, loss: PerceptualLoss, style: Tensor) -> dict[str, float]:
    layers = loss.content_layers or loss.style_layers
    summary = {key: value.item() for key, value in loss.summary(loss(picture, photo)).items()}
    features, targets = loss.loss_network(picture, layers), loss.loss_network(photo, layers)
    summary["ssim"] = ssim(picture, photo).item()
    summary["feature_distance"] = feature_distance(features, targets).item()
    summary["palette_distance"] = palette_distance(picture, style).item()
    return summary

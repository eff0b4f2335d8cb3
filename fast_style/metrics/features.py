"""How different two images look to a loss network."""

from collections.abc import Mapping

import torch
from torch import Tensor


def feature_distance(features: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """Squared distance of features normalised to unit length at each position, mean over positions, sum over layers.

    The distance of LPIPS without its learned weights of channels, so that its numbers are not those of LPIPS.

    Args:
        features: features of images by layer, each (N, C, H, W).
        targets: features of the photos they are compared with, of the same layers and shapes.

    Returns:
        One float32 number an image, shape (N,): 0 for equal features, at most 4 a layer.

    Raises:
        ValueError: if layers or shapes differ.

    Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric"
    (https://arxiv.org/abs/1801.03924), eq. 1 with w = 1.
    """
    if {name: x.shape for name, x in features.items()} != {name: x.shape for name, x in targets.items()}:
        raise ValueError("the features of images and photos differ in layers or shapes")
    distances = [
        (_unit(features[layer]) - _unit(targets[layer])).square().sum(1).mean(dim=(1, 2)) for layer in features
    ]
    return torch.stack(distances).sum(0)


def _unit(features: Tensor) -> Tensor:
    features = features.float()
    return features / features.square().sum(1, keepdim=True).sqrt().clamp_min(1e-10)

"""Content loss: keep what is where."""

from torch import Tensor
from torch.nn import functional as F


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of features, mean (F − T)².

    Args:
        features: features of the stylized images, shape (N, C, H, W).
        target: features of the photos at the same layer, same shape.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if the shapes differ.

    Source: Johnson et al. 2016, eq. 2.
    """
    if features.shape != target.shape:
        raise ValueError(f"features have shape {tuple(features.shape)}, their target {tuple(target.shape)}")
    return F.mse_loss(features.float(), target.float())

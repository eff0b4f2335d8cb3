"""Style loss: the correlations of features, wherever they are."""

from torch import Tensor

from fast_style.functional import gram_matrix


def style_loss(features: Tensor, target: Tensor) -> Tensor:
    """Squared Frobenius distance of Gram matrices at one layer, averaged over the batch: mean_n ‖G(F_n) − T‖²_F.

    Args:
        features: features of the stylized images, shape (N, C, H, W).
        target: Gram matrix of the style image at the same layer, shape (1, C, C), see `functional.gram_matrix`.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if `target` does not have shape (1, C, C).

    Source: Johnson et al. 2016, eq. 4.
    """
    c = features.shape[1]
    if target.shape != (1, c, c):
        raise ValueError(f"the style target must have shape (1, {c}, {c}), got {tuple(target.shape)}")
    difference = gram_matrix(features) - target  # (N, C, C)
    return difference.square().sum(dim=(1, 2)).mean()

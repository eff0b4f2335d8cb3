"""How far apart two sets of images are, whichever of them belong together."""

import torch
from torch import Tensor


def kernel_distance(features: Tensor, real: Tensor, paired: bool = False) -> Tensor:
    """Kernel distance (KID) of two sets: the squared maximum mean discrepancy, without bias.

    MMD² = mean of k(x, x') over x ≠ x' + mean of k(y, y') over y ≠ y' − 2 · mean of k(x, y), with the polynomial kernel
    k(x, y) = (xᵀy / C + 1)³. Each row is divided by its root mean square first, so that the number does not depend on
    the scale of the features: xᵀy / C is the cosine. All rows are taken at once, not in subsets.

    Where x_i and y_i are a pair, such as a picture and what it ought to be, k(x_i, y_i) is of two images that are alike
    because they belong together: with these the distance would be too low, for perfect pictures below 0. The mean of
    k(x, y) is then over i ≠ j as well, which makes it the U-statistic of Gretton et al. 2012, "A Kernel Two-Sample
    Test" (https://jmlr.org/papers/v13/gretton12a.html), eq. 4: 0 for perfect pictures.

    It is called KID where the features are those of Inception. Of another network, such as VGG, the numbers compare
    with each other alone, not with those of papers.

    Args:
        features: of one set, (N, C), one row an image, N at least 2. On a device that has float64, in which all is
            computed: of one without it, such as MPS, rows must be on the CPU.
        real: of the other set, (M, C), M at least 2, on the same device.
        paired: whether the rows of one place belong together, N = M.

    Returns:
        A float64 scalar, about 0 for two samples of the same images; being without bias, it may be a little negative.

    Raises:
        ValueError: if the shapes are others, or pairs are not as many of each.

    Source: Bińkowski et al. 2018, "Demystifying MMD GANs" (https://arxiv.org/abs/1801.01401), section 4.
    """
    if features.ndim != 2 or real.ndim != 2 or features.shape[1] != real.shape[1]:
        raise ValueError(f"features must be (N, C) and (M, C), got {tuple(features.shape)} and {tuple(real.shape)}")
    if min(len(features), len(real)) < 2:
        raise ValueError(f"a kernel distance needs two images in each set, got {len(features)} and {len(real)}")
    if paired and len(features) != len(real):
        raise ValueError(f"pairs must be as many images in each set, got {len(features)} and {len(real)}")
    x, y = _scaled(features), _scaled(real)
    across = _kernel(x, y)
    between = _mean_of_others(across) if paired else across.mean()
    return _mean_of_others(_kernel(x, x)) + _mean_of_others(_kernel(y, y)) - 2 * between


def _scaled(features: Tensor) -> Tensor:
    rows = features.double()
    return rows / rows.square().mean(1, keepdim=True).sqrt().clamp_min(1e-12)


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.mT / x.shape[1] + 1) ** 3  # (N, M)


def _mean_of_others(kernel: Tensor) -> Tensor:
    n = len(kernel)
    return (kernel.sum() - torch.trace(kernel)) / (n * (n - 1))

"""Style losses: what features have in common with those of the style image, wherever they are.

Each is a pure function of features and of targets of the style image; the class of the same name keeps the targets of
one layer.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.functional import channel_statistics, gram_matrix

SEED = 0  # of the directions of `sliced_wasserstein_loss`


def gram_loss(features: Tensor, target: Tensor) -> Tensor:
    """Squared Frobenius distance of Gram matrices, averaged over the batch: mean_n ‖G(F_n) − T‖²_F.

    Args:
        features: features of the stylized images, shape (N, C, H, W).
        target: Gram matrix of the style image at the same layer, shape (1, C, C), see `functional.gram_matrix`.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if `target` does not have shape (1, C, C).

    Source: Gatys et al. 2016, eq. 4; Johnson et al. 2016, eq. 4.
    """
    c = features.shape[1]
    _check("the style target", target, (1, c, c))
    difference = gram_matrix(features) - target  # (N, C, C)
    return difference.square().sum(dim=(1, 2)).mean()


def mean_std_loss(features: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Squared distance of means and of standard deviations, mean over batch and channels: (μ − m)² + (σ − s)².

    Args:
        features: features of the stylized images, shape (N, C, H, W).
        mean: of the style image's features over their positions, shape (1, C), see `functional.channel_statistics`.
        std: their standard deviation, likewise.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if a target has another shape.

    Source: Li et al. 2017, "Demystifying Neural Style Transfer" (https://arxiv.org/abs/1701.01036) (matching of
    batch normalisation's statistics); Huang & Belongie 2017 (https://arxiv.org/abs/1703.06868), with squared distances.
    """
    for target in (mean, std):
        _check("the target of the statistics", target, (1, features.shape[1]))
    means, stds = channel_statistics(features)
    return (means - mean).square().mean() + (stds - std).square().mean()


def covariance_loss(features: Tensor, target: Tensor) -> Tensor:
    """Squared Frobenius distance of covariances: `gram_loss` of features whose mean over positions is subtracted.

    Args:
        features: features of the stylized images, shape (N, C, H, W).
        target: Gram matrix of the style image's centred features, shape (1, C, C).

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if `target` does not have shape (1, C, C).

    Source: the covariance matrix as a style representation, Li et al. 2017, "Universal Style Transfer via Feature
    Transforms" (https://arxiv.org/abs/1705.08086).
    """
    return gram_loss(_centred(features), target)


def wasserstein_loss(features: Tensor, mean: Tensor, root: Tensor) -> Tensor:
    """Squared 2-Wasserstein distance of features seen as Gaussians, by channel, averaged over the batch.

    W² = (‖μ − m‖² + tr Σ + tr S − 2 tr (S^½ Σ S^½)^½) / C, with μ and Σ the mean and the covariance of the features
    over their positions, m and S those of the style image.

    Args:
        features: features of the stylized images, shape (N, C, H, W).
        mean: m, shape (1, C).
        root: S^½, shape (1, C, C), see `square_root`.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if a target has another shape.

    Source: Olkin & Pukelsheim 1982, "The distance between two random vectors with given dispersion matrices"; as a
    style loss in crowsonkb/style-transfer-pytorch.
    """
    c = features.shape[1]
    _check("the target of the mean", mean, (1, c))
    _check("the target of the covariance", root, (1, c, c))
    means, _ = channel_statistics(features)
    covariance = _double(gram_matrix(_centred(features)) * c)  # F Fᵀ / (H·W)
    root = _double(root)
    product = root @ covariance @ root
    # The trace of the root needs the eigenvalues alone, whose gradient exists where they are equal as well.
    values = torch.linalg.eigvalsh((product + product.mT) / 2)
    floor = 1e-10 * values.detach().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    roots = values.clamp_min(floor).sqrt().sum(1)
    traces = covariance.diagonal(dim1=1, dim2=2).sum(1) + root.square().sum(dim=(1, 2))
    distance = (means - mean).square().sum(1) + (traces - 2 * roots).float().to(means.device)
    return distance.mean() / c


def sliced_wasserstein_loss(features: Tensor, target: Tensor, directions: Tensor) -> Tensor:
    """Squared 2-Wasserstein distance of distributions of features, along directions: mean (sort(θᵀF) − T)².

    Args:
        features: features of the stylized images, shape (N, C, H, W).
        target: sorted projections of the style image's features, shape (1, D, P); if P ≠ H·W, its quantiles are
            interpolated.
        directions: θ, unit vectors of shape (D, C).

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if the shapes do not go together.

    Source: Heitz et al. 2021, "A Sliced Wasserstein Loss for Neural Texture Synthesis"
    (https://arxiv.org/abs/2006.07229); they draw new directions at every step.
    """
    _check("the directions", directions, (len(directions), features.shape[1]))
    _check("the sorted target", target, (1, len(directions), target.shape[-1]))
    with torch.autocast(features.device.type, enabled=False):
        projections = directions @ features.flatten(2).float()  # (N, D, H·W)
    positions = projections.shape[-1]
    if target.shape[-1] != positions:
        target = F.interpolate(target, positions, mode="linear")
    return (projections.sort(dim=2).values - target).square().mean()


def square_root(matrices: Tensor) -> Tensor:
    """Root of symmetric matrices (N, C, C) without negative eigenvalues but for rounding, in float64."""
    values, vectors = torch.linalg.eigh(_double(matrices))
    return vectors * values.clamp_min(0).sqrt().unsqueeze(-2) @ vectors.mT


class StyleLoss(nn.Module, ABC):
    """A style loss at one layer: `forward` maps features (N, C, H, W) to a float32 scalar.

    Args:
        style: features of the style image at the layer, (1, C, H', W').
    """

    def __init__(self, style: Tensor) -> None:
        super().__init__()
        with torch.no_grad(), torch.autocast(style.device.type, enabled=False):
            self.keep(style)
            self.scale = self(torch.zeros_like(style)).item()
        """What the loss is for features that are zero everywhere: the measure of a relative loss."""

    @abstractmethod
    def keep(self, style: Tensor) -> None:
        """Register what is needed of the style image as buffers."""


class GramLoss(StyleLoss):
    """See `gram_loss`."""

    target: Tensor

    def keep(self, style: Tensor) -> None:
        """Keep the Gram matrix."""
        self.register_buffer("target", gram_matrix(style))

    def forward(self, features: Tensor) -> Tensor:
        """Compare features with the style image's."""
        return gram_loss(features, self.target)


class MeanStdLoss(StyleLoss):
    """See `mean_std_loss`."""

    mean: Tensor
    std: Tensor

    def keep(self, style: Tensor) -> None:
        """Keep mean and standard deviation."""
        for name, value in zip(("mean", "std"), channel_statistics(style), strict=True):
            self.register_buffer(name, value)

    def forward(self, features: Tensor) -> Tensor:
        """Compare features with the style image's."""
        return mean_std_loss(features, self.mean, self.std)


class CovarianceLoss(GramLoss):
    """See `covariance_loss`."""

    def keep(self, style: Tensor) -> None:
        """Keep the covariance."""
        super().keep(_centred(style))

    def forward(self, features: Tensor) -> Tensor:
        """Compare features with the style image's."""
        return covariance_loss(features, self.target)


class WassersteinLoss(StyleLoss):
    """See `wasserstein_loss`."""

    mean: Tensor
    root: Tensor

    def keep(self, style: Tensor) -> None:
        """Keep the mean, and the root of the covariance."""
        self.register_buffer("mean", channel_statistics(style)[0])
        self.register_buffer(
            "root", square_root(gram_matrix(_centred(style)) * style.shape[1]).float().to(style.device)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Compare features with the style image's."""
        return wasserstein_loss(features, self.mean, self.root)


class SlicedWassersteinLoss(StyleLoss):
    """See `sliced_wasserstein_loss`; as many directions as channels, orthogonal, drawn once.

    So the loss is a function of the picture, as L-BFGS needs it.
    """

    target: Tensor
    directions: Tensor

    def keep(self, style: Tensor) -> None:
        """Keep directions, and sorted projections."""
        generator = torch.Generator().manual_seed(SEED)
        channels = style.shape[1]
        directions = torch.linalg.qr(torch.randn(channels, channels, generator=generator)).Q
        self.register_buffer("directions", directions.to(style.device))
        projections = self.directions @ style.flatten(2).float()
        self.register_buffer("target", projections.sort(dim=2).values)

    def forward(self, features: Tensor) -> Tensor:
        """Compare features with the style image's."""
        return sliced_wasserstein_loss(features, self.target, self.directions)


STYLE_LOSSES: dict[str, type[StyleLoss]] = {
    "gram": GramLoss,
    "mean_std": MeanStdLoss,
    "covariance": CovarianceLoss,
    "wasserstein": WassersteinLoss,
    "sliced_wasserstein": SlicedWassersteinLoss,
}


def _double(matrices: Tensor) -> Tensor:
    """Convert to float64, on the CPU where the device has none."""
    return (matrices.cpu() if matrices.device.type == "mps" else matrices).double()


def _centred(features: Tensor) -> Tensor:
    features = features.float()
    return features - features.mean(dim=(2, 3), keepdim=True)


def _check(what: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tensor.shape != shape:
        raise ValueError(f"{what} must have shape {shape}, got {tuple(tensor.shape)}")

"""What is minimised: perceptual losses of one picture for one style or several, under one pass of the loss network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fast_style.losses import PerceptualLoss

LARGE = 1 << 20  # pixels of a picture from which on memory is worth more than time

MakeLoss = Callable[[Tensor], PerceptualLoss]


@dataclass(frozen=True, eq=False)
class Style:
    """A style image and its part in the picture.

    Attributes:
        image: RGB of shape (1, 3, H, W) in [0, 1].
        weight: against the other styles; above 0.
        region: where in the picture it applies, (1, 1, H, W) in [0, 1], of any size; None: everywhere.

    Raises:
        ValueError: if the weight is not above 0, or the region is empty.
    """

    image: Tensor
    weight: float = 1.0
    region: Tensor | None = None

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise ValueError(f"the weight of a style must be above 0, got {self.weight}")
        if self.region is not None and not self.region.max() > 0:
            raise ValueError("the mask of a style is black everywhere: there must be something white in it")

    @property
    def share(self) -> float:
        """The weight of the style times the share of the picture that it covers."""
        return self.weight * (1.0 if self.region is None else self.region.mean().item())


class Objective(nn.Module):
    """Weighted sum of the losses of a picture: for styles s of shares w, Σ_s w_s · loss_s / Σ_s w_s.

    Args:
        make_loss: makes the loss of a style image: `PerceptualLoss` with all arguments but `style` given.
        styles: at least one style image with its weight and region.
        photo: what the picture shall show, RGB of shape (1, 3, H, W) in [0, 1].

    Attributes:
        losses: losses of the picture that was computed last, by name, see `PerceptualLoss.summary`.
    """

    def __init__(self, make_loss: MakeLoss, styles: Sequence[Style], photo: Tensor) -> None:
        super().__init__()
        total = sum(style.share for style in styles)
        self.shares = [style.share / total for style in styles]
        self.regions = [None if style.region is None else style.region.to(photo) for style in styles]
        self.terms = nn.ModuleList(make_loss(style.image) for style in styles)
        self.photo = photo
        self.targets = [term.targets(photo) for term in self._terms()]
        self.losses: dict[str, float] = {}

    def forward(self, picture: Tensor) -> Tensor:
        """Compute the sum for a picture of the photo's shape in [0, 1]."""
        terms = self._terms()
        layers = dict.fromkeys(layer for term in terms for layer in (*term.content_layers, *term.style_layers))
        features = terms[0].loss_network(picture, layers, recompute=picture.shape[2:].numel() > LARGE)
        sums: dict[str, Tensor] = {}
        for term, share, region, targets in zip(terms, self.shares, self.regions, self.targets, strict=True):
            summary = term.summary(term.compare(picture, features, self.photo, targets, region))
            for name, value in summary.items():
                sums[name] = sums.get(name, 0) + share * value
        values = torch.stack([value.detach() for value in sums.values()]).tolist()
        self.losses = dict(zip(sums, values, strict=True))
        return sums["total_loss"]

    def _terms(self) -> list[PerceptualLoss]:
        return [term for term in self.terms if isinstance(term, PerceptualLoss)]

"""The perceptual loss of pictures that each have a painting of their own."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fast_style.functional import gram_matrix
from fast_style.losses.perceptual import LayerWeights, PerceptualLoss, layer_weights, summarize
from fast_style.networks import VGG

Painted = tuple[Tensor, Tensor]  # Gram matrices (N, C, C) and means (N, C) of a layer
FLAT = 0.05  # share of a Gram matrix's square below which what photos score counts as this


class AnyPaintingLoss(nn.Module):
    """The perceptual loss, whose Gram matrices are those of a painting for each picture of a batch.

    As `PerceptualLoss` with a `reference`: in every layer the style loss is divided by the median of what the untouched
    reference images score under that painting, so that one setting serves all paintings. It is at least a twentieth of
    the square of the painting's Gram matrix, lest a painting that looks like a photo outweigh a batch.

    Args:
        loss_network: the frozen VGG.
        content_layers: see `PerceptualLoss`.
        style_layers: see `PerceptualLoss`.
        content_weight: see `PerceptualLoss`.
        style_weight: see `PerceptualLoss`, above 0.
        tv_weight: see `PerceptualLoss`.
        reference: images (R, 3, H, W) in [0, 1] that the losses are relative to; there must be some.
        terms: see `PerceptualLoss`.
        term_weights: see `PerceptualLoss`.

    Raises:
        ValueError: as `PerceptualLoss`, or if there is no style loss or no reference.
    """

    def __init__(
        self,
        loss_network: VGG,
        content_layers: LayerWeights,
        style_layers: LayerWeights,
        content_weight: float,
        style_weight: float,
        tv_weight: float,
        reference: Tensor | None,
        terms: Mapping[str, Any] | None = None,
        term_weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        if reference is None:
            raise ValueError(
                "reference must be images that untouched pictures score by, not null: give loss=deep, or another loss "
                "that has one"
            )
        styles = layer_weights("style", style_layers, style_weight)
        if not styles:
            raise ValueError("the weight of the style is 0: there would be nothing to learn from paintings")
        loss_network.check_layers(styles)
        self.rest = PerceptualLoss(
            loss_network,
            reference[:1],
            content_layers,
            {},
            content_weight,
            0.0,
            tv_weight,
            reference=reference,
            terms=terms,
            term_weights=term_weights,
        )
        self.style_layers = list(styles)
        self.weights = self.rest.weights | {f"style_loss/{layer}": weight for layer, weight in styles.items()}
        with torch.no_grad():
            features = loss_network(reference, self.style_layers)
        for layer in self.style_layers:
            self.register_buffer(f"reference_{layer}", gram_matrix(features[layer]), persistent=False)

    @property
    def loss_network(self) -> VGG:
        """The frozen VGG."""
        return self.rest.loss_network

    @torch.no_grad()
    def look_at(self, paintings: Tensor) -> dict[str, Painted]:
        """Compute what the losses and the teacher want to know of paintings (N, 3, h, w) in [0, 1], by style layer."""
        features = self.loss_network(paintings, self.style_layers)
        return {name: (gram_matrix(each), each.mean((2, 3), dtype=torch.float32)) for name, each in features.items()}

    def forward(self, pictures: Tensor, photos: Tensor, painted: Mapping[str, Painted]) -> dict[str, Tensor]:
        """Compare pictures with their photos and with their paintings.

        Args:
            pictures: RGB of shape (N, 3, H, W) in [0, 1].
            photos: RGB of the same shape.
            painted: what `look_at` found in N paintings, or in one for all pictures.

        Returns:
            Unweighted float32 scalars by name: `content_loss/LAYER`, `style_loss/LAYER`, `tv_loss`, and those of
            `terms`.
        """
        found = self.loss_network(pictures, [*self.rest.content_layers, *self.style_layers])
        losses = self.rest.compare(pictures, found, photos, self.rest.targets(photos))
        for layer in self.style_layers:
            losses[f"style_loss/{layer}"] = self._style(layer, found[layer], painted[layer][0])
        return losses

    def summary(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weigh the terms and add them up, see `PerceptualLoss.summary`."""
        return summarize(losses, self.weights)

    def _style(self, layer: str, found: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad(), torch.autocast(target.device.type, enabled=False):  # products overflow in float16
            square = target.square().sum((1, 2))
            untouched = self.get_buffer(f"reference_{layer}")  # (R, C, C)
            # ‖A − B‖² for all pairs at once.
            cross = torch.einsum("rij,nij->rn", untouched, target)
            scores = (untouched.square().sum((1, 2))[:, None] - 2 * cross + square).median(0).values
            scale = scores.maximum(FLAT * square).clamp_min(torch.finfo(torch.float32).tiny)
        distance = (gram_matrix(found) - target).square().sum((1, 2))
        return (distance / scale).mean()

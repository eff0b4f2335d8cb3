"""What a network for any style is trained with."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fast_style.functional import channel_statistics
from fast_style.losses.perceptual import LayerWeights, layer_weights, summarize
from fast_style.networks import VGG

DEEPEST = "style_loss/encoder"
IDENTITY = "identity_loss"
FLAT = 0.05  # share of the mean square below which a variance counts as this, lest one flat crop outweigh a batch


class AdaINLoss(nn.Module):
    """Content, style and identity losses for any style image.

    The first two are those of Huang & Belongie 2017 (https://arxiv.org/abs/1703.06868, eq. 11–13), the third is the
    pixels' part of that of Park & Lee 2019 (https://arxiv.org/abs/1812.02342) for photos.

    Content: ‖f − t‖² / ‖t − μ(t)‖² with the features f that the network's encoder finds in the picture, and those t
    that it was decoded from. Style: Σ over layers of (‖μ − μ_s‖² + ‖σ − σ_s‖²) / (‖μ_s‖² + ‖σ_s‖²) with the means and
    standard deviations of the features of the picture and of the style image, under a loss network, and of the
    encoder's (`style_loss/encoder`). Identity: ‖d − p‖² / ‖p − μ(p)‖² with the pixels p of a photo and those d that are
    decoded from its own features. The denominators are ours: content and identity are 1 where there is nothing but the
    mean of each channel (of crops that are nearly flat less: the denominator is at least a twentieth of ‖t‖² or ‖p‖²),
    and the weights are those of any loss network and painting.

    Args:
        loss_network: the frozen VGG.
        style_layers: its layers, of equal weight or each with its own.
        content_weight, style_weight, identity_weight: weights of the losses, 0 leaves a loss out.
        encoder_weight: of the encoder's layer among those of the style.

    Raises:
        ValueError: if a layer is unknown or missing from the weights, a weight is negative or NaN, or all are 0.
    """

    def __init__(
        self,
        loss_network: VGG,
        style_layers: LayerWeights,
        content_weight: float,
        style_weight: float,
        encoder_weight: float = 1.0,
        identity_weight: float = 0.0,
    ) -> None:
        super().__init__()
        styles = layer_weights("style", style_layers, style_weight)
        loss_network.check_layers(styles)
        self.loss_network = loss_network
        self.style_layers = list(styles)
        self.weights = layer_weights("content", {"content_loss": 1.0}, content_weight)
        self.weights |= {f"style_loss/{layer}": weight for layer, weight in styles.items()}
        self.weights |= layer_weights("style", {DEEPEST: encoder_weight}, style_weight)
        self.weights |= layer_weights("identity", {IDENTITY: 1.0}, identity_weight)
        if not self.weights:
            raise ValueError("every loss weight is 0: nothing to train")

    @property
    def wants_identity(self) -> bool:
        """Whether photos are to be decoded as they are."""
        return IDENTITY in self.weights

    def forward(
        self,
        pictures: Tensor,
        found: Tensor,
        wanted: Tensor,
        paintings: Tensor,
        encoded: Tensor,
        identity: tuple[Tensor, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Compare pictures with what they should show.

        Args:
            pictures: RGB of shape (N, 3, H, W) in [0, 1].
            found: what the encoder finds in them, (N, C, H/8, W/8).
            wanted: what they were decoded from, of the same shape.
            paintings: the style of each, RGB of shape (N, 3, h, w) in [0, 1].
            encoded: what the encoder finds in these, (N, C, h/8, w/8).
            identity: where it `wants_identity`, what is decoded from photos as they are, and these: twice (N, 3, H, W).

        Returns:
            Unweighted float32 scalars by name: `content_loss`, `style_loss/LAYER`, `style_loss/encoder`,
            `identity_loss`.

        Raises:
            ValueError: if it wants an identity and there is none.
        """
        losses = {"content_loss": _relative(found, wanted), DEEPEST: _style(found, encoded)}
        if self.wants_identity:
            if identity is None:
                raise ValueError("with an identity_weight, what is decoded from photos as they are must be given")
            losses[IDENTITY] = _relative(*identity)
        features = self.loss_network(pictures, self.style_layers)
        with torch.no_grad():
            targets = self.loss_network(paintings, self.style_layers)
        losses |= {f"style_loss/{layer}": _style(features[layer], targets[layer]) for layer in self.style_layers}
        return {name: losses[name] for name in self.weights}

    def summary(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weigh the terms and add them up, see `PerceptualLoss.summary`."""
        return summarize(losses, self.weights)


def _relative(found: Tensor, wanted: Tensor) -> Tensor:
    wanted = wanted.float()
    variance = (wanted - wanted.mean((2, 3), keepdim=True)).square().mean((1, 2, 3))
    floor = (FLAT * wanted.square().mean((1, 2, 3))).clamp_min(1e-8)
    return ((found.float() - wanted).square().mean((1, 2, 3)) / variance.maximum(floor)).mean()


def _style(features: Tensor, style: Tensor) -> Tensor:
    (mean, std), (wanted_mean, wanted_std) = channel_statistics(features), channel_statistics(style.detach())
    distance = (mean - wanted_mean).square().mean(1) + (std - wanted_std).square().mean(1)  # (N,)
    return (distance / (wanted_mean.square().mean(1) + wanted_std.square().mean(1)).clamp_min(1e-8)).mean()

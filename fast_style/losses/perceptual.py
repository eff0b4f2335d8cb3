"""The perceptual loss: loss network and style targets bound together."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from fast_style.functional import gram_matrix, total_variation
from fast_style.losses.content import content_loss
from fast_style.losses.style import style_loss
from fast_style.networks.vgg import VGG

LayerWeights = Sequence[str] | Mapping[str, float]


class PerceptualLoss(nn.Module):
    """Content, style and total variation losses under a frozen loss network (Johnson et al. 2016, section 3).

    `forward` returns every term unweighted; `weights` holds what each is multiplied by, so that

        total = Σ_name weights[name] · losses[name].

    Args:
        loss_network: the frozen feature extractor.
        style: the style image, RGB of shape (1, 3, H, W) in [0, 1].
        content_layers: layers of the content loss, a list of names or a mapping {name: weight of the layer}.
        style_layers: layers of the style loss, likewise.
        content_weight, style_weight, tv_weight: weights of the three losses, 0 leaves a loss out.
        relative: divide each style term by ‖G_style‖²_F of its layer, and each content term by the mean square of
            the style image's features at its layer. The weights are then free of the scale of the loss network's
            features and of the painting, and mean the same for another network or another style. False: the terms
            as defined, to reproduce the weights of other codebases.

    Raises:
        ValueError: if a layer is unknown or missing from the weights, a weight is negative or NaN, or no loss is left.
    """

    def __init__(
        self,
        loss_network: VGG,
        style: Tensor,
        content_layers: LayerWeights,
        style_layers: LayerWeights,
        content_weight: float,
        style_weight: float,
        tv_weight: float,
        relative: bool = True,
    ) -> None:
        super().__init__()
        content = _layer_weights("content", content_layers, content_weight)
        styles = _layer_weights("style", style_layers, style_weight)
        _check_weight("tv_weight", tv_weight)
        if not (content or styles or tv_weight):
            raise ValueError("every loss weight is 0: nothing to train")
        loss_network.check_layers([*content, *styles])
        self.loss_network = loss_network
        self.content_layers = list(content)
        self.style_layers = list(styles)
        with torch.no_grad():
            features = loss_network(style, [*content, *styles])
        if relative:
            content = {layer: w / _scale(features[layer].float().square().mean()) for layer, w in content.items()}
        for layer in styles:
            target = gram_matrix(features[layer])
            self.register_buffer(f"target_{layer}", target)
            if relative:
                styles[layer] /= _scale(target.square().sum())
        self.weights = {f"content_loss/{layer}": weight for layer, weight in content.items()}
        self.weights |= {f"style_loss/{layer}": weight for layer, weight in styles.items()}
        if tv_weight:
            self.weights["tv_loss"] = tv_weight

    def forward(self, stylized: Tensor, photos: Tensor) -> dict[str, Tensor]:
        """Compare stylized images with the photos they came from and with the style image.

        Args:
            stylized: RGB of shape (N, 3, H, W) in [0, 1].
            photos: RGB of the same shape.

        Returns:
            Unweighted float32 scalars by name: `content_loss/LAYER`, `style_loss/LAYER`, `tv_loss`.
        """
        losses: dict[str, Tensor] = {}
        features = self.loss_network(stylized, [*self.content_layers, *self.style_layers])
        if self.content_layers:
            with torch.no_grad():
                targets = self.loss_network(photos, self.content_layers)
            for layer in self.content_layers:
                losses[f"content_loss/{layer}"] = content_loss(features[layer], targets[layer])
        for layer in self.style_layers:
            losses[f"style_loss/{layer}"] = style_loss(features[layer], self.get_buffer(f"target_{layer}"))
        if "tv_loss" in self.weights:
            losses["tv_loss"] = total_variation(stylized)
        return losses

    def summary(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weigh the terms and add them up, once for training and for the log.

        Args:
            losses: what `forward` returned.

        Returns:
            `total_loss`; each term raw by its own name (`style_loss/relu1_2`) and summed over its layers
            (`style_loss`); the same weighted, as `weighted/…`.
        """
        weighted = {name: self.weights[name] * value for name, value in losses.items()}
        summary = {"total_loss": torch.stack([*weighted.values()]).sum()}
        for prefix, terms in (("", losses), ("weighted/", weighted)):
            for name, value in terms.items():
                summary[prefix + name] = value
                loss, _, layer = name.partition("/")
                if layer:
                    summary[prefix + loss] = summary.get(prefix + loss, 0) + value
        return summary


def _layer_weights(loss: str, layers: LayerWeights, weight: float) -> dict[str, float]:
    if isinstance(layers, str):
        layers = [layers]
    by_layer = dict(layers) if isinstance(layers, Mapping) else dict.fromkeys(layers, 1.0)
    for name, value in ((f"{loss}_weight", weight), *((f"{loss} layer {k}", v) for k, v in by_layer.items())):
        _check_weight(name, value)
    return {layer: weight * value for layer, value in by_layer.items() if weight * value > 0}


def _check_weight(name: str, value: float | None) -> None:
    if value is None or not value >= 0:  # this way round refuses NaN as well
        raise ValueError(f"the weight {name} must not be negative, got {value}")


def _scale(value: Tensor) -> float:
    return max(value.item(), torch.finfo(torch.float32).tiny)

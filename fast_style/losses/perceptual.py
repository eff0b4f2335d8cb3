"""The perceptual loss: loss network and style targets bound together."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.functional import total_variation
from fast_style.losses.content import CONTENT_LOSSES
from fast_style.losses.style import STYLE_LOSSES, StyleLoss
from fast_style.networks.vgg import VGG

LayerWeights = str | Sequence[str] | Mapping[str, float]
Term = Callable[[Tensor, Tensor], Tensor]
Look = Callable[[VGG, Tensor, tuple[str, ...]], Sequence[Mapping[str, Tensor]]]


def features_of_each(network: VGG, images: Tensor, layers: tuple[str, ...]) -> list[dict[str, Tensor]]:
    """Compute the features of images (N, 3, H, W) in [0, 1], of each for itself: together they take N times the memory.

    Returns:
        For each image its features by layer, as `VGG.forward` returns them.
    """
    return [network(image, layers) for image in images.split(1)]


class PerceptualLoss(nn.Module):
    """Content, style and total variation losses under a frozen loss network (Johnson et al. 2016, section 3).

    `forward` returns every term unweighted; `weights` holds what each is multiplied by, so that

        total = Σ_name weights[name] · losses[name].

    Args:
        loss_network: the frozen feature extractor.
        style: the style image, RGB of shape (1, 3, H, W) in [0, 1].
        content_layers: layers of the content loss: names as a list or parted by commas, or a mapping
            {name: weight of the layer}.
        style_layers: layers of the style loss: names as a list or parted by commas, or a mapping
            {name: weight of the layer}.
        content_weight: weight of the content loss; 0 leaves it out.
        style_weight: weight of the style loss; 0 leaves it out.
        tv_weight: weight of total variation; 0 leaves it out.
        relative: divide each term by what it is, compared with the style image's features, for features that are zero
            everywhere: a Gram style term by ‖G_style‖²_F of its layer, a content term by the mean square of the style
            image's features (of `mse`). The weights are then free of the scale of the loss network's features and of
            the painting, and mean the same for another network or another style. False: the terms as defined, to
            reproduce the weights of other codebases.
        content_loss: how contents are compared, a name of `CONTENT_LOSSES`: `mse`, `l1` or `gradient`.
        style_loss: how styles are compared, a name of `STYLE_LOSSES`: `gram`, `mean_std`, `covariance`, `wasserstein`
            or `sliced_wasserstein`.
        reference: images of shape (N, 3, H, W) in [0, 1] that stand for photos, as `fast_style.data.reference_scenes`
            makes them. With them, `relative` means relative to what they score: a style term is divided by the median
            over them of the style loss of the untouched image, a content term by their mean content loss for features
            that are everywhere their own mean. Then each style layer starts at its weight, 1 being nothing of the
            painting yet, and each content layer ends there, 1 being nothing of the photo any more; no layer drowns the
            others, and one setting serves all paintings. None: relative to the painting, as above.
        terms: further terms by name, functions of stylized images and photos, both (N, 3, H, W) in [0, 1], such as
            `tone_loss`; never relative.
        term_weights: weights of these by name; a term of weight 0 is left out.
        look: computes the features of `reference`. The losses of several paintings look at it once if all are given the
            same `lru_cache(maxsize=1)(features_of_each)`, whose features are gone when it is.

    Raises:
        ValueError: if a layer or a loss is unknown, a layer missing from the weights, a weight is negative or NaN, a
            term has no weight or a weight no term, or no loss is left.
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
        content_loss: str = "mse",
        style_loss: str = "gram",
        reference: Tensor | None = None,
        terms: Mapping[str, Term] | None = None,
        term_weights: Mapping[str, float] | None = None,
        look: Look = features_of_each,
    ) -> None:
        super().__init__()
        if not isinstance(style, Tensor):
            message = "a network for one style learns one image: for several, as style=gallery has them, give"
            raise ValueError(f"{message} model=multi_style, or adversarial_multi_style")  # noqa: TRY004 - it is the setting that is wrong
        content = layer_weights("content", content_layers, content_weight)
        styles = layer_weights("style", style_layers, style_weight)
        if style_weight and not style_layers:
            raise ValueError("style_layers is empty, so that no style is learned: name layers, or give style_weight=0")
        self.terms = chosen_terms(terms or {}, term_weights or {})
        _check_weight("tv_weight", tv_weight)
        for kind, name, known in (("content", content_loss, CONTENT_LOSSES), ("style", style_loss, STYLE_LOSSES)):
            if name not in known:
                raise ValueError(f"{kind}_loss must be one of {', '.join(known)}, got {name!r}")
        if not (content or styles or tv_weight or self.terms):
            raise ValueError("every loss weight is 0: nothing to train")
        loss_network.check_layers([*content, *styles])
        self.loss_network = loss_network
        self.image = style
        self.content_layers = list(content)
        self.style_layers = list(styles)
        self.content_loss = CONTENT_LOSSES[content_loss]
        scores: dict[str, float] = {}
        with torch.no_grad():
            alone = relative and reference is None
            features = loss_network(style, [*styles, *(content if alone else ())])
            self.styles = nn.ModuleDict({layer: STYLE_LOSSES[style_loss](features[layer]) for layer in styles})
            if alone:
                scores = self._scores_of_zeros(features)
            elif relative and reference is not None:
                scores = self._scores_of_images(look(loss_network, reference.to(style), (*content, *styles)))
        weights = {f"content_loss/{layer}": weight for layer, weight in content.items()}
        weights |= {f"style_loss/{layer}": weight for layer, weight in styles.items()}
        tiny = torch.finfo(torch.float32).tiny
        self.weights = {name: weight / max(scores.get(name, 1.0), tiny) for name, weight in weights.items()}
        if tv_weight:
            self.weights["tv_loss"] = tv_weight
        self.weights |= {name: (term_weights or {})[name] for name in self.terms}

    def _scores_of_zeros(self, features: Mapping[str, Tensor]) -> dict[str, float]:
        """Tell by term what features of zero score, compared with those of the style image: see `relative`."""
        nothing = {layer: torch.zeros_like(features[layer]) for layer in self.content_layers}
        scores = {f"content_loss/{k}": self.content_loss(none, features[k]).item() for k, none in nothing.items()}
        return scores | {f"style_loss/{layer}": self._style(layer).scale for layer in self.style_layers}

    def _scores_of_images(self, images: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
        """Tell by term what images of these features score that the painting has not touched: see `reference`."""
        scores: dict[str, float] = {}
        for layer in self.content_layers:
            means = [features[layer].mean((2, 3), keepdim=True).expand_as(features[layer]) for features in images]
            flat = [self.content_loss(mean, features[layer]) for mean, features in zip(means, images, strict=True)]
            scores[f"content_loss/{layer}"] = torch.stack(flat).mean().item()
        for layer in self.style_layers:
            untouched = [self._style(layer)(features[layer]) for features in images]
            scores[f"style_loss/{layer}"] = torch.stack(untouched).median().item()
        return scores

    def _style(self, layer: str) -> StyleLoss:
        return cast("StyleLoss", self.styles[layer])

    def forward(self, stylized: Tensor, photos: Tensor) -> dict[str, Tensor]:
        """Compare stylized images with the photos they came from and with the style image.

        Args:
            stylized: RGB of shape (N, 3, H, W) in [0, 1].
            photos: RGB of the same shape.

        Returns:
            Unweighted float32 scalars by name: `content_loss/LAYER`, `style_loss/LAYER`, `tv_loss`, and those of
            `terms`.
        """
        features = self.loss_network(stylized, [*self.content_layers, *self.style_layers])
        return self.compare(stylized, features, photos, self.targets(photos))

    def targets(self, photos: Tensor) -> dict[str, Tensor]:
        """Compute the features of photos (N, 3, H, W) that the content loss compares with, by layer."""
        with torch.no_grad():
            return self.loss_network(photos, self.content_layers) if self.content_layers else {}

    def compare(
        self,
        stylized: Tensor,
        features: Mapping[str, Tensor],
        photos: Tensor,
        targets: Mapping[str, Tensor],
        region: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Do as `forward` with features that are known already.

        Args:
            stylized: RGB of shape (N, 3, H, W) in [0, 1].
            features: of the stylized images, of all layers.
            photos: RGB of the same shape.
            targets: what `targets` returned for them.
            region: where the style is compared, (1, 1, H, W) in [0, 1]: in the positions where it is at least a half,
                of a layer where there is none in the one where it is highest. None: everywhere.
        """
        losses: dict[str, Tensor] = {}
        for layer in self.content_layers:
            losses[f"content_loss/{layer}"] = self.content_loss(features[layer], targets[layer])
        for layer in self.style_layers:
            inside = features[layer] if region is None else _inside(features[layer], region)
            losses[f"style_loss/{layer}"] = self.styles[layer](inside)
        if "tv_loss" in self.weights:
            losses["tv_loss"] = total_variation(stylized, self.loss_network.padding_mode == "circular")
        for name, term in self.terms.items():
            losses[name] = term(stylized, photos)
        return losses

    def summary(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weigh the terms and add them up, once for training and for the log.

        Args:
            losses: what `forward` returned.

        Returns:
            `total_loss`; each term raw by its own name (`style_loss/relu1_2`) and summed over its layers
            (`style_loss`); the same weighted, as `weighted/…`.
        """
        return summarize(losses, self.weights)


def summarize(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> dict[str, Tensor]:
    """Weigh terms and add them up, see `PerceptualLoss.summary`."""
    weighted = {name: weights[name] * value for name, value in losses.items()}
    summary = {"total_loss": torch.stack([*weighted.values()]).sum()}
    for prefix, terms in (("", losses), ("weighted/", weighted)):
        for name, value in terms.items():
            summary[prefix + name] = value
            loss, _, layer = name.partition("/")
            if layer:
                summary[prefix + loss] = summary.get(prefix + loss, 0) + value
    return summary


def layer_weights(loss: str, layers: LayerWeights, weight: float) -> dict[str, float]:
    """Multiply the weights of a loss's layers with its own; those of weight 0 are left out.

    Raises:
        ValueError: if a weight is negative or NaN.
    """
    if isinstance(layers, str):
        layers = [layer.strip() for layer in layers.split(",")]
    by_layer = dict(layers) if isinstance(layers, Mapping) else dict.fromkeys(layers, 1.0)
    for name, value in ((f"{loss}_weight", weight), *((f"{loss}_layers.{k}", v) for k, v in by_layer.items())):
        _check_weight(name, value)
    return {layer: weight * value for layer, value in by_layer.items() if weight * value > 0}


def chosen_terms(terms: Mapping[str, Term], weights: Mapping[str, float]) -> dict[str, Term]:
    """Return the terms of a weight above 0.

    Args:
        terms: functions by name.
        weights: their weights by name.

    Raises:
        ValueError: if terms and weights do not have the same names, or a weight is negative or NaN.
    """
    for name in {*terms} ^ {*weights}:
        missing = "no weight: give term_weights" if name in terms else "no function: give terms"
        raise ValueError(f"the term {name} has {missing}.{name}")
    for name, weight in weights.items():
        _check_weight(f"term_weights.{name}", weight)
    return {name: term for name, term in terms.items() if weights[name] > 0}


def _check_weight(name: str, value: float | None) -> None:
    if value is None or not value >= 0:  # this way round refuses NaN as well
        raise ValueError(f"{name} must not be negative, got {value}")


def _inside(features: Tensor, region: Tensor) -> Tensor:
    """Gather the positions of (N, C, H, W) in a region: (N, C, P, 1), in no order that a style loss sees."""
    share = F.interpolate(region, features.shape[2:], mode="area").flatten()
    inside = share >= min(0.5, share.max().item())
    return features.flatten(2)[:, :, inside].unsqueeze(3)

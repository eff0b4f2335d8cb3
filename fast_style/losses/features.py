"""Two images compared by what a loss network sees in them."""

import torch
from torch import Tensor, nn

from fast_style.losses.content import CONTENT_LOSSES
from fast_style.losses.perceptual import LayerWeights, layer_weights
from fast_style.networks.vgg import VGG


class FeatureLoss(nn.Module):
    """Distance of images from targets under a frozen loss network: Σ_l w_l · d(φ_l(x), φ_l(y)).

    With absolute differences it is the VGG loss of Chen & Koltun 2017 (https://arxiv.org/abs/1707.09405) and Wang et
    al. 2018, "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs"
    (https://arxiv.org/abs/1711.11585). A term for tasks that compare pictures with what they should be.

    Args:
        loss_network: the frozen feature extractor.
        feature_layers: names as a list or parted by commas, or a mapping {name: weight of the layer}.
        distance: of features, a name of `CONTENT_LOSSES`: `l1`, `mse` or `gradient`.
        reference: images of shape (N, 3, H, W) in [0, 1] that stand for photos, as `fast_style.data.reference_scenes`
            makes them. Each layer is divided by what it scores on average where their features are everywhere their own
            mean: 1 is nothing of the image any more, and weights mean the same whatever scale the loss network's
            features have. None: distances as they are.

    Raises:
        ValueError: if a layer or the distance is unknown, a layer missing from the weights, a weight is negative, or no
            layer is left.
    """

    def __init__(
        self,
        loss_network: VGG,
        feature_layers: LayerWeights,
        distance: str = "l1",
        reference: Tensor | None = None,
    ) -> None:
        super().__init__()
        if distance not in CONTENT_LOSSES:
            raise ValueError(f"distance must be one of {', '.join(CONTENT_LOSSES)}, got {distance!r}")
        self.layers = layer_weights("feature", feature_layers, 1.0)
        if not self.layers:
            raise ValueError("the feature loss has no layer of a weight above 0")
        loss_network.check_layers(self.layers)
        self.loss_network = loss_network
        self.distance = CONTENT_LOSSES[distance]
        if reference is not None:
            self._make_relative(reference)

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        """Compare images with targets, both RGB (N, 3, H, W) in [0, 1]: a float32 scalar."""
        found = self.loss_network(images, self.layers)
        with torch.no_grad():
            wanted = self.loss_network(targets, self.layers)
        terms = [weight * self.distance(found[layer], wanted[layer]) for layer, weight in self.layers.items()]
        return torch.stack(terms).sum()

    @torch.no_grad()
    def _make_relative(self, reference: Tensor) -> None:
        """Divide the weights of layers by what is lost with nothing but the mean of each image's features."""
        features = [self.loss_network(image, self.layers) for image in reference.split(1)]
        for layer in self.layers:
            means = [each[layer].mean((2, 3), keepdim=True).expand_as(each[layer]) for each in features]
            lost = [self.distance(mean, each[layer]) for mean, each in zip(means, features, strict=True)]
            self.layers[layer] /= max(torch.stack(lost).mean().item(), torch.finfo(torch.float32).tiny)

"""Networks that are a chain of layers, which is what can be run in tiles."""

from abc import abstractmethod

from torch import Tensor

from fast_style.layers import Layer, apply
from fast_style.networks.style_network import StyleNetwork


class ChainNetwork(StyleNetwork):
    """A network that is nothing but layers in order, between padding and cropping."""

    @property
    @abstractmethod
    def chain(self) -> list[Layer]:
        """All layers in order, from the padded input to what `to_rgb` takes."""

    def of_padded(self, x: Tensor, styles: Tensor | None = None) -> Tensor:
        """Stylise (N, 3, H, W) of padded sides."""
        return self.to_rgb(apply(self.chain, x, styles))

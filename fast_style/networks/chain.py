"""What the image-transformation networks have in common: a chain of layers between padding and cropping."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.layers import Layer

GAIN = 150 / 255  # Johnson's, in [0, 1]-space: with 0.5 added, a new network starts near mid-grey


class ChainNetwork(nn.Module, ABC):
    """A network that works at a quarter of the size: it pads to a multiple of four, applies its chain, crops.

    Attributes:
        arguments: of the constructor, from which a checkpoint builds the network again.
    """

    arguments: dict[str, Any]

    @property
    @abstractmethod
    def chain(self) -> list[Layer]:
        """All layers in order, from the padded input to what `to_rgb` takes."""

    @staticmethod
    def padded(side: int) -> int:
        """Round a side up to a multiple of four, at least eight, since reflection pads by up to four pixels."""
        # max(8, …) without a comparison, which an exporter would settle for good.
        return 4 * ((side + 3) // 4 + 7 // (side + 3))

    def to_rgb(self, x: Tensor) -> Tensor:
        """Map what the last layer gives to [0, 1]-space."""
        return 0.5 + GAIN * x

    def pad(self, images: Tensor) -> Tensor:
        """Repeat the last row and column of (N, 3, H, W) up to sides that `of_padded` takes."""
        h, w = images.shape[-2:]
        pad_h, pad_w = self.padded(h) - h, self.padded(w) - w
        return F.pad(images, (0, pad_w, 0, pad_h), mode="replicate") if pad_h or pad_w else images

    def of_padded(self, x: Tensor) -> Tensor:
        """Stylise (N, 3, H, W) of padded sides."""
        for layer in self.chain:
            x = layer(x)
        return self.to_rgb(x)

    def forward(self, images: Tensor) -> Tensor:
        """Stylise a batch.

        Args:
            images: RGB of shape (N, 3, H, W) in [0, 1], H and W at least 1.

        Returns:
            RGB of the same shape in [0, 1]-space: values may lie a little outside, clamp before writing a file.
        """
        h, w = images.shape[-2:]
        return self.of_padded(self.pad(images))[..., :h, :w]

"""What every network that makes pictures of photos has in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GAIN = 150 / 255  # Johnson's, in [0, 1]-space: with 0.5 added, a new network starts near mid-grey


class Generator(nn.Module, ABC):
    """A network that pads photos to sides that it takes, by default multiples of four, makes pictures, and crops them.

    Attributes:
        arguments: those of the constructor, from which a checkpoint builds the network again.
        required: names of the arguments without which the constructor would read weights from elsewhere. A file must
            hold them, so that no file decides what is opened.
    """

    arguments: dict[str, Any]
    required: ClassVar[tuple[str, ...]] = ()

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """Tell which weights are stored outside the file of a network, and so are left out of it.

        Returns:
            How the names of these parameters and buffers begin; by default nothing is left out.
        """
        return ()

    def find(self) -> None:
        """Read the weights that are stored outside the file of a network, those that `elsewhere` names.

        Raises:
            FileNotFoundError, RuntimeError, ValueError: if they are not to be had, or do not fit.
        """

    def rebuilt(self, arguments: Mapping[str, Any], state: Mapping[str, Tensor]) -> Self:
        """Copy the network with other arguments and some other weights.

        Args:
            arguments: those of the constructor that change.
            state: weights that change, by name.

        Returns:
            A network on the same device and in the same mode, which shares no memory with this one.
        """
        with torch.device("meta"):  # nothing is read, and no random numbers are drawn
            other = type(self)(**self.arguments | dict(arguments))
        weights = {key: value.detach().clone() for key, value in (self.state_dict() | dict(state)).items()}
        other.load_state_dict(weights, assign=True)
        return other.to(next(self.parameters()).device).train(self.training)

    def padded(self, side: int) -> int:
        """Round a side up to a multiple of four, at least eight, since reflection pads by up to five pixels."""
        # max(8, …) without a comparison, which an exporter would settle for good.
        return 4 * ((side + 3) // 4 + 7 // (side + 3))

    def pad(self, images: Tensor) -> Tensor:
        """Repeat the last row and column of (N, 3, H, W) up to sides that `of_padded` takes."""
        h, w = images.shape[-2:]
        pad_h, pad_w = self.padded(h) - h, self.padded(w) - w
        return F.pad(images, (0, pad_w, 0, pad_h), mode="replicate") if pad_h or pad_w else images

    @abstractmethod
    def of_padded(self, x: Tensor) -> Tensor:
        """Map photos (N, 3, H, W) of padded sides, in [0, 1], to pictures of the same shape in [0, 1]-space."""

    def to_rgb(self, x: Tensor) -> Tensor:
        """Map what the last layer gives to [0, 1]-space: y = 0.5 + 150/255·x, pixel by pixel."""
        return 0.5 + GAIN * x

    def forward(self, images: Tensor) -> Tensor:
        """Make pictures of photos.

        Args:
            images: RGB of shape (N, 3, H, W) in [0, 1], H and W at least 1.

        Returns:
            RGB of the same shape in [0, 1]-space: values may lie a little outside, clamp before writing a file.
        """
        h, w = images.shape[-2:]
        return self.of_padded(self.pad(images))[..., :h, :w]

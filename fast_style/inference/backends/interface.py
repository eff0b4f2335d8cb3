"""What all backends have in common."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn


class Backend(ABC):
    """A network made ready to run.

    Attributes:
        name: `torch`, `onnx` or `openvino`.
        device: where it runs.
        precision: `fp32`, `bf16` or `fp16`, in which all convolutions but the first are computed; photos, statistics of
            the normalisation and the result are float32. In `int8` see `eight_bits.eight_bit_model`.
        compile_seconds: how long it took to make ready: to convert and compile it, or to read what was compiled before.
        notes: sentences for the user, such as why a faster backend was passed over.
    """

    name: ClassVar[str]

    def __init__(self, device: torch.device, precision: str) -> None:
        self.device = device
        self.precision = precision
        self.compile_seconds = 0.0
        self.notes: list[str] = []

    @abstractmethod
    def __call__(self, photos: Tensor) -> Tensor:
        """Stylise a batch.

        Args:
            photos: float32 RGB of shape (N, 3, H, W) in [0, 1], on any device; H and W at least 1.

        Returns:
            Float32 RGB of the same shape, clamped to [0, 1], on the device of the backend.
        """

    def __str__(self) -> str:
        return f"{self.name} {self.precision} on {self.device}"


class Clamped(nn.Module):
    """A network whose pictures are float32 in [0, 1], as what runs them outside Python expects."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, photos: Tensor) -> Tensor:
        """Map photos (N, 3, H, W) in [0, 1] to pictures of the same shape."""
        return self.network(photos).float().clamp(0, 1)

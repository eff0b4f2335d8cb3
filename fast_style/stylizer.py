"""A trained network applied to images."""

import copy
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from fast_style import images
from fast_style.checkpoint import load_network


class Stylizer:
    """Stylize images with one network, in a single forward pass each.

    Args:
        network: maps RGB of shape (N, 3, H, W) in [0, 1] to the same shape; a copy of it is used.
        device: `auto` (CUDA, else Apple's MPS, else CPU), or one of them: `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises:
        ValueError: if the device is unknown, or not available here.
    """

    def __init__(self, network: nn.Module, device: str = "auto") -> None:
        self.device = _find_device(device)
        self.network = copy.deepcopy(network).to(self.device).eval().requires_grad_(False)

    @classmethod
    def from_checkpoint(cls, path: str | Path, device: str = "auto") -> Self:
        """Load the network that training exported, see `checkpoint.load_network` for what is raised."""
        return cls(load_network(path), device)

    def __call__(self, image: images.Image) -> images.Image:
        """Stylize a Pillow image of whatever mode into RGB of the same size, upright if EXIF turns the image."""
        return images.to_pil(self.stylize(images.from_pil(image)))

    @torch.inference_mode()
    def stylize(self, photos: Tensor) -> Tensor:
        """Stylize a batch.

        Args:
            photos: RGB of shape (N, 3, H, W), floating point in [0, 1], on whatever device.

        Returns:
            Float32 RGB of the same shape, clamped to [0, 1], on the CPU.

        Raises:
            ValueError: if the shape is another.
            TypeError: if the images are not floating point.
        """
        if photos.ndim != 4 or photos.shape[1] != 3:
            raise ValueError(f"images must have shape (N, 3, H, W), got {tuple(photos.shape)}")
        if not photos.is_floating_point():
            raise TypeError(f"images must be floating point in [0, 1], got {photos.dtype}: see images.to_float")
        return self.network(photos.to(self.device, torch.float32)).float().clamp(0, 1).cpu()


def _find_device(name: str) -> torch.device:
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.append("mps")
    if torch.cuda.is_available():
        available += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if kind in available))
    if name not in available:
        raise ValueError(f"device must be auto or one of those available here, {', '.join(available)}; got {name!r}")
    return torch.device(name)

"""A trained network applied to images."""

import copy
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from fast_style import images
from fast_style.backends import choose
from fast_style.checkpoint import load_network


class Stylizer:
    """Stylize images with one network, in a single forward pass each.

    Args:
        network: maps RGB of shape (N, 3, H, W) in [0, 1] to the same shape; a copy of it is used. Or an ONNX file that
            `python -m fast_style.export` wrote.
        device, precision, backend, compile: see `backends.choose`, also for what is raised; by default the fastest that
            is there.

    Attributes:
        backend: what was chosen: `str` says `openvino bf16 on cpu`, `compile_seconds` how long it took to make ready.
        device: where it runs.
        network: the copy, in float32 on that device; None for a file.
    """

    def __init__(
        self,
        network: nn.Module | Path,
        device: str = "auto",
        precision: str = "auto",
        backend: str = "auto",
        compile: bool = False,  # noqa: A002 - as PyTorch calls it
    ) -> None:
        self.backend = choose(network, device, precision, backend, compile)
        self.device = self.backend.device
        self.network: nn.Module | None = None
        if isinstance(network, nn.Module):
            self.network = copy.deepcopy(network).to(self.device).eval().requires_grad_(False)

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        device: str = "auto",
        precision: str = "auto",
        backend: str = "auto",
        compile: bool = False,  # noqa: A002 - as PyTorch calls it
    ) -> Self:
        """Load the network that training exported, or an `.onnx` file made of it; the arguments are those of the class.

        Raises:
            FileNotFoundError, ValueError: if there is no such file, or it is none of these, see
                `checkpoint.load_network` and `backends.choose`.
        """
        file = Path(path)
        network = file if file.suffix.lower() == ".onnx" else load_network(file)
        return cls(network, device, precision, backend, compile)

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
        return self.backend(photos.to(torch.float32)).cpu()

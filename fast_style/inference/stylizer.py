"""A trained network applied to images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from fast_style import images
from fast_style.checkpoint import load_styled
from fast_style.inference.backends import PRECISIONS, choose
from fast_style.inference.tiling import TILE, Tileable, smallest_tile, stylize_tiled, untiled_bytes
from fast_style.layers import frozen

UNTILED = 1 << 30  # bytes of activations from which on `auto` works in tiles


class Stylizer:
    """Stylize images with one network, in a single forward pass each.

    Args:
        network: maps RGB of shape (N, 3, H, W) in [0, 1] to the same shape; a copy of it is used. Or an ONNX file that
            `python -m fast_style export` wrote.
        device, precision, backend, compile: see `backends.choose`, also for what is raised; by default the fastest that
            is there.
        tile: `auto` works in tiles where a picture needs more than 1 GiB, or more memory than there is; `off`; or the
            side of the tiles in pixels. The result is the same, see `tiling.stylize_tiled`; PyTorch computes it.

    Raises:
        ValueError: if `tile` is none of these or smaller than what the network sees around a pixel, or the network
            cannot run in tiles, or has several styles: take one, `network.of_style`.

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
        tile: str | int = "auto",
        compile: bool = False,  # noqa: A002 - as PyTorch calls it
    ) -> None:
        if styles := getattr(network, "styles", None):
            raise ValueError(f"the network has several styles, {', '.join(styles)}: take network.of_style({{NAME: 1}})")
        if getattr(network, "takes_images", False):
            raise ValueError("the network takes style images: take network.of_images([IMAGE]).of_style({'1': 1})")
        self.backend = choose(network, device, precision, backend, compile)
        self.device = self.backend.device
        self.network: nn.Module | None = None
        if isinstance(network, nn.Module):
            self.network = frozen(network).to(self.device)
        self.tile = self._check_tile(tile)

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        device: str = "auto",
        precision: str = "auto",
        backend: str = "auto",
        tile: str | int = "auto",
        compile: bool = False,  # noqa: A002 - as PyTorch calls it
        style: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None,
        style_map: Tensor | None = None,
    ) -> Self:
        """Load the network that training exported, or an `.onnx` file made of it.

        Args:
            path: of the file.
            device: as of the class, as are precision, backend, tile and compile.
            precision: likewise.
            backend: likewise; with a map of styles PyTorch alone.
            tile: likewise.
            compile: likewise.
            style: of a network of several styles or for any, see `checkpoint.load_styled`.
            style_map: likewise.

        Raises:
            FileNotFoundError, ValueError: if there is no such file, or it is none of these, see
                `checkpoint.load_styled` and `backends.choose`.
        """
        file = Path(path)
        if file.suffix.lower() == ".onnx":
            if style is not None:
                raise ValueError(f"{file} has a single style: leave out the choice of one")
            return cls(file, device, precision, backend, tile, compile)
        if style_map is not None:
            if backend not in ("auto", "torch"):
                raise ValueError(f"backend {backend} does not run a map of styles: take backend torch")
            backend = "torch"
        return cls(load_styled(file, style, style_map), device, precision, backend, tile, compile)

    def __call__(self, image: images.Image) -> images.Image:
        """Stylize a Pillow image of whatever mode into RGB of the same size, upright if EXIF turns the image."""
        return images.to_pil(self.stylize(images.from_pil(image)))

    @torch.inference_mode()
    def stylize(self, photos: Tensor) -> Tensor:
        """Stylize a batch.

        Args:
            photos: RGB of shape (N, 3, H, W), floating point in [0, 1] or uint8, on whatever device.

        Returns:
            RGB of the same shape on the CPU: float32, clamped to [0, 1], or uint8 like the photos.

        Raises:
            ValueError: if the shape is another.
            TypeError: if the images are of another type.
        """
        if photos.ndim != 4 or photos.shape[1] != 3:
            raise ValueError(f"images must have shape (N, 3, H, W), got {tuple(photos.shape)}")
        if not (photos.is_floating_point() or photos.dtype == torch.uint8):
            raise TypeError(f"images must be floating point in [0, 1] or uint8, got {photos.dtype}")
        if photos.is_floating_point():
            photos = photos.to(torch.float32)
        if self._wants_tiles(photos):
            return self._in_tiles(photos)
        if len(photos) > (fit := self._fitting(photos)):
            return torch.cat([self.stylize(some) for some in photos.split(fit)])
        try:
            pictures = self.backend(photos if photos.is_floating_point() else images.to_float(photos)).cpu()
        except torch.OutOfMemoryError:
            if self.tile != "auto" or not isinstance(self.network, Tileable):
                raise
            return self._in_tiles(photos)
        return pictures if photos.is_floating_point() else images.to_depth(pictures, 8)

    def _check_tile(self, tile: str | int) -> str | int:
        if tile in ("auto", "off"):
            return tile
        if not str(tile).isdecimal():
            raise ValueError(f"tile must be auto, off or a number of pixels, got {tile!r}")
        if not isinstance(self.network, Tileable):
            raise ValueError(  # noqa: TRY004 - it is the tile that is wrong
                "this network cannot run in tiles: leave out tile, or take the checkpoint it comes from"
            )
        if int(tile) < (least := smallest_tile(self.network)):
            raise ValueError(f"tile must be at least {least} pixels, what this network sees around one; got {tile}")
        return int(tile)

    def _wants_tiles(self, photos: Tensor) -> bool:
        return isinstance(self.tile, int) or self._fitting(photos) == 0

    def _fitting(self, photos: Tensor) -> int:
        """How many of these photos are stylized whole at once; 0: not even one."""
        if self.tile == "off" or not isinstance(self.network, Tileable):
            return len(photos)
        return UNTILED // untiled_bytes(self.network, *photos.shape[2:], self._dtype)

    @property
    def _dtype(self) -> torch.dtype:
        return PRECISIONS[self.backend.precision]

    def _in_tiles(self, photos: Tensor) -> Tensor:
        assert self.network is not None  # noqa: S101 - files have no tiles
        tile = self.tile if isinstance(self.tile, int) else TILE
        pictures = [stylize_tiled(self.network, photo, tile, dtype=self._dtype) for photo in photos.cpu()]
        stacked = torch.stack(pictures)
        return stacked.clamp_(0, 1) if stacked.is_floating_point() else stacked

"""A trained network applied to images."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from fast_style import images
from fast_style.checkpoint import (
    describe,
    find_network,
    load_style_image,
    load_styled,
    read_onnx_metadata,
    takes_style_image,
)
from fast_style.inference.backends import PRECISIONS, choose
from fast_style.inference.memory import spare_memory
from fast_style.inference.tiling import TILE, Tileable, TiledNetwork
from fast_style.layers import frozen

UNTILED = 1 << 30  # bytes of activations from which on `auto` works in tiles, which are faster then, on a CPU
SHARE = 1 / 4  # of a GPU's spare memory that activations may take: there are copies of them around a normalisation
INDEXED = 1 << 31  # numbers of a tensor from which on some of PyTorch's operations on a GPU refuse it


class Stylizer:
    """Stylize images with one network, in a single forward pass each.

    Args:
        network: maps RGB of shape (N, 3, H, W) in [0, 1] to the same shape; a copy of it is used. Or an ONNX file that
            `python -m fast_style export` wrote.
        device: `auto` (CUDA, else Apple's MPS, else CPU), `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: `auto` (bf16 where the hardware multiplies it, else fp32), `fp32`, `bf16`, `fp16` on GPUs, or for a
            `SlimNetwork` in OpenVINO `int8`.
        backend: `auto` (the fastest that is installed), `torch`, or on the CPU `onnx` or `openvino`.
        tile: `auto` works in tiles where the activations of a picture take more than 1 GiB, or on a GPU with CUDA more
            than a quarter of its spare memory, or where memory runs out; `off`; or the side of the tiles in pixels. The
            result is the same, see `tiling.TiledNetwork`; PyTorch computes it.
        compile: whether to have PyTorch compile the network.
        style: for an ONNX file that takes a style image this image, (1, 3, h, w) in [0, 1] with a short side of 384
            pixels; ONNX Runtime computes it.

    Raises:
        TypeError: if the network is a name, or a file of another kind: `from_checkpoint` takes those.
        ValueError: if a setting is none of these or not to be had here, `tile` is smaller than what the network sees
            around a pixel, or the network cannot run in tiles, or has several styles: take one, `network.of_style`.
        FileNotFoundError: if there is no such file.
        RuntimeError: if what is asked for cannot run the network.

    Attributes:
        backend: what was chosen: `str` says `openvino bf16 on cpu`, `compile_seconds` how long it took to make ready.
        device: where it runs.
        network: the copy, in float32 on that device; None for a file.
    """

    def __init__(
        self,
        network: nn.Module | str | Path,
        device: str = "auto",
        precision: str = "auto",
        backend: str = "auto",
        tile: str | int = "auto",
        compile: bool = False,  # noqa: A002 - as PyTorch calls it
        style: Tensor | None = None,
    ) -> None:
        if not isinstance(network, nn.Module) and Path(network).suffix.lower() != ".onnx":
            raise TypeError(
                f"a network or an .onnx file was expected, got {str(network)!r}: names and other files are taken by "
                "Stylizer.from_checkpoint"
            )
        if not isinstance(network, nn.Module):
            network = Path(network)
        if getattr(network, "takes_images", False):
            raise ValueError(
                "the network takes style images: take network.of_images({NAME: IMAGE}).of_style({NAME: 1})"
            )
        if styles := getattr(network, "styles", None):
            raise ValueError(f"the network has several styles, {', '.join(styles)}: take network.of_style({{NAME: 1}})")
        self.backend = choose(network, device, precision, backend, compile, style)
        self.device = self.backend.device
        self.network: nn.Module | None = None
        self._tiled: TiledNetwork | None = None
        if isinstance(network, nn.Module):
            self.network = frozen(network).to(self.device)
            if isinstance(self.network, Tileable) and tile != "off":
                self._tiled = TiledNetwork(self.network, PRECISIONS[self.backend.precision])
        self.tile = self._check_tile(tile)

    @classmethod
    def from_checkpoint(
        cls,
        source: str | Path,
        device: str = "auto",
        precision: str = "auto",
        backend: str = "auto",
        tile: str | int = "auto",
        compile: bool = False,  # noqa: A002 - as PyTorch calls it
        style: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None,
        style_map: Tensor | None = None,
    ) -> Self:
        """Load a network that ships or that training exported, or an `.onnx` file made of it.

        Args:
            source: a file; a folder with a single network; `FOLDER/NAME`; or `NAME`, a network that ships, such as
                `starry_night`.
            device: `auto` (CUDA, else Apple's MPS, else CPU), `cpu`, `cuda`, `cuda:1`, `mps`.
            precision: `auto` (bf16 where the hardware multiplies it, else fp32), `fp32`, `bf16`, `fp16` on GPUs, or
                for a `SlimNetwork` in OpenVINO `int8`.
            backend: `auto` (the fastest that is installed, but for a network for any style not ONNX Runtime), `torch`,
                or on the CPU `onnx` or `openvino`; with a map of styles PyTorch alone.
            tile: `auto`, `off`, or the side of the tiles in pixels.
            compile: whether to have PyTorch compile the network.
            style: of a network of several styles the weights of one or some, by name; with a map several such. Of a
                network for any style the names are files, URLs or names of shipped styles; of an ONNX file of it one.
            style_map: where each of K styles applies, (1, K, h, w), not negative; it lies over the whole picture.

        Raises:
            FileNotFoundError: if there is no such network or style image.
            ValueError: if the file is damaged or not a network, the style does not go with it, or a setting is not to
                be had.
            RuntimeError: if a style image cannot be downloaded, or what is asked for cannot run the network.
        """
        file = find_network(source)
        if file.suffix.lower() == ".onnx":
            read_onnx_metadata(file)
            if takes_style_image(file):
                if backend not in ("auto", "onnx"):
                    raise ValueError(f"backend {backend} does not run files that take style images: take backend onnx")
                image = load_style_image(file, style, style_map)
                return cls(file, device, precision, "onnx", tile, compile, image)
            if style is not None or style_map is not None:
                raise ValueError(f"{file} has a single style: leave out the choice of one")
            return cls(file, device, precision, backend, tile, compile)
        if style_map is not None:
            if backend not in ("auto", "torch"):
                raise ValueError(f"backend {backend} does not run a map of styles: take backend torch")
            backend = "torch"
        elif backend == "auto" and precision != "int8" and describe(file).takes_images and not find_spec("openvino"):
            backend = "torch"  # ONNX Runtime would have each new style exported first, which takes longer than pictures
        return cls(load_styled(file, style, style_map), device, precision, backend, tile, compile)

    def __call__(self, image: images.Image | str | Path | np.ndarray) -> images.Image:
        """Stylize one image.

        Args:
            image: a Pillow image of whatever mode, which is turned upright if its EXIF says so; a file; or an RGB array
                of shape (H, W, 3), uint8 in 0 … 255 or floating point in [0, 1].

        Returns:
            An RGB Pillow image of the same size.

        Raises:
            TypeError: if the image is something else; for tensors there is `stylize`.
            FileNotFoundError: if there is no such file.
            ValueError: if the file is not an image, or the array has another shape, a side of 0, or numbers that are
                far outside of [0, 1] or not finite.
        """
        match image:
            case images.Image():
                photos = images.from_pil(image)
            case str() | Path():
                photos = images.read(image)[None]
            case np.ndarray():
                if image.ndim != 3 or image.shape[2] != 3:
                    raise ValueError(f"an array must be RGB of shape (H, W, 3), got {image.shape}")
                photos = torch.tensor(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
            case _:
                raise TypeError(
                    f"an image must be a Pillow image, a file or an array, got {type(image).__name__}: "
                    "for tensors of shape (N, 3, H, W) there is stylize"
                )
        return images.to_pil(self.stylize(photos))

    @torch.inference_mode()
    def stylize(self, photos: Tensor) -> Tensor:
        """Stylize a batch.

        Args:
            photos: RGB of shape (N, 3, H, W), floating point in [0, 1] or uint8 in 0 … 255, on whatever device.

        Returns:
            RGB of the same shape on the CPU: float32, clamped to [0, 1], or uint8 like the photos.

        Raises:
            ValueError: if the shape is another or a side is 0, or numbers are far outside of [0, 1], as of images in
                0 … 255, or not finite.
            TypeError: if the images are of another type.
        """
        if not isinstance(photos, Tensor):
            raise TypeError(f"images must be a tensor, got {type(photos).__name__}: call the stylizer itself with one")
        if photos.ndim != 4 or photos.shape[1] != 3:
            raise ValueError(f"images must have shape (N, 3, H, W), got {tuple(photos.shape)}")
        if 0 in photos.shape[2:]:
            raise ValueError(f"images must be at least one pixel high and wide, got {tuple(photos.shape)}")
        if not (photos.is_floating_point() or photos.dtype == torch.uint8):
            raise TypeError(f"images must be floating point in [0, 1] or uint8, got {photos.dtype}")
        if photos.is_floating_point():
            photos = photos.to(torch.float32)
            _check_range(photos)
        fit = self._fitting(photos)
        if fit == 0:
            return self._in_tiles(photos)
        if len(photos) > fit:
            return torch.cat([self.stylize(some) for some in photos.split(fit)])
        pictures = self._whole(photos)
        # Not within the handling of the error, whose traceback keeps alive what the attempt has computed.
        if pictures is None and len(photos) > 1:
            return torch.cat([self.stylize(half) for half in photos.split((len(photos) + 1) // 2)])
        return self._in_tiles(photos) if pictures is None else pictures

    def _whole(self, photos: Tensor) -> Tensor | None:
        """Stylize photos without tiles; None if there is no memory for that but tiles may take less.

        Integers go to a GPU and come from there as integers, a quarter of the bytes.
        """
        try:
            pictures = self.backend(photos if photos.is_floating_point() else images.to_float(photos.to(self.device)))
            return pictures.cpu() if photos.is_floating_point() else images.to_depth(pictures, 8)
        except torch.OutOfMemoryError:
            if self.tile != "auto" or self._tiled is None:
                raise
            return None

    def _check_tile(self, tile: str | int) -> str | int:
        if tile in ("auto", "off"):
            return tile
        if not str(tile).isdecimal():
            raise ValueError(f"tile must be auto, off or a number of pixels, got {tile!r}")
        if self._tiled is None:
            raise ValueError("this network cannot run in tiles: leave out tile; if it is exported, its checkpoint may")
        if int(tile) < (least := self._tiled.smallest_tile):
            raise ValueError(f"tile must be at least {least} pixels, what this network sees around one; got {tile}")
        return int(tile)

    def _fitting(self, photos: Tensor) -> int:
        """How many of these photos are stylized whole at once; 0: not even one."""
        if isinstance(self.tile, int):
            return 0
        if self._tiled is None:
            return len(photos)
        return self._limit() // self._tiled.untiled_bytes(*photos.shape[2:])

    def _limit(self) -> int:
        """Bytes of activations up to which photos are stylized whole."""
        if self.device.type != "cuda":
            return UNTILED
        return min(int(SHARE * spare_memory(self.device)), INDEXED * PRECISIONS[self.backend.precision].itemsize)

    def _in_tiles(self, photos: Tensor) -> Tensor:
        assert self._tiled is not None  # noqa: S101 - files have no tiles
        tile = self.tile if isinstance(self.tile, int) else TILE
        stacked = torch.stack([self._tiled(photo, tile) for photo in photos.cpu()])
        return stacked.clamp_(0, 1) if stacked.is_floating_point() else stacked


def _check_range(photos: Tensor) -> None:
    """Refuse images in 0 … 255, standardised ones and NaN, but not a little over- or undershoot of [0, 1]."""
    if photos.numel():
        low, high = (each.item() for each in photos.aminmax())
        if not (low >= -0.5 and high <= 1.5):  # this way round refuses NaN as well
            advice = "divide by 255" if low >= 0 and high <= 255 else "undo their standardisation"
            advice = advice if isfinite(low) and isfinite(high) else "replace what is no finite number"
            raise ValueError(f"floating point images must be in [0, 1], found {low:.4g} to {high:.4g}: {advice}")

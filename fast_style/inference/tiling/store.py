"""Where a pass over a picture reads and writes: the photo, activations of the whole picture, the result."""

import mmap
import os
import tempfile
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

from fast_style.inference.tiling.regions import Box, Size, Span, crop
from fast_style.layers import Layer


class Sink(ABC):
    """What a pass writes."""

    @abstractmethod
    def write(self, box: Box, y: Tensor) -> Tensor:
        """Put (1, C, h, w) on a region; return it as it is read from there."""

    def release(self) -> None:
        """Let go of the memory that a file is read and written through, if there is a file."""
        return


class Photo:
    """The picture, continued at its right and lower border by replication.

    Args:
        pixels: uint8, or floating point in [0, 1], (3, H, W).
        size: of the continued picture.
        device: to compute on.
    """

    def __init__(self, pixels: Tensor, size: Size, device: torch.device) -> None:
        self.pixels, self.size, self.device = pixels, size, device

    def read(self, box: Box) -> Tensor:
        """Values on a region, float32 in [0, 1]."""
        (rows, below), (columns, beside) = (
            _clip(span, length) for span, length in zip(box, self.pixels.shape[1:], strict=True)
        )
        x = self.pixels[None, :, rows, columns].to(self.device)
        x = x.float() / 255 if x.dtype == torch.uint8 else x.float()
        x = F.pad(x, (0, beside, 0, below), mode="replicate") if below or beside else x
        return x.contiguous(memory_format=torch.channels_last)


class Result(Sink):
    """The stylised picture.

    Args:
        pixels: where it goes, uint8 or floating point, (3, H, W).
        to_rgb: maps what the network's last layer gives to [0, 1]-space.
    """

    def __init__(self, pixels: Tensor, to_rgb: Layer) -> None:
        self.pixels, self.to_rgb = pixels, to_rgb

    def write(self, box: Box, y: Tensor) -> Tensor:
        """Put a region; uint8 is clamped and rounded."""
        rgb = self.to_rgb(y.float())[0]
        if self.pixels.dtype == torch.uint8:
            rgb = rgb.clamp(0, 1).mul(255).round()
        (first, last), (start, stop) = box
        self.pixels[:, first:last, start:stop] = rgb.to(self.pixels.dtype)
        return y


class Store(Sink):
    """Activations of the whole picture.

    Args:
        size: of them.
        dtype: in which they are kept.
        device: where they are kept, unless in a file.
        like: of the type and on the device to compute with.
        in_file: keep them in a temporary file, of which no more than a few rows are in memory.

    Raises:
        OSError: if there is no room for the file.
    """

    def __init__(
        self, size: Size, dtype: torch.dtype, device: torch.device, like: Tensor, in_file: bool = False
    ) -> None:
        c, h, w = self.size = size
        self.like, self.mapping = like, None
        if in_file:
            self.mapping = _temporary_mapping(c * h * w * dtype.itemsize)
            values = torch.frombuffer(self.mapping, dtype=dtype)
        else:
            values = torch.empty(c * h * w, dtype=dtype, device=device)
        self.values = values.view(1, h, w, c).permute(0, 3, 1, 2)  # (1, C, h, w), channels last

    def read(self, box: Box) -> Tensor:
        """Values on a region."""
        return self._load(self._view(box))

    def write(self, box: Box, y: Tensor) -> Tensor:
        """Put a region; return it as rounded."""
        kept = y.to(self.values.dtype)
        self._view(box).copy_(kept)
        return self._load(kept)

    def release(self) -> None:
        """Let go of the memory that a file is read and written through, if there is a file."""
        if self.mapping is not None and hasattr(self.mapping, "madvise"):
            self.mapping.madvise(mmap.MADV_DONTNEED)

    def _view(self, box: Box) -> Tensor:
        return crop(self.values, ((0, 0), (0, 0)), box)

    def _load(self, values: Tensor) -> Tensor:
        return values.to(self.like.device, self.like.dtype, memory_format=torch.channels_last)


class Sum(Sink):
    """Adds to activations."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def write(self, box: Box, y: Tensor) -> Tensor:
        """Add to a region."""
        return self.store.write(box, self.store.read(box) + y)

    def release(self) -> None:
        """Let go of the memory that a file is read and written through, if there is a file."""
        self.store.release()


class Window:
    """Rows of a store as they were before a pass from top to bottom, which overwrites them, came by."""

    def __init__(self, store: Store) -> None:
        self.store, self.size = store, store.size
        self.values, self.rows = store.values[:, :, :0], (0, 0)

    def move(self, rows: Span) -> None:
        """Take over rows; those above the last taken may be overwritten by now, those below not."""
        (first, last), (top, seen) = rows, self.rows
        old = self.values[:, :, first - top :].clone()
        self.values, self.rows = torch.cat([old, self.store.values[:, :, max(first, seen) : last]], dim=2), rows

    def read(self, box: Box) -> Tensor:
        """Values on a region within the rows."""
        return self.store._load(crop(self.values, (self.rows, (0, 0)), box))


def _clip(span: Span, length: int) -> tuple[slice, int]:
    """What there is of a span, its last pixel at least, and how much is missing after it."""
    start, stop = min(span[0], length - 1), min(span[1], length)
    return slice(start, stop), span[1] - span[0] - (stop - start)


def _temporary_mapping(length: int) -> mmap.mmap:
    with tempfile.TemporaryFile(prefix="fast_style-") as file:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, length)  # else a full disk would show as a crash when written to
            else:
                file.truncate(length)
        except OSError as error:
            raise OSError(
                f"cannot keep {length / 1e9:.1f} GB of activations in {tempfile.gettempdir()}: {error.strerror}; "
                "free some space, set TMPDIR to another folder, or give more memory"
            ) from error
        return mmap.mmap(file.fileno(), length)

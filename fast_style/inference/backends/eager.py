"""Networks run by PyTorch itself."""

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from fast_style.compiled import Compiled
from fast_style.inference.backends.interface import Backend, Clamped
from fast_style.inference.backends.precision import PRECISIONS, channels_last_norm, float32_norm, lowered


class Eager(Backend):
    """PyTorch, on whatever device; the only backend for GPUs.

    Args:
        network: maps RGB of shape (N, 3, H, W) in [0, 1] to the same shape; a copy of it is used.
        device: one that is available.
        precision: one of `PRECISIONS`.
        compile: whether to use torch.compile, which needs a C++ compiler and takes its time for each size of up to
            eight; other sizes run as they are. Where it fails, a note says so and the network is not compiled.
    """

    name = "torch"

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        precision: str,
        compile: bool = False,  # noqa: A002 - as PyTorch calls it
    ) -> None:
        super().__init__(device, precision)
        dtype = PRECISIONS[precision]
        norm: Callable[[nn.Module], nn.Module] | None = None if dtype == torch.float32 else float32_norm
        if device.type == "cpu" and not compile:
            norm = channels_last_norm
        self._network = Clamped(lowered(network, dtype, norm)).to(device).to(memory_format=torch.channels_last)
        if compile:
            self._stylize: Callable[[Tensor], Tensor] = Compiled(self._network, self.notes.append, dynamic=False)
        else:
            self._stylize = self._network
        self._sizes: set[torch.Size] = set()

    @torch.inference_mode()
    def __call__(self, photos: Tensor) -> Tensor:
        """Stylise a batch, see `Backend`; `compile_seconds` grows with each size that is compiled."""
        photos = photos.to(self.device, memory_format=torch.channels_last)
        if photos.shape in self._sizes or self._stylize is self._network:
            return self._stylize(photos)
        started = time.perf_counter()
        self._sizes.add(photos.shape)
        stylized = self._stylize(photos)
        self.compile_seconds += time.perf_counter() - started
        return stylized

"""A yes or no that is on its way from a GPU."""

import torch
from torch import Tensor


class Answer:
    """A boolean that a device computes, for which nobody need wait.

    A CUDA device does in order what it is given, and to read a tensor is to wait for all of it. So the device itself
    copies the answer into memory of the CPU, which PyTorch pins for that, and marks an event when it has done so. On
    other devices it is known as soon as it is asked for.

    Args:
        tensor: the boolean, a scalar on any device.
    """

    def __init__(self, tensor: Tensor) -> None:
        later = tensor.device.type == "cuda"
        self._value = tensor.to("cpu", non_blocking=later)
        self._event = torch.cuda.current_stream(tensor.device).record_event() if later else None

    @property
    def known(self) -> bool:
        """Whether it can be read without waiting for the device."""
        return self._event is None or self._event.query()

    def read(self) -> bool:
        """Return the boolean, as soon as it is known."""
        if self._event is not None:
            self._event.synchronize()
        return bool(self._value)

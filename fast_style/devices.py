"""Tensors on their way to a device."""

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Send a small tensor of the CPU to a device, and let a GPU go on with what it does.

    A copy out of ordinary memory waits until the GPU has done all that it was asked for, and with it whoever would ask
    for more meanwhile; one out of pinned memory waits for nothing.

    Args:
        tensor: on the CPU.
        device: where it is wanted.
    """
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)

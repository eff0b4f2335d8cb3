"""How much memory a GPU has to spare."""

import torch


def spare_memory(device: torch.device) -> int:
    """Count the bytes that tensors on a CUDA device may still take.

    They are what the driver calls free, and what PyTorch keeps of tensors that are gone, to use it again.
    """
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept

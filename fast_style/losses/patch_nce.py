"""What is at a place of a picture is to be recognised as what is there in the photo."""

import torch
from torch import Tensor
from torch.nn import functional as F


def patch_nce_loss(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """Cross entropy of finding the place of a patch among others of its image, mean over patches.

    −mean log (exp(q_p · k_p / τ) / Σ_r exp(q_p · k_r / τ))

    Args:
        queries: features of P patches of each picture, (N, P, K), of unit length.
        keys: features of the same patches of the photos, (N, P, K), of unit length; they get no gradient.
        temperature: τ.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if the shapes differ, or the temperature is not above 0.

    Source: Park et al. 2020, "Contrastive Learning for Unpaired Image-to-Image Translation"
    (https://arxiv.org/abs/2007.15651), eq. 3, with the other patches of the same image as negatives.
    """
    if queries.shape != keys.shape:
        raise ValueError(f"queries have shape {tuple(queries.shape)}, keys {tuple(keys.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be more than 0, got {temperature}")
    with torch.autocast(queries.device.type, enabled=False):
        similar = queries.float() @ keys.detach().float().transpose(1, 2) / temperature  # (N, P, P)
    own = torch.arange(queries.shape[1], device=queries.device).expand(len(queries), -1)
    return F.cross_entropy(similar.flatten(0, 1), own.flatten())

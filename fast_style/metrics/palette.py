"""How far the colours of a picture are from those of a painting, wherever they are."""

import torch
from torch import Tensor
from torch.nn import functional as F

DIRECTIONS = 32


def palette_distance(images: Tensor, style: Tensor) -> Tensor:
    """Sliced Wasserstein distance of colours, root mean square over 32 directions of RGB space: 0 for equal palettes.

    Args:
        images: RGB of shape (N, 3, H, W) in [0, 1].
        style: RGB of shape (1, 3, H', W') in [0, 1], on the same device.

    Returns:
        One float32 number an image, shape (N,), in units of RGB: a shift of all three by 0.1 is about 0.1, of one of
        them 0.1 / √3. It is computed in float32 whatever the precision around it.

    Raises:
        ValueError: if the images do not have shape (N, 3, H, W), or the style not (1, 3, H', W').

    Source: Rabin et al. 2011, "Wasserstein Barycenter and its Application to Texture Mixing"; the directions are
    those of a Fibonacci lattice on the half sphere.
    """
    if images.ndim != 4 or style.ndim != 4 or images.shape[1] != 3 or style.shape[:2] != (1, 3):
        raise ValueError(
            f"images must have shape (N, 3, H, W) and the style (1, 3, H, W), got {tuple(images.shape)} and "
            f"{tuple(style.shape)}"
        )
    number = torch.arange(DIRECTIONS, dtype=torch.float32) + 0.5
    height = number / DIRECTIONS
    angle = torch.pi * (3 - 5**0.5) * number
    radius = (1 - height.square()).sqrt()
    directions = torch.stack([radius * angle.cos(), radius * angle.sin(), height], dim=1).to(images.device)  # (D, 3)
    with torch.autocast(images.device.type, enabled=False):
        ours, theirs = ((directions @ x.float().flatten(2)).sort(dim=2).values for x in (images, style))  # (N, D, H·W)
    if ours.shape[2] != theirs.shape[2]:
        theirs = F.interpolate(theirs, ours.shape[2], mode="linear")
    return (ours - theirs).square().mean(dim=(1, 2)).sqrt()

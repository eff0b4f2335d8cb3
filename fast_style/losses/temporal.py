"""Pictures that change from frame to frame only as the film does."""

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor
from torch.nn import functional as F

from fast_style.functional import luma
from fast_style.losses.equivariance import MARGIN

REACH = 10  # pixels of whole shifts, at most
BENT = 3.0  # pixels, standard deviation of local motion
ZOOM, TURN = 0.1, 3.0  # at most so much larger or smaller, and degrees to either side
NOISE = 0.004, 0.008  # standard deviation of what a sensor and a codec add, in [0, 1]
LIGHT = 0.1  # light gets at most so much stronger or weaker


@dataclass(frozen=True)
class Frames:
    """Frames that follow photos, and how they follow.

    Attributes:
        photos: the frames, RGB of shape (M, 3, H, W) in [0, 1].
        flow: from each of their pixels to where in the photo it was, pixels to the right and down, (M, 2, H, W).
        seen: the mask of occlusion, (M, 1, H, W): 1 where the point that a pixel of the frame shows is seen in the
            photo as well, 0 where it is hidden there.
        change: how the light changed, (M, 1, H, W) in [-1, 1]: the luma of the frame minus that of the photo at the
            place where the flow leads to.
    """

    photos: Tensor
    flow: Tensor
    seen: Tensor
    change: Tensor


def temporal_loss(pictures: Tensor, after: Tensor, frames: Frames) -> Tensor:
    """Mean squared difference between the picture of a frame and the picture before it, moved as the film moves.

    Σ m (f(b) − W f(a) − Δ)² / (3 Σ m) for a network f, a photo a, the frame b that follows it, the motion W from a to
    b, 1 in m where both show the same, away from the border, and Δ the change of light. Ruder et al. 2016
    (https://arxiv.org/abs/1604.08610) compare so in optimisation, Gao et al. 2018 (ReCoNet,
    https://arxiv.org/abs/1807.01197) in training, where the change of light is taken from the luma of the frames.

    Args:
        pictures: f(a), RGB of shape (M, 3, H, W).
        after: f(b), of the same shape.
        frames: b, and how they follow from a.

    Returns:
        A float32 scalar; 0 where nothing is left to compare.

    Raises:
        ValueError: if the shapes differ.
    """
    if not pictures.shape == after.shape == frames.photos.shape:
        shapes = ", ".join(str(tuple(each.shape)) for each in (pictures, after, frames.photos))
        raise ValueError(f"pictures, those of the frames and the frames must have one shape, got {shapes}")
    with torch.autocast(pictures.device.type, enabled=False):
        apart = after.float() - warped(pictures.float(), frames.flow) - frames.change
        inside = frames.seen * within(frames.flow)
        return (apart.square() * inside).sum() / (3 * inside.sum()).clamp_min(1)


def warped(images: Tensor, flow: Tensor) -> Tensor:
    """Take each pixel from where the flow leads to: result(x) = images(x + flow(x)), interpolated cubically.

    Args:
        images: of shape (N, C, H, W).
        flow: pixels to the right and down, (N, 2, H, W).

    Returns:
        Images of the same shape; beyond the border they are reflected.
    """
    h, w = images.shape[-2:]
    y, x = torch.meshgrid(torch.arange(h, device=flow.device), torch.arange(w, device=flow.device), indexing="ij")
    # Corners are at -1 and 1.
    grid = torch.stack([2 * (x + flow[:, 0]) / max(1, w - 1) - 1, 2 * (y + flow[:, 1]) / max(1, h - 1) - 1], -1)
    return F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=True)


def within(flow: Tensor, margin: int = MARGIN) -> Tensor:
    """Tell where a pixel, and where its flow (N, 2, H, W) leads, are so many pixels from the border: (N, 1, H, W)."""
    h, w = flow.shape[-2:]
    y, x = torch.meshgrid(torch.arange(h, device=flow.device), torch.arange(w, device=flow.device), indexing="ij")
    result = torch.ones_like(flow[:, :1], dtype=torch.bool)
    for place, side in ((x, w), (y, h), (x + flow[:, :1], w), (y + flow[:, 1:], h)):
        result &= (place >= margin) & (place <= side - 1 - margin)
    return result.float()


def following(photos: Tensor, generator: torch.Generator) -> Frames:
    """Make frames that could follow photos in a film.

    Of four kinds of motion each frame has one: half are shifts by whole pixels, up to ten in each direction, which
    need no interpolation; three tenths bend, a shift of 3 pixels of standard deviation in each of 4 × 4 places; a fifth
    zoom, turn and shift by parts of pixels. Half of the frames have a light that is up to a tenth stronger or weaker
    from place to place, and all have noise. Frames that bend, zoom or turn are interpolated from the photo, a little
    softer than it; so are the pictures that theirs are compared with.

    Args:
        photos: RGB of shape (N, 3, H, W) in [0, 1].
        generator: of the CPU.
    """
    count, _, h, w = photos.shape
    flow = torch.cat([_draw_flow(h, w, generator) for _ in range(count)]).to(photos)
    moved = warped(photos, flow).clamp(0, 1)
    lit = LIGHT * _uniform(generator, count, 1, 4, 4) * (_uniform(generator, count, 1, 1, 1) < 0)
    light = 1 + F.interpolate(lit.to(photos), (h, w), mode="bicubic", align_corners=True)
    frames = (moved * light).clamp(0, 1)
    change = luma(frames) - luma(moved)
    lowest, highest = NOISE
    strength = lowest + (highest - lowest) * torch.rand(count, 1, 1, 1, generator=generator)
    there = torch.Generator(photos.device).manual_seed(int(torch.randint(2**31, (), generator=generator)))
    noise = torch.randn(photos.shape, generator=there, device=photos.device)
    return Frames((frames + strength.to(photos) * noise).clamp(0, 1), flow, torch.ones_like(change), change)


def _draw_flow(h: int, w: int, generator: torch.Generator) -> Tensor:
    """Draw the motion of one frame, (1, 2, h, w)."""
    kind = float(torch.rand((), generator=generator))
    if kind < 0.5:
        whole = (_uniform(generator, 1, 2, 1, 1) * (REACH + 0.5)).round().clamp(-REACH, REACH)
        return whole.expand(1, 2, h, w)
    if kind < 0.8:
        places = BENT * torch.randn(1, 2, 4, 4, generator=generator)
        return F.interpolate(places, (h, w), mode="bicubic", align_corners=True)
    zoom, turn = 1 + ZOOM * _uniform(generator), TURN * pi / 180 * _uniform(generator)
    y = torch.linspace(-(h - 1) / 2, (h - 1) / 2, h)[:, None].expand(h, w)
    x = torch.linspace(-(w - 1) / 2, (w - 1) / 2, w).expand(h, w)
    right, down = zoom * (turn.cos() * x - turn.sin() * y) - x, zoom * (turn.sin() * x + turn.cos() * y) - y
    return torch.stack([right, down])[None] + 2 * _uniform(generator, 1, 2, 1, 1)


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Draw numbers in [-1, 1)."""
    return 2 * torch.rand(shape, generator=generator) - 1

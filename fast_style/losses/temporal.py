"""Pictures that change from frame to frame only as the film does."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor
from torch.nn import functional as F

from fast_style.devices import sent
from fast_style.functional import luma
from fast_style.losses.equivariance import MARGIN

REACH = 10  # pixels of whole shifts, at most
BENT = 3.0  # pixels, standard deviation of local motion
ZOOM, TURN = 0.1, 3.0  # at most so much larger or smaller, and degrees to either side
NOISE = 0.004, 0.008  # standard deviation of what a sensor and a codec add, in [0, 1]
LIGHT = 0.1  # light gets at most so much stronger or weaker
NUMBERS = 4, 2, 32, 16, 1  # that are drawn for a frame, see `_draw`


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


def following(photos: Tensor, generators: Sequence[torch.Generator]) -> Frames:
    """Make frames that could follow photos in a film.

    Of four kinds of motion each frame has one: half are shifts by whole pixels, up to ten in each direction, which
    need no interpolation; three tenths bend, a shift of 3 pixels of standard deviation in each of 4 × 4 places; a fifth
    zoom, turn and shift by parts of pixels. Half of the frames have a light that is up to a tenth stronger or weaker
    from place to place, and all have noise. Frames that bend, zoom or turn are interpolated from the photo, a little
    softer than it; so are the pictures that theirs are compared with.

    Args:
        photos: RGB of shape (N, 3, H, W) in [0, 1].
        generators: of the CPU, one for each photo, which alone decides how it is followed.
    """
    h, w = photos.shape[-2:]
    drawn = torch.stack([_draw(each) for each in generators]).to(photos.dtype)
    turn, shift, bend, lit, strength = sent(drawn, photos.device).split(NUMBERS, 1)
    flow = _flow(turn.view(-1, 2, 2), shift, bend.view(-1, 2, 4, 4), (h, w))
    moved = warped(photos, flow).clamp(0, 1)
    light = 1 + F.interpolate(lit.view(-1, 1, 4, 4), (h, w), mode="bicubic", align_corners=True)
    frames = (moved * light).clamp(0, 1)
    change = luma(frames) - luma(moved)
    noise = torch.stack([_noise(photo, each) for photo, each in zip(photos, generators, strict=True)])
    frames = (frames + strength.view(-1, 1, 1, 1) * noise).clamp(0, 1)
    return Frames(frames, flow, torch.ones_like(change), change)


def _draw(generator: torch.Generator) -> Tensor:
    """Draw how one frame follows: what turns and zooms, what shifts, what bends, light and strength of the noise."""
    turn, shift, bend = torch.zeros(2, 2), torch.zeros(2), torch.zeros(2, 4, 4)
    kind = float(torch.rand((), generator=generator))
    if kind < 0.5:
        shift = (_uniform(generator, 2) * (REACH + 0.5)).round().clamp(-REACH, REACH)
    elif kind < 0.8:
        bend = BENT * torch.randn(2, 4, 4, generator=generator)
    else:
        zoom, angle = 1 + ZOOM * _uniform(generator), TURN * pi / 180 * _uniform(generator)
        along, across = zoom * angle.cos() - 1, zoom * angle.sin()
        turn, shift = torch.stack([along, -across, across, along]), 2 * _uniform(generator, 2)
    lit = LIGHT * _uniform(generator, 4, 4) * (_uniform(generator) < 0)
    lowest, highest = NOISE
    strength = lowest + (highest - lowest) * torch.rand(1, generator=generator)
    return torch.cat([part.flatten() for part in (turn, shift, bend, lit, strength)])


def _flow(turn: Tensor, shift: Tensor, bend: Tensor, size: tuple[int, int]) -> Tensor:
    """Add up motions, pixels to the right and down, (N, 2, h, w).

    Args:
        turn: matrices that a place, as seen from the middle, is multiplied with, (N, 2, 2).
        shift: of whole frames, (N, 2).
        bend: shifts in places spread evenly, (N, 2, 4, 4).
        size: h and w.
    """
    h, w = size
    y = torch.linspace(-(h - 1) / 2, (h - 1) / 2, h, device=shift.device, dtype=shift.dtype)[:, None]
    x = torch.linspace(-(w - 1) / 2, (w - 1) / 2, w, device=shift.device, dtype=shift.dtype)
    by_x, by_y = turn[..., None, None].unbind(2)  # (N, 2, 1, 1) each
    local = F.interpolate(bend, size, mode="bicubic", align_corners=True)
    return by_x * x + by_y * y + shift[..., None, None] + local


def _noise(photo: Tensor, generator: torch.Generator) -> Tensor:
    """Draw noise of a photo's shape, on its device."""
    there = torch.Generator(photo.device).manual_seed(int(torch.randint(2**31, (), generator=generator)))
    return torch.randn(photo.shape, generator=there, device=photo.device)


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Draw numbers in [-1, 1)."""
    return 2 * torch.rand(shape, generator=generator) - 1

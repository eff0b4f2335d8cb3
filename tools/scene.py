"""Paint `docs/scene.jpg`, the picture the README starts from: a lake between mountains, made of noise.

python tools/scene.py [OUTPUT]
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from fast_style import images

HEIGHT, WIDTH, HORIZON = 640, 960, 400
GENERATOR = torch.Generator().manual_seed(4)


def fractal_noise(size: Sequence[int], octaves: int, first: int = 2, falloff: float = 0.5) -> Tensor:
    """Sum of smooth noises, each of twice the frequency and `falloff` times the height: (H, W) in [0, 1]."""
    total = torch.zeros(size)
    for octave in range(octaves):
        cells = first * 2**octave
        grid = torch.rand(1, 1, cells + 2, round(cells * size[1] / size[0]) + 2, generator=GENERATOR)
        smooth = F.interpolate(grid, size=tuple(size), mode="bicubic", align_corners=True)[0, 0]
        total += falloff**octave * smooth
    return (total - total.min()) / (total.max() - total.min())


def colour(red: float, green: float, blue: float) -> Tensor:
    """Return an RGB colour of shape (3, 1, 1)."""
    return torch.tensor([red, green, blue]).view(3, 1, 1)


def mix(low: Tensor, high: Tensor, amount: Tensor) -> Tensor:
    """Blend from low to high: (3, H, W)."""
    return low + (high - low) * amount.clamp(0, 1)


def sky() -> Tensor:
    """Evening sky with a low sun and clouds lit from below: (3, HORIZON, WIDTH)."""
    y = torch.linspace(0, 1, HORIZON).view(-1, 1).expand(HORIZON, WIDTH)
    x = torch.linspace(0, WIDTH / HEIGHT, WIDTH).view(1, -1)
    picture = mix(colour(0.16, 0.30, 0.58), colour(0.98, 0.78, 0.52), y**1.6)
    distance = ((x - 1.05) ** 2 + (y * HORIZON / HEIGHT - 0.47) ** 2).sqrt()
    picture = mix(picture, colour(1.0, 0.93, 0.70), torch.exp(-((distance / 0.16) ** 2)))
    clouds = fractal_noise((HORIZON, WIDTH), 6, falloff=0.55)
    cover = ((clouds - 0.52) * 5).clamp(0, 1) * (1 - y * 0.6)
    lit = mix(colour(0.62, 0.60, 0.68), colour(1.0, 0.80, 0.66), 0.3 + y)
    picture = mix(picture, lit, cover * 0.85)
    return mix(picture, colour(1.0, 0.97, 0.86), ((0.045 - distance) * 120).clamp(0, 1))


def mountains(picture: Tensor) -> Tensor:
    """Five ridges, the nearer the darker and greener, with rock texture and snow on the farthest."""
    rows = torch.arange(HORIZON).view(-1, 1)
    near, far = colour(0.10, 0.20, 0.12), colour(0.52, 0.56, 0.70)
    for ridge, (base, height) in enumerate([(300, 230), (330, 190), (355, 130), (380, 85), (398, 45)]):
        outline = fractal_noise((WIDTH, WIDTH), 8, first=3, falloff=0.45)[WIDTH // 2]
        outline = (outline - outline.mean()) / outline.std() * 0.22 + 0.5
        top = base - height * outline.clamp(0.05, 1.1)  # (WIDTH,)
        depth = ((rows - top) / height).clamp(0, 1)
        texture = fractal_noise((HORIZON, WIDTH), 7, first=8, falloff=0.7)
        shade = mix(far, near, torch.tensor(ridge / 4)) * (0.65 + 0.7 * texture)
        if ridge == 0:
            snow = ((0.30 - depth + (texture - 0.5) * 0.5) * 8).clamp(0, 1)
            shade = mix(shade, colour(0.95, 0.93, 0.95), snow)
        haze = mix(shade, colour(0.90, 0.74, 0.62), depth * 0.35 * (1 - ridge / 5))
        picture = mix(picture, haze, (rows - top).clamp(0, 1))
    return picture


def lake(shore: Tensor) -> Tensor:
    """The mirrored scene, rippled more the nearer the water is: (3, HEIGHT − HORIZON, WIDTH)."""
    height = HEIGHT - HORIZON
    near = torch.linspace(0, 1, height).view(-1, 1)
    waves = fractal_noise((height, WIDTH // 8), 6, first=16, falloff=0.8)
    waves = F.interpolate(waves[None, None], size=(height, WIDTH), mode="bicubic")[0, 0] - 0.5
    rows = HORIZON - 1 - near * 1.5 * height + waves * (4 + 60 * near)
    columns = torch.arange(WIDTH) + waves * 20 * near
    grid = torch.stack([columns / (WIDTH - 1) * 2 - 1, rows / (HORIZON - 1) * 2 - 1], dim=-1)  # (H, W, 2)
    water = F.grid_sample(shore[None], grid[None], padding_mode="reflection", align_corners=True)[0]
    return mix(water * 0.86, colour(0.06, 0.16, 0.26), 0.15 + 0.5 * near) + waves * 0.10 * near


def trees(picture: Tensor) -> Tensor:
    """Dark spruces on both sides of the foreground."""
    rows, columns = torch.arange(HEIGHT).view(-1, 1), torch.arange(WIDTH).view(1, -1)
    ragged = fractal_noise((HEIGHT, WIDTH), 6, first=24, falloff=0.8)
    places = torch.cat([torch.rand(9, generator=GENERATOR) * 0.20, 1 - torch.rand(7, generator=GENERATOR) * 0.15])
    for place in places.tolist():
        size = 190 + 210 * torch.rand((), generator=GENERATOR)
        foot = HEIGHT + 30 * torch.rand((), generator=GENERATOR)
        up = (foot - rows) / size  # 0 at the foot, 1 at the tip
        branches = 0.75 + 0.25 * torch.sin(up * 55 + place * 40)
        reach = 0.19 * size * (1 - up) * branches * (0.6 + 0.8 * ragged)
        inside = ((reach - (columns - place * WIDTH).abs()) / 2).clamp(0, 1) * (up < 1)
        green = mix(colour(0.03, 0.08, 0.06), colour(0.16, 0.26, 0.12), ragged * branches)
        picture = mix(picture, green, inside)
    return picture


def paint() -> Tensor:
    """Paint the whole scene: (3, HEIGHT, WIDTH) in [0, 1]."""
    shore = mountains(sky())
    picture = torch.cat([shore, lake(shore)], dim=1)
    grain = torch.randn(picture.shape, generator=GENERATOR) * 0.008
    return (trees(picture) + grain).clamp(0, 1)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "docs" / "scene.jpg"
    images.write(target, paint())
    print(f"wrote {target}")

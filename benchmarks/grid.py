"""Measure what a network's inner grid does to its pictures: shifts, weave and seams.

    python benchmarks/grid.py --photos DIR [--output FILE.json] NETWORK …

For each network of one style, or each style of a network of several:

- pan 1, 2, 4: the photo is shifted by so many pixels; root mean square difference, in [0, 1], between the shifted
  picture and the picture of the shifted photo, 24 pixels from the border, mean over the photos at 512 px on the long
  side. 0 would be a network that moves with the photo.
- weave: on plain grey of 256×256 pixels, and on the photo's plainest square of 128 pixels, the power of the picture's
  lightness at the frequencies of a grid of four pixels, divided by the median power of the frequencies around, or that
  of noise of a quarter of a grey level if it is more. Up to 1 or 2 is nothing special; the larger of the two is shown.
- seam: beside the edge of a dark disc on plain ground, how much the mean lightness of a ring of one pixel, up to 16
  pixels outside, goes beyond the ground's own at 24 to 40 pixels, divided by the standard deviation of the
  picture's lightness.
- ms: of one picture of 512×512 pixels, alone, median of seven, on this machine.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from fast_style import images
from fast_style.checkpoint import load_network
from fast_style.data import ImageSource
from fast_style.functional import luma
from fast_style.layers import frozen
from fast_style.networks import StyleNetwork

BORDER = 24
VISIBLE = 0.25 / 255  # standard deviation of lightness below which nothing is seen
Network = Callable[[Tensor], Tensor]


def pan(network: Network, photo: Tensor, pixels: int) -> float:
    """Root mean square of what a shift by some pixels to the right changes, beyond the shift."""
    width = photo.shape[-1] - 8
    still, moved = (network(photo[..., start : start + width]).clamp(0, 1) for start in (0, pixels))
    inside = slice(BORDER, -BORDER)
    still, moved = still[..., inside, BORDER + pixels : -BORDER], moved[..., inside, BORDER : -BORDER - pixels]
    return (still - moved).square().mean().sqrt().item()


def weave(picture: Tensor) -> float:
    """Power at the frequencies of a grid of four pixels, over the median power around each; the highest of them."""
    light = luma(picture)[0, 0]
    light = light - light.mean()
    window = torch.hann_window(len(light), periodic=False)
    power = torch.fft.fft2(light * torch.outer(window, window)).abs().square()
    size, highest = len(light), 0.0
    for row in (0, size // 4, size // 2):
        for column in (0, size // 4, size // 2, 3 * size // 4):
            if row == column == 0:
                continue
            rows, columns = ((torch.arange(at - 9, at + 10)) % size for at in (row, column))
            around = power[rows][:, columns].clone()
            peak = around[8:11, 8:11].max()  # the window spreads it
            around[7:12, 7:12] = float("nan")
            floor = (VISIBLE**2 * torch.outer(window, window).square().sum()).item()  # of white noise so strong
            highest = max(highest, (peak / around.nanmedian().clamp_min(floor)).item())
    return highest


def plainest(photo: Tensor, size: int = 128) -> Tensor:
    """The square in which the lightness varies least."""
    squares = luma(photo).unfold(2, size, 32).unfold(3, size, 32)  # (1, 1, rows, columns, size, size)
    place = squares.std(dim=(4, 5)).flatten().argmin().item()
    row, column = divmod(int(place), squares.shape[3])
    return photo[..., 32 * row : 32 * row + size, 32 * column : 32 * column + size]


def seam(network: Network) -> float:
    """How far the lightness beside a silhouette goes beyond that of the plain ground."""
    rows = torch.arange(320)
    distance = (rows[:, None] - 160.0).hypot(rows - 160.0) - 80
    disc = (distance + 0.5).clamp(0, 1)  # a smooth edge of one pixel
    light = luma(network((0.12 + 0.6 * disc).expand(1, 3, 320, 320)).clamp(0, 1))[0, 0]
    rings = torch.stack([light[(distance >= d) & (distance < d + 1)].mean() for d in range(1, 41)])
    return ((rings[:16] - rings[23:].mean()).abs().max() / light.std()).item()


@torch.inference_mode()
def measure(network: Network, photos: list[Tensor]) -> dict[str, float]:
    """Measure everything that the table shows."""
    found = {f"pan {d}": statistics.fmean(pan(network, photo, d) for photo in photos) for d in (1, 2, 4)}
    plain = [plainest(photo) for photo in photos]
    grey = network(torch.full((1, 3, 256, 256), 0.5))
    found["weave"] = max(weave(grey), statistics.median(weave(network(square)) for square in plain))
    found["seam"] = seam(network)
    photo, seconds = torch.rand(1, 3, 512, 512), []
    for _ in range(7):
        start = time.perf_counter()
        network(photo)
        seconds.append(time.perf_counter() - start)
    return found | {"ms": 1000 * statistics.median(seconds)}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", type=Path, nargs="+", metavar="NETWORK")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    source = ImageSource(options.photos)
    photos = [images.resize_long_side(images.to_float(source.read(index))[None], 512) for index in range(len(source))]
    results = {}
    for path in options.networks:
        network = load_network(path)
        assert isinstance(network, StyleNetwork)
        styles: list[str | None] = [*network.styles] or [None]
        for style in styles:
            one = network if style is None else network.of_style({style: 1})
            results[f"{path.parent.name}/{path.stem}{'' if style is None else f': {style}'}"] = measure(
                frozen(one), photos
            )
    table = Table("network", *next(iter(results.values())))
    for name, row in results.items():
        table.add_row(name, *(f"{value:.3g}" for value in row.values()))
    Console().print(table)
    if options.output:
        options.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

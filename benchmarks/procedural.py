"""Time procedural images, and compare their statistics with those of photos.

    python benchmarks/procedural.py [--photos DIR] [--count 200] [--output FILE.json]

Times `procedural_image` at several sizes on one core, after the textures of the process are made. With `--photos`, as
many training crops of photos at 256 px are measured beside the scenes: the mean over images of each statistic, and its
deviation between images.
"""

import argparse
import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from fast_style.data import ImageSource, PhotoDataset, ProceduralImages, Sample, procedural_image

SIZE = 256
RINGS = torch.from_numpy(np.geomspace(3, 110, 12)).float()  # cycles per image


def speed(size: int, count: int) -> dict[str, float]:
    """Milliseconds of a scene, and scenes per second."""
    procedural_image(0, 0, size)
    times = []
    for index in range(count):
        started = time.perf_counter()
        procedural_image(0, index, size)
        times.append(1e3 * (time.perf_counter() - started))
    return {
        "size": size,
        "median_ms": round(statistics.median(times), 1),
        "mean_ms": round(statistics.mean(times), 1),
        "slowest_ms": round(max(times), 1),
        "images_per_second": round(1e3 / statistics.mean(times), 1),
    }


def describe(image: Tensor) -> dict[str, float]:
    """Statistics of an image, (3, SIZE, SIZE) in [0, 1]; those without a colour are of its lightness."""
    light = image.mean(dim=0)
    red, green, blue = image.flatten(1)
    chroma = image.amax(dim=0) - image.amin(dim=0)
    coarse = F.avg_pool2d(light[None], 4)[0]
    dx, dy = light.diff(dim=1)[1:], light.diff(dim=0)[:, 1:]
    return {
        "red": red.mean().item(),
        "green": green.mean().item(),
        "blue": blue.mean().item(),
        "lightness": light.mean().item(),
        "contrast": light.std().item(),
        "chroma, max − min": chroma.mean().item(),
        "correlation of red and green": correlation(red, green),
        "correlation of green and blue": correlation(green, blue),
        "gradient": (dx.abs().mean() + dy.abs().mean()).item() / 2,
        "gradient at a quarter of the size": coarse.diff(dim=1).abs().mean().item(),
        "kurtosis of the gradient": kurtosis(dx),
        "kurtosis at a quarter of the size": kurtosis(coarse.diff(dim=1)),
        "share of flat pixels": ((dx.abs() < 2 / 255) & (dy.abs() < 2 / 255)).float().mean().item(),
        "share of white pixels": (light > 0.98).float().mean().item(),
        "slope of the power spectrum": spectrum_slope(light),
    }


def correlation(first: Tensor, second: Tensor) -> float:
    """Pearson's correlation of two colours; 1 where one of them does not vary."""
    return torch.corrcoef(torch.stack([first, second]))[0, 1].nan_to_num(1).item()


def kurtosis(values: Tensor) -> float:
    """Fourth moment over the squared second: 3 for Gaussian noise, more for sparse edges."""
    centred = values - values.mean()
    return (centred.pow(4).mean() / (centred.square().mean().square() + 1e-12)).item()


def spectrum_slope(light: Tensor) -> float:
    """Exponent of the power spectrum over the frequency, fitted to rings of it."""
    window = torch.hann_window(SIZE)
    power = torch.fft.fft2((light - light.mean()) * window * window[:, None]).abs().square()
    cycles = torch.fft.fftfreq(SIZE) * SIZE
    ring = torch.bucketize(torch.hypot(cycles, cycles[:, None]), RINGS)
    heights = torch.stack([power[ring == number].mean() for number in range(1, len(RINGS))])
    middles = (RINGS[1:] * RINGS[:-1]).sqrt()
    return float(np.polyfit(middles.log().numpy(), (heights + 1e-9).log().numpy(), 1)[0])


def measure(samples: Dataset[Sample], count: int) -> dict[str, dict[str, float]]:
    """Mean and deviation between images of each statistic."""
    rows = [describe(samples[index]["image"]) for index in range(count)]
    values = {name: [row[name] for row in rows] for name in rows[0]}
    return {
        name: {"mean": round(statistics.mean(column), 3), "deviation": round(statistics.pstdev(column), 3)}
        for name, column in values.items()
    }


def main() -> None:
    """Measure, print tables, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", help="folder of photos to compare with")
    parser.add_argument("--count", type=int, default=200, help="scenes that are timed and measured, and photos")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=100)
    speeds = [speed(size, options.count) for size in (128, 256, 512)]
    table = Table("size", "median ms", "mean ms", "slowest ms", "images / s", title="one core")
    for row in speeds:
        table.add_row(*map(str, row.values()))
    console.print(table)
    machine = {"numpy": np.__version__, "machine": platform.machine()}
    result: dict[str, Any] = {"count": options.count, **machine, "speed": speeds}
    if options.photos:
        scenes = measure(ProceduralImages(SIZE), options.count)
        photos = measure(PhotoDataset(ImageSource(options.photos), SIZE), options.count)
        result |= {"scenes": scenes, "photos": photos}
        table = Table("mean ± deviation between images", "scenes", "photos", title=f"{SIZE} px")
        for name, scene in scenes.items():
            table.add_row(name, *(f"{each['mean']:.3f} ± {each['deviation']:.3f}" for each in (scene, photos[name])))
        console.print(table)
    if options.output:
        options.output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Measure what computing activations again saves in memory and costs in time.

    python benchmarks/large_crops.py --photos PHOTOS --style PAINTING.jpg --weights VGG19_FILE [--sizes 512 1024]
        [--output benchmarks/large_crops.json]

For each size of crops, a few steps of `train.py` with one photo at a time, without and with
`model.checkpoint_activations=true`, each in a process of its own: the most memory that it held beyond what it held
before the first step, the median seconds of a step, and the weights that came out, which must agree.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import time
from pathlib import Path

import torch
from measuring import machine, megabytes
from rich.console import Console
from rich.table import Table

from fast_style.cli.memory import keep_memory
from fast_style.data import ImageSource, PhotoDataset, load_style
from fast_style.losses import PerceptualLoss
from fast_style.networks import VGG, TransformerNetwork
from fast_style.training import FeedForward, warmup_constant

Result = tuple[float, float, float]


def peak() -> float:
    """Most memory held so far in GB."""
    return megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1000


def train(photos: str, style: str, weights: str, size: int, steps: int, again: bool) -> Result:
    """Take some steps; return gigabytes, seconds a step and the sum of the absolute weights."""
    keep_memory()
    torch.manual_seed(0)
    loss = PerceptualLoss(
        VGG("vgg19", weights),
        load_style("painting", style),
        ["relu2_2", "relu3_2"],
        ["relu1_2", "relu2_2", "relu3_4"],
        1.0,
        5.0,
        5.0,
    )
    task = FeedForward(
        TransformerNetwork(),
        loss,
        torch.optim.Adam,
        lambda optimizer: warmup_constant(optimizer, 0),
        checkpoint_activations=again,
    )
    optimizer = torch.optim.Adam(task.network.parameters(), 1e-4)
    data = PhotoDataset(ImageSource(photos), size)
    before, seconds = peak(), []
    for index in range(steps):
        crops = data[index]["image"][None]
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            losses, _, _ = task._losses(crops, crops[:0])
        optimizer.zero_grad()
        loss.summary(losses)["total_loss"].backward()
        optimizer.step()
        seconds.append(time.perf_counter() - started)
    return peak() - before, statistics.median(seconds[1:]), sum(p.abs().sum().item() for p in task.network.parameters())


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True, help="folder of photos")
    parser.add_argument("--style", required=True, help="the painting")
    parser.add_argument("--weights", required=True, help="VGG-19 weights, to relu3_4 at least")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024], help="sides of the crops")
    parser.add_argument("--steps", type=int, default=4, help="of each kind; the first is not timed")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    table = Table("size", "kept, GB", "again, GB", "times the memory", "times the seconds", "weights differ by")
    rows = []
    for size in options.sizes:
        arguments = options.photos, options.style, options.weights, size, options.steps
        results = []
        for again in (False, True):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                results.append(pool.apply(train, (*arguments, again)))
        (kept, kept_seconds, kept_sum), (less, more_seconds, less_sum) = results
        row = {"size": size, "kept_gb": round(kept, 2), "again_gb": round(less, 2)}
        row |= {"memory": round(less / kept, 3), "seconds": round(more_seconds / kept_seconds, 3)}
        rows.append(row | {"weights": abs(less_sum - kept_sum) / kept_sum})
        table.add_row(*(f"{value:.3g}" for value in rows[-1].values()))
    Console(width=100).print(table)
    if options.output:
        result = machine() | {"rows": rows}
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

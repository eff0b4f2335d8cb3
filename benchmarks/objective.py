"""The test of Johnson et al. 2016 (section 4.1, figure 5, table 1): how many iterations of L-BFGS is one pass worth.

    python benchmarks/objective.py --photos HELDOUT --styles PAINTINGS --weights VGG19_FILE [--sizes 256 512 1024]
        [--counts 4 2 1] [--iterations 500 200 120] [--start content] [--plain]
        [--output FILE.json] [--plot FILE.png] NETWORK …

For each network and size, the objective it was trained with, under VGG-19 in float32 on the middle squares of held-out
photos: of the network's pass, of the photos as they are, and of L-BFGS (`fast_style.optimize.minimize`) after each
iteration, the least so far, meaned over the photos. `k` is the first iteration whose mean is no more than the
network's; the paper's networks equal 50 to 100. Times are medians: of one pass of the network in PyTorch, float32, and
of an iteration; 500 iterations, as in the paper's table, are 500 times that.

L-BFGS starts from the photo, which is the harder opponent, or with `--start noise` from noise. With `--plain` it is
what the authors' programs call, as far as we recall them: without a line search and without bounds, from grey.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from heldout import loss_of
from measuring import machine
from rich.console import Console
from rich.table import Table
from torch import Tensor

from fast_style.checkpoint import load_network, read_metadata
from fast_style.cli.memory import keep_memory
from fast_style.data import HeldOut, ImageSource
from fast_style.losses import PerceptualLoss
from fast_style.optimize import Objective, Style, minimize

PAPER = {256: (0.015, 15.86), 512: (0.05, 54.85), 1024: (0.21, 214.44)}  # seconds: one pass, 500 iterations (table 1)

PAPER_K = (50, 100)  # iterations that one pass equals (section 4.1)


def plain_lbfgs(objective: Objective, start: Tensor) -> Iterator[tuple[Tensor, float]]:
    """Yield as `minimize` does, of L-BFGS with steps of one."""
    pixels = start.clone(memory_format=torch.contiguous_format).requires_grad_()
    lbfgs = torch.optim.LBFGS([pixels], max_iter=1, tolerance_grad=0, tolerance_change=0)

    def closure() -> Tensor:
        lbfgs.zero_grad()
        total: Tensor = objective(pixels)
        total.backward()
        return total

    lbfgs.step(closure)
    while True:  # a step tells the loss before it
        yield pixels, lbfgs.step(closure).item()


def descend(
    loss: PerceptualLoss, photo: Tensor, start: Tensor, iterations: int, plain: bool
) -> tuple[list[float], list[float]]:
    """Return the least objective so far and the seconds of each iteration."""
    objective = Objective(lambda _: loss, [Style(photo)], photo)
    least, curve, seconds = float("inf"), [], []
    started = time.perf_counter()
    for _, value in plain_lbfgs(objective, start) if plain else minimize(objective, start):
        seconds.append(time.perf_counter() - started)
        least = min(least, value)
        curve.append(least)
        if len(curve) == iterations:
            break
        started = time.perf_counter()
    return curve + curve[-1:] * (iterations - len(curve)), seconds


def measure(path: Path, size: int, count: int, iterations: int, options: argparse.Namespace) -> dict[str, Any]:
    """Compare a network with L-BFGS at one size."""
    name = read_metadata(path)["config"]["style"]["name"]
    loss = loss_of(path, name, options.styles, options.weights).to(memory_format=torch.channels_last)
    heldout = HeldOut(ImageSource(options.photos), size)
    network = load_network(path).eval().to(memory_format=torch.channels_last)
    chosen = [index * len(heldout) // count for index in range(count)]
    objectives: dict[str, list[float]] = {"network": [], "photo": []}
    curves, iteration, once = [], [], []
    for index in chosen:
        photo = heldout[index]["image"][None].contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            for _ in range(4):
                started = time.perf_counter()
                picture = network(photo)
                once.append(time.perf_counter() - started)
            for who, image in (("network", picture.clamp(0, 1)), ("photo", photo)):
                objectives[who].append(loss.summary(loss(image, photo))["total_loss"].item())
        generator = torch.Generator().manual_seed(0)
        start = photo if options.start == "content" else torch.rand(photo.shape, generator=generator)
        if options.plain:
            start = torch.full_like(photo, 0.45) + 1e-3 * torch.randn(photo.shape, generator=generator)
        curve, seconds = descend(loss, photo, start, iterations, options.plain)
        curves.append(curve)
        iteration += seconds
        print(f"{path.stem} {size} px, {heldout.names[index]}: {curve[-1]:.4g}", file=sys.stderr, flush=True)
    means = [statistics.fmean(values) for values in zip(*curves, strict=True)]
    goal = statistics.fmean(objectives["network"])
    pass_seconds, iteration_seconds = statistics.median(once), statistics.median(iteration)
    return {
        "network": path.stem,
        "style": name,
        "size": size,
        "photos": [heldout.names[index] for index in chosen],
        "objective": {who: round(statistics.fmean(values), 4) for who, values in objectives.items()},
        "k": next((k for k, value in enumerate(means, start=1) if value <= goal), None),
        "k_of_each": [
            next((k for k, value in enumerate(curve, start=1) if value <= own), None)
            for curve, own in zip(curves, objectives["network"], strict=True)
        ],
        "seconds": round(pass_seconds, 4),
        "iteration_seconds": round(iteration_seconds, 4),
        "times_faster_than_500": round(500 * iteration_seconds / pass_seconds),
        "curve": [round(value, 4) for value in means],
    }


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the objective against iterations, one panel a size, as the paper's figure 5."""
    import matplotlib.pyplot as plt

    sizes = list(dict.fromkeys(row["size"] for row in rows))
    figure, panels = plt.subplots(1, len(sizes), figsize=(4.5 * len(sizes), 3.6), squeeze=False)
    for size, panel in zip(sizes, panels[0], strict=True):
        for number, row in enumerate(row for row in rows if row["size"] == size):
            steps = range(1, len(row["curve"]) + 1)
            panel.plot(steps, row["curve"], color=f"C{number}", label=f"{row['network']}: L-BFGS")
            panel.axhline(row["objective"]["network"], color=f"C{number}", linestyle="--", label="one pass")
        panel.axvspan(*PAPER_K, color="gray", alpha=0.2, label="what the paper's networks equal")
        panel.set(title=f"{size} px", xlabel="iterations of L-BFGS", xscale="log", yscale="log")
    panels[0][0].set_ylabel("objective")
    panels[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main() -> None:
    """Measure, print a table, write JSON and a plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", type=Path, nargs="+", metavar="NETWORK", help="what training exported")
    parser.add_argument("--photos", required=True, help="folder of held-out photos")
    parser.add_argument("--styles", required=True, help="folder of the paintings")
    parser.add_argument("--weights", required=True, help="VGG-19 weights, a file or a name")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--counts", type=int, nargs="+", default=[4, 2, 1], help="photos at each size")
    parser.add_argument("--iterations", type=int, nargs="+", default=[500, 200, 120], help="at each size")
    parser.add_argument("--start", choices=("content", "noise"), default="content")
    parser.add_argument("--plain", action="store_true", help="the L-BFGS of the paper's authors, from grey")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    parser.add_argument("--plot", type=Path, help="picture of the result")
    options = parser.parse_args()
    if not len(options.sizes) == len(options.counts) == len(options.iterations):
        parser.error("--sizes, --counts and --iterations need as many values each")
    keep_memory()
    rows = []
    table = Table("network", "pixels", "photos", "photo", "one pass", "k", "seconds", "500 iterations", "times faster")
    for size in options.sizes:
        if size in PAPER:
            once, many = PAPER[size]
            table.add_row("(paper)", f"{size}²", "50", "", "", "50–100", f"{once}", f"{many}", f"{many / once:.0f}")
    for size, count, iterations in zip(options.sizes, options.counts, options.iterations, strict=True):
        for path in options.networks:
            row = measure(path, size, count, iterations, options)
            rows.append(row)
            found = row["k"] or f"> {iterations}"
            objective = row["objective"]
            cells = [
                row["network"],
                f"{size}²",
                count,
                f"{objective['photo']:.3f}",
                f"{objective['network']:.3f}",
                found,
            ]
            cells += [row["seconds"], f"{500 * row['iteration_seconds']:.1f}", row["times_faster_than_500"]]
            table.add_row(*map(str, cells))
    Console(width=120).print(table)
    if options.output:
        result = {
            "start": "grey" if options.plain else options.start,
            "plain": options.plain,
            **machine(),
            "rows": rows,
        }
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()

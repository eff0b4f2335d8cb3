"""Iterations of L-BFGS per second, beside what gordicaleksa/pytorch-neural-style-transfer computes.

    python benchmarks/optimize.py [--size 400x600] [--iterations 30] [--rounds 3] [--tv 1] [--weights VGG19_FILE]
        [--output FILE.json]

That program minimises the objective of Gatys et al. 2016 (`peers.gatys_objective`) under VGG-19, starting from the
photo, by `torch.optim.LBFGS(max_iter=…, line_search_fn="strong_wolfe")`. Ours is `fast_style.optimize` with the same
layers, weights, network and optimizer. The two take turns of so many iterations each in one process; a row gives the
median over rounds of the seconds of an iteration, of its evaluations of the objective (the line search takes more of
them in the first iterations) and of the ratio of seconds. Without weights they are random: the arithmetic is the same.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measuring import machine
from peers import GATYS_CONTENT_LAYER, GATYS_STYLE_LAYERS, gatys_objective
from rich.console import Console
from rich.table import Table
from torch import Tensor

from fast_style.cli.memory import keep_memory
from fast_style.losses import PerceptualLoss
from fast_style.networks import VGG
from fast_style.optimize import Objective, Style, minimize

CONTENT, STYLE, TV = 1e5, 3e4, 1.0  # that program's defaults
LAYERS = [GATYS_CONTENT_LAYER], GATYS_STYLE_LAYERS
Run = Callable[[], tuple[float, float]]


def peer(network: VGG, photo: Tensor, style: Tensor, iterations: int, tv: float) -> Run:
    """Return what lets PyTorch's L-BFGS run so many iterations and gives the seconds and the evaluations of each."""
    objective = gatys_objective(network, photo, style, CONTENT, STYLE, tv)

    def run() -> tuple[float, float]:
        picture = photo.clone().requires_grad_()
        optimizer = torch.optim.LBFGS([picture], max_iter=iterations, line_search_fn="strong_wolfe")

        def evaluate() -> Tensor:
            optimizer.zero_grad()
            total = objective(picture)
            total.backward()
            return total

        started = time.perf_counter()
        optimizer.step(evaluate)
        seconds, state = time.perf_counter() - started, optimizer.state[picture]
        return seconds / state["n_iter"], state["func_evals"] / state["n_iter"]

    return run


def ours(network: VGG, photo: Tensor, style: Tensor, iterations: int, tv: float) -> Run:
    """Return what runs so many iterations and gives the seconds and the evaluations of each."""
    network = network.to(memory_format=torch.channels_last)

    def make_loss(image: Tensor) -> PerceptualLoss:
        return PerceptualLoss(network, image, *LAYERS, CONTENT, STYLE / 5, tv, relative=False)

    objective, evaluations = Objective(make_loss, [Style(style)], photo), list[float]()

    def evaluate(picture: Tensor) -> Tensor:
        total: Tensor = objective(picture)
        evaluations.append(total.item())
        return total

    def run() -> tuple[float, float]:
        evaluations.clear()
        started = time.perf_counter()
        for number, _ in enumerate(minimize(evaluate, photo), start=1):
            if number == iterations:
                break
        return (time.perf_counter() - started) / number, len(evaluations) / number

    return run


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="400x600", metavar="HxW", help="of the picture; that program: 400 high")
    parser.add_argument("--iterations", type=int, default=30, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each")
    tv = "weight of total variation (1, that program's), whose formulas differ: with 0 both minimise the same"
    parser.add_argument("--tv", type=float, default=TV, help=tv)
    parser.add_argument("--weights", type=Path, help="a whole VGG-19")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    keep_memory()
    torch.manual_seed(0)
    height, width = map(int, options.size.split("x"))
    coarse = torch.rand(2, 3, 8, 8)
    photo, style = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1).split(1)
    runs = {
        "gordicaleksa": peer(VGG("vgg19", options.weights), photo, style, options.iterations, options.tv),
        "fast_style": ours(VGG("vgg19", options.weights), photo, style, options.iterations, options.tv),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    evaluations: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(options.rounds + 1):
        for name, run in runs.items():
            duration, count = run()
            if number:  # the first round is not counted
                seconds[name].append(duration)
                evaluations[name].append(count)
    rows: list[dict[str, Any]] = []
    title = f"{width}×{height}, {torch.get_num_threads()} threads"
    table = Table("", "seconds an iteration", "evaluations an iteration", "times as fast", title=title)
    for name, values in seconds.items():
        ratios = [first / own for first, own in zip(seconds["gordicaleksa"], values, strict=True)]
        row = {
            "run": name,
            "seconds": round(statistics.median(values), 3),
            "evaluations": round(statistics.median(evaluations[name]), 2),
            "ratio": round(statistics.median(ratios), 2),
        }
        rows.append(row)
        table.add_row(*map(str, row.values()))
    Console(width=100).print(table)
    if options.output:
        result = {
            "size": options.size,
            "iterations": options.iterations,
            "rounds": options.rounds,
            **machine(),
            "rows": rows,
        }
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

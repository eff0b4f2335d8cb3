"""Iterations of L-BFGS per second, against gordicaleksa/pytorch-neural-style-transfer written out.

    python benchmarks/optimize.py [--size 400x600] [--iterations 30] [--rounds 3] [--tv 1] [--weights VGG19_FILE]
        [--output FILE.json]

Theirs: VGG-19 with style layers relu1_1, relu2_1, relu3_1, relu4_1, relu5_1 and content layer conv4_2, weights 1e5,
3e4 and 1, `torch.optim.LBFGS(max_iter=…, line_search_fn="strong_wolfe")`, from the photo. Ours: `fast_style.optimize`
with the same layers, network and optimizer. The two take turns of so many iterations each in one process; a row gives
the median over rounds of seconds an iteration, of evaluations an iteration (the line search takes more of them in the
first ones) and of the ratio of seconds. Without weights they are random: the same arithmetic.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from fast_style.cli.memory import keep_memory
from fast_style.losses import PerceptualLoss
from fast_style.networks import VGG
from fast_style.optimize import Objective, Style, minimize

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "conv4_2"
CONTENT, STYLE, TV = 1e5, 3e4, 1.0
Run = Callable[[], tuple[float, float]]


def gram_matrix(x: Tensor) -> Tensor:
    """Theirs."""
    (b, ch, h, w) = x.size()
    features = x.view(b, ch, w * h)
    features_t = features.transpose(1, 2)
    gram = features.bmm(features_t)
    return gram / (ch * h * w)


def total_variation(y: Tensor) -> Tensor:
    """Theirs."""
    return torch.sum(torch.abs(y[:, :, :, :-1] - y[:, :, :, 1:])) + torch.sum(
        torch.abs(y[:, :, :-1, :] - y[:, :, 1:, :])
    )


def theirs(network: VGG, photo: Tensor, style: Tensor, iterations: int, tv: float) -> Run:
    """Return what runs so many iterations and gives the seconds and the evaluations of each."""
    layers = [*STYLE_LAYERS, CONTENT_LAYER]
    target_content = network(photo, layers)[CONTENT_LAYER].squeeze(0)
    target_style = [gram_matrix(network(style, layers)[layer]) for layer in STYLE_LAYERS]

    def run() -> tuple[float, float]:
        optimizing_img = photo.clone().requires_grad_(True)
        optimizer = torch.optim.LBFGS((optimizing_img,), max_iter=iterations, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            current = network(optimizing_img, layers)
            content_loss = torch.nn.MSELoss(reduction="mean")(target_content, current[CONTENT_LAYER].squeeze(0))
            style_loss = torch.zeros(())
            for gram_gt, layer in zip(target_style, STYLE_LAYERS, strict=True):
                gram_hat = gram_matrix(current[layer])
                style_loss = style_loss + torch.nn.MSELoss(reduction="sum")(gram_gt[0], gram_hat[0])
            style_loss = style_loss / len(target_style)
            total = CONTENT * content_loss + STYLE * style_loss + tv * total_variation(optimizing_img)
            total.backward()
            return total

        started = time.perf_counter()
        optimizer.step(closure)
        state = optimizer.state[optimizer._params[0]]
        return (time.perf_counter() - started) / state["n_iter"], state["func_evals"] / state["n_iter"]

    return run


def ours(network: VGG, photo: Tensor, style: Tensor, iterations: int, tv: float) -> Run:
    """Return what runs so many iterations and gives the seconds and the evaluations of each."""
    network = network.to(memory_format=torch.channels_last)

    def make_loss(image: Tensor) -> PerceptualLoss:
        return PerceptualLoss(network, image, [CONTENT_LAYER], STYLE_LAYERS, CONTENT, STYLE / 5, tv, relative=False)

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
    parser.add_argument("--size", default="400x600", metavar="HxW", help="of the picture; theirs is 400 high")
    parser.add_argument("--iterations", type=int, default=30, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each")
    tv = "weight of total variation (1, theirs), whose formulas differ: with 0 both minimise the same"
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
        "gordicaleksa": theirs(VGG("vgg19", options.weights), photo, style, options.iterations, options.tv),
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
        machine = {"torch": torch.__version__, "threads": torch.get_num_threads(), "machine": platform.machine()}
        result = {
            "size": options.size,
            "iterations": options.iterations,
            "rounds": options.rounds,
            **machine,
            "rows": rows,
        }
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Time a trained 3×3 convolution on a CPU in float32: PyTorch's in both memory layouts, and Winograd's algorithm.

    python benchmarks/convolution.py [--rounds 15] [--output benchmarks/convolution.json]

Told are the medians, in milliseconds, of the picture, of all three gradients, and of the gradient of the weight alone.
The kinds take turns in one process. `ConvLayer` trains as the last row does where `winograd_pays` says so.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from measuring import machine
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F

from fast_style.cli.memory import keep_memory
from fast_style.layers.winograd import winograd_conv

SHAPES = ((1, 256, 32), (4, 128, 64), (4, 64, 256))  # images, channels in and out, pixels of a side
KINDS: dict[str, tuple[Callable[[Tensor, Tensor, Tensor], Tensor], torch.memory_format]] = {
    "contiguous": (F.conv2d, torch.contiguous_format),
    "channels last": (F.conv2d, torch.channels_last),
    "Winograd, contiguous": (lambda x, weight, bias: winograd_conv(x, weight, bias, 0), torch.contiguous_format),
}


def prepared(kind: str, shape: tuple[int, int, int]) -> Callable[[], tuple[float, float, float]]:
    """Return a function that computes once and answers the three durations in milliseconds."""
    compute, layout = KINDS[kind]
    n, c, side = shape
    x, weight, bias = torch.rand(n, c, side + 2, side + 2), torch.randn(c, c, 3, 3) / c, torch.zeros(c)
    x, weight = (each.contiguous(memory_format=layout).requires_grad_() for each in (x, weight))
    bias.requires_grad_()
    gradient = torch.randn(n, c, side, side).contiguous(memory_format=layout)

    def run() -> tuple[float, float, float]:
        times = [time.perf_counter()]
        y = compute(x, weight, bias)
        times.append(time.perf_counter())
        torch.autograd.grad(y, (x, weight, bias), gradient)
        times.append(time.perf_counter())
        y = compute(x.detach(), weight, bias)
        began = time.perf_counter()
        torch.autograd.grad(y, weight, gradient)
        times.append(times[-1] + time.perf_counter() - began)
        return tuple(1000 * (b - a) for a, b in itertools.pairwise(times))  # type: ignore[return-value]

    return run


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    keep_memory()  # as train.py does
    torch.manual_seed(0)
    rows = []
    for shape in SHAPES:
        runs = {kind: prepared(kind, shape) for kind in KINDS}
        found: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in KINDS}
        for number in range(options.rounds + 2):  # two rounds are not counted
            for kind, run in runs.items():
                durations = run()
                if number >= 2:
                    found[kind].append(durations)
        for kind, values in found.items():
            medians = [round(statistics.median(each), 1) for each in zip(*values, strict=True)]
            names = ("picture", "gradients", "gradient of the weight")
            rows.append(
                {"shape": "{} × {} × {}²".format(*shape), "kind": kind} | dict(zip(names, medians, strict=True))
            )
    table = Table(*rows[0], title=f"milliseconds, {torch.get_num_threads()} threads")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=120).print(table)
    if options.output:
        result = machine() | {"rounds": options.rounds, "rows": rows}
        options.output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

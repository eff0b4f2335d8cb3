"""Make the contact sheet of the losses.

    python tools/losses.py [--weights VGG19_FILE] [--content IMAGE] [--style IMAGE] [--size 384] [--iterations 150]

`docs/losses.jpg`: the painted scene in the shipped style `starry_night`, optimised by L-BFGS (`fast_style.optimize`)
from the scene itself, once for each configuration of `configs/loss/` that is not a preset of another project; in the
order of the table that is printed, three a row.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pictures import DOCS, sheet
from rich.console import Console
from rich.table import Table
from torch import Tensor

from fast_style import images
from fast_style.cli.config import build, compose
from fast_style.cli.memory import keep_memory
from fast_style.data import find_style
from fast_style.losses import PerceptualLoss
from fast_style.optimize import Style, optimize

LOSSES = ("gram", "mean_std", "covariance", "wasserstein", "sliced_wasserstein", "laplacian", "feature_l1")
LOSSES += ("feature_gradient",)


def make(config: Any, judge: Any, style: Tensor) -> PerceptualLoss:
    """Make a loss."""
    loss: PerceptualLoss = build(config.loss, loss_network=judge, style=style)
    return loss


def main() -> None:
    """Optimise under each loss; write the sheet, print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="VGG-19 weights; else vgg19_slim judges")
    parser.add_argument("--content", default=str(DOCS / "scene.jpg"))
    parser.add_argument("--style", default="starry_night")
    parser.add_argument("--size", type=int, default=384, help="long side in pixels")
    parser.add_argument("--iterations", type=int, default=150)
    parser.add_argument("--output", type=Path, default=DOCS / "losses.jpg")
    options = parser.parse_args()
    keep_memory()
    network = [f"loss_network.weights={options.weights}", "loss_network=vgg19"] if options.weights else []
    content = images.resize_long_side(images.to_float(images.read(options.content))[None], options.size)
    style = images.to_float(images.read(find_style(options.style)))[None]
    cells = [content]
    table = Table("loss", "ms an iteration", title=f"{options.size} px, {options.iterations} iterations")
    for name in LOSSES:
        config = compose("losses", [f"loss={name}", *network])
        judge = build(config.loss_network).to(memory_format=torch.channels_last)
        started = time.perf_counter()
        make_loss = partial(make, config, judge)
        sizes = [(content.shape[2], content.shape[3])]
        *_, step = optimize(make_loss, [Style(style)], content, content, sizes, [options.iterations])
        seconds = time.perf_counter() - started
        cells.append(step.picture)
        table.add_row(name, f"{1000 * seconds / step.total:.0f}")
    Console().print(table)
    images.write(options.output, sheet([cells[start : start + 3] for start in range(0, len(cells), 3)])[None])


if __name__ == "__main__":
    main()

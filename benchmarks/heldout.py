"""Measure exported networks on held-out photos, under the losses they were trained with.

    python benchmarks/heldout.py --photos DIR --styles DIR --weights VGG19_FILE [--losses-of NETWORK]
        [--size N] [--output FILE.json] NETWORK …

For each network, and each of its styles if it has several: the weighted terms of its loss and their sum, the
objective, in float32, of the same network untrained (with the seed of its training), of the exported
file, and, as control, of the photos themselves.
The photos are resized to 256 px, or N, on the short side and cropped to the middle square. Beside them, the seconds
of one network alone on a 512 px image, median of five.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from fast_style.checkpoint import load_network, read_metadata
from fast_style.cli.config import build
from fast_style.data import HeldOut, ImageSource, load_style
from fast_style.losses import PerceptualLoss
from fast_style.networks import VGG, StyleNetwork

# Beside what is given anew, settings of before that were off in all networks.
NOT_OF_LOSS = ("_target_", "_partial_", "loss_network", "style", "laplacian_weight", "laplacian_pools")


def objective(loss: PerceptualLoss, stylize: Callable[[Tensor], Tensor], photos: HeldOut) -> dict[str, float]:
    """Mean over the photos of each weighted term, layers summed, and at the end of their sum, `total_loss`."""
    rows = []
    for index in range(len(photos)):
        photo = photos[index]["image"][None]
        rows.append(loss.summary(loss(stylize(photo), photo)))
    weighted = [key for key in rows[0] if key.startswith("weighted/") and key.count("/") == 1]
    return {
        key.removeprefix("weighted/"): torch.stack([row[key] for row in rows]).mean().item()
        for key in (*weighted, "total_loss")
    }


def loss_of(path: Path, name: str, styles: str, weights: str) -> PerceptualLoss:
    """Rebuild the loss of a network for one of its styles from its metadata, under VGG-19."""
    config = read_metadata(path)["config"]
    image = load_style(name, dir=styles, size=config["style"]["size"])
    settings = {key: value for key, value in config["model"]["loss"].items() if key not in NOT_OF_LOSS}
    return PerceptualLoss(VGG("vgg19", weights), image, **build(OmegaConf.create(settings)))


def measure(path: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rebuild the losses of a network from its metadata, and measure each of its styles."""
    metadata, judge = read_metadata(path), options.losses_of or path
    photos = HeldOut(ImageSource(options.photos), options.size)
    trained = load_network(path)
    assert isinstance(trained, StyleNetwork)
    torch.manual_seed(metadata["config"]["seed"])
    untrained = type(trained)(**metadata["arguments"])
    names: list[str | None] = [*trained.styles] or [None]
    rows = []
    for name in names:
        style = name or read_metadata(judge)["config"]["style"]["name"]
        loss = loss_of(judge, style, options.styles, options.weights)
        row = {"file": path.stem, "style": style, "steps": metadata["steps"], "photos": len(photos)}
        for label, network in (("untrained", untrained), ("trained", trained)):
            row[label] = objective(loss, network.of_style({name: 1.0}) if name else network, photos)
        rows.append(row | {"photo itself": objective(loss, nn.Identity(), photos)})
    return rows


def seconds(network: nn.Module) -> float:
    """Median seconds of five passes over a 512 px image, after one that is not counted."""
    image, times = torch.rand(1, 3, 512, 512), []
    for _ in range(6):
        started = time.perf_counter()
        network(image)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


@torch.inference_mode()
def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", type=Path, nargs="+", metavar="NETWORK", help="what training exported")
    parser.add_argument("--photos", required=True, help="folder of held-out photos")
    parser.add_argument("--styles", required=True, help="folder of the paintings")
    parser.add_argument("--weights", required=True, help="VGG-19 weights, a file or a name")
    parser.add_argument("--size", type=int, default=256, help="side of the middle squares of the photos")
    parser.add_argument("--losses-of", type=Path, help="take style and losses of this network for all")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    rows = [row for path in options.networks for row in measure(path, options)]
    terms = list(dict.fromkeys(term for row in rows for term in row["trained"] if term != "total_loss"))
    table = Table("file", "style", "steps", "network", *terms, "objective")
    for row in rows:
        for name in ("untrained", "trained", "photo itself"):
            values = [row[name].get(term, 0.0) for term in (*terms, "total_loss")]
            table.add_row(row["file"], row["style"], str(row["steps"]), name, *(f"{value:.3f}" for value in values))
    console = Console(width=120)
    console.print(table)
    first = load_network(options.networks[0])
    assert isinstance(first, StyleNetwork)
    first = first.of_style({first.styles[0]: 1.0}) if first.styles else first
    console.print(f"one pass at 512 px: {seconds(first):.2f} s")
    if options.output:
        options.output.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Normalisations and networks side by side: each learns one painting in as many steps, then all are measured alike.

    python benchmarks/variants.py --photos PHOTOS --heldout HELDOUT --style PAINTING.jpg --weights VGG19_FILE
        --variants 'none: model.network.norm=none' 'batch: model.network.norm=batch' … [--steps 400]
        [--existing LABEL=NETWORK …] [--output FILE.json] [--sheet FILE.png] [SETTING …]

Each variant is a name and its settings; further settings are those of all. Training is `python train.py` with the
settings of RECIPE on the photos, under VGG-19: by default Johnson's network, from scratch. `--existing` adds networks
as they are; of several styles, or any, the one named as the painting. On the middle squares of the held-out photos at
256 px, in float32: the objective and its terms, and `flat`, the share of squares of 16 × 16 pixels without a stroke
(a standard deviation below 0.02 in every channel) though the photo has something there (above 0.05 in one): blobs.
Beside them the parameters, the seconds of the training and the milliseconds of a pass at 512 px in PyTorch, float32,
the median of five.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from heldout import seconds
from inference import ROOT
from measuring import machine
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style import images
from fast_style.checkpoint import load_styled, styles_of, takes_style
from fast_style.cli.config import build, compose
from fast_style.cli.memory import keep_memory
from fast_style.data import HeldOut, ImageSource, load_style
from fast_style.evaluate import evaluate
from fast_style.losses import PerceptualLoss

SQUARE = 16
# Without a budget, which the machine decides: the losses reach down to relu3_4, so that weights that end there do.
RECIPE = ["budget=none", "model=johnson", "init=scratch", "loss=gram", "style.size=256", "data.size=256"]
RECIPE += ["data.batch_size=2"]


def train(settings: list[str], options: argparse.Namespace, output: Path) -> float:
    """Train; return the seconds of the whole command."""
    command = [sys.executable, str(ROOT / "train.py"), *RECIPE, "style.name=painting"]
    command += [f"style.image={options.style}", f"data.root={options.photos}", f"data.heldout={options.heldout}"]
    command += ["loss_network=vgg19", f"loss_network.weights={options.weights}", f"trainer.max_steps={options.steps}"]
    command += [
        f"output={output}",
        "overwrite=true",
        f"hydra.run.dir={output.parent}/run-{output.stem}",
        *options.settings,
        *settings,
    ]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def flat(picture: Tensor, photo: Tensor) -> float:
    """Share of squares where the picture has nothing and the photo has something."""

    def deviation(image: Tensor) -> Tensor:
        squares = F.unfold(image, SQUARE, stride=SQUARE).view(image.shape[1], SQUARE**2, -1)  # (3, 256, squares)
        return squares.std(1).amax(0)

    return ((deviation(picture) < 0.02) & (deviation(photo) > 0.05)).float().mean().item()


@torch.inference_mode()
def milliseconds(network: nn.Module) -> float:
    """Median of five passes at 512 px."""
    return 1000 * seconds(network)


def measure(
    name: str, path: Path, photos: list[Tensor], loss: PerceptualLoss, style: Tensor, painting: str
) -> tuple[dict[str, Any], list[Tensor]]:
    """Return a row of the table, and the pictures."""
    chosen = {Path(painting).stem if styles_of(path) else painting: 1.0} if takes_style(path) else None
    network = load_styled(path, chosen)
    with torch.inference_mode():
        scores, pictures = evaluate(name, lambda photo: network(photo).clamp(0, 1), photos, loss, style, len(photos))
    row: dict[str, Any] = {"name": name, "objective": scores.losses["total_loss"]}
    for term in ("content_loss", "style_loss", "tv_loss"):
        row[term] = scores.losses[f"weighted/{term}"]
    row["flat"] = statistics.fmean(flat(*pair) for pair in zip(pictures, photos, strict=True))
    row["parameters"] = sum(parameter.numel() for parameter in network.parameters())
    row["milliseconds"] = milliseconds(network)
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}, pictures


def main() -> None:
    """Train, measure, print a table, write JSON and a contact sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True, help="folder of photos to train on")
    parser.add_argument("--heldout", required=True, help="folder of held-out photos")
    parser.add_argument("--style", required=True, help="the painting")
    parser.add_argument("--weights", required=True, help="VGG-19 weights")
    parser.add_argument("--variants", nargs="*", default=[], metavar="NAME: SETTING …", help="what is trained")
    parser.add_argument("--existing", nargs="*", default=[], metavar="NAME=NETWORK", help="what is trained already")
    parser.add_argument("--steps", type=int, default=400, help="of each training")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    parser.add_argument("--sheet", type=Path, help="pictures of four of the photos, a row for each network")
    parser.add_argument("settings", nargs="*", help="of all trainings")
    options = parser.parse_args()
    if not options.variants and not options.existing:
        parser.error("nothing to compare: give --variants or --existing")
    keep_memory()
    heldout = HeldOut(ImageSource(options.heldout), 256)
    photos = [heldout[index]["image"][None] for index in range(len(heldout))]
    config = compose("losses", ["loss_network=vgg19", f"loss_network.weights={options.weights}"])
    style = load_style("painting", options.style, size=256)
    loss = build(config.loss, loss_network=build(config.loss_network), style=style)
    rows: list[dict[str, Any]] = []
    sheet: list[Tensor] = []
    with tempfile.TemporaryDirectory() as folder:
        files: list[tuple[str, list[str] | None, Path]] = []
        for number, variant in enumerate(options.variants):
            name, _, settings = variant.partition(":")
            files.append((name, settings.split(), Path(folder, f"{number}.safetensors")))
        for existing in options.existing:
            name, _, path = existing.partition("=")
            files.append((name, None, Path(path)))
        for name, settings, path in files:
            took = None if settings is None else train(settings, options, path)
            row, pictures = measure(name, path, photos, loss, style, options.style)
            rows.append(row | {"training_seconds": took and round(took), "settings": settings})
            sheet.append(torch.cat(pictures[:4], dim=3))
            print(rows[-1], file=sys.stderr, flush=True)
    columns = [key for key in rows[0] if key != "settings"]
    steps = options.steps if options.variants else None
    table = Table(*columns, title=f"{Path(options.style).stem}, {steps or 'no'} steps")
    for row in rows:
        table.add_row(*(str(row[key]) for key in columns))
    Console(width=140).print(table)
    if options.output:
        about = machine() | {"style": Path(options.style).stem, "steps": steps, "settings": options.settings}
        options.output.write_text(json.dumps(about | {"rows": rows}, indent=2) + "\n", encoding="utf-8")
    if options.sheet:
        images.write(options.sheet, torch.cat(sheet, dim=2))


if __name__ == "__main__":
    main()

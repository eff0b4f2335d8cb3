"""Where to start from: the objective on held-out photos against steps, for paintings no start has seen.

    python benchmarks/warm_start.py --heldout DIR --styles DIR --weights VGG19_FILE --paintings NAME,NAME \
        --inits scratch,base,LABEL=FILE [--steps 200] [--every 50] [--output FILE.json] [OVERRIDE …]

Trains `python train.py style=NAME init=INIT OVERRIDE …` for each painting and start, keeps a checkpoint every few
steps, and measures each on the held-out photos at 256 px in float32: the total objective of the default loss under
VGG-19, whatever the loss network of the training. Prints a table, writes JSON and beside it the plot as PNG.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from heldout import objective
from matplotlib import pyplot as plt
from rich.console import Console
from rich.table import Table

from fast_style.checkpoint import load_network
from fast_style.data import HeldOut, ImageSource, load_style
from fast_style.losses import PerceptualLoss
from fast_style.networks import VGG

LOSS: dict[str, Any] = {
    "content_layers": ["relu3_2"],
    "style_layers": ["relu1_2", "relu2_2", "relu3_4"],
    "content_weight": 1.0,
    "style_weight": 5.0,
    "tv_weight": 5.0,
}
TRAIN = Path(__file__).resolve().parents[1] / "train.py"


def curve(painting: str, init: str, options: argparse.Namespace, loss: PerceptualLoss, photos: HeldOut) -> list[float]:
    """Train, and return the objective after every so many steps."""
    with tempfile.TemporaryDirectory() as folder:
        overrides = [
            f"style={painting}",
            f"style.dir={options.styles}",
            f"init={init}",
            f"trainer.max_steps={options.steps}",
            f"trainer.val_check_interval={options.steps}",
            f"callbacks.checkpoint.every_n_train_steps={options.every}",
            "callbacks.checkpoint.keep=1000",
            f"output={folder}/network.safetensors",
            "overwrite=true",
            f"hydra.run.dir={folder}/run",
        ]
        subprocess.run([sys.executable, TRAIN, *overrides, *options.overrides], check=True, stdout=subprocess.DEVNULL)
        steps = range(options.every, options.steps + 1, options.every)
        networks = [load_network(f"{folder}/run/checkpoints/step-{step}.ckpt") for step in steps]
    with torch.inference_mode():
        return [objective(loss, network, photos)["total_loss"] for network in networks]


def main() -> None:
    """Measure, print a table, write JSON and plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heldout", required=True, help="folder of held-out photos")
    parser.add_argument("--styles", required=True, help="folder of the paintings")
    parser.add_argument("--weights", required=True, help="VGG-19 weights, a file or a name")
    parser.add_argument("--paintings", required=True, help="names, separated by commas")
    parser.add_argument("--inits", default="scratch,base", help="starts, separated by commas, each INIT or LABEL=INIT")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="further settings of the training")
    options = parser.parse_args()
    vgg, photos = VGG("vgg19", options.weights), HeldOut(ImageSource(options.heldout), 256)
    steps = list(range(options.every, options.steps + 1, options.every))
    table = Table("painting", "start", *(f"{step} steps" for step in steps))
    rows = []
    for painting in options.paintings.split(","):
        loss = PerceptualLoss(vgg, load_style(painting, dir=options.styles), **LOSS)
        for start in options.inits.split(","):
            label, _, init = start.rpartition("=")
            values = curve(painting, init, options, loss, photos)
            rows.append({"painting": painting, "start": label or init, "steps": steps, "objective": values})
            table.add_row(painting, label or init, *(f"{value:.2f}" for value in values))
            print(rows[-1], flush=True)
    Console(width=100).print(table)
    if options.output:
        options.output.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
        plot(rows, options.output.with_suffix(".png"))


def plot(rows: list[dict], path: Path) -> None:
    """Draw one panel for each painting, objective against steps, both logarithmic."""
    paintings = list(dict.fromkeys(row["painting"] for row in rows))
    figure, panels = plt.subplots(1, len(paintings), figsize=(5 * len(paintings), 4), squeeze=False)
    for painting, panel in zip(paintings, panels[0], strict=True):
        for row in rows:
            if row["painting"] == painting:
                panel.plot(row["steps"], row["objective"], marker="o", label=row["start"])
        panel.set(title=painting, xlabel="steps", ylabel="objective under VGG-19", yscale="log")
        panel.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()

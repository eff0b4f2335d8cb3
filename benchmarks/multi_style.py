"""One network for several paintings against a network for each.

    python benchmarks/multi_style.py --photos PHOTOS --heldout HELDOUT --styles PAINTINGS --names NAME NAME NAME
        --added NAME --weights VGG19_FILE [--steps 200] [--output FILE.json] [--plot FILE.png] [SETTING …]

All start from scratch and train by `train.py` under VGG-19 with the same settings (RECIPE): a network for each
painting in so many steps; `model=multi_style` for all of them in as many steps for each, and in as many steps in all;
then one more painting, in as many steps, added to the first of these (`model.train_only=style`), and in a network of
its own. What is compared is the objective on the middle squares of the held-out photos at 256 px in float32, of each
painting; the bytes of the files for each style; and the milliseconds of a pass at 512 px, the median of five.

Mixing: from one style to the next in tenths, the style loss to each end, meaned over the photos; on a smooth path the
one rises and the other falls at every step.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from inference import ROOT
from measuring import machine
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from variants import RECIPE, milliseconds

from fast_style.checkpoint import load_network
from fast_style.cli.config import build, compose
from fast_style.cli.memory import keep_memory
from fast_style.data import HeldOut, ImageSource, load_style
from fast_style.losses import PerceptualLoss
from fast_style.networks import VGG, StyleNetwork

TENTHS = [number / 10 for number in range(11)]


class Runs:
    """Trainings with the command line, each once."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.seconds: dict[str, int] = {}

    def train(self, name: str, steps: int, *settings: str) -> Path:
        """Train; return the file of the network."""
        options, output = self.options, self.folder / f"{name}.safetensors"
        command = [
            sys.executable,
            str(ROOT / "train.py"),
            *RECIPE,
            f"data.root={options.photos}",
            f"output={output}",
            "overwrite=true",
        ]
        command += [
            f"data.heldout={options.heldout}",
            f"style.dir={options.styles}",
            f"hydra.run.dir={self.folder}/{name}",
        ]
        command += ["loss_network=vgg19", f"loss_network.weights={options.weights}", f"trainer.max_steps={steps}"]
        started = time.perf_counter()
        subprocess.run([*command, *settings, *options.settings], check=True, stdout=subprocess.DEVNULL)
        self.seconds[name] = round(time.perf_counter() - started)
        print(f"{name}: {self.seconds[name]} s", file=sys.stderr, flush=True)
        return output


class Judge:
    """Losses of each painting on the held-out photos."""

    def __init__(self, options: argparse.Namespace) -> None:
        heldout = HeldOut(ImageSource(options.heldout), 256)
        self.photos = [heldout[index]["image"][None] for index in range(len(heldout))]
        config = compose("losses", ["loss_network=vgg19", f"loss_network.weights={options.weights}"])
        network: VGG = build(config.loss_network)
        self.losses: dict[str, PerceptualLoss] = {
            name: build(config.loss, loss_network=network, style=load_style(name, dir=options.styles, size=256))
            for name in (*options.names, options.added)
        }

    @torch.inference_mode()
    def __call__(self, network: nn.Module, style: str, term: str = "total_loss") -> float:
        """Mean of a term of the loss."""
        loss = self.losses[style]
        values = []
        for photo in self.photos:
            picture: Tensor = network(photo).clamp(0, 1)
            values.append(loss.summary(loss(picture, photo))[term].item())
        return statistics.fmean(values)


def several_of(path: Path) -> StyleNetwork:
    """Load a network of several styles."""
    network = load_network(path)
    assert isinstance(network, StyleNetwork)
    return network


def mixing(network: StyleNetwork, judge: Judge, names: list[str]) -> list[dict[str, Any]]:
    """Style losses along the paths from each style to the next."""
    rows = []
    for one, other in pairwise(names):
        networks = [network.of_style({one: 1 - share, other: share}) for share in TENTHS]
        ends = {end: [judge(mixed, end, "style_loss") for mixed in networks] for end in (one, other)}
        rising = all(before < after for before, after in pairwise(ends[one]))
        falling = all(before > after for before, after in pairwise(ends[other]))
        rows.append({"from": one, "to": other, "style_loss": ends, "monotone": rising and falling})
    return rows


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the style losses along each path, each as a share of its largest."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(rows), figsize=(4 * len(rows), 3.4), squeeze=False)
    for row, panel in zip(rows, panels[0], strict=True):
        for name, values in row["style_loss"].items():
            panel.plot(TENTHS, [value / max(values) for value in values], marker=".", label=f"to {name}")
        panel.set(xlabel=f"share of {row['to']}, the rest {row['from']}", ylabel="style loss", yscale="log")
        panel.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main() -> None:
    """Train, measure, print a table, write JSON and a plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True, help="folder of photos to train on")
    parser.add_argument("--heldout", required=True, help="folder of held-out photos")
    parser.add_argument("--styles", required=True, help="folder of the paintings")
    parser.add_argument("--names", nargs="+", required=True, help="those that are learned together")
    parser.add_argument("--added", required=True, help="the one that is added")
    parser.add_argument("--weights", required=True, help="VGG-19 weights")
    parser.add_argument("--steps", type=int, default=200, help="for each painting")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    parser.add_argument("--plot", type=Path, help="picture of the mixtures")
    parser.add_argument("settings", nargs="*", help="of all trainings")
    options = parser.parse_args()
    keep_memory()
    judge, names, steps = Judge(options), options.names, options.steps
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(options, Path(folder))
        several = ["model=multi_style", "style=gallery", f"style.names=[{','.join(names)}]", "init=scratch"]
        single = ["style=custom", "init=scratch"]
        alone = {name: runs.train(name, steps, *single, f"style.name={name}") for name in (*names, options.added)}
        as_many_each = runs.train("as_many_each", steps * len(names), *several)
        as_many = runs.train("as_many", steps, *several)
        one_more = ["model=multi_style", "style=custom", f"style.name={options.added}", "model.train_only=style"]
        added = runs.train("added", steps, *one_more, f"init={as_many_each}")
        own = {name: load_network(path) for name, path in alone.items()}
        rows["a network of its own"] = {name: judge(network, name) for name, network in own.items()}
        for label, path in (("together, as many steps each", as_many_each), ("together, as many in all", as_many)):
            network = several_of(path)
            rows[label] = {name: judge(network.of_style({name: 1.0}), name) for name in names}
        network = several_of(added)
        rows["added to them"] = {options.added: judge(network.of_style({options.added: 1.0}), options.added)}
        paths = mixing(several_of(as_many_each), judge, names)
        sizes = {"alone": alone[names[0]].stat().st_size, "together": as_many_each.stat().st_size / len(names)}
        sizes["added"] = added.stat().st_size - as_many_each.stat().st_size
        once = {"alone": milliseconds(own[names[0]]), "together": milliseconds(network.of_style({names[0]: 1.0}))}
    table = Table("", *names, options.added, title=f"objective, {steps} steps a painting")
    for label, values in rows.items():
        table.add_row(label, *(f"{values[name]:.3f}" if name in values else "" for name in (*names, options.added)))
    Console(width=120).print(table)
    print(f"bytes a style: {sizes}\nmilliseconds: {once}")
    for way in paths:
        print(f"from {way['from']} to {way['to']}: {'monotone' if way['monotone'] else 'not monotone'}")
    if options.output:
        result = {**machine(), "steps": steps, "objective": rows, "bytes_a_style": sizes, "milliseconds": once}
        result |= {"seconds": runs.seconds, "mixing": paths}
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if options.plot:
        plot(paths, options.plot)


if __name__ == "__main__":
    main()

"""How long until a network is as good as what the recipe of pytorch/examples reaches in 1000 steps.

    python benchmarks/time_to_quality.py --photos PHOTOS --heldout HELDOUT --style PAINTING.jpg --weights VGG19_FILE
        [--steps 1000] [--bf16] [--budgets 30 60 120 240] [--theirs EARLIER.json] [--output FILE.json] [--plot FILE.png]
        [SETTING …]

The peer is the recipe of pytorch/examples' fast_neural_style (`peers.py`): its network for images in 0 … 255,
float32, batches of 4 photos resized and cropped to 256 px, Adam at 1e-3, content weight 1e5 (relu2_2), style weight
1e10 (Gram matrices of relu1_2, relu2_2, relu3_3). Three things differ here: the loss network is VGG-19 in place of
VGG-16; relu4_3 is left out, since the weights at hand end at relu3_4; and features are divided by 255 · 0.225,
because Oxford's weights take colours of 0 … 255 less their mean, where torchvision's take them divided by a deviation
of about 0.225 · 255 as well. Without that the style loss, which is of the fourth power, would outweigh the content
altogether. Ours is `train.py` with these losses (`loss=pytorch_examples`), Johnson's network, batches of two crops of
256 px and a budget of time (`trainer.max_time`), once from scratch, there without anti-aliasing, and once from the
shipped base.

The objective is that of the peer, in float32, on the middle squares of the held-out photos at 256 px. The time of the
peer is that of its steps alone, at the lower quartile of the seconds of a step between our runs, so that what else the
machine did does not count against it; our time is that of the whole command, with start, compilation and writing.
`--theirs` takes the peer's objective by step from an earlier result, while its seconds are measured anew. `--bf16`
computes the peer's steps in bfloat16 and compiled, with Gram matrices and losses in float32, to be done sooner; the
seconds that count are those of float32 all the same.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from inference import ROOT
from measuring import machine
from peers import ExamplesLosses, Features, johnson_network
from rich.console import Console
from rich.table import Table
from torch import Tensor

from fast_style.checkpoint import load_network
from fast_style.cli.memory import keep_memory
from fast_style.data import HeldOut, ImageSource, load_style
from fast_style.losses import PerceptualLoss
from fast_style.networks import VGG

LAYERS = {"relu1_2": 64.0**-2, "relu2_2": 128.0**-2, "relu3_3": 256.0**-2}  # a mean over C × C entries
SCALE = 255 * 0.225  # of the features of Oxford's weights to those of torchvision's
CONTENT, STYLE = 1e5 / SCALE**2, 1e10 / SCALE**4
SIZE, BATCH = 256, 4
Objective = Callable[[Callable[[Tensor], Tensor]], float]


def objective_of(options: argparse.Namespace, loss: PerceptualLoss) -> Objective:
    """Return the mean objective on the held-out photos of what maps (N, 3, H, W) in [0, 1] to the same."""
    heldout = HeldOut(ImageSource(options.heldout), SIZE)
    photos = [heldout[index]["image"][None] for index in range(len(heldout))]

    @torch.no_grad()
    def objective(stylize: Callable[[Tensor], Tensor]) -> float:
        totals = [loss.summary(loss(stylize(photo), photo))["total_loss"].item() for photo in photos]
        return sum(totals) / len(totals)

    return objective


class Peer:
    """The recipe of pytorch/examples: its network, its losses and a step of its training."""

    def __init__(self, options: argparse.Namespace, style: Tensor) -> None:
        torch.manual_seed(42)
        vgg = VGG("vgg19", options.weights)
        self.network = johnson_network()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)
        self.crops = HeldOut(ImageSource(options.photos), SIZE)  # resized and cropped to the middle
        self.losses = ExamplesLosses(vgg, style, list(LAYERS), CONTENT, STYLE, BATCH)
        self.seconds: list[float] = []  # of every step

    def stylize(self, photos: Tensor) -> Tensor:
        """Return the pictures (N, 3, H, W) in [0, 1] of photos in [0, 1]."""
        return (self.network(photos * 255) / 255).clamp(0, 1)

    def step(self) -> None:
        """Train on one batch, and note the seconds without those of reading it."""
        chosen = torch.randint(len(self.crops), (BATCH,)).tolist()
        photos = 255 * torch.stack([self.crops[index]["image"] for index in chosen])
        started = time.perf_counter()
        self.optimizer.zero_grad()
        content, painted = self.losses.compare(*self.passes(photos))
        (content + painted).backward()
        self.optimizer.step()
        self.seconds.append(time.perf_counter() - started)

    def passes(self, photos: Tensor) -> tuple[Features, Features]:
        """Return the features of the pictures of photos (N, 3, H, W) in 0 … 255, and of the photos."""
        return self.losses.features(self.network(photos) / 255, photos / 255)

    def in_bf16(self) -> None:
        """From now on, compute the passes of the networks in bfloat16, compiled."""
        compiled = torch.compile(self.passes)

        def passes(photos: Tensor) -> tuple[Features, Features]:
            with torch.autocast("cpu", torch.bfloat16):
                made, given = compiled(photos)
            return {name: value.float() for name, value in made.items()}, {k: v.float() for k, v in given.items()}

        self.passes = passes  # type: ignore[method-assign]

    def train(self, steps: int, objective: Objective) -> dict[int, float]:
        """Train; return the objective at every 50 steps."""
        values: dict[int, float] = {}
        for step in range(steps + 1):
            if step % 50 == 0:
                values[step] = objective(self.stylize)
                print(f"pytorch/examples, step {step}: {values[step]:.4g}, {sum(self.seconds):.0f} s", flush=True)
            self.step()
        return values


def ours(options: argparse.Namespace, init: str, budget: int, objective: Objective) -> dict[str, float]:
    """Train with the command line for so many seconds; return those of the whole command, and the objective."""
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder, "network.safetensors")
        command = [sys.executable, str(ROOT / "train.py"), "style=custom", "style.name=painting", f"init={init}"]
        command += ["budget=none", "model=johnson", "style.size=256", "data.size=256", "data.batch_size=2"]
        command += ["model.network.antialias=false"] if init == "scratch" else []
        command += [f"style.image={options.style}", f"data.root={options.photos}", f"data.heldout={options.heldout}"]
        command += [f"loss.content_weight={CONTENT}", f"loss.style_weight={STYLE}"]
        command += ["loss=pytorch_examples", "loss_network=vgg19", f"loss_network.weights={options.weights}"]
        command += ["~loss.style_layers.relu4_3", f"trainer.max_time={budget}", "trainer.val_check_interval=100000"]
        command += [f"output={network}", "overwrite=true", f"hydra.run.dir={folder}/run", *options.overrides]
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - started
        model = load_network(network)
        value = objective(lambda photos: model(photos).clamp(0, 1))
    print(f"fast_style, init={init}, {budget} s: {value:.4g} after {seconds:.0f} s", flush=True)
    return {"budget": budget, "seconds": round(seconds, 1), "objective": value}


def reached(curve: list[dict[str, float]], goal: float) -> float | None:
    """Seconds of the first point of a curve that is as good as the goal."""
    return next((point["seconds"] for point in curve if point["objective"] <= goal), None)


def plot(curves: dict[str, list[dict[str, float]]], goal: float, path: Path) -> None:
    """Draw the objective against seconds, and what is to be reached."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, curve in curves.items():
        points = [(point["seconds"], point["objective"]) for point in curve if point["seconds"] > 0]
        axes.loglog(*zip(*points, strict=True), marker=".", label=name)
    axes.axhline(goal, color="gray", linewidth=0.5)
    axes.set(xlabel="seconds", ylabel="objective on held-out photos")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main() -> None:
    """Measure, print a table, write JSON and a plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True, help="folder of photos to train on")
    parser.add_argument("--heldout", required=True, help="folder of held-out photos")
    parser.add_argument("--style", required=True, help="the painting")
    parser.add_argument("--weights", required=True, help="VGG-19 weights, to relu3_4 at least")
    parser.add_argument("--steps", type=int, default=1000, help="of pytorch/examples")
    parser.add_argument("--bf16", action="store_true", help="compute the steps of the peer in bfloat16")
    parser.add_argument("--budgets", type=int, nargs="*", default=[30, 60, 120, 240], help="seconds of our runs")
    parser.add_argument("--inits", nargs="+", default=["scratch", "base"], help="where our runs start")
    parser.add_argument("--theirs", type=Path, help="JSON file of an earlier result of the peer")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    parser.add_argument("--plot", type=Path, help="picture of the result")
    parser.add_argument("overrides", nargs="*", help="further settings of our runs")
    options = parser.parse_args()
    keep_memory()  # the peer gains by it too
    style = load_style("painting", options.style, size=SIZE)
    loss = PerceptualLoss(
        VGG("vgg19", options.weights), style, ["relu2_2"], LAYERS, CONTENT, STYLE, 0.0, relative=False
    )
    objective = objective_of(options, loss)
    peer = Peer(options, style)
    for _ in range(8):
        peer.step()
    if options.theirs:
        curve = json.loads(options.theirs.read_text(encoding="utf-8"))["curves"]["pytorch/examples"]
        objectives = {point["step"]: point["objective"] for point in curve}
    else:
        trained = Peer(options, style)
        if options.bf16:
            trained.in_bf16()
        objectives = trained.train(options.steps, objective)
    curves: dict[str, list[dict[str, float]]] = {}
    for init in options.inits:
        for budget in options.budgets:
            for _ in range(8):
                peer.step()
            curves.setdefault(f"fast_style, init={init}", []).append(ours(options, init, budget, objective))
    typical = statistics.quantiles(peer.seconds, n=4)[0]
    theirs = [{"step": k, "seconds": round(k * typical, 1), "objective": value} for k, value in objectives.items()]
    curves = {"pytorch/examples": theirs} | curves
    goal = curves["pytorch/examples"][-1]
    table = Table("recipe", "seconds to the objective", "times as fast", title=f"objective {goal['objective']:.4g}")
    rows: dict[str, Any] = {}
    for name, curve in curves.items():
        seconds = reached(curve, goal["objective"])
        rows[name] = {"seconds": seconds, "times_as_fast": seconds and round(goal["seconds"] / seconds, 2)}
        table.add_row(name, *(str(value) for value in rows[name].values()))
    Console(width=100).print(table)
    if options.output:
        result = {**machine(), "settings": options.overrides, "goal": goal, "reached": rows, "curves": curves}
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if options.plot:
        plot(curves, goal["objective"], options.plot)


if __name__ == "__main__":
    main()

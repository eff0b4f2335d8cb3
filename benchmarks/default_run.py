"""What `python train.py style=NAME` takes and makes here: time, memory, objective beside the best recipe.

    python benchmarks/default_run.py --styles DIR --heldout HELDOUT [--output FILE.json] [NAME …]
    FAST_STYLE_CPU=avx2 python benchmarks/default_run.py …

Each painting NAME of the folder is learned by the command with nothing else, as a newcomer types it: scenes that are
drawn while it trains, and whatever the machine decides. Paintings whose networks ship (`experiment=quality`, trained on
a GPU) and which the network to start from has not seen can be compared with these.

Seconds are those of the whole command; memory is that of its largest process at most (`ru_maxrss`). The objective is
that of `loss=deep` under VGG-19 with the painting at 384 px, in float32, mean over the middle squares of the held-out
photos at 256 px: of what was trained, and of the network that ships.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from heldout import objective
from inference import ROOT
from measuring import machine, megabytes
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from fast_style.assets import shipped_networks
from fast_style.checkpoint import load_network, read_metadata
from fast_style.cli.config import build, compose
from fast_style.cli.resolvers import register_resolvers
from fast_style.data import HeldOut, ImageSource, load_style
from fast_style.inference.backends import multiplies_bf16
from fast_style.processor import VARIABLE

SIZE, PAINTING = 256, 384  # pixels of the photos and of the painting
LINE = re.compile(r"[^\n]*crops? of \d+ px a step, about [^\n]*")


def train(name: str, styles: Path, folder: Path, settings: list[str]) -> dict[str, Any]:
    """Run the command; return its seconds, its memory in MB, what it said of its budget, and the network's steps."""
    network = folder / f"{name}.safetensors"
    command = [sys.executable, str(ROOT / "train.py"), f"style={name}", f"style.dir={styles}", f"output={network}"]
    command += [f"hydra.run.dir={folder / name}", *settings]
    started = time.perf_counter()
    with (folder / f"{name}.txt").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    said = (folder / f"{name}.txt").read_text(encoding="utf-8", errors="replace")
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{said}")
    line = LINE.search(said)
    return {
        "seconds": round(seconds, 1),
        "megabytes": round(megabytes(usage.ru_maxrss)),
        "said": line[0].rpartition("] - ")[2] if line else "",
        "steps": read_metadata(network)["steps"],
    }


@torch.inference_mode()
def judge(name: str, styles: Path, photos: HeldOut, made: Path) -> dict[str, float]:
    """Measure what was trained and the network that ships, if one does, under the deep losses."""
    config = compose("losses", ["loss=deep", "loss_network=vgg19"])
    loss = build(config.loss, style=load_style(name, dir=styles, size=PAINTING))
    networks: dict[str, nn.Module] = {"default": load_network(made)}
    if name in shipped_networks():
        networks["best"] = load_network(shipped_networks()[name])

    def clamped(network: nn.Module) -> Callable[[Tensor], Tensor]:
        return lambda photo: network(photo).clamp(0, 1)

    found = {label: objective(loss, clamped(each), photos)["total_loss"] for label, each in networks.items()}
    ratio = {"ratio": found["default"] / found["best"]} if "best" in found else {}
    return {label: round(value, 3) for label, value in (found | ratio).items()}


def main() -> None:
    """Train, measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["the_scream", "composition_vii", "starry_night"], metavar="NAME")
    parser.add_argument("--styles", type=Path, required=True, help="folder of the paintings")
    parser.add_argument("--heldout", required=True, help="folder of held-out photos")
    parser.add_argument("--set", nargs="+", default=[], metavar="SETTING", help="further settings of the training")
    parser.add_argument("--keep", type=Path, help="folder for networks, contact sheets and logs")
    parser.add_argument("--output", type=Path, help="JSON file of the result; rows of the same processor are replaced")
    options = parser.parse_args()
    register_resolvers()
    photos = HeldOut(ImageSource(options.heldout), SIZE)
    kind = os.environ.get(VARIABLE) or ("bfloat16" if multiplies_bf16("cpu") else "float32")
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in options.names:
            row: dict[str, Any] = {"processor": kind, "painting": name}
            row |= {"settings": options.set} if options.set else {}
            row |= train(name, options.styles.resolve(), folder.resolve(), options.set)
            rows.append(row | judge(name, options.styles, photos, folder / f"{name}.safetensors"))
            print(json.dumps(rows[-1]), flush=True)
    table = Table(title=f"python train.py style=NAME, {kind}, {torch.get_num_threads()} threads")
    columns = ("painting", "seconds", "megabytes", "steps", "default", "best", "ratio")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(row.get(column, "–")) for column in columns))
    Console(width=120).print(table)
    if options.output:
        write(options.output, rows, kind)


def write(path: Path, rows: list[dict[str, Any]], kind: str) -> None:
    """Put the rows in the place of those of the same processor and paintings."""
    result = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"rows": []}
    taken = {(row["processor"], row["painting"]) for row in rows}
    kept = [row for row in result["rows"] if (row["processor"], row["painting"]) not in taken]
    path.write_text(json.dumps(machine() | {"rows": [*kept, *rows]}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Time every backend and precision against the network of pytorch/examples.

    python benchmarks/inference.py [--sizes 256x256 …] [--batches 1 8] [--rounds 5] [--slim FILE] [--output FILE]
        [--plot FILE]

In a file of results that is there already, those of other sizes and batches are kept; `--batches` without a number runs
nothing, and shows them.

The network of pytorch/examples (`peers.johnson_network`) runs in eager float32, as that program runs it, with random
weights; ours is that of the checkpoint. For each size and batch the runs alternate in one process: a row gives the
median over rounds, the median of the ratios taken round by round, the mean absolute difference to the picture of ours
in PyTorch and float32, in units of 1/255, and how much memory a run takes at most beyond what is there before it,
measured in a process of its own (Linux only). The seconds to make each backend ready are told once. `--slim` adds a row
for a smaller network in the fastest way there is, which makes another picture, and with OpenVINO one in eight bits.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from measuring import alternating, held_mb, machine
from peers import johnson_network
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from fast_style.checkpoint import load_network
from fast_style.inference.backends import choose, multiplies_bf16

ROOT = Path(__file__).resolve().parents[1]
PEER, REFERENCE = "pytorch/examples", "torch fp32"
SIZES = ("256x256", "512x512", "1024x1024", "1280x720")
Run = Callable[[Tensor], Tensor]


def peer() -> Run:
    """Return the network of pytorch/examples in eager float32, with random weights, on which no time depends."""
    network = johnson_network().eval()

    def run(photos: Tensor) -> Tensor:
        with torch.no_grad():
            return network(photos * 255).clamp(0, 255) / 255

    return run


def runners(compiled: bool) -> dict[str, dict[str, Any]]:
    """Name what there is here, and how to ask for it."""
    fast = ["bf16"] if multiplies_bf16("cpu") else []
    rows: dict[str, dict[str, Any]] = {}
    for backend, precisions in (("torch", ["fp32", *fast]), ("onnx", ["fp32"]), ("openvino", ["fp32", *fast])):
        for precision in precisions:
            rows[f"{backend} {precision}"] = {"backend": backend, "precision": precision}
    if compiled:
        rows[f"torch {[*fast, 'fp32'][0]} compiled"] = {
            "backend": "torch",
            "precision": [*fast, "fp32"][0],
            "compile": True,
        }
    return rows


def ready(name: str, options: dict[str, Any], checkpoint: Path) -> Run:
    """Make one of them ready."""
    if name == PEER:
        return peer()
    return choose(load_network(options.get("network", checkpoint)), "cpu", **without(options, "network"))


def without(options: dict[str, Any], name: str) -> dict[str, Any]:
    """Copy options but one."""
    return {key: value for key, value in options.items() if key != name}


def photos_of(size: str, batch: int) -> Tensor:
    """Smooth colours with a little noise, (batch, 3, H, W), from WIDTHxHEIGHT."""
    width, height = map(int, size.split("x"))
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch, 3, 8, 8, generator=generator)
    noise = torch.rand(batch, 3, height, width, generator=generator)
    smooth = nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return (0.9 * smooth + 0.1 * noise).clamp(0, 1)


def measure(runs: dict[str, Run], photos: Tensor, rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of each run in each round, and the difference to our float32; one round before is not counted."""
    expected = runs[REFERENCE](photos)
    differences = {name: (run(photos) - expected).abs().mean().item() * 255 for name, run in runs.items()}
    return alternating({name: partial(run, photos) for name, run in runs.items()}, rounds), differences


def memory_of(name: str, size: str, batch: int, checkpoint: Path, slim: Path | None) -> float | None:
    """Megabytes that a run takes at most, beyond what the process had before it; None where it cannot be told."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    command = [sys.executable, __file__, "--model", str(checkpoint), "--sizes", size, "--batches", str(batch)]
    command += [] if slim is None else ["--slim", str(slim)]
    result = subprocess.run([*command, "--memory-of", name], capture_output=True, text=True, check=True)
    return float(result.stdout)


def tell_memory(name: str, options: dict[str, Any], photos: Tensor, checkpoint: Path) -> None:
    """Print what `memory_of` reads."""
    run = ready(name, options, checkpoint)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the peak so far
    before = held_mb(peak=False)
    for _ in range(2):
        run(photos)
    print(held_mb() - before)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw one panel for each batch size: how many times as fast, by size."""
    import matplotlib.pyplot as plt

    batches = list(dict.fromkeys(row["batch"] for row in rows))
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    names = [name for name in dict.fromkeys(row["run"] for row in rows) if name != PEER]
    figure, panels = plt.subplots(
        1, len(batches), figsize=(6 * len(batches), 4), squeeze=False, sharey=True, layout="constrained"
    )
    for batch, panel in zip(batches, panels[0], strict=True):
        for index, name in enumerate(names):
            speedups = {row["size"]: row["speedup"] for row in rows if row["run"] == name and row["batch"] == batch}
            width = 0.8 / len(names)
            places = [sizes.index(size) + index * width for size in speedups]
            panel.bar(places, [value - 1 for value in speedups.values()], width, bottom=1, label=name)
        panel.set_xticks([place + 0.4 for place in range(len(sizes))], [size.replace("x", "×") for size in sizes])
        panel.set(title=f"batch {batch}", xlabel="pixels", ylabel=f"times as fast as {PEER}", yscale="log")
    figure.legend(*panels[0][-1].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=100)


def merged(before: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Add the rows of an earlier result that are of other sizes or batches."""
    done = {(row["size"], row["batch"]) for row in result["rows"]}
    rows = [row for row in before["rows"] if (row["size"], row["batch"]) not in done] + result["rows"]
    rows.sort(key=lambda row: (row["batch"], SIZES.index(row["size"]) if row["size"] in SIZES else 0))
    return (result if done else before) | {"rows": rows}


def show(result: dict[str, Any]) -> None:
    """Print the rows as a table, with a line after each size."""
    rows = result["rows"]
    table = Table(*rows[0], title=f"against {PEER}, eager float32, {result['threads']} threads")
    for row, following in zip(rows, [*rows[1:], rows[0]], strict=True):
        table.add_row(*(str(value) for value in row.values()), end_section=row["size"] != following["size"])
    Console(width=120).print(table)
    print("seconds to make ready:", json.dumps(result["ready_seconds"]))


def main() -> None:
    """Measure, print a table, write JSON and a plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = ROOT / "checkpoints" / "pretrained" / "starry_night.safetensors"
    parser.add_argument("--model", type=Path, default=default, help="a network of Johnson's size")
    parser.add_argument("--slim", type=Path, help="a smaller network")
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="WxH", help="width and height")
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 8], metavar="N", help="photos at once")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind that are counted")
    parser.add_argument("--only", nargs="+", help="runs to compare, by the names of the table; they share the memory")
    parser.add_argument("--compile", action="store_true", help="torch.compile too, which takes minutes")
    parser.add_argument("--no-memory", action="store_true", help="do not measure memory")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    parser.add_argument("--plot", type=Path, help="picture of the result")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    asked = {PEER: {}, **runners(options.compile or "compiled" in (options.memory_of or ""))}
    if options.slim:
        asked["slim"] = {"network": options.slim}
        if find_spec("openvino"):
            asked["slim int8"] = asked["slim"] | {"precision": "int8"}
    if options.only:
        asked = {name: how for name, how in asked.items() if name in (PEER, *options.only)}
    if options.memory_of:
        photos = photos_of(options.sizes[0], options.batches[0])
        tell_memory(options.memory_of, asked[options.memory_of], photos, options.model)
        return
    rows: list[dict[str, Any]] = []
    result = machine()
    made_ready: dict[str, float] = {}
    for batch in options.batches:
        for size in options.sizes:
            memory: dict[str, float | None] = dict.fromkeys(asked)
            if not options.no_memory:
                memory |= {name: memory_of(name, size, batch, options.model, options.slim) for name in asked}
            runs = {name: ready(name, how, options.model) for name, how in asked.items()}  # anew: they keep memory
            made_ready = made_ready or {
                name: round(getattr(run, "compile_seconds", 0.0), 3) for name, run in runs.items()
            }
            seconds, differences = measure(runs, photos_of(size, batch), options.rounds)
            for name, values in seconds.items():
                ratios = [peers / ours for peers, ours in zip(seconds[PEER], values, strict=True)]
                row = {
                    "size": size,
                    "batch": batch,
                    "run": name,
                    "rounds": options.rounds,
                    "seconds": round(statistics.median(values), 4),
                    "images_per_second": round(batch / statistics.median(values), 2),
                    "speedup": round(statistics.median(ratios), 2),
                    "memory_mb": round(used) if (used := memory[name]) is not None else None,
                    "difference": None if name == PEER or name.startswith("slim") else round(differences[name], 3),
                }
                rows.append(row)
                print(json.dumps(row), file=sys.stderr, flush=True)
    result |= {"ready_seconds": made_ready, "rows": rows}
    if options.output and options.output.exists():
        result = merged(json.loads(options.output.read_text(encoding="utf-8")), result)
    show(result)
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if options.plot:
        plot(result["rows"], options.plot)


if __name__ == "__main__":
    main()

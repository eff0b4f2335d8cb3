"""Pictures a second on a Ray cluster of this machine, two workers on two cores, against the plain pipeline.

    python benchmarks/bulk.py [--photos FOLDER] [--count 256] [--side 512] [--rounds 2] [--output FILE.json]
    python benchmarks/bulk.py --count 20000 --side 32 --rounds 1

Both are the command as users type it, in processes of its own and by turns. The rate is that between the first tenth of
the pictures and the last, by the times of their files, so that starting does not count, but the end, when workers have
nothing more to do, does; what starting takes stands beside it. Memory is what the command and all its processes hold at
most, what they share counted for each: first in the second quarter of the pictures, then in the last. It is flat if
these are alike.

At the end a model on paper of 10^8 pictures and 1, 10 and 100 workers, at the rate that was measured.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from fast_style import images

ROOT = Path(__file__).resolve().parents[1]
PAGE = os.sysconf("SC_PAGE_SIZE")
# Of the model: what an object store answers a second under one prefix, and what it asks for a thousand requests, in
# dollars; what a core costs an hour.
READS, WRITES = 5500, 3500
READ_PRICE, WRITE_PRICE, LIST_PRICE = 0.0004, 0.005, 0.005
CORE_PRICE = 0.04
PICTURES = 10**8


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder of JPEG files, which are repeated; default: noise")
    parser.add_argument("--model", default="starry_night_slim")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--side", type=int, default=512, help="pixels on the long side")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    engines = {"plain": ["--engine", "plain"], "ray": ["--engine", "ray", "--workers", str(options.workers)]}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in engines}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photos(folder / "in", options)
        common = ["--model", options.model, "--backend", options.backend, "--device", "cpu", "--input", name + "/in"]
        for _ in range(options.rounds):
            for engine, words in engines.items():
                runs[engine].append(measure([*common, *words], folder / "out", options.count))
                print(engine, runs[engine][-1], file=sys.stderr)
    result: dict[str, Any] = {
        engine: {key: statistics.median(run[key] for run in of_engine) for key in of_engine[0]}
        for engine, of_engine in runs.items()
    }
    result["ratio"] = result["ray"]["images_per_second"] / result["plain"]["images_per_second"]
    for engine in engines:
        print(f"{engine:6}", *(f"{key} {value:.4g}" for key, value in result[engine].items()), sep="  ")
    print(f"ray / plain {result['ratio']:.3f}")
    result["model"] = model(result["ray"]["images_per_second"] / options.workers)
    for row in result["model"]:
        print(*(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()))
    result |= {"count": options.count, "side": options.side, "workers": options.workers, "cores": os.cpu_count()}
    result |= {"network": options.model, "torch": torch.__version__}
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def make_photos(folder: Path, options: argparse.Namespace) -> None:
    """Write the photos; each is a file of its own."""
    folder.mkdir()
    height = max(1, options.side * 2 // 3)
    given = sorted(options.photos.glob("*.jpg")) if options.photos else []
    for number in range(options.count):
        path = folder / f"{number:06}.jpg"
        if number >= 16:
            shutil.copy(folder / f"{number % 16:06}.jpg", path)
        elif given:
            photo = images.to_float(images.read(given[number % len(given)]))[None]
            images.write(path, images.resize_long_side(photo, options.side))
        else:
            coarse = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(number))
            images.write(path, torch.nn.functional.interpolate(coarse, (height, options.side), mode="bilinear"))


def measure(words: list[str], output: Path, count: int) -> dict[str, float]:
    """Run the command, and watch its memory."""
    shutil.rmtree(output, ignore_errors=True)
    began, wall = time.monotonic(), time.time()
    command = [sys.executable, "-m", "fast_style", "stylize", *words, "--output", str(output)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    memory: list[tuple[float, float]] = []
    while process.poll() is None:
        done = sum(1 for _ in os.scandir(output)) / count if output.is_dir() else 0.0
        memory.append((done, resident(process.pid)))
        time.sleep(0.5)
    seconds = time.monotonic() - began
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    times = sorted(path.stat().st_mtime for path in output.glob("*.jpg"))
    first = len(times) // 10
    return {
        "images_per_second": (len(times) - 1 - first) / (times[-1] - times[first]),
        "seconds_to_the_first": times[0] - wall,
        "seconds": seconds,
        "mb_second_quarter": max((held for done, held in memory if 0.25 <= done <= 0.5), default=math.nan) / 2**20,
        "mb_last_quarter": max((held for done, held in memory if done >= 0.75), default=math.nan) / 2**20,
    }


def resident(root: int) -> float:
    """Add up the memory of a process and of all that descend from it, in bytes."""
    parents, held = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                held[int(folder.name)] = int((folder / "statm").read_text().split()[1]) * PAGE
            except OSError:  # it has ended
                continue
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return float(sum(held.get(pid, 0) for pid in family))


def model(rate: float) -> list[dict[str, Any]]:
    """Compute what 10^8 pictures take, in a store under one prefix, at this rate of each worker of one core.

    A picture is asked for, read and written: two reads and a write. Each listing, of inputs and outputs, brings a
    thousand names.
    """
    store = min(READS / 2, WRITES)
    requests = PICTURES / 1000 * (2 * READ_PRICE + WRITE_PRICE + 2 * LIST_PRICE / 1000)
    rows = []
    for workers in (1, 10, 100):
        wanted = workers * rate
        hours = PICTURES / min(wanted, store) / 3600
        rows.append(
            {
                "workers": workers,
                "images_per_second": float(min(wanted, store)),
                "first_to_saturate": "the network" if wanted < store else "the store's requests",
                "days": hours / 24,
                "dollars_requests": float(requests),
                "dollars_cores": workers * hours * CORE_PRICE,
            }
        )
    return rows


if __name__ == "__main__":
    main()

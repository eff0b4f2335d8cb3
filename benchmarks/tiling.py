"""Compare a network in tiles with the network on the whole picture: difference, seams, time, memory.

    python benchmarks/tiling.py [--photo FILE] [--side 2048] [--tile 256] [--rounds 3]
        [--sizes 1024x1024 2048x2048 4096x4096 7680x4320] [--dtype bfloat16] [--output FILE.json]

Differences, seams and times are of a photo of `--side` pixels, in units of 1/255 after clamping to [0, 1]: by default
of a procedural scene. The seam score is the mean absolute gradient across the borders of tiles over that across all
other lines: of the picture, of the untiled one, and of their difference; what tiles do not disturb scores alike in both
pictures. Times are of runs that alternate in one process; a row gives the median over rounds, and the median of the
ratios to the untiled float32 run taken round by round. The last row is what tiles normalised on their own give.

Each peak of memory (`VmHWM` of Linux; `ru_maxrss` would contain the parent's) is of a process of its own, with all that
it holds: PyTorch, the photo and the result as uint8, and activations.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import alternating, machine
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from fast_style.checkpoint import load_network
from fast_style.data import procedural_image
from fast_style.inference.tiling import MEMORY, TiledNetwork, stylize_tiled

NETWORK = Path(__file__).resolve().parents[1] / "checkpoints" / "pretrained" / "starry_night.safetensors"
SCENE = 1024  # side that scenes are painted at; larger ones are mirrored beside each other
Run = Callable[[], Tensor]
# No more than it needs is imported.
CHILD = """
import json, re, sys, time
from pathlib import Path
import torch
from fast_style.checkpoint import load_network
from fast_style.inference.tiling import MEMORY, stylize_tiled

def peak_mb():
    return round(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024 / 1e6)

network, pixels, width, height, tile, dtype = sys.argv[1:]
network = load_network(network)
photo = torch.empty(3, int(height), int(width), dtype=torch.uint8)
with open(pixels, "rb") as file:
    file.readinto(photo.numpy())
before, started = peak_mb(), time.perf_counter()
stylize_tiled(network, photo, int(tile), dtype=getattr(torch, dtype))
print(json.dumps({"seconds": round(time.perf_counter() - started, 1), "before_mb": before, "peak_mb": peak_mb()}))
"""


def make_photo(path: Path | None, height: int, width: int) -> Tensor:
    """Photo-like uint8 (3, H, W): a file cut or mirrored to the size, or procedural scenes."""
    if path:
        with Image.open(path) as image:
            scene = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)  # (3, H, W)
    else:
        scene = procedural_image(0, 0, SCENE).mul(255).round().to(torch.uint8)
    for axis, length in ((1, height), (2, width)):
        while scene.shape[axis] < length:
            scene = torch.cat([scene, scene.flip(axis)], dim=axis)
        scene = scene.narrow(axis, 0, length)
    return scene.contiguous()


def own_tiles(network: nn.Module, photo: Tensor, tile: int) -> Tensor:
    """What tiles that are normalised on their own give: the seams that exact tiles avoid."""
    rows = [
        torch.cat([network(part[None] / 255)[0] for part in row.split(tile, dim=2)], dim=2)
        for row in photo.split(tile, dim=1)
    ]
    return torch.cat(rows, dim=1)


def seam_score(picture: Tensor, tile: int) -> float:
    """Mean absolute gradient across the borders of tiles, over that across all other lines."""
    at_borders, elsewhere = [], []
    for axis in (1, 2):
        gradient = picture.diff(dim=axis).abs()
        lines = gradient.mean(dim=(0, 3 - axis))
        length = picture.shape[axis]
        count = -(-length // tile)
        border = torch.zeros(length - 1, dtype=torch.bool)
        border[[index * length // count - 1 for index in range(1, count)]] = True
        at_borders.append(lines[border])
        elsewhere.append(lines[~border])
    return (torch.cat(at_borders).mean() / torch.cat(elsewhere).mean()).item()


def compare(network: nn.Module, photo: Tensor, tile: int, rounds: int) -> list[dict[str, Any]]:
    """Differences, seams and times of each way."""
    batch = photo[None] / 255

    def autocast() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return network(batch)[0].float()

    def tiled(dtype: torch.dtype, memory: int = MEMORY) -> Run:
        return lambda: stylize_tiled(network, batch[0], tile, dtype, memory)

    ways: dict[str, Run] = {
        "untiled float32": lambda: network(batch)[0],
        "untiled bfloat16": autocast,
        "tiled float32": tiled(torch.float32),
        "tiled float32, least memory": tiled(torch.float32, memory=1),
        "tiled bfloat16": tiled(torch.bfloat16),
        "tiles on their own": lambda: own_tiles(network, photo, tile),
    }
    pictures: dict[str, Tensor] = {}

    def keep(name: str) -> None:
        pictures[name] = ways[name]().clamp(0, 1)

    with torch.inference_mode():
        seconds = alternating({name: partial(keep, name) for name in ways}, rounds)
    untiled, baseline = pictures["untiled float32"], seconds["untiled float32"]
    rows = []
    for name, picture in pictures.items():
        difference = (picture - untiled).abs() * 255
        ratios = [mine / base for mine, base in zip(seconds[name], baseline, strict=True)]
        rows.append(
            {
                "way": name,
                "max_difference": round(difference.max().item(), 4),
                "mean_difference": round(difference.mean().item(), 5),
                "seams": round(seam_score(picture, tile), 3),
                "seams_untiled": round(seam_score(untiled, tile), 3),
                "seams_of_difference": round(seam_score(difference, tile), 3) if difference.any() else None,
                "seconds": round(statistics.median(seconds[name]), 2),
                "time_ratio": round(statistics.median(ratios), 2),
            }
        )
    return rows


def peak(options: argparse.Namespace, width: int, height: int) -> dict[str, Any]:
    """Time and peak memory of a process that stylises one picture in tiles."""
    with tempfile.NamedTemporaryFile() as file:
        make_photo(options.photo, height, width).numpy().tofile(file)
        file.flush()
        values = [options.network, file.name, width, height, options.tile, options.dtype]
        command = [sys.executable, "-c", CHILD, *map(str, values)]
        measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {
        "size": f"{width}×{height}",
        "megapixels": round(width * height / 1e6, 1),
        **measured,
        "untiled_activations_mb": round(TiledNetwork(load_network(options.network)).untiled_bytes(height, width) / 1e6),
    }


def parse_size(text: str) -> tuple[int, int]:
    """Read WIDTHxHEIGHT."""
    width, height = text.split("x")
    return int(width), int(height)


def print_table(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows under the names of their values."""
    table = Table(*(name.replace("_", " ") for name in rows[0]), title=title)
    for row in rows:
        table.add_row(*map(str, row.values()))
    console.print(table)


def main() -> None:
    """Measure, print tables, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, help="photo to take in place of a procedural scene")
    parser.add_argument("--network", type=Path, default=NETWORK, help="checkpoint")
    parser.add_argument("--side", type=int, default=2048, help="of the photo that is compared; 0 to leave this out")
    parser.add_argument("--tile", type=int, default=256, help="side of a tile")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is timed")
    parser.add_argument("--sizes", nargs="*", default=["1024x1024", "2048x2048", "4096x4096", "7680x4320"])
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="bfloat16", help="of the runs for memory")
    parser.add_argument("--output", type=Path, help="JSON file of the result; what is in it and not measured stays")
    options = parser.parse_args()
    console = Console(width=140)
    result = machine() | {"tile": options.tile}
    if options.side:
        photo = make_photo(options.photo, options.side, options.side)
        result["rows"] = compare(load_network(options.network), photo, options.tile, options.rounds)
        print_table(console, f"{options.side}×{options.side}, tiles of {options.tile}", result["rows"])
    if options.sizes:
        result["memory"] = [peak(options, *parse_size(size)) for size in options.sizes]
        print_table(console, f"peak memory, {options.dtype}", result["memory"])
    if options.output:
        known = json.loads(options.output.read_text(encoding="utf-8")) if options.output.exists() else {}
        options.output.write_text(json.dumps(known | result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

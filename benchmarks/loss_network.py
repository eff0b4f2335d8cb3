"""Judge a narrow loss network by how it orders images, beside VGG-19, and by what it costs.

    python benchmarks/loss_network.py --photos DIR --styles DIR --weights VGG19_FILE [--slim FILE] \
        [--output FILE.json] NETWORK …

Spearman's rank correlation of the style distance under both networks, for each style layer and for the sum of the
default loss (each layer relative to the painting), over all ordered pairs of paintings, and over pairs of a painting
and a picture, a held-out photo or what one of the NETWORKs makes of it; of the content distance (relu3_2) over pairs
of a photo and its stylized pictures. Then the time of forward and backward through both to relu4_1, batch 2 at 256 px,
alternating, medians of the ratios.
"""

import argparse
import itertools
import json
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import torch
from measuring import alternating
from rich.console import Console
from rich.table import Table
from torch import Tensor

from fast_style.checkpoint import load_network
from fast_style.data import HeldOut, ImageSource, load_style
from fast_style.functional import gram_matrix
from fast_style.networks import VGG

STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_4")
CONTENT_LAYER = "relu3_2"


def spearman(a: Tensor, b: Tensor) -> float:
    """Correlate the ranks of two vectors without ties."""
    ranks = torch.stack([x.argsort().argsort().double() for x in (a, b)])
    return float(torch.corrcoef(ranks)[0, 1])


def describe(network: VGG, image: Tensor) -> dict[str, Tensor]:
    """Gram matrices of the style layers, features of the content layer."""
    features = network(image, [*STYLE_LAYERS, CONTENT_LAYER])
    grams = {layer: gram_matrix(features[layer]) for layer in STYLE_LAYERS}
    return {**grams, CONTENT_LAYER: features[CONTENT_LAYER]}


def style_distances(pictures: list[dict[str, Tensor]], paintings: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Distance of every picture to every painting, those of a picture to itself left out."""
    rows: dict[str, list[float]] = {layer: [] for layer in STYLE_LAYERS}
    for picture, painting in itertools.product(pictures, paintings):
        if picture is not painting:
            for layer in STYLE_LAYERS:
                scale = painting[layer].square().sum()
                rows[layer].append(float((picture[layer] - painting[layer]).square().sum() / scale))
    distances = {layer: torch.tensor(row) for layer, row in rows.items()}
    return {**distances, "sum": torch.stack([*distances.values()]).sum(0)}


def compare(options: argparse.Namespace, wide: VGG, slim: VGG) -> dict[str, Any]:
    """Correlate the distances of both networks."""
    paintings = [load_style(path.stem, image=path) for path in sorted(options.styles.glob("*.jpg"))]
    heldout = HeldOut(ImageSource(options.photos), 256)
    photos = [heldout[index]["image"][None] for index in range(len(heldout))]
    stylizers = [load_network(path) for path in options.networks]
    stylized = [[network(photo).clamp(0, 1) for network in stylizers] for photo in photos]
    distances: list[dict[str, Tensor]] = []
    for network in (wide, slim):
        of_paintings = [describe(network, image) for image in paintings]
        of_photos = [describe(network, image) for image in photos]
        of_stylized = [[describe(network, image) for image in images] for images in stylized]
        content = [
            (made[CONTENT_LAYER] - photo[CONTENT_LAYER]).square().mean()
            for photo, row in zip(of_photos, of_stylized, strict=True)
            for made in row
        ]
        pairs = style_distances(of_paintings, of_paintings)
        pictures = style_distances([*of_photos, *itertools.chain(*of_stylized)], of_paintings)
        distances.append(
            {f"paintings, {key}": value for key, value in pairs.items()}
            | {f"pictures, {key}": value for key, value in pictures.items()}
            | {f"content, {CONTENT_LAYER}": torch.tensor(content)}
        )
    wide_distances, slim_distances = distances
    return {
        key: {"pairs": len(value), "spearman": spearman(value, slim_distances[key])}
        for key, value in wide_distances.items()
    }


def cost(slim: VGG, rounds: int) -> dict[str, float]:
    """Median ratio of the times of forward and backward to relu4_1."""
    networks = {"wide": VGG("vgg19", None), "slim": slim}
    for network in networks.values():
        network.to(memory_format=torch.channels_last)
    images = torch.rand(2, 3, 256, 256).contiguous(memory_format=torch.channels_last).requires_grad_()
    result = {}
    for precision, autocast in (("float32", False), ("bfloat16", True)):

        def passes(network: VGG, autocast: bool = autocast) -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                features = network(images, ["relu4_1"])["relu4_1"]
            torch.autograd.grad(features.float().square().mean(), images)

        times = alternating({name: partial(passes, network) for name, network in networks.items()}, rounds, warm=1)
        pairs = zip(times["wide"], times["slim"], strict=True)
        result[precision] = statistics.median(wide / slim for wide, slim in pairs)
    return result


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", type=Path, nargs="+", metavar="NETWORK", help="what training exported")
    parser.add_argument("--photos", required=True, help="folder of held-out photos")
    parser.add_argument("--styles", required=True, type=Path, help="folder of the paintings")
    parser.add_argument("--weights", required=True, help="VGG-19 weights, a file or a name")
    parser.add_argument("--slim", default="slim", help="the narrow network; default: the shipped one")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of the timing")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    slim = VGG("vgg19", options.slim)
    with torch.inference_mode():
        correlations = compare(options, VGG("vgg19", options.weights), slim)
    ratios = cost(slim, options.rounds)
    table = Table("distance", "pairs", "rank correlation with VGG-19")
    for key, row in correlations.items():
        table.add_row(key, str(row["pairs"]), f"{row['spearman']:.3f}")
    console = Console(width=100)
    console.print(table)
    for precision, ratio in ratios.items():
        console.print(f"forward and backward to relu4_1, {precision}: VGG-19 takes {ratio:.1f} times as long")
    if options.output:
        result = {"correlations": correlations, "times_cheaper": ratios}
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""How much networks flicker where it is known exactly how a film moves.

    python benchmarks/flicker.py --photos HELDOUT [--count 3] [--frames 12] [--remedies smooth best phases4]
        [--output FILE.json] NETWORK …

Films of 224 × 192 pixels are made from photos, drawn at twice the size and reduced: pans by 1, 2 and half a pixel a
frame; a zoom with a rotation; a disc of the photo that glides over it, which hides and shows; a photo at rest under
noise of 2/255, as of a camera; and one at rest whose light grows by 2 % a frame. Told are the root of the mean squared
change along the true flow, where something is seen in both frames (`fast_style.evaluate.FilmMeasure`), of neighbours
and of frames ten apart, and the contrast, which a blur would not keep; means over the photos. The first rows are the
films themselves: what interpolation at fractions of a pixel, noise and light change without any network.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from fast_style import Stylizer
from fast_style.cli.evaluate_film import PHASES, _way
from fast_style.data import HeldOut, ImageSource
from fast_style.evaluate import FilmMeasure

WIDTH, HEIGHT = 224, 192
RADIUS, BORDER = 40.0, 3.0  # of the disc, and pixels at its edge that are not compared
Flow = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Motion:
    """How a film moves and what befalls it.

    Attributes:
        shift: pixels a frame to the right and down.
        zoom: factor a frame.
        turn: degrees a frame.
        disc: pixels a frame that the disc glides to the right.
        noise: standard deviation in [0, 255].
        light: factor a frame.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    turn: float = 0.0
    disc: float = 0.0
    noise: float = 0.0
    light: float = 1.0

    def moved(self, number: int) -> np.ndarray:
        """Matrix (3, 3) from the pixels of a frame to those of the first one."""
        matrix = np.eye(3)
        matrix[:2] = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), self.turn * number, self.zoom**number)
        matrix[:2, 2] += np.multiply(self.shift, number)
        return matrix

    def middle(self, number: int) -> float:
        """Where the middle of the disc is from left to right."""
        return WIDTH / 3 + self.disc * number

    def inside(self, number: int, border: float) -> np.ndarray:
        """Tell which pixels (H, W) are of the disc, or no further from it than the border."""
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
        near: np.ndarray = np.hypot(x - self.middle(number), y - HEIGHT / 2) <= RADIUS + border
        return near if self.disc else np.zeros_like(near)

    def frame(self, photo: np.ndarray, number: int, random: np.random.Generator) -> Tensor:
        """Draw a frame (1, 3, H, W), uint8, of a photo (H', W', 3) of twice the size, its middle in the middle."""
        left, top = photo.shape[1] / 2 - WIDTH, photo.shape[0] / 2 - HEIGHT
        to_photo = np.array([[2, 0, left + 0.5], [0, 2, top + 0.5], [0, 0, 1]])  # between the middles of pixels
        halved = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
        picture = _drawn(photo, to_photo @ self.moved(number) @ halved)
        if self.disc:
            glided = np.array([[1, 0, 40 - self.disc * number], [0, 1, 20], [0, 0, 1]])  # another part of the photo
            inside = self.inside(number, 0.0)
            picture[inside] = _drawn(photo, to_photo @ glided @ halved)[inside]
        picture = picture * self.light**number + random.normal(0, 1, picture.shape) * self.noise
        return torch.from_numpy(picture.round().clip(0, 255).astype(np.uint8)).permute(2, 0, 1)[None].contiguous()

    def flow(self, later: int, earlier: int) -> Flow:
        """Return the flow from a frame back to an earlier one, and where it leads to what is seen in both."""
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
        here = np.stack([x, y, np.ones_like(x)], -1)
        there = here @ (np.linalg.inv(self.moved(earlier)) @ self.moved(later)).T
        disc = self.inside(later, 0.0)
        there[disc] = here[disc] - [self.middle(later) - self.middle(earlier), 0, 0]
        flow = (there - here)[..., :2].astype(np.float32)
        seen = (
            (there[..., 0] >= 0) & (there[..., 0] <= WIDTH - 1) & (there[..., 1] >= 0) & (there[..., 1] <= HEIGHT - 1)
        )
        edge = self.inside(later, BORDER) & ~self.inside(later, -BORDER)
        covered = self.inside(earlier, BORDER) & ~disc  # of a background that does not move beside a disc that does
        return flow, seen & ~edge & ~covered


MOTIONS = {
    "pan 1": Motion(shift=(1, 0)),
    "pan 2": Motion(shift=(2, 0)),
    "pan ½": Motion(shift=(0.5, 0)),
    "zoom, turn": Motion(zoom=0.995, turn=0.3),
    "disc": Motion(disc=3),
    "noise": Motion(noise=2.0),
    "light": Motion(light=1.02),
}


def _drawn(photo: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Sample a photo at twice the size of a frame, and reduce it: float (H, W, 3)."""
    large = cv2.warpAffine(photo, matrix[:2], (2 * WIDTH, 2 * HEIGHT), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                           borderMode=cv2.BORDER_REFLECT_101)  # fmt: skip
    return cv2.resize(large.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def measured(motion: Motion, photos: list[np.ndarray], frames: int) -> list[FilmMeasure]:
    """Make the films of a motion, one of each photo, ready to be measured on."""
    measures = []
    for number, photo in enumerate(photos):
        random = np.random.default_rng(number)
        film = [motion.frame(photo, each, random) for each in range(frames)]
        measures.append(FilmMeasure(film, flow=motion.flow))
    return measures


def row(name: str, motion: str, measures: list[FilmMeasure], way: Callable[[], Any]) -> dict[str, Any]:
    """Measure a way of stylizing on films, the means."""
    scores = [measure(name, way()) for measure in measures]
    columns = {"1 frame": "stability", "10 frames": "long_term", "contrast": "contrast"}
    means = {column: round(statistics.mean(getattr(s, field) for s in scores), 4) for column, field in columns.items()}
    return {"name": name, "motion": motion} | {key: None if isnan(value) else value for key, value in means.items()}


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="NETWORK")
    parser.add_argument("--photos", required=True, help="folder of held-out photos")
    parser.add_argument("--count", type=int, default=3, help="of the photos")
    parser.add_argument("--frames", type=int, default=12, help="at least 11 for the long term")
    parser.add_argument("--remedies", nargs="*", default=["smooth"], choices=["smooth", *PHASES])
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    heldout = HeldOut(ImageSource(options.photos), 512)
    photos = [
        np.ascontiguousarray((heldout[index]["image"].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
        for index in range(options.count)
    ]
    stylizers = {model: Stylizer.from_checkpoint(model, "cpu", backend="torch") for model in options.models}
    rows = []
    for label, motion in MOTIONS.items():
        measures = measured(motion, photos, options.frames)
        rows.append(row("the film itself", label, measures, lambda: lambda frame: frame))
        for model, stylizer in stylizers.items():
            for remedy in ("", *options.remedies):
                rows.append(row(f"{model} {remedy}".strip(), label, measures, lambda: _way(stylizer, remedy)))  # noqa: B023
                print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
    table = Table("", *MOTIONS, title="change along the true flow, neighbours / ten frames apart")
    for name in dict.fromkeys(each["name"] for each in rows):
        own = [each for each in rows if each["name"] == name]
        table.add_row(name, *(f"{each['1 frame']} / {each['10 frames']}" for each in own))
    Console(width=160).print(table)
    if options.output:
        result = {"photos": options.count, "frames": options.frames, "rows": rows}
        options.output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

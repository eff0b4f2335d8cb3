"""Make the pictures of the README and the guide with the shipped networks.

    python tools/pictures.py [--photos FOLDER [--paintings FOLDER] [NETWORK …]]

Without arguments:

- `docs/styles.jpg`: the styles that ship;
- `docs/controls.jpg`: the painted scene at half the strength, in its own colours, in its own colours as a whole; with
  strokes twice as large, stylized to the right, and with two networks.

With a folder of photos, which are not part of the repository:

- `docs/houses.jpg`, with which the README opens: one held-out photo by four networks;
- `docs/gallery.jpg`: one column a photo, one row a network;
- `docs/multi_style.jpg`: one row each style of the network of several, smaller;
- with a folder of paintings, `docs/any_style.jpg`: one row each of them by the network for any style;
- with networks of your own, `docs/paintings.jpg`: one row each of them.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from fast_style import Stylizer, images
from fast_style.checkpoint import styles_of
from fast_style.data import load_style, shipped_styles
from fast_style.inference.control import Control

DOCS = Path(__file__).resolve().parents[1] / "docs"
NETWORKS = [
    DOCS.parent / f"checkpoints/pretrained/{n}.safetensors" for n in ("starry_night", "the_scream", "composition_vii")
]
WAVE = DOCS.parent / "checkpoints/pretrained/great_wave.safetensors"
SEVERAL = DOCS.parent / "checkpoints/pretrained/gallery.safetensors"
ANY = DOCS.parent / "checkpoints/pretrained/any.safetensors"
PHOTOS = ("coco_000000577932_street", "kodak_04_portrait", "kodak_23_macaws", "unsplash_paul_carmona_pier")
HOUSES = "kodak_08_timber_houses"
WIDTH, HEIGHT, GAP = 640, 427, 8
FRAME = 5  # pixels that are cut off each side of a photo: some scans have a frame


def load(path: Path) -> Tensor:
    """Read a photo without its frame, resized and cropped to the middle: (1, 3, HEIGHT, WIDTH)."""
    photo = images.to_float(images.read(path))[None, :, FRAME:-FRAME, FRAME:-FRAME]
    h, w = photo.shape[2:]
    scale = max(HEIGHT / h, WIDTH / w)
    photo = images.resize_short_side(photo, round(min(h, w) * scale) + 1)  # neither side is rounded to too few
    return images.middle(photo, HEIGHT, WIDTH)


def sheet(rows: list[list[Tensor]]) -> Tensor:
    """Lay pictures out in rows on white: (3, H, W)."""
    padded = [[torch.nn.functional.pad(p[0], (0, GAP, 0, GAP), value=1.0) for p in row] for row in rows]
    return torch.cat([torch.cat(row, dim=2) for row in padded], dim=1)[:, :-GAP, :-GAP]


def houses(stylizers: list[Stylizer], folder: Path) -> Tensor:
    """Lay out what four networks make of one photo, two a row: (3, H, W)."""
    photo = load(folder / f"{HOUSES}.jpg")
    pictures = [stylizer.stylize(photo) for stylizer in stylizers]
    return sheet([pictures[:2], pictures[2:]])


def gallery(stylizers: list[Stylizer], folder: Path) -> Tensor:
    """Lay out one row a network, one column a photo: (3, H, W)."""
    photos = [load(folder / f"{name}.jpg") for name in PHOTOS]
    return sheet([[stylizer.stylize(photo) for photo in photos] for stylizer in stylizers])


def controls(scene: Tensor, first: Stylizer, second: Stylizer) -> Tensor:
    """Lay out what can be asked for without training, three a row: (3, H, W)."""
    ramp = torch.linspace(-1, 2, WIDTH).clamp(0, 1).expand(1, 1, HEIGHT, WIDTH)
    pictures = [
        Control(strength=0.5).apply([first.stylize], scene),
        Control(preserve_color="luminance").apply([first.stylize], scene),
        Control(preserve_color="histogram").apply([first.stylize], scene),
        Control(stroke_size=2).apply([first.stylize], scene),
        Control().apply([first.stylize], scene, [ramp]),
        Control().apply([first.stylize, second.stylize], scene, [None, ramp]),
    ]
    return sheet([pictures[:3], pictures[3:]])


def styles() -> Tensor:
    """Lay out the middle squares of the shipped styles, five a row: (3, H, W)."""
    squares = [images.middle(load_style(name, size=256), 256, 256) for name in shipped_styles()]
    return sheet([squares[start : start + 5] for start in range(0, len(squares), 5)])


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder with the held-out photos")
    parser.add_argument(
        "--paintings", type=Path, help="folder of paintings that the network for any style has not seen"
    )
    parser.add_argument("networks", type=Path, nargs="*", metavar="NETWORK", help="networks for docs/paintings.jpg")
    options = parser.parse_args()
    if options.paintings and not options.photos:
        parser.error("--paintings needs --photos")
    images.write(DOCS / "styles.jpg", styles(), quality=88)
    stylizers = [Stylizer.from_checkpoint(path) for path in NETWORKS]
    scene = load(DOCS / "scene.jpg")
    picture = controls(scene, *stylizers[:2])[None]
    images.write(DOCS / "controls.jpg", images.resize_long_side(picture, 1500), quality=88)
    if options.photos:
        wave = Stylizer.from_checkpoint(WAVE)
        picture = houses([stylizers[0], wave, *stylizers[1:]], options.photos)[None]
        images.write(DOCS / "houses.jpg", images.resize_long_side(picture, 1200), quality=88)
        images.write(DOCS / "gallery.jpg", gallery(stylizers, options.photos), quality=88)
        sheets = {"multi_style": [Stylizer.from_checkpoint(SEVERAL, style={name: 1.0}) for name in styles_of(SEVERAL)]}
        if options.paintings:
            paintings = sorted(options.paintings.iterdir())
            sheets["any_style"] = [Stylizer.from_checkpoint(ANY, style={str(path): 1.0}) for path in paintings]
        if options.networks:
            sheets["paintings"] = [Stylizer.from_checkpoint(path) for path in options.networks]
        for name, each in sheets.items():
            picture = gallery(each, options.photos)[None]
            images.write(DOCS / f"{name}.jpg", images.resize_long_side(picture, 2200), quality=88)


if __name__ == "__main__":
    main()

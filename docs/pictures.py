"""Make the pictures of the README with the shipped networks.

    python docs/pictures.py [--photos FOLDER]

`docs/before_after.jpg`: the painted scene and what each network makes of it. With a folder of photos,
`docs/gallery.jpg`: one column a photo, one row a network.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from fast_style import Stylizer, images

DOCS = Path(__file__).resolve().parent
NETWORKS = [
    DOCS.parent / f"checkpoints/pretrained/{n}.safetensors" for n in ("starry_night", "the_scream", "composition_vii")
]
PHOTOS = ("coco_000000577932_street", "kodak_04_portrait", "kodak_23_macaws", "unsplash_paul_carmona_pier")
WIDTH, HEIGHT, GAP = 640, 427, 8


def load(path: Path) -> Tensor:
    """Read a photo, resized and cropped to the middle: (1, 3, HEIGHT, WIDTH)."""
    photo = images.to_float(images.read(path))[None]
    h, w = photo.shape[2:]
    scale = max(HEIGHT / h, WIDTH / w)
    photo = images.resize_short_side(photo, max(round(min(h, w) * scale), min(HEIGHT, WIDTH)))
    top, left = (photo.shape[2] - HEIGHT) // 2, (photo.shape[3] - WIDTH) // 2
    return photo[:, :, top : top + HEIGHT, left : left + WIDTH]


def sheet(rows: list[list[Tensor]]) -> Tensor:
    """Lay pictures out in rows on white: (3, H, W)."""
    padded = [[torch.nn.functional.pad(p[0], (0, GAP, 0, GAP), value=1.0) for p in row] for row in rows]
    return torch.cat([torch.cat(row, dim=2) for row in padded], dim=1)[:, :-GAP, :-GAP]


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder with the held-out photos")
    options = parser.parse_args()
    stylizers = [Stylizer.from_checkpoint(path) for path in NETWORKS]
    scene = load(DOCS / "scene.jpg")
    stylized = [stylizer.stylize(scene) for stylizer in stylizers]
    images.write(DOCS / "before_after.jpg", sheet([[scene, stylized[0]], stylized[1:]]), quality=90)
    if options.photos:
        photos = [load(options.photos / f"{name}.jpg") for name in PHOTOS]
        rows = [[stylizer.stylize(photo) for photo in photos] for stylizer in stylizers]
        images.write(DOCS / "gallery.jpg", sheet(rows), quality=88)


if __name__ == "__main__":
    main()

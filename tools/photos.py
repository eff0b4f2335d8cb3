"""Make the photos and paintings that the shipped networks were trained and measured on, from public repositories.

    git clone https://github.com/BIDS/BSDS500 CLONES/BIDS/BSDS500      # and so on: the script names what is missing
    python tools/photos.py CLONES DATA

`docs/data/pictures.csv` lists every picture with its place in a public repository, the SHA-256 of that file and the
SHA-256 of what is made here; `docs/data/sources.csv` lists the repositories, their commits and what is known of the
licences. `DATA` receives the folders `train` (903 photos), `heldout` (12 photos), `paintings` (10) and `van_gogh` (3),
which the experiments call PHOTOS, HELDOUT, PAINTINGS and OTHER_PAINTINGS.

A photo to train on is resized to 288 px on its short side, one to measure on to at most 1280 px and a painting to at
most 1024 px on the long side, by Pillow's Lanczos filter; then it is written as JPEG. A file whose
hash differs from the list is kept and named: another version of libjpeg may have rounded differently.
"""

import argparse
import csv
import hashlib
import io
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageCms, ImageOps

LISTS = Path(__file__).resolve().parents[1] / "docs" / "data"
SHORT_SIDE = 288  # of photos to train on
LONG_SIDE = {"heldout": 1280, "paintings": 1024}
QUALITY = {"train": 84, "heldout": 90, "paintings": 92}


def read_list(name: str) -> list[dict[str, str]]:
    """Read a list of `docs/data/`."""
    with (LISTS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_original(clones: Path, source: dict[str, str], path: str) -> bytes:
    """Read a file of a repository at the commit of the list, whichever commit is checked out."""
    command = ["git", "-C", str(clones / source["repository"]), "show", f"{source['commit']}:{path}"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def from_adobe_rgb(image: Image.Image) -> Image.Image:
    """Convert the colours to sRGB, where the file says that they are in Adobe RGB."""
    profile = image.info.get("icc_profile", b"")
    if b"Adobe RGB" not in profile:
        return image
    embedded, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    return ImageCms.profileToProfile(image, embedded, srgb, outputMode="RGB") or image


def prepare(original: bytes, folder: str) -> bytes:
    """Return the JPEG file that belongs into a folder."""
    if folder not in QUALITY:
        return original  # the paintings by van Gogh are taken as they are
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(original))).convert("RGB")
    if folder == "heldout":  # the profiles of the others were left out of account
        image = from_adobe_rgb(image)
    if folder in LONG_SIDE:
        image.thumbnail((LONG_SIDE[folder],) * 2, Image.Resampling.LANCZOS)
    else:
        w, h = image.size
        size = (SHORT_SIDE, round(h * SHORT_SIDE / w)) if w <= h else (round(w * SHORT_SIDE / h), SHORT_SIDE)
        image = image.resize(size, Image.Resampling.LANCZOS)
    written = io.BytesIO()
    image.save(written, "JPEG", quality=QUALITY[folder], optimize=True)
    return written.getvalue()


def main() -> None:
    """Make the folders; exit with 1 if a file differs from the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clones", type=Path, help="folder with the repositories, each as OWNER/NAME")
    parser.add_argument("data", type=Path, help="folder to write to")
    options = parser.parse_args()
    sources = {row["source"]: row for row in read_list("sources")}
    missing = sorted(
        {row["repository"] for row in sources.values() if not (options.clones / row["repository"]).is_dir()}
    )
    if missing:
        commands = [f"git clone https://github.com/{name} {options.clones / name}" for name in missing]
        sys.exit("repositories are missing; get them with\n    " + "\n    ".join(commands))
    differing = 0
    for row in read_list("pictures"):
        original = read_original(options.clones, sources[row["source"]], row["path"])
        if hashlib.sha256(original).hexdigest() != row["sha256_of_original"]:
            sys.exit(f"{row['path']} of {row['source']} is not the file of the list")
        target = options.data / row["file"]
        written = prepare(original, target.parent.name)
        if hashlib.sha256(written).hexdigest() != row["sha256"]:
            differing += 1
            print(f"{target} differs from the list", file=sys.stderr)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(written)
    print(f"wrote {options.data}; {differing} files differ from the list")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()

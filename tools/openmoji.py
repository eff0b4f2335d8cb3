"""Make pairs of line art and colour from OpenMoji, to train and measure translations of images with.

    npm pack openmoji                  # 17.0.0 was measured; CC BY-SA 4.0, https://openmoji.org
    pip install resvg-py
    python tools/openmoji.py openmoji-17.0.0.tgz DATA --size 128

`DATA` receives two layouts of PNG files over white, A the line art and B the colours, called by the code points:

    paired/A/train    paired/B/train     pairs of one name
    paired/A/test     paired/B/test      pairs to measure on
    unpaired/trainA   unpaired/hiddenB   half of the pairs to train on: their line art, and apart from it their colours
    unpaired/trainB   unpaired/hiddenA   the other half: their colours, and apart from them their line art
    unpaired/testA    unpaired/testB     the pairs to measure on, as above

Symbols that are variants of one another are never on both sides of a split: skin tones, genders, hair and directions of
a person, families, flags, clocks, keycaps, letters of regions, and whatever has nearly the same line art.
"""

import argparse
import io
import json
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TEST = 0.1  # share of the symbols, about
LARGEST = 0.005  # share of the symbols that a family may have to be tested on, so that none dominates
SAME = 0.04  # root mean squared difference of the thumbnails of line art that is nearly the same
# Subgroups whose symbols are all alike.
ALIKE = dict.fromkeys(("flag", "flags", "country-flag", "subdivision-flag"), "flag")
ALIKE |= {name: name for name in ("family", "time", "keycap", "regional-indicator")}
# Code points of women and men, as those of persons.
PERSONS = {"1F468": "1F9D1", "1F469": "1F9D1", "1F466": "1F9D2", "1F467": "1F9D2", "1F474": "1F9D3", "1F475": "1F9D3"}
PERSONS |= {"1F934": "1FAC5", "1F478": "1FAC5", "1F936": "1F385", "1F57A": "1F483"}
# Gender, hair, direction, skin tone, and what joins them.
VARIANTS = {"2640", "2642", "1F9B0", "1F9B1", "1F9B2", "1F9B3", "27A1", "FE0F", "200D"}
VARIANTS |= {f"1F3F{digit}" for digit in "BCDEF"}

Symbol = Mapping[str, Any]
Render = Callable[[Path, int], bytes]


def family(symbol: Symbol) -> str:
    """Name what a symbol is a variant of."""
    if symbol["subgroups"] in ALIKE:
        return ALIKE[symbol["subgroups"]]
    code = symbol["skintone_base_hexcode"] or symbol["hexcode"]
    parts = [PERSONS.get(part, part) for part in code.split("-") if part not in VARIANTS]
    return "-".join(parts) or code


def families(symbols: Sequence[Symbol], lines: Mapping[str, np.ndarray]) -> list[list[str]]:
    """Group symbols that are variants of one another.

    Args:
        symbols: of `openmoji.json`.
        lines: `thumbnail` of the line art by code points; where two are nearly the same, the families are one.

    Returns:
        Code points of each family, the families in an order that depends on their names alone.
    """
    names = [family(symbol) for symbol in symbols]
    joined = {name: name for name in names}  # to another name of the same family

    def root(name: str) -> str:
        while joined[name] != name:
            name = joined[name]
        return name

    flat = np.stack([lines[symbol["hexcode"]].ravel() for symbol in symbols])
    squares = (flat**2).mean(1)
    for position, row in enumerate(flat):
        apart = squares[position] + squares[:position] - 2 * flat[:position] @ row / len(row)  # mean squared difference
        for other in np.flatnonzero(apart < SAME**2):
            joined[root(names[position])] = root(names[other])
    found: dict[str, list[str]] = {}
    for symbol, name in zip(symbols, names, strict=True):
        found.setdefault(root(name), []).append(symbol["hexcode"])
    return sorted((sorted(members) for members in found.values()), key=lambda each: blake2b(each[0].encode()).digest())


def thumbnail(png: bytes) -> np.ndarray:
    """Read a picture as 32 × 32 numbers of brightness in [0, 1]."""
    small = Image.open(io.BytesIO(png)).convert("L").resize((32, 32), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255


def split(groups: Iterable[Sequence[str]]) -> tuple[list[Sequence[str]], list[Sequence[str]]]:
    """Divide families into those to train on and those to test on, about a tenth of the symbols, none of them large."""
    groups = list(groups)
    total = sum(map(len, groups))
    train, test, count = [], [], 0
    for members in groups:
        if count < TEST * total and len(members) <= max(1, LARGEST * total):
            test.append(members)
            count += len(members)
        else:
            train.append(members)
    return train, test


def halve(groups: Iterable[Sequence[str]]) -> tuple[list[str], list[str]]:
    """Divide families into two halves of about as many symbols."""
    halves: tuple[list[str], list[str]] = ([], [])
    for members in sorted(groups, key=len, reverse=True):
        min(halves, key=len).extend(members)
    return halves


def render(path: Path, size: int) -> bytes:
    """Draw an SVG file over white, as a PNG of `size` × `size` pixels."""
    import resvg_py

    drawn = resvg_py.svg_to_bytes(
        svg_path=str(path), width=size, height=size, background="white", skip_system_fonts=True
    )
    with io.BytesIO() as file:
        Image.open(io.BytesIO(drawn)).convert("RGB").save(file, "PNG")
        return file.getvalue()


def make(package: Path, output: Path, size: int, draw: Render = render) -> dict[str, int]:
    """Write both layouts.

    Args:
        package: the folder of the npm package, with `data/openmoji.json`, `black/svg` and `color/svg`.
        output: folder to write to.
        size: side of the pictures in pixels.
        draw: turns an SVG file into a PNG of a size.

    Returns:
        Number of files by folder.
    """
    symbols = json.loads((package / "data" / "openmoji.json").read_text(encoding="utf-8"))
    symbols = [
        symbol
        for symbol in symbols
        if all((package / kind / "svg" / f"{symbol['hexcode']}.svg").is_file() for kind in ("black", "color"))
    ]
    pictures = {
        side: {symbol["hexcode"]: draw(package / kind / "svg" / f"{symbol['hexcode']}.svg", size) for symbol in symbols}
        for side, kind in (("A", "black"), ("B", "color"))
    }
    train, test = split(families(symbols, {code: thumbnail(png) for code, png in pictures["A"].items()}))
    codes = {"train": [code for members in train for code in members]}
    codes["test"] = [code for members in test for code in members]
    first, second = halve(train)
    folders: dict[str, tuple[str, Sequence[str]]] = {}
    for side in ("A", "B"):
        for part in ("train", "test"):
            folders[f"paired/{side}/{part}"] = side, codes[part]
        folders[f"unpaired/test{side}"] = side, codes["test"]
    folders |= {"unpaired/trainA": ("A", first), "unpaired/hiddenB": ("B", first)}
    folders |= {"unpaired/trainB": ("B", second), "unpaired/hiddenA": ("A", second)}
    for folder, (side, chosen) in folders.items():
        (output / folder).mkdir(parents=True)
        for code in chosen:
            (output / folder / f"{code}.png").write_bytes(pictures[side][code])
    shutil.copy(package / "LICENSE.txt", output)
    return {folder: len(chosen) for folder, (_, chosen) in sorted(folders.items())}


def main() -> None:
    """Read the package, packed or not, and make the folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="openmoji-17.0.0.tgz, or the folder that it was unpacked to")
    parser.add_argument("data", type=Path, help="folder to write to, which does not exist or is empty")
    parser.add_argument("--size", type=int, default=128, metavar="N", help="side of the pictures in pixels (128)")
    options = parser.parse_args()
    if options.size < 16:
        parser.error(f"--size must be at least 16, got {options.size}")
    if options.data.exists() and (not options.data.is_dir() or any(options.data.iterdir())):
        parser.error(f"{options.data} is not an empty folder")
    with tempfile.TemporaryDirectory() as temporary:
        package = options.package
        if package.is_file() and tarfile.is_tarfile(package):
            with tarfile.open(package) as archive:
                wanted = re.compile(r"package/(data/openmoji\.json|LICENSE\.txt|(black|color)/svg/[^/]*\.svg)")
                members = [member for member in archive if wanted.fullmatch(member.name)]
                archive.extractall(temporary, members, filter="data")
            package = Path(temporary, "package")
        if not (package / "data" / "openmoji.json").is_file():
            parser.error(f"{options.package} is not the npm package openmoji: it has no data/openmoji.json")
        try:
            counts = make(package, options.data, options.size)
        except ImportError:
            sys.exit("error: SVG files are drawn by resvg-py, which is not installed: pip install resvg-py")
    for folder, count in counts.items():
        print(f"{count:5} {folder}")


if __name__ == "__main__":
    main()

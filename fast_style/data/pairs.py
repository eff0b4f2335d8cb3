"""Pairs of images, and what they should become."""

import csv
import io
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Self

import torch
from torch import Tensor

from fast_style.data.sources import ImageSource
from fast_style.files import as_path
from fast_style.images import list_images, read, read_header

DIRECTIONS = ("AtoB", "BtoA")
LISTED = 5  # names in a sentence
HELDOUT = ("test", "val")
NARROW = 1.6  # widths of two halves side by side are mostly twice the height; those of photos are less than this


class PairSource:
    """Pairs of images of equal size, each read as one image of six channels: the input's three, then the target's.

    So whatever crops and mirrors images does it alike for both. The layouts are told apart by what is there:

    - `FOLDER/A` and `FOLDER/B`, or `FOLDER/A/PART` and `FOLDER/B/PART`: files of the same name, suffixes aside;
    - a `.csv` file with the columns `a` and `b`: files, relative to that of the table;
    - `FOLDER/PART`, or `FOLDER`: images that hold A in their left and B in their right half.

    Where there is no folder of the split, all images count that do not lie in `test` or `val`.

    Args:
        root: the folder or the `.csv` file.
        direction: `AtoB` or `BtoA`, from the input to the target.
        part: the folder of the split.

    Attributes:
        names: of the pairs, sorted.
        layout: `A and B`, `a table` or `side by side`.
        left_out: one line that tells what was left out and why; empty if nothing was.
        converted: one line that tells which images are grey or have 16 bits, which are read as RGB of 8 bits; empty if
            there are none.
        narrow: one line that tells how many images side by side are so narrow that they are hardly two halves, if most
            are; else empty.

    Raises:
        FileNotFoundError: if there is no such folder or file, or a side is missing or empty.
        ValueError: if the direction is neither, names are unmatched or come twice, A and B are the same, the sizes of a
            pair differ, the table is not UTF-8, the folder holds `trainA` and `trainB`, which are no pairs, or two
            folders of other names that look like A and B.
    """

    def __init__(self, root: str | Path, direction: str = "AtoB", part: str = "train") -> None:
        check_direction(direction)
        self.root = as_path(root, "a folder of pairs")
        self.direction = direction
        self.left_out = ""
        self.layout, self._files = self._find(part)
        self.names = list(self._files)
        self.narrow = ""
        self.converted = self._look()

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, indices: Sequence[int]) -> Self:
        """Return a source of the pairs at these positions only, in this order."""
        chosen = object.__new__(type(self))
        chosen.__dict__.update(self.__dict__)
        chosen.names = [self.names[index] for index in indices]
        return chosen

    def without(self, other: "PairSource") -> Self:
        """Return a source of the pairs only whose files are not those of a pair of another source."""
        taken = {_resolved(other._files[name]) for name in other.names}
        return self.subset([i for i, name in enumerate(self.names) if _resolved(self._files[name]) not in taken])

    def read(self, index: int, min_side: int | None = None) -> Tensor:
        """Read one pair.

        Args:
            index: position in `names`.
            min_side: if given, large images may come back smaller, their shorter side at least this long.

        Returns:
            RGB of the input and of the target, one after the other, (6, H, W), uint8.

        Raises:
            ValueError: if a file is not a readable image.
            FileNotFoundError: if it has gone since it was listed.
        """
        a, b = self._files[self.names[index]]
        if b is None:
            both = read(a, None if min_side is None else 2 * min_side)
            width, full = both.shape[-1], read_header(a).size[1]
            if width < full and (width % 2 or full % width):
                both = read(a)  # a JPEG that was decoded smaller, whose halves would meet within a pixel
            half = both.shape[-1] // 2
            sides = [both[..., :half], both[..., half : 2 * half]]
        else:
            sides = [read(a, min_side), read(b, min_side)]
            if sides[0].shape != sides[1].shape:  # one is a JPEG that was decoded smaller
                sides = [read(a), read(b)]
        return torch.cat(sides if self.direction == "AtoB" else sides[::-1])

    def path(self, index: int) -> Path | None:
        """Return the file of an input; None if it lies side by side with its target."""
        a, b = self._files[self.names[index]]
        return None if b is None else a if self.direction == "AtoB" else b

    def _find(self, part: str) -> tuple[str, dict[str, tuple[Path, Path | None]]]:
        root = self.root
        if root.suffix.lower() == ".csv":
            return "a table", dict(sorted(_of_table(root).items()))
        if not root.is_dir():
            raise FileNotFoundError(f"there is no folder or .csv file of pairs at {root}")
        _check_sides(root)
        if (root / "A").is_dir():
            sides = [root / "A", root / "B"]
            if (sides[0] / part).is_dir():
                sides = [side / part for side in sides]
            sources = [ImageSource(side) for side in sides]
            self.left_out = "; ".join(source.left_out for source in sources if source.left_out)
            found = [_without_heldout(source.names) for source in sources]
            if not any(found):
                raise FileNotFoundError(
                    f"{root} holds no pair to learn from: A and B hold nothing but {' and '.join(HELDOUT)}"
                )
            return "A and B", _by_stem(sides[0], sides[1], *found)
        if (root / "trainA").is_dir() or (root / "trainB").is_dir():
            raise ValueError(
                f"{root} holds trainA and trainB, two collections without pairs: give data=unpaired model=cycle_gan, "
                "or pairs as A/train and B/train"
            )
        folder = root / part if (root / part).is_dir() else root
        listing = list_images(folder)
        self.left_out = str(listing)
        names = _without_heldout(listing.names)
        if not names:
            raise FileNotFoundError(
                f"{folder} holds no pairs: looked for the folders A and B, and for images that hold both side by side"
            )
        _check_halves(folder, names)
        return "side by side", {name: (folder / name, None) for name in names}

    def _look(self) -> str:
        """Check the sizes of all pairs by the headers of their files, and tell what will be converted."""
        found: Counter[str] = Counter()
        narrow = 0
        for a, b in self._files.values():
            try:
                headers = [read_header(path) for path in (a, b) if path is not None]
            except (ValueError, OSError):
                continue  # it is passed over when its turn comes
            for header in headers:
                found += Counter({"with 16 bits": header.is_deep, "grey": header.is_grey and not header.is_deep})
            sizes = ["{1}×{0}".format(*header.size) for header in headers]
            if len(set(sizes)) > 1:
                raise ValueError(f"{a} has {sizes[0]} pixels and {b} has {sizes[1]}: a pair must be of one size")
            if b is None and headers[0].size[1] % 2:
                raise ValueError(f"{a} is {headers[0].size[1]} pixels wide: two halves side by side need an even width")
            narrow += b is None and headers[0].size[1] < NARROW * headers[0].size[0]
        if 2 * narrow > len(self._files):
            self.narrow = (
                f"{narrow} of {len(self._files)} images are less than {NARROW} times as wide as high, and each is "
                "taken for a pair, A its left half and B its right one: where they are not, give a folder with A and B"
            )
        return converted(found)


def heldout_part(root: str | Path) -> str | None:
    """Find which split of a folder of pairs is for measuring, `test` or `val`; None if there is none."""
    folder = as_path(root, "a folder of pairs")
    for part in HELDOUT:
        if (folder / "A" / part).is_dir() and (folder / "B" / part).is_dir():
            return part
        if (folder / part).is_dir() and not (folder / "A").is_dir():
            return part
    return None


def _check_sides(root: Path) -> None:
    """Refuse a folder in which A has no B or B no A, also where this is so of one of their splits."""
    for part in ("", "train", *HELDOUT):
        sides = [root / side / part for side in "AB"]
        there = [side for side in sides if side.is_dir()]
        if len(there) == 1:
            missing = next(side for side in sides if side not in there)
            raise FileNotFoundError(f"there is {there[0]} and no {missing}: pairs need both, files of the same name")


def _check_halves(folder: Path, names: Sequence[str]) -> None:
    """Refuse images that lie in two folders under the same names: these are the sides of pairs."""
    inside: dict[str, set[PurePosixPath]] = {}
    for path in map(PurePosixPath, names):
        inside.setdefault(path.parts[0] if len(path.parts) > 1 else "", set()).add(path.with_suffix(""))
    if len(inside) != 2 or "" in inside:
        return
    (one, in_one), (other, in_other) = inside.items()
    if {path.relative_to(one) for path in in_one} == {path.relative_to(other) for path in in_other}:
        raise ValueError(
            f"{folder} holds {one} and {other} with images of the same names: for pairs name the two folders A and B, "
            "or give a .csv; if each image holds both sides, name them differently"
        )


def _resolved(files: tuple[Path, Path | None]) -> tuple[Path | None, ...]:
    return tuple(path and path.resolve() for path in files)


def _without_heldout(names: Sequence[str]) -> list[str]:
    """Leave out what lies in a folder of its own to be measured on."""
    return [name for name in names if PurePosixPath(name).parts[0] not in HELDOUT or "/" not in name]


def check_direction(direction: str) -> None:
    """Raise ValueError unless a direction is AtoB or BtoA."""
    if direction not in DIRECTIONS:
        raise ValueError(f"direction must be {' or '.join(DIRECTIONS)}, got {direction!r}")


def converted(found: Counter[str]) -> str:
    """Tell how many images are read as RGB of 8 bits; empty if none are."""
    told = [f"{count} {kind}" for kind, count in sorted(found.items()) if count]
    return f"{' and '.join(told)}: read as RGB of 8 bits" if told else ""


def _by_stem(a: Path, b: Path, names_a: list[str], names_b: list[str]) -> dict[str, tuple[Path, Path | None]]:
    if a.samefile(b):
        raise ValueError(f"{a} and {b} are the same folder: A and B must be two")
    sides = [_stems(folder, names) for folder, names in ((a, names_a), (b, names_b))]
    alone = [f"A/{name}" for stem, name in sides[0].items() if stem not in sides[1]]
    alone += [f"B/{name}" for stem, name in sides[1].items() if stem not in sides[0]]
    if alone:
        images = "1 image has" if len(alone) == 1 else f"{len(alone)} images have"
        raise ValueError(
            f"{images} no partner of the same name: {_listed(alone)}; name both of a pair alike, or take them away"
        )
    return {stem: (a / name, b / sides[1][stem]) for stem, name in sorted(sides[0].items())}


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _stems(folder: Path, names: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        stem = str(PurePosixPath(name).with_suffix(""))
        if stem in found:
            raise ValueError(f"{folder} holds {found[stem]} and {name}, which would be the same of a pair: rename one")
        found[stem] = name
    return found


def _of_table(path: Path) -> dict[str, tuple[Path, Path | None]]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no table of pairs at {path}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be a table in UTF-8, as spreadsheets write it on request: {error}") from error
    with io.StringIO(text, newline="") as file:
        rows = csv.DictReader(file)
        names = rows.fieldnames or ()
        if not {"a", "b"} <= set(names):
            raise ValueError(f"{path} must have the columns a and b in its first line, got {','.join(names)}")
        found: dict[str, tuple[Path, Path | None]] = {}
        for row in rows:
            texts = [(row[side] or "").strip() for side in ("a", "b")]
            files = [path.parent / os.path.expanduser(text) for text in texts]  # noqa: PTH111 - of a part of a path
            for side, text, file_of in zip("ab", texts, files, strict=True):
                if not text or not file_of.is_file():
                    raise FileNotFoundError(f"{path}, line {rows.line_num}: {side} is {text!r}, which is no file")
            if files[0].samefile(files[1]):
                raise ValueError(f"{path}, line {rows.line_num}: a and b are the same file, {texts[0]}")
            if texts[0] in found:
                raise ValueError(f"{path}, line {rows.line_num}: {texts[0]} comes more than once as a")
            found[texts[0]] = files[0], files[1]
    if not found:
        raise FileNotFoundError(f"{path} holds no pair: give a line a.jpg,b.jpg for each")
    return found

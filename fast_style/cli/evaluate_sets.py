"""The evaluating command on folders: how far pictures are from real ones."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from rich.table import Table
from torch import Tensor

from fast_style.cli.arguments import check_new, check_spared
from fast_style.cli.config import build, compose
from fast_style.data import HeldOut, ImageSource
from fast_style.evaluate import SetScores, compare_pairs, compare_sets
from fast_style.files import replacing
from fast_style.metrics import Inception, describe_images, frechet_distance, halves
from fast_style.networks import VGG
from fast_style.terminal import show

NAMED = 5  # files in a sentence
NETWORK = "loss_network=vgg19"


def run(options: argparse.Namespace) -> None:
    """Measure pictures, inputs left as they are, and halves of the real images, all beside the real images.

    Args:
        options: see `fast_style.cli.parsers.evaluate`.

    Raises:
        OSError, ValueError, RuntimeError: after misuse.
    """
    if options.json is not None:
        check_new(options.json, options.overwrite)
    folders = {"pictures": options.pictures, "real": options.real, "inputs": options.inputs}
    _check_different(folders)
    sets = {name: _Images(folder, options.size) for name, folder in folders.items() if folder is not None}
    if options.json is not None:
        for images in sets.values():
            check_spared([options.json], images.paths, "--json")
    if options.pairs:
        for name in set(sets) - {"real"}:
            sets[name].pair_with(sets["real"])
    chosen = [] if any(setting.startswith("loss_network=") for setting in options.set) else [NETWORK]
    network: VGG = build(compose("losses", [*chosen, *options.set]).loss_network)
    inception = None if options.inception is None else Inception(options.inception)
    described, seen = {}, {}
    for name, images in sets.items():
        print(f"{name}: {len(images)} images …", file=sys.stderr)
        described[name] = describe_images(images, network, seed=int(name == "real"))
        if inception is not None:
            seen[name] = inception(images)
    real = described.pop("real")
    half, other = halves(real)
    fid = {"fid": frechet_distance(seen["real"][::2], seen["real"][1::2])} if seen else {}
    scores = [compare_sets("half of the real, beside the other half", half, other, False, **fid)]
    for name, found in described.items():
        more = compare_pairs(sets[name], sets["real"]) if options.pairs else {}
        if seen:
            more["fid"] = frechet_distance(seen[name], seen["real"])
        title = "pictures" if name == "pictures" else "inputs, untouched"
        scores.append(compare_sets(title, found, real, options.pairs, **more))
    _print(scores, options, len(sets["real"]), network)
    if options.json is not None:
        about: dict[str, Any] = {name: folder for name, folder in folders.items() if folder is not None}
        about |= {"size": options.size, "real_images": len(sets["real"]), "network": f"{network.name} {network.source}"}
        with replacing(options.json) as file:
            file.write((json.dumps(about | {"rows": [row.as_dict() for row in scores]}, indent=2) + "\n").encode())
        print(f"wrote {options.json}")


class _Images:
    """Middle squares (1, 3, size, size) of the images of a folder, read anew whenever they are gone through."""

    def __init__(self, folder: str, size: int) -> None:
        self.folder = folder
        source = ImageSource(folder)
        self.paths = source.paths
        self._heldout = HeldOut(source, size)
        self._order = list(range(len(self._heldout)))
        if source.left_out:
            print(f"{folder}: {source.left_out}", file=sys.stderr)
        if self._heldout.skipped:
            print(f"{folder}: cannot read {_listed(self._heldout.skipped)}", file=sys.stderr)

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Tensor]:
        return (self._heldout[index]["image"][None] for index in self._order)

    def pair_with(self, real: "_Images") -> None:
        """Take the images in the order of the real ones that have their names, but for the suffix.

        Raises:
            ValueError: if an image has no partner, two have one name, or the sizes of a pair differ.
        """
        ours, theirs = self._by_stem(), real._by_stem()
        for own, other, folder, beside in ((ours, theirs, self, real), (theirs, ours, real, self)):
            alone = sorted(own.keys() - other.keys())
            if alone:
                raise ValueError(
                    f"{len(alone)} of {len(own)} images in {folder.folder} have no partner of the same name in "
                    f"{beside.folder}: {_listed(alone)}"
                )
        self._order = [ours[stem] for stem in theirs]
        for stem, index in theirs.items():
            h, w = self._heldout.source.read(ours[stem]).shape[1:]
            real_h, real_w = real._heldout.source.read(index).shape[1:]
            if (h, w) != (real_h, real_w):
                raise ValueError(
                    f"the images of a pair must have one size: {stem} has {w}×{h} pixels in {self.folder} and "
                    f"{real_w}×{real_h} in {real.folder}"
                )

    def _by_stem(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for index in range(len(self._heldout)):
            stem = str(PurePosixPath(self._heldout.names[index]).with_suffix(""))
            if stem in found:
                raise ValueError(f"two images in {self.folder} are called {stem}: pairs are told by their names")
            found[stem] = index
        return found


def _check_different(folders: dict[str, str | None]) -> None:
    given = [(f"--{name}", folder) for name, folder in folders.items() if folder is not None]
    for position, (name, folder) in enumerate(given):
        for other, beside in given[:position]:
            if Path(folder).resolve() == Path(beside).resolve():
                raise ValueError(f"{other} and {name} are the same folder, {folder}")


def _listed(names: list[str]) -> str:
    return ", ".join([*names[:NAMED], *(["…"] if len(names) > NAMED else [])])


def _print(scores: list[SetScores], options: argparse.Namespace, count: int, network: VGG) -> None:
    title = f"beside {count} real images at {options.size} px: kernel distance (KID) in features of {network.name}, "
    title += "sliced Wasserstein distance of patches (SWD), both × 1000; lower is nearer"
    measured = (("l1", "L1", 4), ("psnr", "PSNR", 2), ("ssim", "SSIM", 3)) if options.pairs else ()
    if options.inception is not None:
        title += "; FID"
        measured = (("fid", "FID", 2), *measured)
    if options.pairs:
        title += "; L1, PSNR (dB) and SSIM of pairs"
    table = Table(title=title)
    sides = list(scores[0].patch_levels)
    headings = [f"{network.name} KID", "SWD", *(f"… {side} px" for side in sides)]
    table.add_column("")
    for heading in (*headings, *(heading for _, heading, _ in measured)):
        table.add_column(heading, justify="right")
    for row in scores:
        values = [row.kernel_distance, row.patch_distance, *row.patch_levels.values()]
        cells = [f"{value:.1f}" for value in values]
        for name, _, digits in measured:
            value = getattr(row, name)
            cells.append("" if value is None else f"{value:.{digits}f}")
        table.add_row(row.name, *cells)
    show(table)

"""The two sides of a translation from images to images, for Lightning."""

import logging
from abc import abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch.utils.data import DataLoader, Dataset

from fast_style.data.endless import EndlessDataModule, tell_left_out
from fast_style.data.pairs import PairSource, check_direction, converted, heldout_part
from fast_style.data.photos import HeldOut, PhotoDataset, Sample, collate, set_aside
from fast_style.data.sources import ImageSource, Roots
from fast_style.files import as_path
from fast_style.images import read_header

log = logging.getLogger(__name__)


class TranslationDataModule(EndlessDataModule):
    """Endless crops of two sides, A and B.

    Batches are `{"real_a", "real_b": (N, 3, size, size) in [0, 1], "index": (N,)}`; `real_a` is the input, whatever the
    direction. Everything else is as of `PhotoDataModule`.

    Args:
        arguments: of `EndlessDataModule`.
        direction: `AtoB` or `BtoA`, from the input to what it is to become.
        enlarge: see `PhotoDataset`.

    Attributes:
        gives: what a task wants that learns from it, see `Task.wants`.

    Raises:
        ValueError: if the direction is neither, or as `EndlessDataModule`.
    """

    gives: ClassVar[str]
    crops: Dataset[Sample]

    def __init__(self, direction: str, enlarge: float | None, **arguments: Any) -> None:
        check_direction(direction)
        super().__init__(**arguments)
        self.direction = direction
        self.enlarge = enlarge

    @abstractmethod
    def split(self) -> tuple[Dataset[Sample], Any]:
        """Return the training crops and the held-out ones, whose images have six channels."""

    def setup(self, stage: str | None = None) -> None:
        """Set the held-out images aside.

        Raises:
            ValueError: if the task learns from something else.
            RuntimeError: if no image can be read.
        """
        if hasattr(self, "crops"):
            return
        self.check_wanted(self.gives)
        crops, self.heldout_photos = self.split()
        first = crops[0]  # images of which none can be read fail here in one sentence, not later in a worker
        self.report([*first["skipped"], *self.heldout_photos.skipped], first["enlarged"])
        self.crops = crops

    def train_dataloader(self) -> DataLoader:
        """Return an endless loader that begins at the sample after the last batch."""
        return self.endless(self.crops, collate)

    def on_before_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Count and name as `EndlessDataModule` does, and part the two sides."""
        batch = super().on_before_batch_transfer(batch, dataloader_idx)
        real_a, real_b = batch.pop("image").chunk(2, dim=1)  # (N, 3, H, W) each
        return {"real_a": real_a.contiguous(), "real_b": real_b.contiguous()} | batch


class PairDataModule(TranslationDataModule):
    """Pairs of images, such as drawings and their colourings: both sides of a pair are cropped and mirrored alike.

    Args:
        root: a folder or a `.csv` file of pairs, see `PairSource`.
        size: side of the training crops in pixels.
        batch_size: pairs a batch on each process.
        num_workers: processes that read ahead; `auto` leaves one core to the training and takes at most 4.
        seed: decides every pair's turn, crop and flip.
        direction: `AtoB` or `BtoA`, from the input to the target.
        heldout: a folder or a `.csv` file of pairs to measure on, which are not learned from. None: the split `test` or
            `val` of root if there is one, else `heldout_count` pairs that are set aside, at most a quarter of them.
        heldout_count: how many pairs to set aside, at least 1.
        heldout_size: side of the held-out pairs in pixels.
        heldout_most: of more in a folder to measure on so many are taken, evenly spread.
        enlarge: see `PhotoDataset`.

    Raises:
        FileNotFoundError, ValueError: as `PairSource`, or if there is one pair only, all are to be measured on, or a
            number is outside its range.
    """

    gives = "pair"

    def __init__(
        self,
        root: str | Path,
        size: int = 256,
        batch_size: int = 1,
        num_workers: int | str = "auto",
        seed: int = 0,
        direction: str = "AtoB",
        heldout: str | Path | None = None,
        heldout_count: int = 8,
        heldout_size: int = 256,
        heldout_most: int = 100,
        enlarge: float | None = None,
    ) -> None:
        numbers: dict[str, Any] = {"size": size, "batch_size": batch_size, "num_workers": num_workers, "seed": seed}
        numbers |= {"heldout_count": heldout_count, "heldout_size": heldout_size, "heldout_most": heldout_most}
        super().__init__(direction, enlarge, **numbers)
        self._source = PairSource(root, direction)
        if len(self._source) == 1:
            raise ValueError(f"{root} holds one pair only: give several, of which one is set aside to measure on")
        self._heldout: PairSource | None = None
        if heldout is not None:
            self._heldout = PairSource(heldout, direction, heldout_part(heldout) or "test")
            self._source = _apart(self._source, self._heldout)
        elif (part := heldout_part(root)) is not None:
            self._heldout = PairSource(root, direction, part)
        for name, source in (("data.root", self._source), ("data.heldout", self._heldout)):
            for told in filter(None, (source.left_out, source.narrow, source.converted) if source else ()):
                log.warning(f"{name}: {told}")

    def split(self) -> tuple[Dataset[Sample], HeldOut]:
        """Return the training crops and the held-out ones."""
        source, heldout = self._source, self._heldout
        if heldout is None:
            source, heldout = set_aside(source, self.heldout_count, self.heldout_size)
        layout = f"as {source.layout}" if source.layout != "side by side" else source.layout
        log.info("%d pairs to learn from, %d to measure on, %s", len(source), len(heldout), layout)
        return PhotoDataset(source, self.size, self.seed, self.enlarge), HeldOut(
            heldout, self.heldout_size, self.heldout_most
        )


def _apart(source: PairSource, heldout: PairSource) -> PairSource:
    """Take away what is to be measured on from what is learned from, and tell it."""
    rest = source.without(heldout)
    if not len(rest):
        raise ValueError(
            f"data.heldout={heldout.root} holds all pairs of data.root={source.root}: leave it out, and "
            "data.heldout_count of them are set aside, or give other pairs"
        )
    if len(rest) < len(source):
        both = len(source) - len(rest)
        log.warning(f"data.root: {both} of {len(source)} pairs are those of data.heldout and are not learned from")
    return rest


class UnpairedDataModule(TranslationDataModule):
    """Two collections of images that have nothing to do with one another, such as photos and paintings of one hand.

    Args:
        root: a folder with `trainA` and `trainB`, and perhaps `testA` and `testB` to measure on. None: give both sides.
        root_a: folder, address or `.zip` of the images of A, or a list of these, in place of `trainA`.
        root_b: the same of B.
        size: side of the training crops in pixels.
        batch_size: images of each side a batch on each process.
        num_workers: processes that read ahead; `auto` leaves one core to the training and takes at most 4.
        seed: decides every image's turn, crop and flip.
        direction: `AtoB` or `BtoA`, for a task that learns one of them.
        heldout_count: how many images of each side to set aside where there is no test folder, at least 1, at most a
            quarter of them.
        heldout_size: side of the held-out images in pixels.
        heldout_most: of more in a folder to measure on so many are taken, evenly spread.
        enlarge: see `PhotoDataset`.

    Raises:
        FileNotFoundError: if a side is missing or empty.
        ValueError: if both sides are the same, one has a single image, the folder holds pairs, or a number is outside
            its range.
        ConnectionError: if an address does not answer.
    """

    gives = "unpaired"

    def __init__(
        self,
        root: str | Path | None = None,
        root_a: Roots | None = None,
        root_b: Roots | None = None,
        size: int = 256,
        batch_size: int = 1,
        num_workers: int | str = "auto",
        seed: int = 0,
        direction: str = "AtoB",
        heldout_count: int = 8,
        heldout_size: int = 256,
        heldout_most: int = 100,
        enlarge: float | None = None,
    ) -> None:
        numbers: dict[str, Any] = {"size": size, "batch_size": batch_size, "num_workers": num_workers, "seed": seed}
        numbers |= {"heldout_count": heldout_count, "heldout_size": heldout_size, "heldout_most": heldout_most}
        super().__init__(direction, enlarge, **numbers)
        roots = _sides(root, root_a, root_b)
        _check_different(*roots)
        sources = [ImageSource(each) for each in roots]
        for source, where in zip(sources, roots, strict=True):
            if len(source) == 1:
                raise ValueError(
                    f"{where} holds one image only: give several, or learn a single painting with model=johnson "
                    "style=custom style.image=FILE"
                )
        tests = [as_path(root) / f"test{side}" if root is not None else None for side in "AB"]
        heldout = [ImageSource(test) if test is not None and test.is_dir() else None for test in tests]
        self._sources = sources if direction == "AtoB" else sources[::-1]
        self._heldout = heldout if direction == "AtoB" else heldout[::-1]
        tell_left_out({"A": sources[0], "B": sources[1], "testA": heldout[0], "testB": heldout[1]})
        for side, each in zip(("A", "B", "testA", "testB"), (*sources, *heldout), strict=True):
            if each is not None and (told := _converted(each)):
                log.warning(f"{side}: {told}")

    @property
    def first_heldout(self) -> Path | None:
        """The file of the first held-out image of the side of which the task makes pictures, see `Task.input_side`."""
        task = self.trainer and self.trainer.lightning_module
        source = self.heldout_photos.sources[getattr(task, "input_side", "A") == "B"]
        path: Path | None = source.path(0)
        return path

    def split(self) -> tuple[Dataset[Sample], "_HeldOutSides"]:
        """Return the training crops and the held-out ones."""
        sources, heldout = list(self._sources), list(self._heldout)
        for side in (0, 1):
            if heldout[side] is None:
                sources[side], heldout[side] = set_aside(sources[side], self.heldout_count, self.heldout_size)
        counts = [len(source) for source in sources]
        log.info("%d images to learn from on the side of the input, %d on the other", *counts)
        # Another seed, lest the crops and flips of both sides be alike.
        crops = [
            PhotoDataset(source, self.size, seed, self.enlarge)
            for source, seed in zip(sources, (self.seed, ~self.seed), strict=True)
        ]
        sides = [HeldOut(source, self.heldout_size, self.heldout_most) for source in heldout if source is not None]
        return _Sides(*crops), _HeldOutSides(*sides)


class _Sides(Dataset[Sample]):
    """Samples of two sides as one image of six channels."""

    def __init__(self, a: PhotoDataset, b: PhotoDataset) -> None:
        self.a, self.b = a, b

    def __getitem__(self, index: int) -> Sample:
        return _joined(self.a[index], self.b[index], index)


class _HeldOutSides(Dataset[Sample]):
    """Held-out images of two sides; the side of fewer begins again."""

    def __init__(self, a: HeldOut, b: HeldOut) -> None:
        self.a, self.b = a, b
        self.sources = a.source, b.source
        self.names = a.names
        self.skipped = [*a.skipped, *b.skipped]

    def __len__(self) -> int:
        return max(len(self.a), len(self.b))

    def __getitem__(self, index: int) -> Sample:
        sample = _joined(self.a[index % len(self.a)], self.b[index % len(self.b)], index)
        return {**sample, "new": torch.tensor([index < len(self.a), index < len(self.b)])}


def _joined(a: Sample, b: Sample, index: int) -> Sample:
    return {
        "image": torch.cat([a["image"], b["image"]]),
        "index": torch.tensor(index),
        "skipped": a["skipped"] + b["skipped"],
        "enlarged": a["enlarged"] + b["enlarged"],
    }


def _sides(root: str | Path | None, root_a: Roots | None, root_b: Roots | None) -> list[Roots]:
    if root is None:
        if root_a is None or root_b is None:
            raise ValueError(
                "two sides are needed: give data.root=FOLDER with trainA and trainB, or data.root_a and data.root_b"
            )
        return [root_a, root_b]
    if root_a is not None or root_b is not None:
        raise ValueError(f"root={root} has both sides: leave data.root_a and data.root_b out, or data.root")
    folder = as_path(root, "data.root")
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    found = [folder / f"train{side}" for side in "AB"]
    if all(side.is_dir() for side in found):
        return list(found)
    if (folder / "A").is_dir() and (folder / "B").is_dir():
        raise ValueError(
            f"{folder} holds A and B, pairs: give data=pairs model=pix2pix, or for two collections "
            f"data.root_a={folder / 'A'} data.root_b={folder / 'B'} without data.root"
        )
    missing = next(side for side in found if not side.is_dir())
    raise FileNotFoundError(
        f"there is no {missing}: give a folder with trainA and trainB, or two folders data.root_a and data.root_b; for "
        "pairs side by side data=pairs model=pix2pix"
    )


def _check_different(a: Roots, b: Roots) -> None:
    """Refuse sides that share a folder, also where one lies in the other, since folders are read with all in them."""
    sides = [[each] if isinstance(each, str | Path) else list(each) for each in (a, b)]
    for first in sides[0]:
        for second in sides[1]:
            one, other = as_path(first), as_path(second)
            if first == second or (one.exists() and other.exists() and one.samefile(other)):
                raise ValueError(f"{first} and {second} are the same folder: A and B must be two")
            if not (one.is_dir() and other.is_dir()):
                continue
            for inner, outer in ((one.resolve(), other.resolve()), (other.resolve(), one.resolve())):
                if outer in inner.parents:
                    raise ValueError(f"{inner} lies in {outer}, whose images are its own as well: A and B must be two")


def _converted(source: ImageSource) -> str:
    """Tell how many of the images in folders are grey or have 16 bits, by the headers of their files."""
    found: Counter[str] = Counter()
    for path in (source.path(index) for index in range(len(source))):
        try:
            header = read_header(path) if path is not None else None
        except (ValueError, OSError):
            continue  # it is passed over when its turn comes
        if header is not None:
            found += Counter({"with 16 bits": header.is_deep, "grey": header.is_grey and not header.is_deep})
    return converted(found)

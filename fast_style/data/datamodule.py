"""The photos of a training run, for Lightning."""

import logging
import os
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from lightning import LightningDataModule, Trainer
from lightning.fabric.utilities import suggested_max_num_workers
from torch.utils.data import DataLoader

from fast_style.data.coco import download_coco
from fast_style.data.photos import HeldOut, PhotoDataset, collate, is_readable
from fast_style.data.sampler import SampleIndices
from fast_style.data.sources import ImageSource, Roots

log = logging.getLogger(__name__)


class _ResumableLoader(DataLoader):
    """Tells Lightning, by having these methods, that it can resume within an epoch; the data module keeps the place."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        pass


class PhotoDataModule(LightningDataModule):
    """Endless training crops and a few held-out photos.

    Training resumes at the sample where the checkpoint left off, whatever the number of workers. Batches are
    `{"image": (N, 3, size, size) in [0, 1]}`. A photo that cannot be read is logged once and counted in `skipped`.
    On several processes, give the trainer `use_distributed_sampler=False`: the samples are already shared out.

    Args:
        root: folder or `.zip` of photos, or a list of these; with `coco`, the folder that keeps the download.
        size: side of the training crops in pixels.
        batch_size: photos a batch on each process.
        num_workers: processes that read ahead; `auto` leaves one core to the training and takes at most 4.
        seed: decides every photo's turn, crop and flip.
        heldout: folder or `.zip` of photos for validation. None: set `heldout_count` photos of `root` aside, at most
            a quarter of them and at least one, chosen by their names; a single photo serves both purposes.
        heldout_count: how many photos to set aside, at least 1.
        heldout_size: side of the held-out photos in pixels.
        coco: `train2017` or `val2017` to train on that part of COCO, see `download_coco`. None: on the photos in root.

    Raises:
        ValueError: if a number is outside its range, or root is a list where COCO needs one folder.
    """

    photos: PhotoDataset
    heldout_photos: HeldOut

    def __init__(
        self,
        root: Roots,
        size: int = 256,
        batch_size: int = 4,
        num_workers: int | str = "auto",
        seed: int = 0,
        heldout: Roots | None = None,
        heldout_count: int = 8,
        heldout_size: int = 256,
        coco: str | None = None,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if heldout_count < 1:
            raise ValueError(f"heldout_count must be at least 1, got {heldout_count}")
        if coco is not None and not isinstance(root, str | Path):
            raise ValueError(f"with coco={coco}, root must be the one folder that keeps the download, got {root}")
        self.root = root
        self.size = size
        self.batch_size = batch_size
        self.num_workers = _count_workers(num_workers)
        self.seed = seed
        self.heldout = heldout
        self.heldout_count = heldout_count
        self.heldout_size = heldout_size
        self.coco = coco
        self.skipped: set[str] = set()
        self._resumed = 0, 0  # optimizer steps and samples before this run

    @property
    def heldout_names(self) -> list[str]:
        """Names of the held-out photos, in the order of validation; known after `setup`."""
        return self.heldout_photos.names

    def prepare_data(self) -> None:
        """Download COCO, if it is asked for and not there."""
        if self.coco is not None:
            download_coco(str(self.root), self.coco)

    def setup(self, stage: str | None = None) -> None:
        """List the photos and set some aside.

        Raises:
            FileNotFoundError: if there are no photos.
            RuntimeError: if none of the photos for training or for validation can be read.
        """
        if hasattr(self, "photos"):
            return
        source = ImageSource(self.root if self.coco is None else download_coco(str(self.root), self.coco))
        if self.heldout is not None:
            train, heldout = source, ImageSource(self.heldout)
        else:
            train, heldout = _split(source, self.heldout_count, self.heldout_size)
        self.heldout_photos = HeldOut(heldout, self.heldout_size)
        photos = PhotoDataset(train, self.size, self.seed)
        # Photos of which none can be read fail here in one sentence, not later in a worker.
        self._report(photos[0]["skipped"] + self.heldout_photos.skipped)
        self.photos = photos

    def train_dataloader(self) -> DataLoader:
        """Return an endless loader that begins at the sample after the last optimizer step."""
        trainer, workers = self._trainer, self.num_workers
        return _ResumableLoader(
            self.photos,
            batch_sampler=SampleIndices(self._next_sample, self.batch_size, trainer.global_rank, trainer.world_size),
            collate_fn=collate,
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=2 if workers else None,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )

    def val_dataloader(self) -> DataLoader:
        """Return a loader of the held-out photos."""
        return DataLoader(self.heldout_photos, self.batch_size, collate_fn=collate)

    def on_before_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Log the names of unreadable photos and leave them behind: tensors alone go to the device."""
        self._report(batch.get("skipped", []))
        return {key: value for key, value in batch.items() if key != "skipped"}

    def state_dict(self) -> dict[str, int]:
        """Return where the training stands, for Lightning's checkpoint."""
        return {"step": self._trainer.global_step, "sample": self._next_sample()}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on after the samples of the run which was saved, also with another batch size or number of processes."""
        self._resumed = state_dict["step"], state_dict["sample"]

    @property
    def _trainer(self) -> Trainer:
        if self.trainer is None:
            raise RuntimeError("a PhotoDataModule has training batches only within a Trainer: call trainer.fit")
        return self.trainer

    def _next_sample(self) -> int:
        step, sample = self._resumed
        # Iteration may begin before the trainer has restored its own counter, which is then still 0.
        steps = max(0, self._trainer.global_step - step)
        return sample + steps * self._trainer.accumulate_grad_batches * self.batch_size * self._trainer.world_size

    def _report(self, names: list[str]) -> None:
        for name in dict.fromkeys(names):
            if name not in self.skipped:
                self.skipped.add(name)
                log.warning("skipped photo %s: it cannot be read", name)


def _count_workers(workers: int | str) -> int:
    if workers == "auto":
        return min(4, suggested_max_num_workers(1))
    if not isinstance(workers, int) or workers < 0:
        raise ValueError(f"num_workers must be auto or a number from 0, got {workers!r}")
    return workers


def _split(source: ImageSource, count: int, size: int) -> tuple[ImageSource, ImageSource]:
    """Return the photos to train on, and those set aside: the readable ones whose names have the smallest hashes."""
    count = min(count, max(1, len(source) // 4))
    by_hash = sorted(range(len(source)), key=lambda index: blake2b(os.fsencode(source.names[index])).digest())
    readable = (index for index in by_hash if is_readable(source, index, size))
    aside = set(islice(readable, count)) or {by_hash[0]}
    rest = [index for index in range(len(source)) if index not in aside]
    return source.subset(rest) if rest else source, source.subset(sorted(aside))

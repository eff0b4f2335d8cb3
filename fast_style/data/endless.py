"""What data modules have in common: samples without end, at whose place a training goes on."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule, Trainer
from lightning.fabric.utilities import suggested_max_num_workers
from torch.utils.data import DataLoader, Dataset

from fast_style.data.photos import collate
from fast_style.data.sampler import SampleIndices
from fast_style.data.sources import ImageSource
from fast_style.data.workers import Loader

log = logging.getLogger(__name__)

NAMED = 5  # enlarged photos named in the log: of some collections all would be
# What a task may want of its batches, and where it comes from.
WANTED = {
    "image": "photos: give data=photos data.root=PHOTOS",
    "painting": "photos and paintings: give data=photos data.root=PHOTOS data.style_root=PAINTINGS",
    "pair": "pairs of images: give data=pairs data.root=FOLDER, or model=cycle_gan for two folders without pairs",
    "unpaired": "two folders without pairs: give data=unpaired data.root=FOLDER, or model=pix2pix for pairs",
}


class EndlessDataModule(LightningDataModule):
    """Endless training samples that depend on (seed, index) alone, and a few held-out ones.

    Training resumes at the sample where the checkpoint left off, whatever the number of workers. On several processes,
    give the trainer `use_distributed_sampler=False`: the samples are already shared out.

    Args:
        size: side of the training crops in pixels.
        batch_size: samples a batch on each process.
        num_workers: processes that read ahead; `auto` leaves one core to the training and takes at most 4.
        seed: decides every sample.
        heldout_count: how many images to set aside, at least 1.
        heldout_size: side of the held-out images in pixels.
        heldout_most: of more images that were given to measure on so many are taken, evenly spread, at least 1.

    Attributes:
        skipped: names of the images found unreadable so far.
        enlarged: names of the images found smaller than the crops so far.

    Raises:
        ValueError: if a number is outside its range.
    """

    heldout_photos: Any  # a Dataset with `names`

    def __init__(
        self,
        size: int,
        batch_size: int,
        num_workers: int | str,
        seed: int,
        heldout_count: int,
        heldout_size: int,
        heldout_most: int,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if heldout_count < 1:
            raise ValueError(f"heldout_count must be at least 1, got {heldout_count}")
        if heldout_most < 1:
            raise ValueError(f"heldout_most must be at least 1, got {heldout_most}")
        self.size = size
        self.batch_size = batch_size
        self.num_workers = _count_workers(num_workers)
        self.seed = seed
        self.heldout_count = heldout_count
        self.heldout_size = heldout_size
        self.heldout_most = heldout_most
        self._side = max(size, heldout_size)  # an image enlarged for either kind of crop is smaller than this
        self.skipped: set[str] = set()
        self.enlarged: set[str] = set()
        self._resumed = 0, 0  # batches and samples before this run
        self._counts: dict[str, int] = {}  # photos of each shard seen so far

    @property
    def heldout_names(self) -> list[str]:
        """Names of the held-out images, in the order of validation; known after `setup`."""
        return list(self.heldout_photos.names)

    @property
    def first_heldout(self) -> Path | None:
        """The file of the first held-out image; None if it is in none of its own. Known after `setup`."""
        source = getattr(self.heldout_photos, "source", None)
        return source.path(0) if source is not None else None

    def check_wanted(self, *kinds: str) -> None:
        """Refuse a task that wants something else than there is, see `Task.wants`.

        Raises:
            ValueError: if it does.
        """
        task = self.trainer and self.trainer.lightning_module
        for want in getattr(task, "wants", ()):
            if want not in kinds:
                raise ValueError(f"{type(task).__name__} learns from {WANTED[want]}")

    def endless(self, dataset: Dataset[Any], gather: Callable[[Sequence[Any]], Any]) -> Loader:
        """Make a loader of a dataset's batches that begins at the sample after the last batch, and has no end."""
        trainer, workers = self.its_trainer, self.num_workers
        return Loader(
            dataset,
            batch_sampler=SampleIndices(self.next_sample, self.batch_size, trainer.global_rank, trainer.world_size),
            collate_fn=gather,
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=2 if workers else None,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )

    def val_dataloader(self) -> DataLoader:
        """Return a loader of the held-out images."""
        return DataLoader(self.heldout_photos, self.batch_size, collate_fn=collate)

    def on_before_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Count skipped and enlarged images and leave their names behind: tensors alone go to the device."""
        self.report(batch.get("skipped", []), batch.get("enlarged", []))
        self._counts |= batch.get("counts", {})
        return {key: value for key, value in batch.items() if key not in ("skipped", "enlarged", "counts")}

    def transfer_batch_to_device(
        self, batch: dict[str, Any], device: torch.device, dataloader_idx: int
    ) -> dict[str, Any]:
        """Move what is computed with; the numbers of the samples stay, since a task reads them every step."""
        index = batch.pop("index", None)
        moved = super().transfer_batch_to_device(batch, device, dataloader_idx)
        return moved if index is None else moved | {"index": index}

    def summary(self) -> str | None:
        """Say in one sentence how many images were skipped or enlarged so far; None if none was."""
        skipped, enlarged = len(self.skipped), len(self.enlarged)
        if not skipped + enlarged:
            return None
        unread = "photo could not be read and was" if skipped == 1 else "photos could not be read and were"
        small = "was" if enlarged == 1 else "were"
        return f"{skipped} {unread} skipped, {enlarged} {small} smaller than {self._side} px and enlarged"

    def state_dict(self) -> dict[str, Any]:
        """Return where the training stands, for Lightning's checkpoint."""
        return {"batches": self._batches(), "sample": self.next_sample(), "counts": dict(self._counts)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the samples of the run which was saved, also with another batch size or number of processes.

        With shards, another number of processes shares them out anew, so that within the epoch some photos may come
        twice and others not.
        """
        batches = state_dict.get("batches")
        if batches is None:  # checkpoints of old counted optimizer steps
            batches = state_dict["step"] * self.its_trainer.accumulate_grad_batches
        self._resumed = batches, state_dict["sample"]
        self._counts |= state_dict.get("counts", {})

    @property
    def its_trainer(self) -> Trainer:
        """The trainer that the module is used in.

        Raises:
            RuntimeError: if there is none.
        """
        if self.trainer is None:
            raise RuntimeError(f"a {type(self).__name__} has training batches only within a Trainer: call trainer.fit")
        return self.trainer

    def next_sample(self) -> int:
        """Return the number of the sample after the last batch."""
        batches, sample = self._resumed
        # Iteration may begin before the trainer has restored its own counter, which is then still 0.
        since = max(0, self._batches() - batches)
        return sample + since * self.batch_size * self.its_trainer.world_size

    def next_sample_here(self) -> tuple[int, dict[str, int]]:
        """Return the next sample of those of this process alone, and the number of photos of each shard seen so far."""
        return self.next_sample() // self.its_trainer.world_size, dict(self._counts)

    def report(self, skipped: Sequence[str], enlarged: Sequence[str], why: str = "it cannot be read") -> None:
        """Count images, and name each once that is skipped, and why, and the first that are enlarged."""
        for name in sorted(set(skipped) - self.skipped):
            self.skipped.add(name)
            log.warning(f"skipped {name}: {why} ({len(self.skipped)} skipped so far)")
        for name in sorted(set(enlarged) - self.enlarged):
            self.enlarged.add(name)
            count = f"{len(self.enlarged)} enlarged so far"
            if len(self.enlarged) == NAMED:
                count += ", further ones are only counted"
            if len(self.enlarged) <= NAMED:
                log.warning(f"enlarged photo {name}: it is smaller than {self._side} px ({count})")

    def _batches(self) -> int:
        """Batches trained on in all runs: the steps of optimizers say nothing of how many, where there are several."""
        return int(self.its_trainer.fit_loop.epoch_loop.batch_progress.total.processed)  # type: ignore[attr-defined]


def tell_left_out(sources: Mapping[str, ImageSource | None]) -> None:
    """Warn of files that are no images of the user's, by the setting that names each source."""
    for name, source in sources.items():
        if source is not None and source.left_out:
            log.warning(f"{name}: {source.left_out}")


def _count_workers(workers: int | str) -> int:
    if workers == "auto":
        return min(4, suggested_max_num_workers(1))
    if not isinstance(workers, int) or workers < 0:
        raise ValueError(f"num_workers must be auto or a number from 0, got {workers!r}")
    return workers

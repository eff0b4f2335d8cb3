"""The photos of a training run, for Lightning."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule, Trainer
from lightning.fabric.utilities import suggested_max_num_workers
from torch.utils.data import DataLoader

from fast_style.data.coco import download_coco
from fast_style.data.paintings import StyleCrops
from fast_style.data.photos import HeldOut, PhotoDataset, Sample, collate, set_aside
from fast_style.data.procedural import HeldOutScenes, ProceduralImages
from fast_style.data.sampler import SampleIndices
from fast_style.data.shards import ShardStream, are_shards, expand
from fast_style.data.sources import ImageSource, Roots
from fast_style.data.workers import Loader

log = logging.getLogger(__name__)

NAMED = 5  # enlarged photos named in the log: of some collections all would be


class _ShardLoader(Loader):
    """Begins where the training is, whenever iteration begins."""

    def __init__(self, stream: ShardStream, data: "PhotoDataModule", **options: Any) -> None:
        super().__init__(stream, **options)
        self._stream = stream
        self._data = data

    def __iter__(self) -> Any:
        self._stream.start, self._stream.counts = self._data.next_sample_here()
        return super().__iter__()


class PhotoDataModule(LightningDataModule):
    """Endless training crops and a few held-out photos.

    Training resumes at the sample where the checkpoint left off, whatever the number of workers. Batches are
    `{"image": (N, 3, size, size) in [0, 1], "index": (N,)}`, the latter the numbers of the samples. Photos that cannot
    be read are skipped, those smaller than the crops are enlarged; `summary` counts both, and the log names each of the
    former and the first 5 of the latter.
    On several processes, give the trainer `use_distributed_sampler=False`: the samples are already shared out.

    Args:
        root: folder or `.zip` of photos, its address (`s3://…`, see `RemoteFolder`), or a list of these; or shards,
            `.tar` files or their addresses, which may hold ranges (`photos-{000..117}.tar`, see `ShardStream`) and
            need `heldout`. With `coco`, the folder that keeps the download. None: procedural scenes instead of photos.
        size: side of the training crops in pixels.
        batch_size: photos a batch on each process.
        num_workers: processes that read ahead; `auto` leaves one core to the training and takes at most 4. Shards are
            read by one at most.
        seed: decides every photo's turn, crop and flip.
        heldout: folder, address or `.zip` of photos for validation. None: set `heldout_count` photos of `root` aside,
            at most a quarter of them and at least one, chosen by their names; a single photo serves both purposes.
            Without a root, `heldout_count` scenes that are never trained on.
        heldout_count: how many photos to set aside, at least 1.
        heldout_size: side of the held-out photos in pixels.
        coco: `train2017` or `val2017` to train on that part of COCO, see `download_coco`. None: on the photos in root.
        style_root: paintings, as root has photos, for a task whose `wants` names `painting`: its batches then
            hold `"painting"`, of the shape of `"image"`, see `StyleCrops`. None: the shipped styles, and
            scenes. No shards.

    Attributes:
        skipped: names of the photos found unreadable so far.
        enlarged: names of the photos found smaller than the crops so far.

    Raises:
        FileNotFoundError: if there are no photos in `root`, unless they are downloaded, or in `heldout`.
        ValueError: if a number is outside its range, root is a list where COCO needs one folder, a root is neither a
            folder nor a complete zip file, an address cannot be opened, or there are shards but no `heldout`.
        ConnectionError: if an address does not answer.
    """

    photos: PhotoDataset | ProceduralImages | None
    heldout_photos: HeldOut | HeldOutScenes

    def __init__(
        self,
        root: Roots | None,
        size: int = 256,
        batch_size: int = 4,
        num_workers: int | str = "auto",
        seed: int = 0,
        heldout: Roots | None = None,
        heldout_count: int = 8,
        heldout_size: int = 256,
        coco: str | None = None,
        style_root: Roots | None = None,
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
        self.heldout_count = heldout_count
        self.heldout_size = heldout_size
        self.coco = coco
        self._side = max(size, heldout_size)  # a photo enlarged for either kind of crop is smaller than this
        # Listed here, so that a wrong path is told before anything expensive.
        self.shards = expand(root) if root is not None and are_shards(root) else []
        if self.shards and heldout is None:
            raise ValueError("shards are read once each, so none is set aside: give data.heldout, photos to measure on")
        self._paintings = StyleCrops(style_root, size, seed) if style_root is not None else None
        self._source = ImageSource(root) if coco is None and root is not None and not self.shards else None
        self._heldout_source = None if heldout is None else ImageSource(heldout)
        paintings = self._paintings.source if self._paintings is not None else None
        _tell_left_out({"data.root": self._source, "data.heldout": self._heldout_source, "data.style_root": paintings})
        self.skipped: set[str] = set()
        self.enlarged: set[str] = set()
        self._resumed = 0, 0  # batches and samples before this run
        self._counts: dict[str, int] = {}  # photos of each shard seen so far

    @property
    def heldout_names(self) -> list[str]:
        """Names of the held-out photos, in the order of validation; known after `setup`."""
        return self.heldout_photos.names

    def prepare_data(self) -> None:
        """Download COCO, if it is asked for and not there."""
        if self.coco is not None:
            download_coco(str(self.root), self.coco)

    def setup(self, stage: str | None = None) -> None:
        """Set the held-out photos aside.

        Raises:
            ValueError: if there is a `style_root`, and the task does not want paintings.
            RuntimeError: if none of the photos for training or for validation, or no painting, can be read.
        """
        if hasattr(self, "photos"):
            return
        if "painting" in getattr(self.trainer and self.trainer.lightning_module, "wants", ()):
            self._paintings = self._paintings or StyleCrops(None, self.size, self.seed)
            self._report(self._paintings[0]["skipped"], [])
        elif self._paintings is not None:
            raise ValueError(
                "data.style_root is for a network that takes any style: give model=any_style, or leave it out"
            )
        source, heldout = self._source, self._heldout_source
        if self.coco is not None:
            source = ImageSource(download_coco(str(self.root), self.coco))
        if source is not None and heldout is None:
            source, heldout = set_aside(source, self.heldout_count, self.heldout_size)
        if heldout is None:
            self.heldout_photos = HeldOutScenes(self.heldout_count, self.heldout_size)
        else:
            self.heldout_photos = HeldOut(heldout, self.heldout_size)
        if self.shards:
            self._report(self.heldout_photos.skipped, [])
            self.photos = None
            return
        photos = (
            ProceduralImages(self.size, self.seed) if source is None else PhotoDataset(source, self.size, self.seed)
        )
        # Photos of which none can be read fail here in one sentence, not later in a worker.
        first = photos[0]
        self._report(first["skipped"] + self.heldout_photos.skipped, first["enlarged"])
        self.photos = photos

    def train_dataloader(self) -> DataLoader:
        """Return an endless loader that begins at the sample after the last batch."""
        trainer, workers = self._trainer, self.num_workers
        gather = partial(_collate, paintings=self._paintings)
        if self.shards:
            return _ShardLoader(
                ShardStream(self.shards, self.size, self.seed, 0, trainer.global_rank, trainer.world_size),
                self,
                batch_size=self.batch_size,
                collate_fn=gather,
                num_workers=min(1, workers),
                pin_memory=trainer.strategy.root_device.type == "cuda",
            )
        assert self.photos is not None  # noqa: S101 - setup made them
        return Loader(
            self.photos,
            batch_sampler=SampleIndices(self._next_sample, self.batch_size, trainer.global_rank, trainer.world_size),
            collate_fn=gather,
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=2 if workers else None,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )

    def val_dataloader(self) -> DataLoader:
        """Return a loader of the held-out photos."""
        return DataLoader(self.heldout_photos, self.batch_size, collate_fn=collate)

    def on_before_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Count skipped and enlarged photos and leave their names behind: tensors alone go to the device."""
        self._report(batch.get("skipped", []), batch.get("enlarged", []))
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
        """Say in one sentence how many photos were skipped or enlarged so far; None if no photo was."""
        skipped, enlarged = len(self.skipped), len(self.enlarged)
        if not skipped + enlarged:
            return None
        unread = "photo could not be read and was" if skipped == 1 else "photos could not be read and were"
        small = "was" if enlarged == 1 else "were"
        return f"{skipped} {unread} skipped, {enlarged} {small} smaller than {self._side} px and enlarged"

    def state_dict(self) -> dict[str, Any]:
        """Return where the training stands, for Lightning's checkpoint."""
        return {"batches": self._batches(), "sample": self._next_sample(), "counts": dict(self._counts)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the samples of the run which was saved, also with another batch size or number of processes.

        With shards, another number of processes shares them out anew, so that within the epoch some photos may come
        twice and others not.
        """
        batches = state_dict.get("batches")
        if batches is None:  # checkpoints of old counted optimizer steps
            batches = state_dict["step"] * self._trainer.accumulate_grad_batches
        self._resumed = batches, state_dict["sample"]
        self._counts |= state_dict.get("counts", {})

    @property
    def _trainer(self) -> Trainer:
        if self.trainer is None:
            raise RuntimeError("a PhotoDataModule has training batches only within a Trainer: call trainer.fit")
        return self.trainer

    def _next_sample(self) -> int:
        batches, sample = self._resumed
        # Iteration may begin before the trainer has restored its own counter, which is then still 0.
        since = max(0, self._batches() - batches)
        return sample + since * self.batch_size * self._trainer.world_size

    def _batches(self) -> int:
        """Batches trained on in all runs: the steps of optimizers say nothing of how many, where there are several."""
        return int(self._trainer.fit_loop.epoch_loop.batch_progress.total.processed)  # type: ignore[attr-defined]

    def next_sample_here(self) -> tuple[int, dict[str, int]]:
        """Return the next sample of those of this process alone, and the number of photos of each shard seen so far."""
        return self._next_sample() // self._trainer.world_size, dict(self._counts)

    def _report(self, skipped: list[str], enlarged: list[str]) -> None:
        for name in sorted(set(skipped) - self.skipped):
            self.skipped.add(name)
            log.warning(f"skipped {name}: it cannot be read ({len(self.skipped)} skipped so far)")
        for name in sorted(set(enlarged) - self.enlarged):
            self.enlarged.add(name)
            count = f"{len(self.enlarged)} enlarged so far"
            if len(self.enlarged) == NAMED:
                count += ", further ones are only counted"
            if len(self.enlarged) <= NAMED:
                log.warning(f"enlarged photo {name}: it is smaller than {self._side} px ({count})")


def _tell_left_out(sources: dict[str, ImageSource | None]) -> None:
    for name, source in sources.items():
        if source is not None and source.left_out:
            log.warning(f"{name}: {source.left_out}")


def _collate(samples: Sequence[Sample], paintings: StyleCrops | None) -> Sample:
    batch = collate(samples)
    if paintings is not None:
        styles = collate([paintings[index] for index in batch["index"].tolist()])
        batch["painting"] = styles["image"]
        batch["skipped"] += styles["skipped"]
    return batch


def _count_workers(workers: int | str) -> int:
    if workers == "auto":
        return min(4, suggested_max_num_workers(1))
    if not isinstance(workers, int) or workers < 0:
        raise ValueError(f"num_workers must be auto or a number from 0, got {workers!r}")
    return workers

"""The photos of a training run, for Lightning."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from fast_style.archives import expand
from fast_style.data.clips import ClipPairs, HalfClips, HalfClipStream
from fast_style.data.coco import download_coco
from fast_style.data.endless import EndlessDataModule, tell_left_out
from fast_style.data.paintings import StyleCrops
from fast_style.data.photos import HeldOut, PhotoDataset, Sample, collate, set_aside
from fast_style.data.procedural import SHOWN_SCENES, HeldOutScenes, ProceduralImages
from fast_style.data.shards import ShardStream, are_shards
from fast_style.data.sources import ImageSource, Roots
from fast_style.data.workers import Loader


class _ShardLoader(Loader):
    """Begins where the training is, whenever iteration begins."""

    def __init__(self, stream: ShardStream | HalfClipStream, data: "PhotoDataModule", **options: Any) -> None:
        super().__init__(stream, **options)
        self._stream = stream
        self._data = data

    def __iter__(self) -> Any:
        self._stream.start, self._stream.counts = self._data.next_sample_here()
        return super().__iter__()


class PhotoDataModule(EndlessDataModule):
    """Endless training crops and a few held-out photos.

    Training resumes at the sample where the checkpoint left off, whatever the number of workers. Batches are
    `{"image": (N, 3, size, size) in [0, 1], "index": (N,)}`, the latter the numbers of the samples. Photos that cannot
    be read are skipped, those smaller than the crops are enlarged; `summary` counts both, and the log names each of the
    former and the first 5 of the latter.
    See `EndlessDataModule`, also for several processes.

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
        heldout_most: of more in a folder to measure on so many are taken, evenly spread.
        coco: `train2017` or `val2017` to train on that part of COCO, see `download_coco`. None: on the photos in root.
        style_root: paintings, as root has photos, for a task whose `wants` names `painting`: its batches then
            hold `"painting"`, of the shape of `"image"`, see `StyleCrops`. None: the shipped styles, and
            scenes. No shards.
        recolored: share of the paintings in `style_root` that get other colours, in [0, 1].
        clips: folder of films for a task that weighs `temporal_loss`: samples of even numbers are frames of them, see
            `HalfClips`, and batches hold the next frames of these, M, `"after"` (M, 3, size, size), and how they came
            from them, `"flow"` and `"seen"`, see `ClipPairs`. None: frames that could follow are made of the photos.

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
        heldout_most: int = 100,
        coco: str | None = None,
        style_root: Roots | None = None,
        recolored: float = 0.5,
        clips: str | Path | None = None,
    ) -> None:
        super().__init__(size, batch_size, num_workers, seed, heldout_count, heldout_size, heldout_most)
        if coco is not None and not isinstance(root, str | Path):
            raise ValueError(f"with coco={coco}, root must be the one folder that keeps the download, got {root}")
        self.root = root
        self.coco = coco
        # Listed here, so that a wrong path is told before anything expensive.
        self.shards = expand(root) if root is not None and are_shards(root) else []
        if self.shards and heldout is None:
            raise ValueError("shards are read once each, so none is set aside: give data.heldout, photos to measure on")
        self._paintings = StyleCrops(style_root, size, seed, recolored) if style_root is not None else None
        self._clips = ClipPairs(clips, size, seed) if clips is not None else None
        self._source = ImageSource(root) if coco is None and root is not None and not self.shards else None
        self._heldout_source = None if heldout is None else ImageSource(heldout)
        paintings = self._paintings.source if self._paintings is not None else None
        tell_left_out({"data.root": self._source, "data.heldout": self._heldout_source, "data.style_root": paintings})

    def prepare_data(self) -> None:
        """Download COCO, if it is asked for and not there."""
        if self.coco is not None:
            download_coco(str(self.root), self.coco)

    def setup(self, stage: str | None = None) -> None:
        """Set the held-out photos aside.

        Raises:
            ValueError: if there is a `style_root`, and the task does not want paintings, or the task wants pairs.
            RuntimeError: if none of the photos for training or for validation, or no painting, can be read.
        """
        if hasattr(self, "photos"):
            return
        self.check_wanted("image", "painting")
        task = self.trainer and self.trainer.lightning_module
        if "painting" in getattr(task, "wants", ()):
            if getattr(task, "of_one_hand", False) and (self._paintings is None or self._paintings.recolored):
                raise ValueError(
                    "a discriminator learns one hand from its paintings as they are: give data.style_root=PAINTINGS "
                    "data.recolored=0 for model.crops=paintings"
                )
            self._paintings = self._paintings or StyleCrops(None, self.size, self.seed)
            self.report(self._paintings[0]["skipped"], [])
        elif self._paintings is not None:
            raise ValueError(
                "data.style_root is for a network that takes any style: give model=any_style, or leave it out; a "
                "discriminator learns from it with model=adversarial model.crops=paintings"
            )
        if self._clips is not None:
            weights = getattr(self.trainer and self.trainer.lightning_module, "motion_weights", {})
            if not weights.get("temporal_loss"):
                raise ValueError("data.clips is for networks for films: give model=video, or model.temporal_weight=400")
            self.report(self._clips.skipped, [], "two frames of it cannot be read")
        source, heldout = self._source, self._heldout_source
        if self.coco is not None:
            source = ImageSource(download_coco(str(self.root), self.coco))
        if source is not None and heldout is None:
            source, heldout = set_aside(source, self.heldout_count, self.heldout_size)
        if heldout is None:
            self.heldout_photos = HeldOutScenes(self.heldout_count, self.heldout_size, SHOWN_SCENES)
        else:
            self.heldout_photos = HeldOut(heldout, self.heldout_size, self.heldout_most)
        if self.shards:
            self.report(self.heldout_photos.skipped, [])
            self.photos = None
            return
        photos = (
            ProceduralImages(self.size, self.seed) if source is None else PhotoDataset(source, self.size, self.seed)
        )
        # Photos of which none can be read fail here in one sentence, not later in a worker.
        first = photos[0]
        self.report(first["skipped"] + self.heldout_photos.skipped, first["enlarged"])
        self.photos = photos

    def train_dataloader(self) -> DataLoader:
        """Return an endless loader that begins at the sample after the last batch."""
        gather = partial(_collate, paintings=self._paintings)
        if self.shards:
            trainer = self.its_trainer
            stream = ShardStream(self.shards, self.size, self.seed, 0, trainer.global_rank, trainer.world_size)
            return _ShardLoader(
                stream if self._clips is None else HalfClipStream(stream, self._clips),
                self,
                batch_size=self.batch_size,
                collate_fn=gather,
                num_workers=min(1, self.num_workers),
                pin_memory=trainer.strategy.root_device.type == "cuda",
            )
        assert self.photos is not None  # noqa: S101 - setup made them
        return self.endless(self.photos if self._clips is None else HalfClips(self.photos, self._clips), gather)


def _collate(samples: Sequence[Sample], paintings: StyleCrops | None) -> Sample:
    batch = collate(samples)
    if paintings is not None:
        styles = collate([paintings[index] for index in batch["index"].tolist()])
        batch["painting"] = styles["image"]
        batch["skipped"] += styles["skipped"]
    return batch

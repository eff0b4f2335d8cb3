"""Photos in WebDataset shards, `.tar` files of images, read one after the other."""

import os
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count, pairwise
from pathlib import Path
from typing import BinaryIO, Self

import torch
from torch.utils.data import IterableDataset, get_worker_info

from fast_style.archives import expand, list_members
from fast_style.data.crops import random_crop
from fast_style.data.photos import MAX_ATTEMPTS, Sample, generator, permutation
from fast_style.data.sources import Roots, decode
from fast_style.images import is_image
from fast_style.remote import RemoteFolder, is_address

Member = tuple[str, int, int]  # of a shard: name, offset, size
TURN = 8  # samples that one process numbers before it is the next one's turn


def are_shards(roots: Roots | None) -> bool:
    """Tell whether all roots are `.tar` files."""
    return roots is not None and bool(names := expand(roots)) and all(name.endswith(".tar") for name in names)


class ShardStream(IterableDataset[Sample]):
    """Endless random crops, such as `PhotoDataset` makes, of the photos in shards that may be larger than any disk.

    The shards of an epoch come in an order of its own, of which process r of W takes the r-th and every W-th after it;
    the photos of a shard are shuffled among themselves. A shard behind an address is fetched to a temporary file while
    the one before it is read; one that fails is tried again (see `RemoteFolder`).

    Sample n of a process depends on (shards, seed, rank, world_size, n) alone, see `number` for what it is called. To
    go on at sample n, the shards before it are passed over by their number of photos: known from `counts`, else they
    are fetched and counted.

    Photos that cannot be read are passed over, and so is what follows the place where a shard is damaged, or a shard
    that is not there; all are named in `skipped`.

    Args:
        shards: `.tar` files, or addresses of them.
        size: side of the samples in pixels, at least 1.
        seed: another seed, another sequence of samples.
        start: the first sample of this process.
        rank: this process, 0 to W − 1.
        world_size: number of processes, W.
        counts: photos of each shard by its name, as far as known.

    Raises:
        ValueError: if the size is below 1, or there are fewer shards than processes.
        FileNotFoundError: if a local shard does not exist.
    """

    def __init__(
        self,
        shards: Sequence[str],
        size: int,
        seed: int = 0,
        start: int = 0,
        rank: int = 0,
        world_size: int = 1,
        counts: dict[str, int] | None = None,
    ) -> None:
        if size < 1:
            raise ValueError(f"the size of the training crops must be at least 1 pixel, got {size}")
        if len(shards) < world_size:
            raise ValueError(f"{len(shards)} shards are too few for {world_size} processes: give one each at least")
        for shard in shards:
            if not is_address(shard) and not Path(shard).is_file():
                raise FileNotFoundError(f"there is no shard at {shard}")
        self.shards = list(shards)
        self.size = size
        self.seed = seed
        self.start = start
        self.rank = rank
        self.world_size = world_size
        self.counts = dict(counts or {})

    def __iter__(self) -> Iterator[Sample]:
        """Yield samples without end.

        Raises:
            RuntimeError: if none of the shards holds a photo that can be read.
            ConnectionError: if an address does not answer any more.
        """
        worker = get_worker_info()
        if worker is not None and worker.num_workers > 1:
            raise RuntimeError("shards are read by one worker, or samples would come twice: give data.num_workers=1")
        left = self.start  # samples to pass over
        numbers = map(self.number, count(self.start))  # of the samples that follow
        skipped: list[str] = []
        in_vain = 0  # shards in a row without a photo
        with _Fetcher() as fetcher:
            for turn, (_, following) in pairwise(self._order()):
                shard = self.shards[turn[1]]
                if in_vain >= len(self.shards):
                    raise RuntimeError(
                        f"no photo to train on: none of {in_vain} shards in a row has any, next is {shard}"
                    )
                found = self.counts.get(shard, left + 1)
                if found <= left:
                    fetcher.forget(shard)
                else:
                    found = yield from self._read(fetcher, turn, self.shards[following], left, numbers, skipped)
                in_vain = 0 if found else in_vain + 1
                left = max(0, left - found)

    def number(self, place: int) -> int:
        """Return the number of sample `place` of this process, which no sample of another has.

        They take turns of eight, so that each process has its share of what only every second, fourth or eighth sample
        is for.
        """
        turn, within = divmod(place, TURN)
        return (turn * self.world_size + self.rank) * TURN + within

    def _read(
        self,
        fetcher: "_Fetcher",
        turn: tuple[int, int],
        following: str,
        left: int,
        numbers: Iterator[int],
        skipped: list[str],
    ) -> Generator[Sample, None, int]:
        """Yield the samples of a shard, all but the first `left`; return its number of photos, 0 if none is of use."""
        shard = self.shards[turn[1]]
        try:
            with fetcher.open(shard) as file:
                fetcher.want(following)
                images = _index(file, shard, skipped)
                self.counts[shard] = len(images)
                for place in range(left, len(images)):
                    sample = self._sample(file, images, (*turn, place), skipped)
                    if sample is None:  # none of them can be read: nothing was taken from this shard
                        self.counts[shard] = 0
                        break
                    sample["index"] = torch.tensor(next(numbers))
                    yield sample
                return self.counts[shard]
        except (FileNotFoundError, PermissionError) as error:
            skipped.append(f"{shard} ({error})")
            return 0

    def _empty(self) -> dict[str, int]:
        return {shard: count for shard, count in self.counts.items() if count == 0}

    def _order(self) -> Iterator[tuple[int, int]]:
        """Yield epoch and number of each shard this process takes."""
        for epoch in count():
            order = permutation(len(self.shards), self.seed, epoch).tolist()
            yield from ((epoch, number) for number in order[self.rank :: self.world_size])

    def _sample(
        self, file: BinaryIO, images: list[Member], place: tuple[int, int, int], skipped: list[str]
    ) -> Sample | None:
        """Crop the photo whose turn it is, or the next that can be read; None if none of this shard can."""
        epoch, number, turn = place
        order = permutation(len(images), self.seed, epoch, number)
        for attempt in range(min(MAX_ATTEMPTS, len(images))):
            name, offset, size = images[order[(turn + attempt) % len(images)]]
            name = f"{name} in {self.shards[number]}"
            file.seek(offset)
            try:
                pixels = decode(file.read(size), name, 2 * self.size)
            except (ValueError, OSError):
                skipped.append(name)
                continue
            sample: Sample = {
                "image": random_crop(pixels, self.size, generator(self.seed, *place)),
                "index": torch.tensor(0),  # `__iter__` counts
                "skipped": [*skipped],
                "enlarged": [name] if min(pixels.shape[-2:]) < self.size else [],
                "counts": {self.shards[number]: len(images)} | self._empty(),
            }
            skipped.clear()
            return sample
        return None


class _Fetcher:
    """Brings shards here, one ahead of its turn."""

    def __enter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1)
        self._coming: dict[str, Future[BinaryIO]] = {}
        return self

    def __exit__(self, *_: object) -> None:
        for shard in list(self._coming):
            self.forget(shard)
        self._thread.shutdown(wait=False)

    def want(self, shard: str) -> None:
        """Begin to fetch a shard, unless it is here."""
        if is_address(shard) and shard not in self._coming:
            self._coming[shard] = self._thread.submit(self._fetch, shard)

    def forget(self, shard: str) -> None:
        """Give up a shard that is not wanted after all."""
        coming = self._coming.pop(shard, None)
        if coming is not None and not coming.cancel():
            coming.add_done_callback(_close)

    def open(self, shard: str) -> BinaryIO:
        """Return the file of a shard."""
        if not is_address(shard):
            return Path(shard).open("rb")
        self.want(shard)
        try:
            return self._coming.pop(shard).result()
        except ConnectionError:  # perhaps long ago
            return self._fetch(shard)

    @staticmethod
    def _fetch(shard: str) -> BinaryIO:
        handle, name = tempfile.mkstemp(prefix="fast_style_", suffix=".tar")
        os.close(handle)
        try:
            RemoteFolder(shard).fetch(Path(name))
        except BaseException:
            Path(name).unlink()
            raise
        return _open_for_good(name)


def _open_for_good(name: str) -> BinaryIO:
    """Open a file of which nothing is left once it is closed, or when the process ends."""
    if sys.platform == "win32":  # which removes no file that is open, unless it was opened for that
        return os.fdopen(os.open(name, os.O_RDONLY | os.O_BINARY | os.O_TEMPORARY), "rb")
    file = Path(name).open("rb")  # noqa: SIM115 - whoever asked for it closes it
    Path(name).unlink()
    return file


def _close(fetched: Future[BinaryIO]) -> None:
    if fetched.exception() is None:
        fetched.result().close()


def _index(file: BinaryIO, shard: str, skipped: list[str]) -> list[Member]:
    """List the images of a shard; of a damaged one, those before the damage."""
    members, damage = list_members(file)
    # What is packed from within a folder begins with a dot that hides nothing.
    found = [member for member in members if is_image(member.name.removeprefix("./"))]
    images = [(member.name, member.offset_data, member.size) for member in found]
    if damage:
        skipped.append(f"{shard} from its image {len(images)} on ({damage})")
    return images

"""Photos as samples: random crops for training, centre crops for evaluation."""

import os
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from math import inf
from typing import NotRequired, TypedDict, TypeVar

import torch
from torch import Tensor

from fast_style.data.crops import random_crop, resize_part, resized
from fast_style.data.sources import Images

Source = TypeVar("Source", bound=Images)
MAX_ATTEMPTS = 100


class Sample(TypedDict):
    """One photo, or N of them in a batch.

    Attributes:
        image: RGB of shape (3, H, W) in [0, 1], or (N, 3, H, W).
        index: number of the sample, int64 of shape () or (N,).
        skipped: names of the photos passed over as unreadable.
        enlarged: names of those in `image` that were smaller than it.
        counts: number of photos in the shards they came from, by the shard's name; of photos in shards only.
        painting: style images, RGB of shape (N, 3, H, W) in [0, 1]; where a network for any style is trained only.
        after: the frame that follows the image, (3, H, W), or of a batch those that follow M of the images, in their
            order, (M, 3, H, W); of samples that are frames of films only, as are the next two, see `HalfClips`.
        flow: how it followed, see `ClipPair`, (2, H, W) or (M, 2, H, W).
        seen: where, see `ClipPair`, (1, H, W) or (M, 1, H, W).
        new: of held-out images of two sides, whether that of each side comes for the first time, bool of shape (2) or
            (N, 2).
    """

    image: Tensor
    index: Tensor
    skipped: list[str]
    enlarged: list[str]
    counts: NotRequired[dict[str, int]]
    painting: NotRequired[Tensor]
    after: NotRequired[Tensor]
    flow: NotRequired[Tensor]
    seen: NotRequired[Tensor]
    new: NotRequired[Tensor]


class PhotoDataset(torch.utils.data.Dataset[Sample]):
    """Endless random crops: sample `index` depends on (seed, index) alone, for any index from 0 on.

    Every epoch of `len(source)` samples visits each photo once, in an order of its own. The crop is a square, its side
    uniform between `size` and the photo's shorter side, anywhere in the photo, resized to `size` and mirrored half the
    time. A photo smaller than `size` is cropped to its shorter side and enlarged. A JPEG of at least four times the
    `size` is decoded at a half, a quarter or an eighth of its own: it is faster, and its crops show more of it.

    A photo that cannot be read is replaced by the one after it in the epoch's order.

    Args:
        source: the photos, or whatever is cropped alike, such as the pairs of a `PairSource`.
        size: side of the samples in pixels, at least 1.
        seed: another seed, another sequence of samples.
        enlarge: make the shorter side of each photo this many times `size` first, whatever it was, and cut the crop out
            of that as it is: 286 / 256 in Isola et al. 2017, whose crops of photos of the size itself so differ in
            place. None: crops of any scale, as above.

    Raises:
        ValueError: if size is below 1, or enlarge is.
    """

    def __init__(self, source: Images, size: int, seed: int = 0, enlarge: float | None = None) -> None:
        if size < 1:
            raise ValueError(f"the size of the training crops must be at least 1 pixel, got {size}")
        if enlarge is not None and not 1 <= enlarge < inf:
            raise ValueError(f"enlarge must be at least 1 times the size of the crops, got {enlarge}")
        self.source = source
        self.size = size
        self.seed = seed
        self.short = None if enlarge is None else round(enlarge * size)

    def __getitem__(self, index: int) -> Sample:
        """Read sample `index`, with an image of shape (3, size, size).

        Raises:
            IndexError: if the index is negative.
            RuntimeError: if no photo can be read, or 100 in a row cannot.
        """
        if index < 0:
            raise IndexError(f"a sample index must not be negative, got {index}")
        epoch, place = divmod(index, len(self.source))
        order = permutation(len(self.source), self.seed, epoch)
        attempts = min(MAX_ATTEMPTS, len(self.source))
        skipped: list[str] = []
        for attempt in range(attempts):
            photo = int(order[(place + attempt) % len(order)])
            try:
                # at twice the size, so that crops still differ in scale
                pixels = self.source.read(photo, self.short or 2 * self.size)
            except ConnectionError:  # not the photo's fault: to pass over it would lose it
                raise
            except (ValueError, OSError):
                skipped.append(self.source.names[photo])
                continue
            image = random_crop(pixels, self.size, generator(self.seed, index), self.short)
            enlarged = [self.source.names[photo]] if min(pixels.shape[-2:]) < self.size else []
            return {"image": image, "index": torch.tensor(index), "skipped": skipped, "enlarged": enlarged}
        raise RuntimeError(
            f"no photo to train on: {attempts} in a row cannot be read, the last was {skipped[-1]}; check the photos"
        )


class HeldOut(torch.utils.data.Dataset[Sample]):
    """Fixed centre crops for evaluation: the shorter side resized to `size`, the middle square of it.

    Every photo is read once on construction, and those which cannot be read are left out.

    Args:
        source: the photos.
        size: side of the samples in pixels, at least 1.
        most: of more photos so many are taken, evenly spread; None: all.

    Attributes:
        names: names of the photos, in the order of the samples.
        skipped: names of the unreadable ones.

    Raises:
        ValueError: if size is below 1.
        RuntimeError: if no photo can be read.
    """

    def __init__(self, source: Images, size: int, most: int | None = None) -> None:
        if size < 1:
            raise ValueError(f"the size of the held-out photos must be at least 1 pixel, got {size}")
        self.size = size
        if most is not None and len(source) > most:
            source = source.subset([number * len(source) // most for number in range(most)])
        readable = [index for index in range(len(source)) if is_readable(source, index, size)]
        if not readable:
            raise RuntimeError(f"none of the {len(source)} held-out photos can be read, the first is {source.names[0]}")
        self.source = source.subset(readable)
        self.names = self.source.names
        self.skipped = sorted(set(source.names) - set(self.names))

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        """Read photo `index` as an image of shape (3, size, size)."""
        pixels = self.source.read(index, self.size)
        enlarged = [self.names[index]] if min(pixels.shape[-2:]) < self.size else []
        h, w = resized(pixels, self.size)
        square = (h - self.size) // 2, (w - self.size) // 2, self.size
        image = resize_part(pixels, self.size, *square)
        return {"image": image, "index": torch.tensor(index), "skipped": [], "enlarged": enlarged}


def is_readable(source: Images, index: int, size: int) -> bool:
    """Whether a photo can be read where samples of `size` pixels are wanted."""
    try:
        source.read(index, size)
    except ConnectionError:
        raise
    except (ValueError, OSError):
        return False
    return True


def set_aside(source: Source, count: int, size: int) -> tuple[Source, Source]:
    """Return the photos to train on and those set aside: `count` readable ones whose names have the smallest hashes.

    At most a quarter of the photos and at least one is set aside; a single photo is among both.

    Raises:
        RuntimeError: if none of the photos can be read.
    """
    count = min(count, max(1, len(source) // 4))
    by_hash = sorted(range(len(source)), key=lambda index: blake2b(os.fsencode(source.names[index])).digest())
    readable = (index for index in by_hash if is_readable(source, index, size))
    aside = set(islice(readable, count))
    if not aside:
        raise RuntimeError(f"none of the {len(source)} photos can be read, the first is {source.names[0]}: check them")
    rest = [index for index in range(len(source)) if index not in aside]
    return source.subset(rest) if rest else source, source.subset(sorted(aside))


def collate(samples: Sequence[Sample]) -> Sample:
    """Stack the images of samples to (N, 3, H, W), and gather what else they report."""
    batch: Sample = {
        "image": torch.stack([sample["image"] for sample in samples]),
        "index": torch.stack([sample["index"] for sample in samples]),
        "skipped": [name for sample in samples for name in sample["skipped"]],
        "enlarged": [name for sample in samples for name in sample["enlarged"]],
        "counts": {name: count for sample in samples for name, count in sample.get("counts", {}).items()},
    }
    if followed := [sample for sample in samples if "after" in sample]:
        batch["after"] = torch.stack([sample["after"] for sample in followed])
        batch["flow"] = torch.stack([sample["flow"] for sample in followed])
        batch["seen"] = torch.stack([sample["seen"] for sample in followed])
    if all("new" in sample for sample in samples):
        batch["new"] = torch.stack([sample["new"] for sample in samples])
    return batch


def generator(*key: int) -> torch.Generator:
    """Return a source of random numbers that depends on the key alone."""
    # Hashed, because generators seeded with neighbouring numbers start alike.
    digest = blake2b(repr(key).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big"))


@lru_cache(maxsize=4)
def permutation(count: int, *key: int) -> Tensor:
    """Return an order of `count` things that depends on their number and the key alone, int64 of shape (count,)."""
    return torch.randperm(count, generator=generator(*key, count))

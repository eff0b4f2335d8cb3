"""The scenes as samples."""

from collections.abc import Sequence
from functools import cache

import torch
from numpy.random import SeedSequence, default_rng
from torch import Tensor

from fast_style.data.photos import Sample
from fast_style.data.procedural.scenes import paint_scene

MIN_SIZE = 16
# Scenes that please most among the first forty: what a training shows of itself, where it has no photos.
SHOWN_SCENES = (31, 19, 6, 36, 18, 24, 8, 2)


def procedural_image(seed: int, index: int, size: int) -> Tensor:
    """Paint scene `index` of a sequence: a function of its arguments alone.

    Args:
        seed: from 0; another seed, another sequence.
        index: from 0.
        size: side in pixels, at least 16.

    Returns:
        RGB of shape (3, size, size) in [0, 1].

    Raises:
        ValueError: if the seed is negative or the size below 16.
        IndexError: if the index is negative.
    """
    _check(seed, size)
    if index < 0:
        raise IndexError(f"a sample index must not be negative, got {index}")
    return torch.from_numpy(paint_scene(default_rng(SeedSequence((seed, index))), size))


class ProceduralImages(torch.utils.data.Dataset[Sample]):
    """Endless scenes: sample `index` is `procedural_image(seed, index, size)`, for any index from 0 on.

    Args:
        size: side of the samples in pixels, at least 16.
        seed: from 0; another seed, another sequence of samples.

    Raises:
        ValueError: if the seed is negative or the size below 16.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        _check(seed, size)
        self.size = size
        self.seed = seed

    def __getitem__(self, index: int) -> Sample:
        """Paint sample `index`, with an image of shape (3, size, size).

        Raises:
            IndexError: if the index is negative.
        """
        image = procedural_image(self.seed, index, self.size)
        return {"image": image, "index": torch.tensor(index), "skipped": [], "enlarged": []}


class HeldOutScenes(torch.utils.data.Dataset[Sample]):
    """A fixed set of scenes for evaluation, none of which any seed trains on.

    Args:
        count: how many, at least 1.
        size: side of the samples in pixels, at least 16.
        first: numbers of the scenes that come first, from 0; all others follow in their order.

    Attributes:
        names: `scene 1` and so on, in the order of the samples.
        skipped: empty, as no scene is unreadable.

    Raises:
        ValueError: if the count or the size is too small.
    """

    def __init__(self, count: int, size: int, first: Sequence[int] = ()) -> None:
        if count < 1:
            raise ValueError(f"there must be at least 1 held-out scene, got {count}")
        _check(0, size)
        self.size = size
        others = (number for number in range(count + len(first)) if number not in first)
        self._numbers = [*first, *others][:count]
        self.names = [f"scene {number}" for number in range(1, count + 1)]
        self.skipped: list[str] = []

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """Paint scene `index` as an image of shape (3, size, size).

        Raises:
            IndexError: if there is no such scene.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} held-out scenes, got index {index}")
        # A spawned sequence differs from those of all seeds.
        rng = default_rng(SeedSequence((0, self._numbers[index]), spawn_key=(1,)))
        image = torch.from_numpy(paint_scene(rng, self.size))
        return {"image": image, "index": torch.tensor(index), "skipped": [], "enlarged": []}


@cache
def reference_scenes(count: int = 8, size: int = 256) -> Tensor:
    """Paint the scenes that losses are relative to, the same ones every time.

    They stand for photos, whose Gram matrices lie about as far from a painting's as theirs.

    Args:
        count: how many, at least 1.
        size: side in pixels, at least 16.

    Returns:
        RGB of shape (count, 3, size, size) in [0, 1].

    Raises:
        ValueError: if the count or the size is too small.
    """
    scenes = HeldOutScenes(count, size)
    return torch.stack([scenes[index]["image"] for index in range(count)])


def _check(seed: int, size: int) -> None:
    if seed < 0:
        raise ValueError(f"the seed of procedural images must not be negative, got {seed}")
    if size < MIN_SIZE:
        raise ValueError(f"the size of procedural images must be at least {MIN_SIZE} pixels, got {size}")

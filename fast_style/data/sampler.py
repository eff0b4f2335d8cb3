"""Which samples a process sees, and in which order."""

from collections.abc import Callable, Iterator

from torch.utils.data import Sampler


class SampleIndices(Sampler[list[int]]):
    """Batch sampler that counts on from `start()` without end, and therefore has no length.

    Global batch b holds the samples start + b·B·W … start + (b+1)·B·W − 1, for batches of B samples on each of W
    processes; process `rank` takes its B of them.

    Args:
        start: returns the first sample; asked whenever iteration begins.
        batch_size: samples a batch, B, at least 1.
        rank: this process, 0 to W − 1.
        world_size: number of processes, W.

    Raises:
        ValueError: if the batch size is below 1, or the rank is outside its range.
    """

    def __init__(self, start: Callable[[], int], batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must be 0 to world_size - 1 = {world_size - 1}, got {rank}")
        self.start = start
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size

    def __iter__(self) -> Iterator[list[int]]:
        first = self.start() + self.rank * self.batch_size
        while True:
            yield list(range(first, first + self.batch_size))
            first += self.world_size * self.batch_size

"""Which process sees which samples."""

from itertools import chain, islice

import pytest

from fast_style.data import SampleIndices


def test_counts_on_without_end():
    assert list(islice(SampleIndices(lambda: 5, 3), 3)) == [[5, 6, 7], [8, 9, 10], [11, 12, 13]]


def test_has_no_length():
    with pytest.raises(TypeError, match="len"):
        len(SampleIndices(lambda: 0, 1))


def test_processes_share_each_global_batch():
    shares = [list(islice(SampleIndices(lambda: 8, 2, rank, 3), 4)) for rank in range(3)]
    global_batches = [list(chain(*batches)) for batches in zip(*shares, strict=True)]
    assert global_batches == [list(range(8 + 6 * b, 8 + 6 * (b + 1))) for b in range(4)]


def test_asks_for_the_start_whenever_it_begins():
    starts = iter([4, 10])
    sampler = SampleIndices(lambda: next(starts), 2)
    assert next(iter(sampler)) == [4, 5]
    assert next(iter(sampler)) == [10, 11]


def test_batch_size():
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        SampleIndices(lambda: 0, 0)


def test_rank():
    with pytest.raises(ValueError, match="rank must be 0 to world_size - 1 = 1, got 2"):
        SampleIndices(lambda: 0, 1, rank=2, world_size=2)

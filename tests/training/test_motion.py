from itertools import islice

import pytest
import torch

from fast_style.data import SampleIndices
from fast_style.losses import Frames, equivariance_loss, shifted, temporal_loss
from fast_style.training.motion import FOLLOWED, SHIFTED, compare_moved, motion_weights, move, numbers_of, one_in


def test_every_shift_has_its_turn():
    photos, weights = torch.rand(1, 3, 64, 64), motion_weights(1.0, 0.0)
    batches = ({"image": photos, "index": torch.tensor([index])} for index in range(400))
    shifts = [move(batch, weights, 0)[1].ways[0] for batch in batches]
    assert len(set(shifts)) == 48
    assert (0, 0) not in shifts


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0)], ids=["shifted", "following"])
def test_motion_depends_on_the_seed_and_the_sample_alone(weights):
    photos = torch.rand(32, 3, 48, 48)

    def moved(size, seed=3, start=0, devices=1):
        """Move the photos of some batches, as one device sees them or several; by the samples' numbers."""
        ranks = [SampleIndices(lambda: start, size, rank, devices) for rank in range(devices)]
        batches = (numbers for rank in ranks for numbers in islice(rank, (32 - start) // (size * devices)))
        found = {}
        for numbers in batches:
            batch = {"image": photos[numbers], "index": torch.tensor(numbers)}
            images, motion = move(batch, motion_weights(*weights), seed)
            found |= {numbers[place]: image for place, image in zip(motion.places.tolist(), images, strict=True)}
        return found

    share = SHIFTED if weights[0] else FOLLOWED
    whole = moved(4)
    assert [*whole] == [*range(0, 32, share)]
    for again in (moved(8), moved(4, devices=2), moved(8, start=8), moved(6, start=2)):
        assert {*again} == {number for number in whole if number >= min(again)}
        assert all(torch.equal(again[number], whole[number]) for number in again)
    other = moved(4, seed=4)
    assert sum(torch.equal(other[number], image) for number, image in whole.items()) < len(whole) / 2


def test_every_batch_has_some_that_are_chosen():
    assert one_in(4, range(8, 16)) == [0, 4]
    assert one_in(4, range(9, 15)) == [3]
    assert one_in(4, [5, 6, 7]) == [1]  # one in two
    assert one_in(2, [7]) == one_in(8, [7]) == [0]
    assert one_in(4, []) == []
    assert numbers_of({"image": torch.rand(3, 1)}) == [0, 1, 2]


def test_frames_of_clips_are_taken_as_they_are():
    photos, after = torch.rand(2, 4, 3, 48, 48)
    flow, seen = torch.zeros(2, 2, 48, 48), torch.ones(2, 1, 48, 48)
    batch = {"image": photos, "index": torch.arange(4), "after": after[:2], "flow": flow, "seen": seen}
    moved, motion = move(batch, motion_weights(0.0, 1.0), 0)
    frames = motion.ways
    assert moved is batch["after"]
    assert isinstance(frames, Frames)
    assert not frames.change.any()
    assert compare_moved(photos, moved, motion) == {"temporal_loss": temporal_loss(photos[::2], moved, frames)}


def test_shifted_photos_are_compared_with_as_many():
    photos = torch.rand(8, 3, 64, 64)
    moved, motion = move({"image": photos}, motion_weights(1.0, 0.0), 0)
    assert len(set(motion.ways)) == 2
    pictures, expected = 1 - photos, []
    for turn, (place, way) in enumerate(zip((0, 4), motion.ways, strict=True)):
        assert torch.equal(moved[turn], shifted(photos[place : place + 1], *way)[0])
        expected.append(equivariance_loss(pictures[place : place + 1], moved[turn : turn + 1], *way))
    found = compare_moved(pictures, moved, motion)
    torch.testing.assert_close(found, {"equivariance_loss": torch.stack(expected).mean()})


@pytest.mark.parametrize(("weights", "side"), [((0.0, 0.0), 64), ((1.0, 0.0), 3)], ids=["no weight", "too small"])
def test_nothing_moves(weights, side):
    photos = torch.rand(4, 3, side, side)
    moved, shift = move({"image": photos}, motion_weights(*weights), 0)
    assert moved.shape == (0, 3, side, side)
    assert compare_moved(photos, moved, shift) == {}


@pytest.mark.parametrize("name", ["equivariance_weight", "temporal_weight"])
def test_weights_must_not_be_negative(name):
    for weight in (-1.0, float("nan")):
        with pytest.raises(ValueError, match=f"{name} must not be negative, got {weight}"):
            motion_weights(**{"equivariance_weight": 0.0, "temporal_weight": 0.0} | {name: weight})

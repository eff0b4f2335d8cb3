from itertools import islice

import pytest
import torch

from fast_style.data import SampleIndices
from fast_style.losses import Frames, equivariance_loss, shifted, temporal_loss
from fast_style.training.motion import compare_moved, motion_weights, move


def test_every_shift_has_its_turn():
    photos, weights = torch.rand(1, 3, 64, 64), motion_weights(1.0, 0.0)
    shifts = [move({"image": photos, "index": torch.tensor([index])}, weights, 0)[1] for index in range(400)]
    assert len(set(shifts)) == 48
    assert (0, 0) not in shifts


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0)], ids=["shifted", "following"])
def test_motion_depends_on_the_seed_and_the_first_sample_alone(weights):
    photos = torch.rand(96, 3, 48, 48)

    def moved(seed, start=0, devices=1):
        """Move the photos of some batches, as one device sees them or several; by their first sample."""
        ranks = [SampleIndices(lambda: start, 2, rank, devices) for rank in range(devices)]
        taken = (numbers for rank in ranks for numbers in islice(rank, 40 // devices))
        batches = {n[0]: {"image": photos[n], "index": torch.tensor(n)} for n in taken}
        return {first: move(batch, motion_weights(*weights), seed)[0] for first, batch in batches.items()}

    whole = moved(seed=3)
    for again in (moved(3), moved(3, devices=2), moved(3, start=16)):
        shared = whole.keys() & again.keys()
        assert len(shared) >= 32
        assert all(torch.equal(again[first], whole[first]) for first in shared)
    other = moved(seed=4)
    assert sum(torch.equal(other[first], whole[first]) for first in whole) < 8


def test_frames_of_clips_are_taken_as_they_are():
    photos, after = torch.rand(2, 4, 3, 48, 48)
    flow, seen = torch.zeros(2, 2, 48, 48), torch.ones(2, 1, 48, 48)
    batch = {"image": photos, "index": torch.arange(4), "after": after[:2], "flow": flow, "seen": seen}
    moved, frames = move(batch, motion_weights(0.0, 1.0), 0)
    assert moved is batch["after"]
    assert isinstance(frames, Frames)
    assert not frames.change.any()
    assert compare_moved(photos, moved, frames) == {"temporal_loss": temporal_loss(photos[:2], moved, frames)}


def test_shifted_photos_are_compared_with_as_many():
    photos = torch.rand(8, 3, 64, 64)
    moved, (down, right) = move({"image": photos}, motion_weights(1.0, 0.0), 0)
    assert torch.equal(moved, shifted(photos[:2], down, right))
    pictures = 1 - photos
    expected = equivariance_loss(pictures[:2], moved, down, right)
    assert compare_moved(pictures, moved, (down, right)) == {"equivariance_loss": expected}


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

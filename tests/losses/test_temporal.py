import pytest
import torch

from fast_style.functional import luma
from fast_style.losses import Frames, following, temporal_loss, warped
from fast_style.losses.temporal import MARGIN, REACH, within


def draws(seed, count):
    return [torch.Generator().manual_seed(1000 * seed + number) for number in range(count)]


def still(photos, flow=None, seen=None, change=None):
    one = torch.ones_like(photos[:, :1])
    flow = torch.zeros_like(photos[:, :2]) if flow is None else flow
    return Frames(photos, flow, one if seen is None else seen, 0 * one if change is None else change)


def test_flow_takes_pixels_from_where_it_leads():
    images = torch.rand(2, 3, 20, 30)
    flow = torch.zeros(2, 2, 20, 30)
    flow[0, 0], flow[0, 1], flow[1, 1] = 3, -2, 4
    result = warped(images, flow)
    torch.testing.assert_close(result[0, :, 2:, :-3], images[0, :, :-2, 3:], atol=1e-4, rtol=0)
    torch.testing.assert_close(result[1, :, :-4], images[1, :, 4:], atol=1e-4, rtol=0)


def test_pictures_that_follow_the_film_cost_nothing():
    photos = torch.rand(2, 3, 72, 80)
    flow = torch.full((2, 2, 72, 80), 2.0)
    frames = still(warped(photos, flow), flow)
    assert temporal_loss(1 - photos, 1 - frames.photos, frames) < 1e-8
    assert temporal_loss(1 - photos, 1 - photos, frames) > 0.01


def test_by_hand():
    pictures = torch.zeros(1, 3, 64, 64)
    other = torch.full((1, 3, 64, 64), 0.5)
    assert temporal_loss(pictures, other, still(pictures)) == pytest.approx(0.25)
    change = torch.full((1, 1, 64, 64), 0.2)
    assert temporal_loss(pictures, other, still(pictures, change=change)) == pytest.approx(0.09)
    seen = torch.zeros(1, 1, 64, 64)
    assert temporal_loss(pictures, other, still(pictures, seen=seen)) == 0
    seen[..., 32:] = 1
    other[..., 32:] = 0.1
    assert temporal_loss(pictures, other, still(pictures, seen=seen)) == pytest.approx(0.01)
    assert temporal_loss(torch.zeros(1, 3, 40, 40), torch.ones(1, 3, 40, 40), still(torch.zeros(1, 3, 40, 40))) == 0
    with pytest.raises(ValueError, match="must have one shape"):
        temporal_loss(pictures, other[..., :32], still(pictures))


def test_what_leads_to_the_border_is_left_out():
    flow = torch.zeros(1, 2, 100, 100)
    flow[:, 0] = 10
    inside = within(flow)[0, 0].bool()
    rows, columns = inside.any(1).nonzero().flatten(), inside.any(0).nonzero().flatten()
    assert (rows[0], rows[-1]) == (MARGIN, 99 - MARGIN)
    assert (columns[0], columns[-1]) == (MARGIN, 99 - MARGIN - 10)


def test_frames_follow_photos():
    photos = torch.nn.functional.interpolate(torch.rand(40, 3, 8, 8), (96, 96), mode="bicubic").clamp(0, 1)
    frames = following(photos, draws(0, 40))
    assert frames.photos.shape == photos.shape
    assert frames.photos.min() >= 0
    assert frames.photos.max() <= 1
    again = following(photos, draws(0, 40))
    assert torch.equal(frames.photos, again.photos)
    assert not torch.equal(frames.photos, following(photos, draws(1, 40)).photos)
    whole = [bool((flow == flow[:, :1, :1].round()).all()) for flow in frames.flow]
    assert 10 <= sum(whole) <= 30
    assert frames.flow[torch.tensor(whole)].abs().max() <= REACH
    lit = (frames.change != 0).flatten(1).any(1)
    assert 10 <= lit.sum() <= 30
    # What the flow and the light do not explain is noise.
    rest = frames.photos - warped(photos, frames.flow).clamp(0, 1)
    dark = ~lit
    assert 0.003 < rest[dark].std() < 0.009
    assert (luma(rest[lit]) - frames.change[lit]).std() < 0.009


def test_the_change_of_light_is_exact_within_a_training_step_in_bfloat16():
    photos = torch.rand(4, 3, 32, 32)
    frames = following(photos, draws(0, 4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        within_step = following(photos, draws(0, 4))
    assert within_step.change.dtype == torch.float32
    assert torch.equal(within_step.change, frames.change)

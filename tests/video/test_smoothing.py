"""Flow, and pictures that are blended along it."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch

pytest.importorskip("cv2", reason="optical flow needs the package opencv")

from fast_style.video.flow import flow_between, hidden, moved
from fast_style.video.smoothing import Smoother


def photo(left: int = 0, height: int = 64, width: int = 96) -> torch.Tensor:
    """Smooth noise, uint8 (1, 3, H, W), seen through a window that moves to the right."""
    coarse = torch.rand(1, 3, 10, 40, generator=torch.Generator().manual_seed(0))
    wide = torch.nn.functional.interpolate(coarse, (height, 400), mode="bicubic").clamp(0, 1)
    return (wide[..., left : left + width] * 255).to(torch.uint8)


def light(left: int) -> np.ndarray:
    return np.ascontiguousarray(photo(left)[0].float().mean(0).numpy().astype(np.uint8))


def noisy(seed: int = 0):
    """A network that adds noise of its own to each frame."""
    generator = torch.Generator().manual_seed(seed)
    return lambda photos, _: (photos.float() / 255 * 0.8 + 0.2 * torch.rand(photos.shape, generator=generator)).clamp(
        0, 1
    )


def flicker(stylize, step: int) -> float:
    """Mean change of pictures, moved along, in the middle."""
    pictures = [stylize(photo(step * number), Fraction(number)) for number in range(8)]
    pairs = pairwise(pictures)
    return float(
        np.mean([(a[..., 8:-8, 16 + step : -8] - b[..., 8:-8, 16 : -8 - step]).abs().mean() for a, b in pairs])
    )


def test_flow_of_a_pan():
    flow = flow_between(light(3), light(0))[16:-16, 16:-16]
    assert np.median(flow.reshape(-1, 2), axis=0) == pytest.approx([3, 0], abs=0.2)


def test_large_frames_have_their_flow_scaled():
    first, second = (np.kron(light(left), np.ones((10, 10), np.uint8)) for left in (1, 0))
    flow = flow_between(first, second)[160:-160, 160:-160]
    assert np.median(flow.reshape(-1, 2), axis=0) == pytest.approx([10, 0], abs=1)


def test_what_comes_into_view_is_hidden_before():
    now, before = light(6), light(0)
    mask = hidden(flow_between(now, before), flow_between(before, now))
    assert mask[:, -5:].mean() > 0.9
    assert mask[8:-8, 8:-16].mean() < 0.1


def test_moved_is_exact_for_whole_pixels():
    picture = photo(0)[0].permute(1, 2, 0).float().numpy()
    flow = np.zeros((64, 96, 2), np.float32)
    flow[..., 0] = 2
    assert np.allclose(moved(picture, flow)[:, :-2], picture[:, 2:])


@pytest.mark.parametrize("step", [0, 1, 3])
def test_flicker_goes(step):
    assert flicker(Smoother(noisy(), 0.8), step) < 0.5 * flicker(noisy(), step)


def test_nothing_at_amount_0():
    assert flicker(Smoother(noisy(), 0), 1) == pytest.approx(flicker(noisy(), 1))


def test_a_cut_begins_anew():
    smoother = Smoother(lambda photos, _: photos.float() / 255, 0.9)
    smoother(photo(0), Fraction(0))
    after = photo(250)
    assert torch.equal(smoother(after, Fraction(1)), after.float() / 255)


def test_an_object_leaves_no_trail():
    """A square that jumps away: where it was, there is the ground at once."""
    smoother = Smoother(lambda photos, _: photos.float() / 255, 0.9)
    before, now = photo(0), photo(0)
    before[..., 20:36, 20:36] = 255
    now[..., 20:36, 60:76] = 255
    smoother(before, Fraction(0))
    result = smoother(now, Fraction(1))
    assert (result - now.float() / 255)[..., 22:34, 22:34].abs().mean() < 0.02


def test_it_goes_on_from_a_memory():
    whole, first, second = (Smoother(lambda photos, _: photos.float() / 255, 0.7) for _ in range(3))
    for number in range(3):
        whole(photo(number), Fraction(0))
        first(photo(number), Fraction(0))
    second.restore(first.memory())
    assert torch.equal(second(photo(3), Fraction(0)), whole(photo(3), Fraction(0)))


@pytest.mark.parametrize("amount", [-0.1, 1.1])
def test_misuse(amount):
    with pytest.raises(ValueError, match="--smooth must be 0"):
        Smoother(noisy(), amount)

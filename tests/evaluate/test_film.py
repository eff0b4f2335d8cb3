"""Flicker, measured on films that are known."""

import math

import numpy as np
import pytest
import torch

pytest.importorskip("cv2", reason="optical flow needs the package opencv")

from fast_style.evaluate import FilmMeasure


@pytest.fixture(scope="module")
def frames() -> list[torch.Tensor]:
    """A window that moves by a pixel over smooth noise, twelve times."""
    coarse = torch.rand(1, 3, 10, 20, generator=torch.Generator().manual_seed(0))
    wide = torch.nn.functional.interpolate(coarse, (64, 128), mode="bicubic").clamp(0, 1)
    return [(wide[..., n : n + 96] * 255).to(torch.uint8) for n in range(12)]


@pytest.fixture(scope="module")
def measure(frames) -> FilmMeasure:
    return FilmMeasure(frames)


def test_a_film_itself_hardly_flickers(measure):
    scores = measure("film", lambda frame: frame)
    assert scores.stability < 0.01
    assert scores.long_term < 0.03
    assert scores.flow == 0
    assert scores.objective is None
    assert scores.warping == pytest.approx(1000 * scores.stability**2)


def test_noise_is_measured_as_it_is(measure):
    """Of independent noise of σ on both sides the root is σ √2, a little less where moving interpolates."""
    generator = torch.Generator().manual_seed(0)
    scores = measure("noise", lambda frame: frame.float() / 255 + 0.05 * torch.randn(frame.shape, generator=generator))
    assert 0.05 < scores.stability < 0.05 * math.sqrt(2) * 1.02
    assert scores.flow > 0.05


def test_a_network_of_one_colour_has_no_contrast(measure):
    scores = measure("grey", lambda frame: torch.full(frame.shape, 0.5))
    assert (scores.stability, scores.contrast) == (0, 0)


def test_a_blinking_film(measure, frames):
    """Every second frame is darker by a tenth."""
    dark = {id(frame): 0.1 * (number % 2) for number, frame in enumerate(frames)}
    scores = measure("blink", lambda frame: frame.float() / 255 * 0.8 + 0.1 - dark[id(frame)])
    assert scores.stability == pytest.approx(0.1, rel=0.05)
    assert scores.long_term < 0.03  # ten frames apart it is as light


def test_the_objective_is_a_mean(frames):
    seen = []
    measure = FilmMeasure(frames[:3], lambda picture, frame: seen.append((picture, frame)) or float(len(seen)))
    assert measure("film", lambda frame: frame).objective == 2.0
    assert len(seen) == 3


def test_along_the_true_flow_nothing_is_interpolated(frames):
    def flow(later, earlier):
        moved = np.zeros((64, 96, 2), np.float32)
        moved[..., 0] = later - earlier  # the window moves to the right, what it shows to the left
        return moved, np.arange(96)[None].repeat(64, 0) < 96 - (later - earlier)

    scores = FilmMeasure(frames, flow=flow)("film", lambda frame: frame)
    assert (scores.stability, scores.long_term) == (0, 0)
    shifted = FilmMeasure(frames, flow=lambda later, earlier: flow(later + 1, earlier))("film", lambda frame: frame)
    assert shifted.stability > 0.01


def test_one_frame_is_refused(frames):
    with pytest.raises(ValueError, match="two frames or more"):
        FilmMeasure(frames[:1])

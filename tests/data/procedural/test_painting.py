"""The painter: shapes, edges, colours, blur."""

import colorsys

import numpy as np
import pytest
import torch
from numpy.random import default_rng
from torch.nn import functional as F

from fast_style.data.procedural.painting import Painter, Stuff, box, ellipse, enlarge, hsv, polygon, soften, stick

WHITE = Stuff(np.ones(3, np.float32), "rock", 0.0, np.zeros(3, np.float32))


@pytest.fixture
def painter():
    return Painter(default_rng(0), 100)


@pytest.mark.parametrize(
    "colour", [(0.0, 0.5, 0.5), (0.1, 1.0, 0.9), (0.4, 0.2, 1.0), (0.77, 0.9, 0.3), (0.99, 0.0, 0.2)]
)
def test_hsv(colour):
    assert hsv(*colour) == pytest.approx(colorsys.hsv_to_rgb(*colour), abs=1e-6)


def test_shapes_have_their_areas(painter):
    patch = painter.everywhere()
    for depth, area in (
        (ellipse(patch, 30, 20), np.pi * 600),
        (ellipse(patch, 30, 20, 1.0), np.pi * 600),
        (box(patch, 30, 20), 2400),
        (box(patch, 30, 20, 0.7), 2400),
        (stick(patch, 40, 5), 800),
    ):
        assert (depth > 0).sum() == pytest.approx(area, rel=0.03)
    assert 0 < (polygon(patch, 30, 5, default_rng(0)) > 0).sum() < np.pi * 45**2


def test_a_shape_is_opaque_inside_and_antialiased_at_its_edge(painter):
    patch = painter.patch(0.5, 0.5, 0.2)
    painter.apply(patch, ellipse(patch, 20, 20), WHITE)
    assert painter.pixels[:, 50, 50] == pytest.approx(1)
    assert painter.pixels.sum() / 3 == pytest.approx(np.pi * 400, rel=0.01)
    assert ((painter.pixels > 0.01) & (painter.pixels < 0.99)).any()
    assert not painter.pixels[:, :28].any()


def test_a_patch_is_cut_off_at_the_canvas_and_counts_from_its_centre(painter):
    patch = painter.patch(0.95, 0.5, 0.1, 0.2)
    assert patch.at[2].stop == 100
    assert patch.u[0, 95 - patch.at[2].start] == pytest.approx(0.5)
    assert patch.v[50 - patch.at[1].start, 0] == pytest.approx(0.5)
    assert painter.patch(1.5, 0.5, 0.1) is None
    assert painter.patch(0.5, -0.5, 0.1) is None


def test_shadow_darkens_the_surroundings(painter):
    painter.pixels[:] = 0.5
    patch = painter.everywhere()
    painter.apply(patch, box(patch, 20, 20), WHITE, shadow=0.5)
    assert painter.pixels[0, 50, 28] < 0.4
    assert painter.pixels[0, 50, 5] == pytest.approx(0.5)


def test_most_colours_are_dull(painter):
    colours = np.stack([painter.any_colour() for _ in range(500)])
    assert 0 <= colours.min() < colours.max() <= 1
    assert 0.1 < np.median(colours.max(axis=1) - colours.min(axis=1)) < 0.25
    assert colours[:, 0].mean() > colours[:, 2].mean()


def test_soften_is_a_binomial_filter():
    pixels = default_rng(0).random((3, 9, 12), np.float32)
    kernel = torch.tensor([1.0, 2, 1])
    kernel = (kernel[:, None] * kernel / 16).expand(3, 1, 3, 3)
    padded = F.pad(torch.from_numpy(pixels)[None], (1, 1, 1, 1), mode="replicate")
    assert torch.allclose(torch.from_numpy(soften(pixels)), F.conv2d(padded, kernel, groups=3)[0], atol=1e-6)


def test_enlarge_keeps_slopes_and_smooths():
    ramp = np.broadcast_to(np.arange(16, dtype=np.float32), (3, 16, 16))
    large = enlarge(ramp, 64)
    assert large.shape == (3, 64, 64)
    expected = (np.arange(64) + 0.5) / 4 - 0.5
    assert large[0, 30, 8:-8] == pytest.approx(expected[8:-8], abs=1e-4)
    noise = default_rng(0).random((3, 16, 16), np.float32)
    assert noise.min() <= enlarge(noise, 50).min() <= enlarge(noise, 50).max() <= noise.max()

"""Textures: normalised, cut at any size, different from each other."""

import numpy as np
import pytest
from numpy.random import default_rng

from fast_style.data.procedural.textures import NAMES, cut


@pytest.mark.parametrize("name", NAMES)
def test_normalised_over_the_whole_texture(name):
    planes = cut(name, default_rng(0), 512, 512)
    assert planes.dtype == np.float32
    assert planes.mean(axis=(1, 2)) == pytest.approx(0, abs=1e-3)
    assert planes.std(axis=(1, 2)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 512), (512, 5), (600, 7), (7, 1030)])
def test_any_size(height, width):
    piece = cut("rock", default_rng(0), height, width)
    assert piece.shape == (2, height, width)
    if height > 512:
        assert np.array_equal(piece[:, :88], piece[:, 512:])


def test_the_generator_decides_the_piece():
    pieces = [cut("grass", default_rng(seed), 20, 30) for seed in (0, 0, 1)]
    assert np.array_equal(pieces[0], pieces[1])
    assert not np.array_equal(pieces[0], pieces[2])


def test_grass_stands_and_ripples_lie():
    for name, along in (("grass", 0), ("ripples", 1)):
        light = cut(name, default_rng(0), 512, 512)[0]
        smooth, steep = (np.abs(np.diff(light, axis=axis)).mean() for axis in (along, 1 - along))
        assert steep > 1.3 * smooth


def test_noise_falls_with_the_frequency_as_it_says():
    for name, power in (("haze", 2.0), ("clouds", 1.4)):
        light = cut(name, default_rng(0), 512, 512)[0]
        spectrum = np.abs(np.fft.fft2(light)) ** 2
        frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(512), np.fft.fftfreq(512)))
        band = (frequency > 0.02) & (frequency < 0.4)
        slope = np.polyfit(np.log(frequency[band]), np.log(spectrum[band]), 1)[0]
        assert slope == pytest.approx(-2 * power, abs=0.1)

"""High dynamic range turned into standard range, beside the formulas of the standards."""

import numpy as np
import pytest

from fast_style.video.colour import HLG, PQ, to_sdr


def pq(nits: float) -> int:
    """SMPTE ST 2084, in 16 bits."""
    power = (nits / 10_000) ** (2610 / 16384)
    return round(65_535 * ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))


def hlg(scene: float) -> int:
    """ITU-R BT.2100, in 16 bits."""
    value = np.sqrt(3 * scene) if scene <= 1 / 12 else 0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073
    return round(65_535 * value)


def grey(value: int, transfer: int) -> np.ndarray:
    return to_sdr(np.full((1, 1, 3), value, np.uint16), transfer)[0, 0] / 65_535


@pytest.mark.parametrize("nits", [1.0, 5.0, 20.0, 80.0])
def test_light_below_the_knee_stays(nits):
    """On a display of gamma 2.4 whose white is 203 nits."""
    assert 203 * grey(pq(nits), PQ) ** 2.4 == pytest.approx([nits] * 3, rel=0.02)


def test_light_of_hlg():
    """75 % of the signal is the white of BT.2408, 203 nits; dark scenes are on the square root."""
    assert hlg(0.2646) / 65_535 == pytest.approx(0.75, abs=0.002)
    white, dark = grey(hlg(0.2646), HLG), grey(hlg(1 / 24), HLG)
    assert grey(pq(203), PQ) == pytest.approx(white, abs=0.01)
    assert 203 * dark**2.4 == pytest.approx([1000 * (1 / 24) ** 1.2] * 3, rel=0.03)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_brighter_stays_brighter_up_to_white(transfer):
    ramp = np.linspace(0, 65_535, 200).astype(np.uint16)
    result = to_sdr(np.repeat(ramp[None, :, None], 3, axis=2), transfer)[0, :, 1].astype(int)
    assert (np.diff(result) >= -2).all()  # of 65535
    assert result[0] == 0
    assert result[-1] == pytest.approx(65_535, abs=10)


def test_hues_stay():
    """A red inside BT.709 that is far too bright keeps the proportions of its linear light."""
    inside = np.array([0.5, 0.25, 0.2])
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # BT.2087
    values = [[pq(1000 * light) for light in to_2020 @ inside]]
    result = (to_sdr(np.array([values], np.uint16), PQ)[0, 0] / 65_535) ** 2.4
    assert result / result[0] == pytest.approx(inside / inside[0], abs=0.03)
    assert result.max() > 0.7

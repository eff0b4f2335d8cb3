"""What the numbers of a film's pixels mean: matrix, range, and high dynamic range turned into standard range."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

UNSPECIFIED = 2  # all codes here are those of ITU-T H.273, as in FFmpeg
BT709, BT601, BT2020 = 1, 6, 9  # matrices, and primaries
RGB = 0  # the "matrix" of RGB
CONSTANT = 10  # the matrix of BT.2020 with constant luminance
KNOWN = {RGB, UNSPECIFIED, 1, 4, 5, 6, 7, 9}  # matrices that FFmpeg does not refuse
NO_YCBCR = {8: "YCgCo", 11: "Y'D'zD'x", 14: "ICtCp", 15: "IPT-C2", 16: "YCgCo", 17: "YCgCo"}  # of those it does
PQ, HLG = 16, 18  # transfer characteristics of high dynamic range
LIMITED, FULL = 1, 2
HD_LINES = 720  # from which on a film without tags is taken for BT.709

PEAK = 1000.0  # nits that the brightest of a film is taken to have
WHITE = 203.0  # nits of a white sheet in a film of high dynamic range, BT.2408
# Linear BT.2020 to linear BT.709, ITU-R BT.2087-0.
TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], dtype=np.float32
)
LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], dtype=np.float32)


@dataclass(frozen=True)
class Colours:
    """What pixel values mean, in the codes of ITU-T H.273.

    Attributes:
        matrix: from Y'CbCr to R'G'B'.
        range: 1: black is 16 of 255, 2: black is 0.
        primaries: of red, green and blue.
        transfer: from light to values.
    """

    matrix: int
    range: int
    primaries: int
    transfer: int

    @property
    def hdr(self) -> str | None:
        """`PQ` or `HLG`; None: standard dynamic range."""
        return {PQ: "PQ", HLG: "HLG"}.get(self.transfer)

    def encoded(self) -> "Colours":
        """Return the tags of a film made of this one: limited range, and BT.709 in place of RGB or HDR."""
        if self.hdr or self.matrix == RGB:
            return Colours(BT709, LIMITED, BT709, BT709)
        return Colours(self.matrix, LIMITED, self.primaries, self.transfer)


def colours_of(frame: Any) -> Colours:
    """Tell what the pixel values of a decoded frame of PyAV mean.

    What has no tags, or a matrix that is not converted, is taken for BT.709 from 720 lines on, else for BT.601, in
    limited range, but BT.2020 with constant luminance for that without; RGB is full.
    """
    lines = min(frame.height, frame.width)
    guess = BT2020 if frame.colorspace == CONSTANT else BT709 if lines >= HD_LINES else BT601
    rgb = frame.format.is_rgb
    matrix = RGB if rgb else int(frame.colorspace) if frame.colorspace in KNOWN - {RGB, UNSPECIFIED} else guess
    full = rgb or frame.color_range == FULL or frame.format.name.startswith("yuvj")
    primaries = {BT2020: BT2020, BT709: BT709, RGB: BT709}.get(matrix, BT601)
    if frame.color_primaries != UNSPECIFIED:
        primaries = int(frame.color_primaries)
    transfer = BT709 if frame.color_trc == UNSPECIFIED else int(frame.color_trc)
    return Colours(matrix, FULL if full else LIMITED, primaries, transfer)


def to_sdr(pixels: np.ndarray, transfer: int) -> np.ndarray:
    """Turn a picture of high dynamic range into one of standard range.

    Light up to about half of `WHITE` stays as it is; what is brighter is compressed by the curve of ITU-R BT.2390-11,
    section 5.4.1, from `PEAK` to `WHITE`. The largest of the three colours decides, so that hues stay. BT.2020 becomes
    BT.709, and values are for a display of gamma 2.4 (BT.1886).

    Args:
        pixels: R'G'B' of BT.2020, uint16 in 0 … 65535, shape (H, W, 3).
        transfer: `PQ` or `HLG`.

    Returns:
        R'G'B' of BT.709, of the same shape and type.
    """
    light = _linear(transfer)[pixels]  # nits; of HLG those of the scene
    if transfer == HLG:  # the system's gamma, ITU-R BT.2100: 1.2 at 1000 nits
        light *= np.maximum(light @ LUMA_2020 / PEAK, 1e-6)[..., None] ** 0.2
    light = np.maximum(light @ TO_709.T, 0)
    steps = _compressed()
    place = np.minimum(light.max(axis=-1, keepdims=True), 10_000.0) / 10_000.0
    share = steps[(np.sqrt(place) * (len(steps) - 1)).astype(np.int32)]
    linear = np.clip(light * share / WHITE, 0, 1)
    return np.asarray(np.rint(linear ** np.float32(1 / 2.4) * 65_535), dtype=np.uint16)


@cache
def _linear(transfer: int) -> np.ndarray:
    """Light in nits of every value of 16 bits: SMPTE ST 2084, or of HLG that of a scene of 1000 nits (BT.2100)."""
    value = np.linspace(0, 1, 65_536)
    if transfer == PQ:
        return _from_pq(value).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    return (PEAK * scene).astype(np.float32)


def _from_pq(value: np.ndarray) -> np.ndarray:
    root = value ** (1 / 78.84375)
    return 10_000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)


def _to_pq(nits: np.ndarray | float) -> np.ndarray:
    power = (np.asarray(nits) / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


@cache
def _compressed() -> np.ndarray:
    """By what brightness is multiplied, for 65,536 steps of the square root of nits in 0 … 10000."""
    nits = np.maximum(np.linspace(0, 1, 65_536) ** 2 * 10_000, 1e-3)
    source = np.minimum(_to_pq(nits) / _to_pq(PEAK), 1)
    top = float(_to_pq(WHITE) / _to_pq(PEAK))
    knee = 1.5 * top - 0.5
    t = np.maximum(source - knee, 0) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * top
    target = _from_pq(np.where(source < knee, source, spline) * _to_pq(PEAK))
    return (target / nits).astype(np.float32)

"""Masks that move with a film whose frames are not shown evenly."""

from fractions import Fraction

import numpy as np
import PIL.Image
import pytest

pytest.importorskip("av", reason="films need the package av")

from fast_style import video

VFR = [0, 10, 250, 260, 270, 900, 1000]


def grey(number, height, width, _=3):
    """A picture by whose light its number is known."""
    return np.full((height, width, 3), 32 * number, np.uint8)


def numbers(film: video.Film, mask: video.MovingMask) -> list[int]:
    """Which frames of the mask are shown with those of the film."""
    return [round(float(mask.at(frame.time).mean()) * 255 / 32) for frame in film.frames()]


@pytest.fixture
def source(clip):
    return clip("a.mkv", len(VFR), times=VFR)


@pytest.fixture
def masks(tmp_path):
    """As many frames in a folder."""
    for number in range(len(VFR)):
        PIL.Image.fromarray(grey(number, 48, 64)).save(tmp_path / f"mask{number:02d}.png")
    return tmp_path / "mask%02d.png"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (video.Wanted(), [0, 1, 2, 3, 4, 5, 6]),
        (video.Wanted(Fraction(1, 2)), [4, 5, 6]),
        (video.Wanted(Fraction(1, 5), Fraction("0.265")), [1, 2, 3]),
        (video.Wanted(fps=Fraction(10)), [0, 1, 1, 4, 4, 4, 4, 4, 4, 5, 6]),
    ],
)
def test_one_for_each_frame(source, masks, wanted, expected):
    film = video.Film(source, wanted)
    mask = video.MovingMask(masks, film)
    found = numbers(film, mask)
    assert found == expected
    assert not mask.notes


def test_fewer_frames_are_shown_evenly(source, masks):
    (masks.parent / "mask06.png").unlink()
    film = video.Film(source)
    film.sure = False  # its length tells nothing
    mask = video.MovingMask(masks, film)
    assert numbers(film, mask)[:3] != [0, 1, 2]


def test_a_film_with_the_same_times(source, clip):
    """A frame that is shown for long does not come too early after one that is shown for a moment."""
    film = video.Film(source)
    mask = video.MovingMask(clip("mask.mkv", len(VFR), times=VFR, draw=grey), film)
    assert numbers(film, mask) == [0, 1, 2, 3, 4, 5, 6]

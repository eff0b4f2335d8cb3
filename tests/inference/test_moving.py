"""Masks that move and styles that change."""

from fractions import Fraction

import pytest
import torch

from fast_style.inference.control import Control
from fast_style.inference.moving import MovingComposition, StyleOverTime, parse_times


class Growing:
    """A mask that is as light as the time is late."""

    def at(self, time):
        return torch.full((1, 1, 2, 2), float(time))


def test_a_mask_is_asked_for_each_frame():
    composition = MovingComposition(lambda _: [torch.ones_like], Control(), [Growing()])
    photos = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    assert [float(composition(photos, Fraction(n, 4)).mean()) for n in range(3)] == [0.0, 0.25, 0.5]
    assert not composition.resized
    composition(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), Fraction(0))
    assert composition.resized


def test_times_are_read():
    expected = [(0.0, {"mosaic": 1.0}), (4.5, {"great_wave": 0.5, "cubist": 0.5})]
    assert parse_times("0:mosaic, 4.5:great_wave:0.5+cubist:0.5") == expected


@pytest.mark.parametrize("text", ["mosaic", "0", "0:", ":mosaic", "nan:mosaic", "2:a,1:b", "1:a,1:b"])
def test_times_that_are_none(text):
    with pytest.raises(ValueError, match="over time"):
        parse_times(text)


def test_one_style_becomes_another():
    made = []
    style = StyleOverTime(parse_times("1:a, 3:b, 4:a:1+b:3"), lambda mix: made.append(mix) or (lambda photo: photo))
    assert [style.at(time) for time in (0, 1, 2, 3, 9)] == [
        {"a": 1.0},
        {"a": 1.0},
        {"a": 0.5, "b": 0.5},
        {"b": 1.0},
        {"a": 0.25, "b": 0.75},
    ]
    assert style.at(3.5) == {"b": 0.5 + 0.375, "a": 0.125}
    for number in range(100):
        style(Fraction(1, 1) + Fraction(number, 100))
    assert len(made) == 9  # half of the 16 steps, and the first


def test_names_of_styles_hold_what_parts_them_else():
    known = ["a+b", "a+b+c", "one, two", "x:0.5"].__contains__
    assert parse_times("0:a+b, 1:a+b:0.3+c, 2:a+b+c, 3:one, two, 4:x:0.5+a", known) == [
        (0.0, {"a+b": 1.0}),
        (1.0, {"a+b": 0.3, "c": 1.0}),
        (2.0, {"a+b+c": 1.0}),
        (3.0, {"one, two": 1.0}),
        (4.0, {"x:0.5": 1.0, "a": 1.0}),
    ]


@pytest.mark.parametrize("text", ["0:a+", "0:a+a", "0:a, b", "0:a:-1"])
def test_mixtures_that_are_none(text):
    with pytest.raises(ValueError, match=r"over time|must not be negative"):
        parse_times(text)


@pytest.mark.parametrize(
    ("text", "time", "style"),
    [("1:00:mosaic", 60, "mosaic"), ("1:02:03.5:a", 3723.5, "a"), ("0:10", 0, "10"), ("0:10:0.5", 0, "10")],
)
def test_times_of_a_clock(text, time, style):
    ((found, weights),) = parse_times(text)
    assert (found, list(weights)) == (time, [style])

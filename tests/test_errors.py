import pytest

from fast_style.errors import did_you_mean, nearest


@pytest.mark.parametrize(("name", "near"), [("mosiac", "mosaic"), ("waves", "wave"), ("x", "")])
def test_the_nearest_name(name, near):
    assert nearest(name, {"mosaic": 1, "wave": 2}) == near
    assert did_you_mean(name, iter(["mosaic", "wave"])) == (f" (did you mean {near}?)" if near else "")

import pytest

from fast_style.networks.size import check_number, doubled


def test_a_number_outside_its_range_is_refused():
    check_number("width", 1, 1, 512, "channels")
    check_number("width", 512, 1, 512, "channels")
    with pytest.raises(ValueError, match=r"^width must be 1 to 512 channels, got 0$"):
        check_number("width", 0, 1, 512, "channels")
    with pytest.raises(ValueError, match=r"^blocks must be 0 to 64, got 65$"):
        check_number("blocks", 65, 0, 64)


def test_levels_double_up_to_eight_times_the_first():
    assert doubled(3, 6) == [3, 6, 12, 24, 24, 24]
    assert doubled(3, 1) == [3]

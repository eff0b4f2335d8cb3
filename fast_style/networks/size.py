"""How wide and how deep networks may be."""

from collections.abc import Sequence

WIDEST = 8  # times the width of the first level


def check_number(name: str, value: int, lowest: int, highest: int, unit: str = "") -> None:
    """Refuse an argument of a network that is outside its range.

    Args:
        name: the argument.
        value: what was given for it.
        lowest: the smallest value that it may have.
        highest: the largest one.
        unit: what is counted, such as `channels`.

    Raises:
        ValueError: if the value is below the lowest or above the highest.
    """
    if not lowest <= value <= highest:
        raise ValueError(f"{name} must be {lowest} to {highest}{unit and f' {unit}'}, got {value}")


def doubled(width: int, levels: int) -> Sequence[int]:
    """List the channels of so many levels, each with twice those of the one before, up to eight times the first."""
    return [width * min(2**level, WIDEST) for level in range(levels)]

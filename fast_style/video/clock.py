"""When the frames of a film are shown, whatever time its first one has in the file."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from typing import Any

FINEST = Fraction(1, 1_000_000)  # unit of timestamps, whose numbers have 32 bits in FFmpeg and MP4


@dataclass(frozen=True)
class Clock:
    """Counts time from the first frame on.

    Attributes:
        origin: time of the first frame in the file, in seconds; MPEG-TS mostly begins at 1.4.
        begin: the same moment as the other streams count, which is another in AVI alone.
        decoding: whether the file tells only when frames are decoded, as AVI does.
    """

    origin: Fraction
    begin: Fraction
    decoding: bool

    def time(self, raw: Any, base: Fraction) -> Fraction | None:
        """Tell how many seconds after the first frame a decoded frame of PyAV comes; None: it has no time."""
        stamp = raw.dts if self.decoding else raw.pts
        return None if stamp is None else stamp * base - self.origin


def clock_of(container: Any, stream: Any, first: Any) -> Clock:
    """Set a clock by the first frame.

    Args:
        container: the open film.
        stream: of its pictures.
        first: the first decoded frame of PyAV.
    """
    decoding = container.format.name == "avi"
    stamp = first.dts if decoding else first.pts
    origin = (stamp or 0) * Fraction(stream.time_base)
    begin = (stream.start_time or 0) * Fraction(stream.time_base) if decoding else origin
    return Clock(origin, begin, decoding)


def lead_of(begin: Fraction, streams: Sequence[Any]) -> Fraction:
    """Tell how many seconds before the first frame the first of some streams of PyAV begins, or the file at the time 0.

    What begins before the time 0, as encoders of sound do, is left to the player.
    """
    starts = [each.start_time * Fraction(each.time_base) for each in streams if each.start_time is not None]
    return begin - min(begin, max(Fraction(0), min(starts, default=begin)))


def common_base(first: Fraction, second: Fraction = Fraction(0)) -> Fraction:
    """Return the largest unit of which both times are multiples; `FINEST` where files have no place for its numbers.

    One of the times may be 0.
    """
    one, other = first.numerator * second.denominator, second.numerator * first.denominator
    base = Fraction(gcd(one, other), first.denominator * second.denominator)
    return base if max(base.as_integer_ratio()) <= FINEST.denominator else FINEST

"""Frames that are known before they are read again, so that several processes make one film."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Mark:
    """A frame that is known before it is read again, perhaps by another process.

    Attributes:
        place: where in its film it is: seconds from `--start` on, or how many frames come before it.
        time: seconds from `--start` on at which it is shown, at a rate that is asked for perhaps.
        duration: as of a `Frame`.
        checksum: of what is decoded there; 0: it cannot be mistaken.
    """

    place: Fraction
    time: Fraction
    duration: Fraction
    checksum: int = 0


def checksum_of(raw: Any) -> int:
    """Compute a number by which a decoded frame of PyAV is known again, without converting it where that can be."""
    try:
        planes = [np.from_dlpack(plane) for plane in raw.planes]
    except (NotImplementedError, ValueError, BufferError):  # as a palette
        planes = [raw.to_ndarray(format="rgba64le")]
    checksum = 0
    for plane in planes:
        checksum = zlib.crc32(np.ascontiguousarray(plane).data, checksum)
    return checksum


@dataclass
class Search:
    """Looks for marked frames among decoded ones, in their order.

    Attributes:
        raw: the one that was found last.
    """

    timed: Iterator[tuple[Any, Fraction, Fraction]]
    raw: Any = None
    place: Fraction | None = None

    def find(self, mark: Mark) -> bool:
        """Go on to a frame; returns whether it is there."""
        while self.place is None or self.place < mark.place:
            found = next(self.timed, None)
            if found is None:
                return False
            self.raw, self.place, _ = found
        return self.place == mark.place and checksum_of(self.raw) == mark.checksum

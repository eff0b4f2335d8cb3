"""A film in closed parts, so that what is done is kept, whatever happens."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fast_style.files import digest_of, replacing
from fast_style.video.begun import Begun, read_json, write_json
from fast_style.video.muxing import Timing

FRAMES = 240  # of a part


@dataclass
class Parts(Begun):
    """The parts of a film that wait to be joined.

    A part is a Matroska file `00000.mkv` of 240 frames, in the last one of as many as are left, and `00000.json`, which
    is written last and tells that it is whole: its digest, the order of its packets and the times of its frames. `done`
    counts the parts that are whole up to the first that is not; those after it may be, where several processes make
    them.

    Attributes:
        frames: how many frames the parts have that `done` counts.

    Raises:
        ValueError: if another command has left parts there.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._kept: dict[int, int] = {}  # how many frames each part has that is counted
        self._whole: set[int] = set()  # numbers of parts whose digests `timings` has compared
        self.frames = 0
        while self.begun and (about := self._about(self.done)) is not None and about["complete"]:
            self._count(self.done, len(about["times"]))

    @property
    def reached(self) -> int:
        """How many frames there may be at most; a part that was closed early is made anew."""
        files = self.folder.glob("[0-9]*.json")
        whole = (int(path.stem) + 1 for path in files if (read_json(path) or {}).get("complete"))
        return FRAMES * max(whole, default=0)

    def path(self, number: int, suffix: str = ".mkv") -> Path:
        """Name a file of a part."""
        return self.folder / f"{number:05d}{suffix}"

    def keep(
        self, number: int, order: list[int], timings: list[Timing], complete: bool, memory: Mapping[str, np.ndarray]
    ) -> None:
        """Note that a part is written, and what the part after it depends on, of which only the latest is kept."""
        self._whole.discard(number)
        about = {
            "sha256": digest_of(self.path(number)),
            "complete": complete,
            "order": order,
            "times": _plain(timings),
        }
        if memory:
            with replacing(self.path(number, ".npz")) as file:
                np.savez(file, allow_pickle=False, **memory)
        write_json(self.path(number, ".json"), about)
        if memory and number:
            self.path(number - 1, ".npz").unlink(missing_ok=True)
        self._count(number, len(timings))

    def has(self, number: int, timings: list[Timing]) -> bool:
        """Tell whether a part is whole, and of these frames; then it is counted."""
        if number >= self.done and number not in self._kept:
            about = self._about(number) if self.begun else None
            if about is None or about.get("times") != _plain(timings):
                return False
            self._count(number, len(timings))
        return True

    def drop(self) -> None:
        """Throw away what is of no use: a folder in which no part is whole, unless it marks the film that is there."""
        if not any((read_json(path) or {}).get("complete") for path in self.folder.glob("[0-9]*.json")):
            super().drop()

    def memory(self) -> Mapping[str, np.ndarray]:
        """Return what the part after the last whole one depends on."""
        path = self.path(self.done - 1, ".npz")
        if not path.is_file():
            return {}
        with np.load(path) as arrays:
            return dict(arrays)

    def timings(self) -> Iterator[tuple[Path, list[int], list[Timing]]]:
        """Yield each part with the order of its packets and the times of its frames.

        Raises:
            OSError: if one is not as it was written, which the first pass finds out.
        """
        for number in range(self.done):
            about = read_json(self.path(number, ".json")) if number in self._whole else self._about(number)
            if about is None:
                raise OSError(f"{self.path(number)} is gone or damaged: repeat the command")
            self._whole.add(number)
            times = [Timing(Fraction(a, b), Fraction(c, d)) for a, b, c, d in about["times"]]
            yield self.path(number), about["order"], times

    def _count(self, number: int, frames: int) -> None:
        self._kept[number] = frames
        while self.done in self._kept:
            self.frames += self._kept[self.done]
            self.done += 1

    def _about(self, number: int) -> dict[str, Any] | None:
        """Read what is noted of a part; None if it is not there or not as it was written."""
        about = read_json(self.path(number, ".json"))
        if about is None or not self.path(number).is_file() or digest_of(self.path(number)) != about.get("sha256"):
            return None
        return about


def _plain(timings: list[Timing]) -> list[list[int]]:
    """Write times as JSON holds them."""
    return [[*each.time.as_integer_ratio(), *each.duration.as_integer_ratio()] for each in timings]

"""A film in closed parts, so that what is done is kept, whatever happens."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fast_style.files import replacing
from fast_style.video.encoding import Part
from fast_style.video.muxing import Timing

FRAMES = 240  # of a part
MANIFEST = "manifest.json"


@dataclass
class Parts:
    """The folder in which the parts of a film wait to be joined: `.NAME.parts`, beside the film.

    Nothing is written there before `begin`. A part is a Matroska file `00000.mkv` of 240 frames and `00000.json`, which
    is written last and tells that it is whole: its digest, the order of its packets and the times of its frames.
    `manifest.json` tells what they were made from and how; it is checked before anything is continued.

    Args:
        output: the film.
        recipe: everything on which its frames depend.
        overwrite: whether what another command left there is thrown away.

    Attributes:
        folder: where the parts lie.
        done: how many parts are whole.

    Raises:
        ValueError: if another command has left parts there.
    """

    output: Path
    recipe: Mapping[str, Any]
    overwrite: bool = False
    done: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.folder = folder_of(self.output)
        self._begun = self.folder.is_dir() and any(self.folder.iterdir())
        if self._begun and (changed := difference(self.folder / MANIFEST, self.recipe)):
            if not self.overwrite:
                raise ValueError(
                    f"{self.folder} holds the beginning of a film that was made otherwise ({changed}): "
                    "repeat that command to go on, or give --overwrite to begin anew"
                )
            self._begun = False
        while self._begun and (about := self._about(self.done)) is not None and about["complete"]:
            self.done += 1

    def begin(self) -> None:
        """Make the folder, unless it is there from a command like this one; OSError if it cannot be written."""
        if self._begun:
            return
        self.remove()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._begun = True
        note_recipe(self.folder / MANIFEST, self.recipe)

    @property
    def frames(self) -> int:
        """How many frames the whole parts hold."""
        return self.done * FRAMES

    def path(self, number: int, suffix: str = ".mkv") -> Path:
        """Name a file of a part."""
        return self.folder / f"{number:05d}{suffix}"

    def keep(
        self, number: int, part: Part, timings: list[Timing], complete: bool, memory: Mapping[str, np.ndarray]
    ) -> None:
        """Note that a part is written, and what the part after it depends on, of which only the latest is kept."""
        about = {
            "sha256": _digest(self.path(number)),
            "complete": complete,
            "order": part.order,
            "times": [[*each.time.as_integer_ratio(), *each.duration.as_integer_ratio()] for each in timings],
        }
        if memory:
            with replacing(self.path(number, ".npz")) as file:
                np.savez(file, allow_pickle=False, **memory)
        _write(self.path(number, ".json"), about)
        if memory and number:
            self.path(number - 1, ".npz").unlink(missing_ok=True)
        self.done = number + 1

    def memory(self) -> Mapping[str, np.ndarray]:
        """Return what the part after the last whole one depends on."""
        path = self.path(self.done - 1, ".npz")
        if not path.is_file():
            return {}
        with np.load(path) as arrays:
            return dict(arrays)

    def timings(self) -> Iterator[tuple[Path, list[int], list[Timing]]]:
        """Yield each part with the order of its packets and the times of its frames."""
        for number in range(self.done):
            about = self._about(number)
            if about is None:
                raise OSError(f"{self.path(number)} is gone or damaged: repeat the command")
            times = [Timing(Fraction(a, b), Fraction(c, d)) for a, b, c, d in about["times"]]
            yield self.path(number), about["order"], times

    def note_partial(self) -> None:
        """Note that the film that is there now is the beginning of a longer one, which may replace it."""
        about = _read(self.folder / MANIFEST) or {}
        _write(self.folder / MANIFEST, about | {"partial": _stamp(self.output)})

    def remove(self) -> None:
        """Throw the parts away."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._begun = False

    def drop(self) -> None:
        """Throw away what is of no use: a folder without a whole part, unless it marks the film that is there."""
        if self._begun and not self.done and not is_partial(self.output):
            self.remove()

    def _about(self, number: int) -> dict[str, Any] | None:
        """Read what is noted of a part; None if it is not there or not as it was written."""
        about = _read(self.path(number, ".json"))
        if about is None or not self.path(number).is_file() or _digest(self.path(number)) != about.get("sha256"):
            return None
        return about


def note_recipe(manifest: Path, recipe: Mapping[str, Any]) -> None:
    """Note in a file everything on which frames depend; OSError if it cannot be written."""
    _write(manifest, {"recipe": recipe})


def difference(manifest: Path, recipe: Mapping[str, Any]) -> str | None:
    """Name something in which frames that were begun were made otherwise than by a recipe; None if there is nothing."""
    known = (_read(manifest) or {}).get("recipe")
    if not isinstance(known, dict):
        return "its manifest is missing or damaged"
    wanted = json.loads(json.dumps(recipe))
    return next((key for key in {**wanted, **known} if known.get(key) != wanted.get(key)), None)


def folder_of(output: Path) -> Path:
    """Name the folder of the parts of a film."""
    return output.with_name(f".{output.name}.parts")


def is_partial(output: Path) -> bool:
    """Tell whether a film is the beginning that an interrupted command has left, unchanged since."""
    about = _read(folder_of(output) / MANIFEST)
    return about is not None and output.is_file() and about.get("partial") == _stamp(output)


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(path: Path, about: Mapping[str, Any]) -> None:
    with replacing(path) as file:
        file.write(json.dumps(about).encode())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

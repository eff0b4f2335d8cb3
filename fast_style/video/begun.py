"""The folder beside a film in which what is done waits, and what it was made from."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fast_style.files import replacing
from fast_style.video.lock import Lock

MANIFEST, LOCK = "manifest.json", "lock"
READ = "frames that were read"  # of a recipe: a list in their order, of which only what is made already depends on them


@dataclass
class Begun:
    """The folder in which what is done of a film waits for the rest: `.NAME.parts`, beside the film.

    Nothing is written there before `begin`. `manifest.json` tells what it was made from and how, which is checked
    before anything is continued, and which film was made of it if that is not whole.

    Args:
        output: the film.
        recipe: everything on which its frames depend.
        overwrite: whether what another command left there is thrown away.

    Attributes:
        folder: where it is.
        manifest: the file in it that tells what it was made from.
        begun: whether a command like this one has begun.
        done: how much is whole, which whoever writes there counts.

    Raises:
        ValueError: if another command has begun.
    """

    output: Path
    recipe: Mapping[str, Any]
    overwrite: bool = False
    done: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.folder = folder_of(self.output)
        self.manifest = self.folder / MANIFEST
        self._lock = Lock(self.folder / LOCK, self.output)
        self.begun = self.folder.is_dir() and any(path.name != LOCK for path in self.folder.iterdir())
        if self.begun and (changed := difference(self.manifest, self.recipe, self.reached)):
            if not self.overwrite:
                raise ValueError(
                    f"{self.folder} holds the beginning of a film that was made otherwise ({changed}): "
                    "repeat that command to go on, or give --overwrite to begin anew"
                )
            self.begun = False

    @property
    def reached(self) -> int:
        """How many frames there may be at most."""
        return max((int(path.stem) + 1 for path in self.folder.glob("[0-9]*.json")), default=0)

    def begin(self) -> None:
        """Make the folder, unless it is there from a command like this one, and keep others from it until `release`.

        Raises:
            OSError: if it cannot be written, or another command is at work there.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock.hold()
        for path in self.folder.glob(".*.tmp"):  # of a command that was killed
            path.unlink(missing_ok=True)
        if self.begun:
            renew_recipe(self.manifest, self.recipe)
            return
        for path in self.folder.iterdir():
            if path.name != LOCK:
                path.unlink()
        self.begun = True
        note_recipe(self.manifest, self.recipe)

    def path(self, number: int, suffix: str) -> Path:
        """Name a file there."""
        return self.folder / f"{number:05d}{suffix}"

    def note_partial(self, frames: int) -> None:
        """Note that the film that is there now holds the first frames of a longer one, which may replace it."""
        about = read_json(self.manifest) or {}
        write_json(self.manifest, about | {"partial": _stamp(self.output), "frames": frames})

    def release(self) -> None:
        """Let other commands work there, as the end of the process does."""
        self._lock.release()

    def remove(self) -> None:
        """Throw all away, unless another command works there."""
        if self._lock.of_another:
            return
        self.release()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.begun = False

    def drop(self) -> None:
        """Throw away what is of no use: a folder in which nothing is whole, unless it marks the film that is there."""
        if self.begun and not self.done and not is_partial(self.output):
            self.remove()


def note_recipe(manifest: Path, recipe: Mapping[str, Any]) -> None:
    """Note in a file everything on which frames depend; OSError if it cannot be written."""
    write_json(manifest, {"recipe": recipe})


def renew_recipe(manifest: Path, recipe: Mapping[str, Any]) -> None:
    """Note frames that have changed since they were noted, which are not read yet; when it was begun stays."""
    about, status = read_json(manifest) or {}, manifest.stat()
    if about.get("recipe") != json.loads(json.dumps(recipe)):
        write_json(manifest, about | {"recipe": recipe})
        os.utime(manifest, ns=(status.st_atime_ns, status.st_mtime_ns))


def difference(manifest: Path, recipe: Mapping[str, Any], reached: int) -> str | None:
    """Name something in which frames that were begun were made otherwise than by a recipe; None if there is nothing.

    Args:
        manifest: where it was noted how they were made.
        recipe: everything on which they depend.
        reached: how many there are at most. Of the frames that are read, `READ`, those after as many may have changed.
    """
    known = (read_json(manifest) or {}).get("recipe")
    if not isinstance(known, dict):
        return "its manifest is missing or damaged"
    wanted = json.loads(json.dumps(recipe))
    for frames in (known, wanted):
        if isinstance(frames.get(READ), list):
            frames[READ] = frames[READ][:reached]
    return next((key for key in {**wanted, **known} if known.get(key) != wanted.get(key)), None)


def folder_of(output: Path) -> Path:
    """Name the folder in which what is done of a film waits."""
    return output.with_name(f".{output.name}.parts")


def is_partial(output: Path) -> bool:
    """Tell whether a film is the beginning that an interrupted command has left, unchanged since."""
    return partial_frames(output) > 0


def partial_frames(output: Path) -> int:
    """Count the frames of a film that an interrupted command has left, unchanged since; 0: it is no such film."""
    about = read_json(folder_of(output) / MANIFEST)
    if about is None or not output.is_file() or about.get("partial") != _stamp(output):
        return 0
    frames = about.get("frames")
    return frames if isinstance(frames, int) else 1


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a mapping; None if there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: Path, about: Mapping[str, Any]) -> None:
    """Write a mapping, whole or not at all."""
    with replacing(path) as file:
        file.write(json.dumps(about).encode())


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]

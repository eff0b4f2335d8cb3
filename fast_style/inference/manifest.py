"""What a job on many pictures is, and what has become of it, in a file among its pictures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fast_style.files import Place, absolute, replacing
from fast_style.inference.jobs import Job, undone
from fast_style.inference.pipeline import Tally
from fast_style.remote import RemoteFile, RemoteFolder

NAME = "fast_style_job.json"


@dataclass(frozen=True)
class Manifest:
    """The file beside the pictures of a job that tells whose they are, and which failed and why.

    Which pictures are done is told by the pictures themselves: each has a name that follows from its photo's, and is
    there whole or not at all. So whatever is killed, no list can be behind or ahead of what is there. The manifest adds
    what they were made with, so that no job takes the pictures of another for its own, and how it ended. It lists
    the shards that are done, too, which would have to be opened to tell; and the outputs that were to be replaced and
    could not be, at which there is what is not of this job.

    Attributes:
        place: of the file.
        recipe: what the pictures depend on, by the names that users know: values that JSON holds.
        shards: how many pictures those have that are done, by their names; see `keep`.
        stale: outputs that are not of this job, by their paths relative to the folder of the file; see `end`.
    """

    place: Place
    recipe: Mapping[str, Any]
    shards: dict[str, int] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)

    def check(self, overwrite: bool) -> None:
        """Read which shards are done and which outputs are stale, if what else is there is of this job.

        Args:
            overwrite: whether the pictures that are there are replaced.

        Raises:
            ValueError: if they are those of another job, or of a job to replace pictures that was interrupted, and are
                not to be replaced.
            OSError: if the file cannot be read.
        """
        if not overwrite:
            shards, stale = self._known()
            self.shards.update(shards)
            self.stale.update(stale)

    def begin(self, overwrite: bool) -> None:
        """Write that the job is begun, if the pictures that are there are its own.

        Args:
            overwrite: whether the pictures that are there are replaced.

        Raises:
            ValueError: as `check`, or if the address can only be read.
            OSError: if the file cannot be read or written.
        """
        self.check(overwrite)
        self._write("replacing" if overwrite else "begun")

    def is_stale(self, output: Place | RemoteFolder) -> bool:
        """Tell whether what is at an output is not of this job."""
        return self._name(output) in self.stale

    def end(self, tally: Tally, overwrite: bool) -> None:
        """Write what has become of the jobs; nothing if they were stopped, after which the file says what it said.

        Args:
            tally: of all jobs.
            overwrite: as it was at the beginning; what failed is stale then.

        Raises:
            OSError: if the file cannot be written.
        """
        if tally.stopped:
            return
        failed = {self._name(output) for output in tally.failed}
        stale = failed if overwrite else failed & self.stale
        self.stale.clear()
        self.stale.update(stale)
        counts = {"stylized": tally.stylized, "skipped": tally.skipped, "failed": len(tally.failures)}
        self._write("ended", counts | {"failures": tally.failures})

    def keep(self, shard: str, tally: Tally, overwrite: bool) -> None:
        """Write that a shard is done, unless some of its pictures failed, which are tried again.

        Args:
            shard: its name among those of the job.
            tally: of its pictures.
            overwrite: as it was at the beginning.

        Raises:
            OSError: if the file cannot be written.
        """
        if not tally.failures:
            self.shards[shard] = tally.stylized + tally.skipped
            self._write("replacing" if overwrite else "begun")

    def _name(self, output: Place | RemoteFolder) -> str:
        """Name an output by its path relative to the folder of the file."""
        folder = str(absolute(self.place)).removesuffix(NAME)
        return f"{absolute(output)}/".removeprefix(folder).rstrip("/")

    def _known(self) -> tuple[dict[str, int], set[str]]:
        """Read which shards are done and which outputs are stale, if the file is of this job."""
        try:
            text = self.place.read() if isinstance(self.place, RemoteFile) else self.place.read_bytes()
        except FileNotFoundError:
            return {}, set()
        try:
            known = json.loads(text)
            state, recipe = known["state"], dict(known["recipe"])
            shards = {name: int(count) for name, count in dict(known.get("shards", {})).items()}
            stale = set(map(str, known.get("not_replaced", [])))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.place} is no manifest of a job: remove it, or give --overwrite") from error
        wanted = json.loads(json.dumps(self.recipe))
        if differing := [key for key in {**wanted, **recipe} if wanted.get(key) != recipe.get(key)]:
            raise ValueError(
                f"{self.place} is of another job, which had other {', '.join(differing)}: "
                "choose another --output, or give --overwrite"
            )
        if state == "replacing":
            raise ValueError(f"{self.place} is of a job that was replacing pictures: give --overwrite again")
        return shards, stale

    def _write(self, state: str, more: Mapping[str, Any] | None = None) -> None:
        about = {"state": state, "recipe": dict(self.recipe), **(more or {})}
        if self.shards:
            about["shards"] = self.shards
        if self.stale:
            about["not_replaced"] = sorted(self.stale)
        with replacing(self.place) as file:
            file.write(json.dumps(about, indent=1, ensure_ascii=False).encode())


def due(jobs: Sequence[Job], manifest: Manifest | None, overwrite: bool) -> list[Job]:
    """List the jobs to do: all if outputs are replaced, else those whose outputs are not there, or not of this job.

    Raises:
        ConnectionError: if an address does not answer.
    """
    if overwrite:
        return list(jobs)
    left = set(undone(jobs))
    return [job for job in jobs if job in left or (manifest is not None and manifest.is_stale(job.target))]

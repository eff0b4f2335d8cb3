"""What takes minutes: a queue of programs, one at a time, whose state is on the disk alone."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from fast_style.files import replacing
from fast_style.web import processes
from fast_style.web.refusal import RefusedError, of_disk
from fast_style.web.uploads import ID, new_id

QUEUED, RUNNING, STOPPING, DONE, STOPPED = "queued", "running", "stopping", "done", "stopped"
PATIENCE = 120.0  # seconds that a program has to stop, before it is ended


@dataclass
class Job:
    """A piece of work.

    Attributes:
        id: its name, made by the server.
        kind: `training` or `film`.
        name: what the visitor called it.
        asked: what was asked, see the kind.
        state: `queued`, `running`, `stopping`, `done`, or `stopped`, after which it can go on.
        since: seconds since 1970 at which it came into this state.
        created: the same of when it was asked.
        pid: of its program.
        message: why it stopped by itself, a sentence.
    """

    id: str
    kind: str
    name: str
    asked: dict[str, Any]
    state: str = QUEUED
    since: float = 0.0
    created: float = 0.0
    pid: int = 0
    message: str = ""


class Kind(Protocol):
    """A kind of job.

    Attributes:
        stop: the signal after which its program keeps what it has done, and ends.
        inside: whether its program is run in the folder of the job; else in the one in which the server was started.
        sources: files in the folder, as patterns, that are not needed once it is done.
    """

    stop: signal.Signals
    inside: bool
    sources: tuple[str, ...]

    def command(self, job: Job, folder: Path) -> list[str]:
        """Write the command that begins it, or goes on with what is in its folder."""
        ...

    def is_done(self, job: Job, folder: Path) -> bool:
        """Tell by its folder whether it came to its end."""
        ...

    def look(self, job: Job, folder: Path) -> dict[str, Any]:
        """Tell how it goes: `progress`, 0 to 1, `seconds_left`, and what else there is."""
        ...

    def files(self, job: Job, folder: Path) -> dict[str, str]:
        """List the files that may be downloaded, with their media types."""
        ...


class Jobs:
    """The queue.

    Args:
        folder: with a folder for each job.
        kinds: by name.
        room: how many may wait or be at work.

    Attributes:
        jobs: by their names.
        changes: how often one came into another state, or was removed.

    Raises:
        OSError: if the folder cannot be made.
    """

    def __init__(self, folder: Path, kinds: Mapping[str, Kind], room: int) -> None:
        self.folder, self.kinds, self.room = folder, kinds, room
        folder.mkdir(parents=True, exist_ok=True)
        self._children: dict[str, subprocess.Popen[Any]] = {}
        self.jobs: dict[str, Job] = {}
        self.changes = 0
        for path in folder.glob("*/job.json"):
            with suppress(OSError, ValueError, TypeError):
                job = Job(**json.loads(path.read_text(encoding="utf-8")))
                if job.kind in kinds and ID.fullmatch(job.id):
                    self.jobs[job.id] = job
        for path in folder.iterdir():
            if ID.fullmatch(path.name) and not (path / "job.json").exists():  # a server was ended while it made it
                shutil.rmtree(path, ignore_errors=True)

    def path(self, job: Job) -> Path:
        """The folder of a job."""
        return self.folder / job.id

    def get(self, name: str) -> Job:
        """Find a job; RefusedError with 404 if there is none."""
        if name not in self.jobs:
            raise RefusedError(404, "there is no such job, or no longer")
        return self.jobs[name]

    def check_room(self) -> None:
        """Tell whether one more may be asked; RefusedError with 429 if not."""
        if sum(job.state in (QUEUED, RUNNING, STOPPING) for job in self.jobs.values()) >= self.room:
            raise RefusedError(429, f"{self.room} jobs wait already: try again when one is done, or stop one", retry=60)

    @contextmanager
    def preparing(self, kind: str, name: str, asked: dict[str, Any]) -> Iterator[tuple[Job, Path]]:
        """Make a job and its folder, which what is within fills; then it is queued. If that fails nothing is left.

        Raises:
            RefusedError: if there is no room for another job, before or after, or the disk is full.
        """
        self.check_room()
        job, folder = self.new(kind, name, asked)
        try:
            yield job, folder
            self.check_room()  # others may have come meanwhile
            self.add(job)
        except BaseException as error:
            self.discard(job)
            if isinstance(error, OSError):
                raise of_disk(error) from error
            raise

    def new(self, kind: str, name: str, asked: dict[str, Any]) -> tuple[Job, Path]:
        """Make a job and its folder, in which its files are to be put before it is added."""
        job = Job(new_id(), kind, name, asked, created=time.time())
        folder = self.path(job)
        try:
            folder.mkdir()
        except OSError as error:
            raise of_disk(error) from error
        return job, folder

    def add(self, job: Job) -> None:
        """Put a job at the end of the queue."""
        self._become(job, QUEUED)
        self.jobs[job.id] = job

    def discard(self, job: Job) -> None:
        """Remove the folder of a job."""
        self.changes += 1
        self.jobs.pop(job.id, None)
        shutil.rmtree(self.path(job), ignore_errors=True)

    def stop(self, job: Job) -> None:
        """Stop a job, whose program keeps what it has done; a second time, end the program.

        Raises:
            RefusedError: with 409 if it neither waits nor is at work.
        """
        if job.state == QUEUED:
            self._become(job, STOPPED)
        elif job.state in (RUNNING, STOPPING):
            processes.tell(job.pid, signal.SIGKILL if job.state == STOPPING else self.kinds[job.kind].stop)
            self._become(job, STOPPING)
        else:
            raise RefusedError(409, "the job is not at work")

    def go_on(self, job: Job) -> None:
        """Go on with a job that has stopped; RefusedError with 409 if it has not, 429 if too many wait."""
        if job.state != STOPPED:
            raise RefusedError(409, "only what has stopped can go on")
        self.check_room()
        self._become(job, QUEUED, message="")

    def delete(self, job: Job) -> None:
        """Remove a job with all that it made; RefusedError with 409 while it is at work."""
        if job.state in (RUNNING, STOPPING):
            raise RefusedError(409, "the job is at work: stop it first")
        self.discard(job)

    def tick(self) -> None:
        """Look after the programs: note which has ended, end which does not stop, begin the next."""
        for job in [job for job in self.jobs.values() if job.state in (RUNNING, STOPPING)]:
            child = self._children.get(job.id)
            if child.poll() is None if child else processes.is_alive(self.path(job)):
                if job.state == STOPPING and time.time() - job.since > PATIENCE:
                    processes.tell(job.pid, signal.SIGKILL)
            else:
                self._children.pop(job.id, None)
                self._settle(job)
        if not any(job.state in (RUNNING, STOPPING) for job in self.jobs.values()) and (waiting := self.waiting()):
            self._begin(waiting[0])

    def waiting(self) -> list[Job]:
        """List the jobs that wait, the next one first."""
        return sorted((job for job in self.jobs.values() if job.state == QUEUED), key=lambda job: job.since)

    def tell(self, job: Job) -> dict[str, Any]:
        """Tell about a job."""
        return next(told for told in self.told() if told["id"] == job.id)

    def told(self) -> list[dict[str, Any]]:
        """Tell about all jobs, the newest first."""
        places = {job.id: place for place, job in enumerate(self.waiting(), start=1)}
        told = []
        for job in sorted(self.jobs.values(), key=lambda job: -job.created):
            about: dict[str, Any] = {
                "id": job.id,
                "kind": job.kind,
                "name": job.name,
                "state": job.state,
                "since": job.since,
                "message": job.message,
            }
            about |= {"created": job.created, "position": places.get(job.id)}
            told.append(about | self.kinds[job.kind].look(job, self.path(job)))
        return told

    def close(self) -> None:
        """Before the server ends, stop what is at work; what it has done is found again."""
        for job in self.jobs.values():
            if job.state == RUNNING:
                self.stop(job)

    def _begin(self, job: Job) -> None:
        job.message, folder, kind = "", self.path(job), self.kinds[job.kind]
        if processes.is_alive(folder):  # where a server was ended just after it had begun the job
            job.pid = processes.find_pid(folder)
        else:
            try:
                child = processes.start(kind.command(job, folder), folder, kind.inside)
            except OSError as error:
                self._become(job, STOPPED, of_disk(error).sentence)
                return
            self._children[job.id] = child
            job.pid = child.pid
        self._become(job, RUNNING)

    def _settle(self, job: Job) -> None:
        """Find out by its folder what has become of a job whose program has ended."""
        folder, job.pid = self.path(job), 0
        kind = self.kinds[job.kind]
        if kind.is_done(job, folder):
            self._become(job, DONE)
            for path in [path for pattern in kind.sources for path in folder.glob(pattern)]:
                path.unlink(missing_ok=True)
        else:
            reason = processes.last_error(folder) or "its program was ended"
            self._become(job, STOPPED, "" if job.state == STOPPING else reason)

    def _become(self, job: Job, state: str, message: str | None = None) -> None:
        self.changes += 1
        changed = {"state": state, "since": time.time(), "message": job.message if message is None else message}
        try:
            with replacing(self.path(job) / "job.json") as file:
                file.write(json.dumps(asdict(job) | changed).encode())
        except OSError as error:
            if state == QUEUED:
                raise of_disk(error) from error
            changed["message"] = of_disk(error).sentence  # it goes on; after a restart its folder tells
        for name, value in changed.items():
            setattr(job, name, value)

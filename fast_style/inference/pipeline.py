"""Many images at once: some are decoded and some are encoded while the network works on others."""

import os
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Literal, TypeVar

import torch
from torch import Tensor

from fast_style import images
from fast_style.errors import one_line
from fast_style.files import Place
from fast_style.inference.control import Stylize
from fast_style.inference.jobs import Job, undone
from fast_style.remote import RemoteFolder

WORKERS = min(4, os.cpu_count() or 1)  # threads that decode, and as many that encode
PIXELS = 1 << 26  # that may wait at each station: for the network, for the rest of a group, for an encoder
FAILURES = (ValueError, OSError, RuntimeError, MemoryError)
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """How images are read, grouped and written.

    Attributes:
        encoding: quality and depth of the files.
        profile: `srgb` converts colours to sRGB, `keep` keeps their values and their profile.
        size: pixels on the long side, to which images are resized first; None: as they are.
        still: whether the first frame of an animation is enough.
        overwrite: whether outputs that exist are replaced instead of skipped.
        batch_size: images of one size that are stylized together.

    Raises:
        ValueError: if the batch size is below 1.
    """

    encoding: images.Encoding = field(default_factory=images.Encoding)
    profile: Literal["srgb", "keep"] = "srgb"
    size: int | None = None
    still: bool = False
    overwrite: bool = False
    batch_size: int = 1

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch size must be at least 1 image, got {self.batch_size}")


@dataclass
class Tally:
    """What has become of the jobs.

    Attributes:
        stylized: how many outputs were written.
        skipped: how many were there already.
        failures: a sentence for each job that failed, in the order of the jobs.
        stopped: whether it was stopped before all were done.
        notes: sentences about pictures that were damaged and read all the same, in the order of the jobs.
        failed: outputs of the jobs that failed, at which there is what was there before, if anything.
    """

    stylized: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    stopped: bool = False
    notes: list[str] = field(default_factory=list)
    failed: list[Place | RemoteFolder] = field(default_factory=list, compare=False)

    def __str__(self) -> str:
        return f"stylized {self.stylized}, skipped {self.skipped}, failed {len(self.failures)}"


def total(tallies: Iterable[Tally]) -> Tally:
    """Add up what has become of several lots of jobs."""
    parts = list(tallies)
    return Tally(
        sum(part.stylized for part in parts),
        sum(part.skipped for part in parts),
        [failure for part in parts for failure in part.failures],
        any(part.stopped for part in parts),
        [note for part in parts for note in part.notes],
        [output for part in parts for output in part.failed],
    )


def run(
    jobs: Sequence[Job],
    stylize: Stylize,
    settings: Settings | None = None,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Tally:
    """Do the jobs; one that fails does not stop the others. Nothing is printed.

    Args:
        jobs: what to stylize.
        stylize: from and to RGB of shape (N, 3, H, W), uint8 or float in [0, 1]. It is called in this thread; if it
            raises KeyboardInterrupt, the images it was given are left out and all stops.
        settings: how images are read, grouped and written; None: as `Settings` has it.
        progress: called in this thread every now and then with how many jobs are done, and of how many that are not
            skipped; None: nobody is told.
        stop: asked in this thread every now and then; once it returns True, no more images are begun, and those at
            hand are written. None: all jobs are done.

    Returns:
        What has become of the jobs.

    Raises:
        ConnectionError: if an address does not answer any more; to take this for failures would make one of every
            picture that is left.
    """
    settings = settings or Settings()
    due = list(jobs) if settings.overwrite else undone(jobs)
    pipeline = _Pipeline(due, stylize, settings, stop or (lambda: False))
    # Decoders say "ignore" too, but in threads of which each restores what it found.
    with warnings.catch_warnings(action="ignore"):
        for done in pipeline.steps():
            if progress is not None:
                progress(done, len(due))
    failed = [job for job in due if job in pipeline.failures]
    failures, outputs = [pipeline.failures[job] for job in failed], [job.target for job in failed]
    return Tally(pipeline.stylized, len(jobs) - len(due), failures, pipeline.stopped, pipeline.notes, outputs)


@dataclass(frozen=True)
class _Loaded:
    job: Job
    picture: images.Picture

    @property
    def key(self) -> object:
        """What pictures that are stylized together have in common; an animation is alone."""
        if self.picture.animated:
            return self.job
        (frame,) = self.picture.frames
        return frame.size, frame.pixels.dtype, self.picture.bits

    @property
    def pixels(self) -> int:
        if self.picture.animated:  # whose frames come one by one
            return 1
        height, width = self.picture.size
        return height * width


class _Pipeline:
    """Decoders ahead, the network in this thread, encoders behind; a few pictures are held at a time."""

    def __init__(self, jobs: Sequence[Job], stylize: Stylize, settings: Settings, stop: Callable[[], bool]) -> None:
        self.jobs, self.stylize, self.settings, self.stop = jobs, stylize, settings, stop
        self.interrupted = False
        self.stylized = 0
        self.failures: dict[Job, str] = {}
        self.notes: list[str] = []
        self.counting = threading.Lock()
        self.writes: deque[Future[None]] = deque()

    @property
    def stopped(self) -> bool:
        """Whether no more jobs are to be begun."""
        return self.interrupted or self.stop()

    def steps(self) -> Iterator[int]:
        """Do everything; yields how many jobs are done, every now and then."""
        with ThreadPoolExecutor(WORKERS) as encoders, ThreadPoolExecutor(WORKERS) as decoders:
            for group in self._groups(decoders):
                try:
                    self._do(group, encoders)
                except KeyboardInterrupt:
                    self.interrupted = True
                    break
                yield self.stylized + len(self.failures)
            decoders.shutdown(cancel_futures=True)
            for write in self.writes:  # what went wrong there beside the failures that are told is raised here
                write.result()
        yield self.stylized + len(self.failures)

    def _groups(self, decoders: Executor) -> Iterator[list[_Loaded]]:
        """Collect pictures of one size until there are as many as are stylized together, or too many wait."""
        waiting: dict[object, list[_Loaded]] = {}
        for loaded in self._load_ahead(decoders):
            group = waiting.setdefault(loaded.key, [])
            group.append(loaded)
            held = [one for group in waiting.values() for one in group]
            if loaded.picture.animated or len(group) == self.settings.batch_size:
                yield waiting.pop(loaded.key)
            elif len(held) >= 4 * self.settings.batch_size or sum(one.pixels for one in held) >= PIXELS:
                yield waiting.pop(next(iter(waiting)))
        while waiting and not self.stopped:
            yield waiting.pop(next(iter(waiting)))

    def _load_ahead(self, decoders: Executor) -> Iterator[_Loaded]:
        """Decode in the order of the jobs."""
        jobs, room = iter(self.jobs), WORKERS
        ahead: deque[Future[_Loaded | None]] = deque()
        while not self.stopped:
            for job in islice(jobs, max(0, room - len(ahead))):
                ahead.append(decoders.submit(self._attempt, job, partial(self._load, job)))
            if not ahead:
                return
            if loaded := ahead.popleft().result():
                self.notes.extend(loaded.picture.notes)
                room = _room(loaded)
                yield loaded

    def _load(self, job: Job) -> _Loaded:
        size = self.settings.size
        picture = images.open_picture(job.source, self.settings.profile, size)
        if self.settings.still:
            picture = picture.still()
        if size is not None:
            picture = picture.resized(size)
        self.settings.encoding.check(job.target, picture)
        return _Loaded(job, picture)

    def _do(self, group: Sequence[_Loaded], encoders: Executor) -> None:
        """Stylize pictures of one size, and have them written."""
        first = group[0]
        if first.picture.animated:
            self._attempt(first.job, partial(self._save, first.job, first.picture.map(self.stylize)))
            return
        results = self._stylized(group)
        if results is None and len(group) > 1:  # perhaps it was too much at once
            for loaded in group:
                self._do([loaded], encoders)
        if results is None:
            return
        for loaded, result in zip(group, results, strict=True):
            changed = replace(loaded.picture, frames=[frame.recoloured(result) for frame in loaded.picture.frames])
            self.writes.append(encoders.submit(self._attempt, loaded.job, partial(self._save, loaded.job, changed)))
            while len(self.writes) > _room(loaded):
                self.writes.popleft().result()

    def _stylized(self, group: Sequence[_Loaded]) -> Tensor | None:
        """Stylize a group; None if it fails, which is told if it is of one."""

        def together() -> Tensor:
            return self.stylize(torch.cat([self._pixels(loaded.picture) for loaded in group]))

        if len(group) == 1:
            return self._attempt(group[0].job, together)
        try:
            return together()
        except FAILURES:
            return None

    def _pixels(self, picture: images.Picture) -> Tensor:
        """What the network gets: as many bits as are wanted of its picture."""
        (frame,) = picture.frames
        deep = (self.settings.encoding.bits or picture.bits) == 16
        return frame.to_float() if deep or frame.pixels.dtype != torch.uint8 else frame.pixels[None]

    def _save(self, job: Job, picture: images.Picture) -> None:
        images.save_picture(job.target, picture, self.settings.encoding)
        with self.counting:
            self.stylized += 1

    def _attempt(self, job: Job, what: Callable[[], T]) -> T | None:
        """Do a part of a job, in whatever thread; None if it fails."""
        try:
            return what()
        except ConnectionError:
            raise
        except FAILURES as error:
            sentence = one_line(error)
            if isinstance(error, RuntimeError | MemoryError):
                reason = "out of memory, try a smaller --size" if _is_memory(error) else sentence
                sentence = f"cannot stylize {job.source}: {reason}"
            self.failures[job] = sentence
            return None


def _room(loaded: _Loaded) -> int:
    """How many pictures like this one may wait at a station."""
    return max(1, min(WORKERS, PIXELS // loaded.pixels))


def _is_memory(error: Exception) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "memory" in str(error)

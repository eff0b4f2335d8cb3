"""Many images at once: some are decoded and some are encoded while the network works on others."""

import os
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from types import FrameType
from typing import Literal, TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text
from torch import Tensor

from fast_style import images
from fast_style.cli.jobs import Job

T = TypeVar("T")
WORKERS = min(4, os.cpu_count() or 1)  # threads that decode, and as many that encode
Stylize = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Writing:
    """How images are read and written.

    Attributes:
        encoding: quality and depth of the files.
        profile: `srgb` converts colours to sRGB, `keep` keeps their values and their profile.
        size: pixels on the long side, to which images are resized first; None: as they are.
        still: whether the first frame of an animation is enough.
        overwrite: whether outputs that exist are replaced instead of skipped.
        batch_size: images of one size that are stylized together.
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
    """What has become of the jobs; `failures` are sentences."""

    stylized: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    interrupted: bool = False

    def __str__(self) -> str:
        return f"stylized {self.stylized}, skipped {self.skipped}, failed {len(self.failures)}"


def run(jobs: Sequence[Job], stylize: Stylize, writing: Writing | None = None) -> Tally:
    """Do the jobs; one that fails does not stop the others, Ctrl-C does once the images at hand are written.

    Args:
        jobs: what to stylize.
        stylize: from and to RGB of shape (N, 3, H, W), uint8 or float in [0, 1]. It is called in this thread.
        writing: how images are read and written; None: as `Writing` has it.
    """
    writing = writing or Writing()
    due = [job for job in jobs if writing.overwrite or not job.target.is_file()]
    stop = threading.Event()
    with warnings.catch_warnings(), _interrupts(stop), _progress() as progress:  # decoders change the filters
        bar = progress.add_task("stylizing", total=len(due))
        pipeline = _Pipeline(due, stylize, writing, stop)
        for done in pipeline.steps():
            progress.update(bar, completed=done)
    sentences = [pipeline.failures[job] for job in due if job in pipeline.failures]
    return Tally(pipeline.stylized, len(jobs) - len(due), sentences, stop.is_set())


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


class _Pipeline:
    """Decoders ahead, the network in this thread, encoders behind; a few pictures are held at a time."""

    def __init__(self, jobs: Sequence[Job], stylize: Stylize, writing: Writing, stop: threading.Event) -> None:
        self.jobs, self.stylize, self.writing, self.stop = jobs, stylize, writing, stop
        self.stylized = 0
        self.failures: dict[Job, str] = {}
        self.writes: deque[Future[bool | None]] = deque()

    def steps(self) -> Iterator[int]:
        """Do everything; yields how many jobs are done, every now and then."""
        with ThreadPoolExecutor(WORKERS) as decoders, ThreadPoolExecutor(WORKERS) as encoders:
            try:
                for group in self._groups(decoders):
                    self._do(group, encoders)
                    self._finish(WORKERS)
                    yield self.stylized + len(self.failures)
            except KeyboardInterrupt:
                self.stop.set()
                decoders.shutdown(cancel_futures=True)
            self._finish(0)
            yield self.stylized + len(self.failures)

    def _finish(self, running: int) -> None:
        """Wait until at most so many pictures are being written."""
        while len(self.writes) > running:
            try:
                self.stylized += bool(self.writes.popleft().result())
            except KeyboardInterrupt:
                self.stop.set()

    def _groups(self, decoders: Executor) -> Iterator[list[_Loaded]]:
        """Collect pictures of one size until there are as many as are stylized together, or too many wait."""
        waiting: dict[object, list[_Loaded]] = {}
        for loaded in self._load_ahead(decoders):
            group = waiting.setdefault(loaded.key, [])
            group.append(loaded)
            if loaded.picture.animated or len(group) == self.writing.batch_size:
                yield waiting.pop(loaded.key)
            elif sum(map(len, waiting.values())) >= 4 * self.writing.batch_size:
                yield waiting.pop(next(iter(waiting)))
        if not self.stop.is_set():
            yield from waiting.values()

    def _load_ahead(self, decoders: Executor) -> Iterator[_Loaded]:
        """Decode in the order of the jobs."""
        jobs = iter(self.jobs)
        ahead: deque[Future[_Loaded | None]] = deque()
        while not self.stop.is_set():
            for job in islice(jobs, WORKERS - len(ahead)):
                ahead.append(decoders.submit(self._attempt, job, partial(self._load, job)))
            if not ahead:
                return
            if loaded := ahead.popleft().result():
                yield loaded

    def _load(self, job: Job) -> _Loaded:
        picture = images.open_picture(job.source, self.writing.profile, self.writing.size)
        if self.writing.still:
            picture = picture.still()
        scale = 1 if self.writing.size is None else self.writing.size / max(picture.size)
        height, width = (max(1, round(side * scale)) for side in picture.size)
        self.writing.encoding.check(job.target, picture, (height, width))
        return _Loaded(job, picture)

    def _do(self, group: Sequence[_Loaded], encoders: Executor) -> None:
        """Stylize pictures of one size, and have them written."""
        first = group[0]
        if first.picture.animated:
            changed = first.picture.map(self._run)
            self.stylized += bool(self._attempt(first.job, partial(self._save, first.job, changed)))
            return
        try:
            results = self._run(torch.cat([self._pixels(loaded.picture) for loaded in group]))
        except (RuntimeError, MemoryError) as error:
            if len(group) == 1:
                self._fail(first.job, error)
            else:  # too much at once, perhaps
                for loaded in group:
                    self._do([loaded], encoders)
            return
        for loaded, result in zip(group, results, strict=True):
            changed = replace(loaded.picture, frames=[frame.recoloured(result) for frame in loaded.picture.frames])
            self.writes.append(encoders.submit(self._attempt, loaded.job, partial(self._save, loaded.job, changed)))

    def _pixels(self, picture: images.Picture) -> Tensor:
        (frame,) = picture.frames
        deep = (self.writing.encoding.bits or picture.bits) == 16
        return frame.to_float() if deep or frame.pixels.dtype != torch.uint8 else frame.pixels[None]

    def _run(self, photos: Tensor) -> Tensor:
        if self.writing.size is None:
            return self.stylize(photos)
        photos = photos if photos.is_floating_point() else images.to_float(photos)
        return self.stylize(images.resize_long_side(photos, self.writing.size))

    def _save(self, job: Job, picture: images.Picture) -> bool:
        images.save_picture(job.target, picture, self.writing.encoding)
        return True

    def _attempt(self, job: Job, what: Callable[[], T]) -> T | None:
        """Do a part of a job, in whatever thread; None if it fails."""
        try:
            return what()
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            self._fail(job, error)
            return None

    def _fail(self, job: Job, error: Exception) -> None:
        sentence = one_line(error)
        if isinstance(error, RuntimeError | MemoryError):
            reason = "out of memory, try a smaller --size" if _is_memory(error) else sentence
            sentence = f"cannot stylize {job.source}: {reason}"
        self.failures[job] = sentence


def one_line(error: Exception) -> str:
    """What an error says, without line breaks."""
    return " ".join(str(error).split())


def _is_memory(error: Exception) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "memory" in str(error)


@contextmanager
def _interrupts(stop: threading.Event) -> Iterator[None]:
    """Turn the first Ctrl-C into a wish to stop; the second interrupts."""

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print("stopping after the images at hand; Ctrl-C again stops at once", file=sys.stderr)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Rate(ProgressColumn):
    """Images a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.2f} images/s")


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    hidden = not sys.stderr.isatty()
    return Progress(*columns, console=Console(stderr=True), disable=hidden, transient=True)

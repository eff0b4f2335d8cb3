"""Films that the workers of a cluster make, part by part."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any, NamedTuple

from fast_style import video
from fast_style.inference.cluster.crew import LIVES, Crew
from fast_style.inference.cluster.film_worker import FilmRecipe, FilmWorker, Masks, Piece, Reel
from fast_style.inference.cluster.joining import Cluster, import_ray
from fast_style.video import parts as closed


class Made(NamedTuple):
    """What has become of a film.

    Attributes:
        frames: how many there are in it.
        complete: whether these are all.
        resized: whether masks of another size were resized to its frames.
        notes: what was wrong with masks, and with frames that only workers read, each a sentence.
    """

    frames: int
    complete: bool
    resized: bool
    notes: Sequence[str] = ()


class FilmCrew:
    """Workers of a cluster that make films, one film after another.

    A film is made in the parts in which one process makes it, so that it is the same. Its frames are decoded here as
    well, ahead of the workers, since only who has decoded all frames knows with which a part begins: a worker decodes
    from the last frame before that can be begun with, and compares.

    Args:
        recipe: what frames are made with.
        cluster: see `joined`.
        films: that will be made; no more workers are started than one of these has parts.

    Raises:
        ValueError, RuntimeError, OSError: what a worker says that cannot begin.
    """

    def __init__(self, recipe: FilmRecipe, cluster: Cluster, films: Sequence[video.Film | video.FrameFolder]) -> None:
        self._crew = Crew(import_ray(), cluster, FilmWorker, [recipe])
        parts = [-(-film.count // closed.FRAMES) or cluster.workers for film in films]
        self._crew.begin(min(cluster.workers, max(parts)))
        while not self._crew.backends:
            self._crew.wait()

    @property
    def backend(self) -> str:
        """What computes, such as `torch fp32 on cpu`."""
        return ", ".join(dict.fromkeys(next(iter(self._crew.backends))))

    @property
    def notes(self) -> list[str]:
        """Sentences about that."""
        return list(self._crew.notes)

    def make(
        self,
        film: video.Film | video.FrameFolder,
        masks: Masks,
        target: video.FilmTarget,
        progress: Callable[[int, int], None],
        stop: Callable[[], bool],
    ) -> Made:
        """Make the parts of a film, which its target then has to join.

        Args:
            film: its frames, in a file that all workers see.
            masks: as `MovingComposition` takes them.
            target: takes the parts; those that are there already are not made again.
            progress: called every now and then with how many frames are in parts, and of about how many.
            stop: asked every now and then; once it returns True, no more parts are begun. If KeyboardInterrupt is
                raised meanwhile, those at hand are left out as well.

        Returns:
            What has become of it. If it was stopped, the frames up to the first part that is missing count; the parts
            after that are kept.

        Raises:
            RuntimeError: if three workers have died with one part, or workers compute in different ways.
            Exception: what a worker, the film or the target raises; what is done is kept.
        """
        making = _Making(self._crew, film, masks, target)
        complete = False
        with video.Ahead(making.pieces()) as pieces:
            try:
                with suppress(KeyboardInterrupt):
                    complete = making.run(pieces, progress, stop)
            finally:
                self._crew.drop()
        return Made(making.count, complete, making.resized, list(making.notes))


@dataclass
class _Making:
    """A film that is being made."""

    crew: Crew
    film: video.Film | video.FrameFolder
    masks: Masks
    target: video.FilmTarget
    reel: Any = None  # where it lies in the cluster
    lost: deque[Piece] = field(default_factory=deque)
    deaths: Counter[int] = field(default_factory=Counter)  # of workers with a part, by its number
    lengths: dict[int, int] = field(default_factory=dict)  # of the parts that are there, by number
    resized: bool = False
    notes: dict[str, None] = field(default_factory=dict)  # each once

    @property
    def count(self) -> int:
        """How many frames there are up to the first part that is missing."""
        return self.target.parts.frames

    def pieces(self) -> Iterator[Piece]:
        """Decode the film, and yield its parts, those that are there included."""
        marks = self.film.marks()
        for number in count():
            if not (some := list(islice(marks, closed.FRAMES))):
                return
            yield Piece(number, self.target.parts.path(number).absolute(), some)

    def run(self, pieces: Iterator[Piece], progress: Callable[[int, int], None], stop: Callable[[], bool]) -> bool:
        """Send parts to workers until all are there; returns whether they are."""
        stopped, piece = False, self._next(pieces)
        while (piece is not None and not stopped) or self.crew.is_busy:
            if piece is not None and not stopped and self.crew.is_free():
                self._send(piece)
                piece = self._next(pieces)
                continue
            for done, answer in self.crew.wait():
                self._take(done, answer)
            self._check()
            if piece is None:
                piece = self._next(pieces)
            made = sum(self.lengths.values())
            progress(made, max(made, self.film.count))
            stopped = stopped or stop()
        return piece is None

    def _next(self, pieces: Iterator[Piece]) -> Piece | None:
        """Return the next part to make: one that was lost before others; None if there is none."""
        if self.lost:
            return self.lost.popleft()
        for piece in pieces:
            if not self.target.parts.has(piece.number, _timings(piece)):
                return piece
            self.lengths[piece.number] = len(piece.marks)
        return None

    def _send(self, piece: Piece) -> None:
        if self.reel is None:
            self.target.parts.begin()
            manifest = self.target.parts.manifest.absolute()
            self.reel = self.crew.ray.put(Reel(self.film, self.masks, self.target.look, manifest))
        self.crew.send(piece, self.reel, piece)

    def _take(self, piece: Piece, answer: tuple[list[int], bool, list[str]] | None) -> None:
        """Count a part that is made; one whose worker has died is made again."""
        if answer is not None:
            order, resized, notes = answer
            self.notes |= dict.fromkeys(notes)
            self.target.take(piece.number, order, _timings(piece))
            self.lengths[piece.number] = len(piece.marks)
            self.resized |= resized
            return
        self.deaths[piece.number] += 1
        if self.deaths[piece.number] == LIVES:
            first, last = (float(piece.marks[place].time) for place in (0, -1))
            raise RuntimeError(
                f"cannot stylize {self.film.path}: {LIVES} workers died with its frames from {first:.3f} to "
                f"{last:.3f} s, for lack of memory perhaps"
            )
        self.lost.append(piece)

    def _check(self) -> None:
        """Raise RuntimeError if workers compute in different ways, which would be seen in the film."""
        if len(self.crew.backends) > 1:
            ways = " and ".join(", ".join(way) for way in self.crew.backends)
            raise RuntimeError(f"workers compute in different ways, {ways}: give --device, --backend and --precision")


def _timings(piece: Piece) -> list[video.Timing]:
    return [video.Timing(mark.time, mark.duration) for mark in piece.marks]

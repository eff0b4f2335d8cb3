"""What each worker of a cluster does for a film: it decodes, stylizes and encodes a part."""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fast_style import video
from fast_style.inference.control import Control, Stylize
from fast_style.inference.moving import Mask, MovingComposition, StyleOverTime
from fast_style.inference.stylizer import Stylizer

Masks = Sequence[Tensor | Mask | None]


@dataclass(frozen=True)
class FilmRecipe:
    """What workers make the frames of films with.

    Attributes:
        networks: laid over one another, on the CPU, see `load_styled`; none with `over_time`.
        control: see `Control`.
        engine: how they are computed: device, precision, backend and tile, as `Stylizer` takes them.
        threads: for computing on the CPU, on which the last bit of values depends: those of the process that asks.
        over_time: the file of a network and the styles it is to have, as `StyleOverTime` takes them; None: they stay.
    """

    networks: Sequence[nn.Module]
    control: Control
    engine: Mapping[str, Any]
    threads: int = 1
    over_time: tuple[Path, Sequence[tuple[float, Mapping[str, float]]]] | None = None


@dataclass(frozen=True)
class Reel:
    """What workers must know of a film.

    Attributes:
        film: its frames, in a file that all workers see.
        masks: as `MovingComposition` takes them; those that move are not begun.
        look: how the frames are encoded.
        manifest: a file in the folder of the parts.
    """

    film: video.Film | video.FrameFolder
    masks: Masks
    look: video.Look
    manifest: Path


@dataclass(frozen=True)
class Piece:
    """A part of a film that is to be made.

    Attributes:
        number: which one.
        path: where it is written.
        marks: its frames.
    """

    number: int
    path: Path
    marks: Sequence[video.Mark]


class FilmWorker:
    """Makes parts of films in a process of its own, which holds the networks."""

    def ready(self, recipe: FilmRecipe) -> tuple[list[str], list[str]]:
        """Load the networks.

        Args:
            recipe: what to make frames with.

        Returns:
            What computes them, such as `torch fp32 on cpu`, and sentences about that.

        Raises:
            ValueError, OSError, RuntimeError: as `Stylizer`.
        """
        torch.set_num_threads(recipe.threads)
        self.at: Callable[[Fraction], Sequence[Stylize]]
        if recipe.over_time is None:
            used = [Stylizer(network, **recipe.engine) for network in recipe.networks]
            fixed: Sequence[Stylize] = [stylizer.stylize for stylizer in used]
            self.at = lambda _: fixed
        else:
            model, keys = recipe.over_time

            def load(style: Mapping[str, float]) -> Stylizer:
                return Stylizer.from_checkpoint(model, **recipe.engine, style=style)

            used = [load(keys[0][1])]
            self.at = StyleOverTime(keys, lambda style: load(style).stylize)
        self.control = recipe.control
        self.composition: MovingComposition | None = None
        self.of, self.until = Path(), Fraction(0)  # of the composition: which film's, and to which time it has come
        return [str(each.backend) for each in used], [note for each in used for note in each.backend.notes]

    def work(self, reel: Reel, piece: Piece) -> tuple[list[int], bool, list[str]]:
        """Make a part of a film, once it is ready.

        Returns:
            The order of the part's packets, whether masks were resized, and what was wrong with masks and with
            frames in a folder; what is wrong with a film, who marks it finds.

        Raises:
            FileNotFoundError: if this machine does not see the folder of the parts.
            OSError, ValueError, RuntimeError: if the film cannot be read, or the part not be made or written.
        """
        if not reel.manifest.exists():
            raise FileNotFoundError(f"{reel.manifest} is not seen from {socket.gethostname()}: give a shared folder")
        composition = self._composition(reel, piece.marks)
        target = video.PartTarget(piece.path, reel.look)
        try:
            video.run(_Marked(reel.film, piece.marks), composition, target)
        except BaseException:
            target.give_up()
            raise
        told = reel.film.notes if isinstance(reel.film, video.FrameFolder) else []
        return target.order, composition.resized, [*told, *composition.notes]

    def _composition(self, reel: Reel, marks: Sequence[video.Mark]) -> MovingComposition:
        """Return what stylizes a film from a time on; masks that move are read on from part to part, not anew."""
        if self.composition is None or self.of != reel.manifest or marks[0].time < self.until:
            self.composition, self.of = MovingComposition(self.at, self.control, reel.masks), reel.manifest
        self.until = marks[-1].time
        return self.composition


@dataclass(frozen=True)
class _Marked:
    """The frames of a part, as a source."""

    film: video.Film | video.FrameFolder
    marks: Sequence[video.Mark]

    @property
    def count(self) -> int:
        return len(self.marks)

    def frames(self, skip: int = 0) -> Iterator[video.Frame]:
        return self.film.marked(self.marks[skip:])

"""What makes the frames of films: this process, or the workers of a cluster."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, Protocol

import torch
from torch import Tensor

from fast_style import video
from fast_style.checkpoint import find_network, load_styled
from fast_style.cli.film_masks import Masks
from fast_style.cli.film_networks import Networks
from fast_style.cli.layers import engine_of, notes_of
from fast_style.inference import cluster
from fast_style.inference.cluster import Made
from fast_style.inference.control import Control
from fast_style.inference.moving import MovingComposition
from fast_style.layers import frozen
from fast_style.terminal import Stop

Progress = Callable[[int, int], None]


class Maker(Protocol):
    """Makes films, one after another."""

    @property
    def backend(self) -> str:
        """What computes, such as `torch fp32 on cpu`."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """Sentences about that and about the networks."""
        ...

    def make(
        self, film: video.Film | video.FrameFolder, masks: Masks, target: Any, progress: Progress, stop: Stop
    ) -> Made:
        """Make a film, and have its target finish it."""
        ...


@contextmanager
def maker_of(
    options: argparse.Namespace,
    networks: Networks,
    control: Control,
    films: Sequence[video.Film | video.FrameFolder],
) -> Iterator[Maker]:
    """Load the networks, or start workers that do, which end with the body.

    Args:
        options: those of `stylize`.
        networks: that are not loaded.
        control: what is asked of the pictures.
        films: which are to be made; if there are none, no worker is started.

    Raises:
        ConnectionError: if there is no cluster.
        ValueError, OSError, RuntimeError: if a network cannot be loaded.
    """
    if options.engine == "plain" or not films:
        yield _Here(networks, control, options.smooth)
        return
    recipe = _recipe(options, networks, control)
    notes = [*networks.notes, *notes_of(networks.all_layers)]
    with cluster.joined(options.ray_address, options.workers, options.device) as workers:
        yield _There(cluster.FilmCrew(recipe, workers, films), notes)


class _Here:
    """Makes films in this process."""

    def __init__(self, networks: Networks, control: Control, smooth: float | None) -> None:
        networks.load()
        self._networks, self._control, self._smooth = networks, control, smooth
        self.backend, self.notes = str(networks), networks.notes

    def make(
        self, film: video.Film | video.FrameFolder, masks: Masks, target: Any, progress: Progress, stop: Stop
    ) -> Made:
        composition = MovingComposition(self._networks.at, self._control, masks)
        smoother = video.Smoother(composition, self._smooth) if self._smooth else None

        def stylize(photos: Tensor, seconds: Fraction) -> Tensor:
            with stop.interruptible():
                return composition(photos, seconds) if smoother is None else smoother(photos, seconds)

        count, complete = video.run(film, stylize, target, progress, lambda: stop.asked, smoother)
        return Made(count, complete, composition.resized, composition.notes)


class _There:
    """Has the workers of a cluster make films."""

    def __init__(self, crew: cluster.FilmCrew, notes: Sequence[str]) -> None:
        self._crew = crew
        self.backend, self.notes = crew.backend, [*notes, *crew.notes]

    def make(
        self, film: video.Film | video.FrameFolder, masks: Masks, target: Any, progress: Progress, stop: Stop
    ) -> Made:
        with stop.interruptible():
            made = self._crew.make(film, masks, target, progress, lambda: stop.asked)
        target.finish(made.complete)
        return made


def _recipe(options: argparse.Namespace, networks: Networks, control: Control) -> cluster.FilmRecipe:
    """Load what workers are sent; what cannot be loaded is told here."""
    layers = networks.all_layers
    loaded = [load_styled(layer.model, layer.style, layer.style_map) for layer in layers]
    engine, threads = engine_of(options), torch.get_num_threads()
    if options.style_over_time is not None:
        model = find_network(options.model[0]).absolute()
        return cluster.FilmRecipe([], control, engine, threads, (model, networks.keys))
    if any(layer.style_map is not None for layer in layers):
        if options.backend not in ("auto", "torch"):
            raise ValueError(f"backend {options.backend} does not run a map of styles: take backend torch")
        engine["backend"] = "torch"
    return cluster.FilmRecipe([frozen(network) for network in loaded], control, engine, threads)

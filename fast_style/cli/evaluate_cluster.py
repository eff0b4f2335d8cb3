"""The evaluating command where photos are measured on a Ray cluster."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from fast_style.checkpoint import load_styled
from fast_style.cli.cluster import check_engine, check_networks
from fast_style.cli.evaluate_ways import PICTURES, Photos, chosen_styles, ways_of
from fast_style.evaluate import Scores, mean_scores, measure_photo
from fast_style.files import as_path
from fast_style.inference import cluster
from fast_style.inference.stylizer import Stylizer
from fast_style.layers import frozen
from fast_style.losses import PerceptualLoss
from fast_style.remote import is_address
from fast_style.terminal import progress_bar

Numbers = dict[str, float]
Job = tuple[int, int]  # number of the way, number of the photo


def check(options: argparse.Namespace) -> None:
    """Tell which options do not go with the engine that is chosen.

    Args:
        options: see `fast_style.cli.parsers.evaluate`.

    Raises:
        ValueError: naming the option.
    """
    check_engine(options)
    for name in ("video", "pictures"):
        if options.engine == "ray" and getattr(options, name) is not None:
            raise ValueError(f"engine ray measures networks on photos: leave out --{name}, or --engine")


@dataclass(frozen=True)
class Measuring:
    """The craft of measuring ways of stylizing on photos; see `Craft`.

    Attributes:
        networks: with their names, on the CPU.
        engine: how they are computed, as `Stylizer` takes it.
        photos: what is measured on.
        loss: the perceptual loss.
        style: the style image.
        lbfgs: iterations of the optimisation that is measured as well.
    """

    networks: Sequence[tuple[str, nn.Module]]
    engine: dict[str, Any]
    photos: Photos
    loss: PerceptualLoss
    style: Tensor
    lbfgs: int
    parcel: int = 1
    ahead: int = 1  # two at once would disturb the time that is measured

    def names(self) -> list[str]:
        """Name the ways."""
        return [name for name, _ in ways_of([], self.style, self.loss, self.lbfgs)]

    def begin(self) -> tuple[cluster.Work, list[str], list[str]]:
        """Load the networks; the answer about a job is what a photo scores, and the picture if it is shown."""
        stylizers = [(name, Stylizer(network, **self.engine)) for name, network in self.networks]
        ways = ways_of(stylizers, self.style, self.loss, self.lbfgs)

        def work(jobs: Sequence[Job], again: bool) -> tuple[Numbers, Tensor | None]:
            del again
            ((way, number),) = jobs
            row, picture = measure_photo(ways[way][1], self.photos[number], self.loss, self.style)
            return row, picture if number < PICTURES else None

        backends = [stylizer.backend for _, stylizer in stylizers]
        return work, list(map(str, backends)), [note for backend in backends for note in backend.notes]

    def given_up(self, job: Job, reason: str) -> tuple[Numbers, Tensor | None]:
        """Raise RuntimeError, since a mean over the others would be of something else."""
        raise RuntimeError(f"cannot measure photo {self.photos.names[job[1]]}: {reason}")


def measure(
    options: argparse.Namespace, photos: Photos, loss: PerceptualLoss, style: Tensor
) -> list[tuple[Scores, list[Tensor]]]:
    """Measure networks on photos, the photo itself, and its optimisation, on the workers of a cluster.

    Args:
        options: see `fast_style.cli.parsers.evaluate`.
        photos: what is measured on; each worker reads those that it measures.
        loss: the perceptual loss.
        style: the style image.

    Returns:
        What `evaluate` returns for each.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        ConnectionError: if there is no cluster, or an address does not answer any more.
        ValueError, OSError, RuntimeError: if a network cannot be loaded or a photo not be measured.
    """
    check_networks(options.model)
    chosen = zip(chosen_styles(options), options.model, strict=True)
    networks = [(name, frozen(load_styled(model, chosen_style))) for (name, chosen_style), model in chosen]
    engine = {name: getattr(options, name) for name in ("device", "precision", "backend")}
    craft = Measuring(networks, engine, photos, loss, style, options.lbfgs)
    names = [*(name for name, _ in networks), *craft.names()]
    jobs = [(way, number) for way in range(len(names)) for number in range(len(photos))]
    witness = None if is_address(options.content) else as_path(options.content)
    with (
        cluster.joined(options.ray_address, options.workers, options.device) as workers,
        progress_bar("measuring", "pictures") as progress,
    ):
        outcome = cluster.spread(jobs, craft, workers, witness, progress)
    if outcome.stopped:
        raise KeyboardInterrupt
    answers = iter(outcome.answers)
    parts = [[next(answers) for _ in range(len(photos))] for _ in names]
    return [
        (mean_scores(name, [row for row, _ in part]), [picture for _, picture in part if picture is not None])
        for name, part in zip(names, parts, strict=True)
    ]

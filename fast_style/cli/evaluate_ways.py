"""The ways of making pictures that the evaluating command compares."""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from fast_style.checkpoint import styles_of, takes_style
from fast_style.data import HeldOut, StyleSource
from fast_style.inference.stylizer import Stylizer
from fast_style.losses import PerceptualLoss
from fast_style.optimize import Objective, Style, minimize

PICTURES = 6  # photos on the contact sheet

Stylize = Callable[[Tensor], Tensor]


class Photos:
    """Held-out photos (1, 3, size, size) in [0, 1], read anew whenever they are gone through: none is kept."""

    def __init__(self, heldout: HeldOut) -> None:
        self.names = heldout.names
        self._heldout = heldout

    def __len__(self) -> int:
        return len(self._heldout)

    def __getitem__(self, index: int) -> Tensor:
        return self._heldout[index]["image"][None]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[index] for index in range(len(self)))


def ways_of(
    stylizers: Sequence[tuple[str, Stylizer]], style: Tensor, loss: PerceptualLoss, lbfgs: int
) -> list[tuple[str, Stylize]]:
    """List what is measured: networks, after them the photo as it is, and the optimisation of the picture itself.

    Args:
        stylizers: the networks, with their names.
        style: the style image.
        loss: what is optimised.
        lbfgs: how many iterations of that, 0 for none.
    """
    ways: list[tuple[str, Stylize]] = [(name, stylizer.stylize) for name, stylizer in stylizers]
    ways.append(("identity", _unchanged))
    if lbfgs:
        ways.append((f"L-BFGS {lbfgs}", lambda photo: _optimized(photo, style, loss, lbfgs)))
    return ways


def stylizers_of(options: argparse.Namespace) -> list[tuple[str, Stylizer]]:
    """Load the networks, with their names."""
    engine = options.device, options.precision, options.backend
    chosen = chosen_styles(options)
    return [
        (name, Stylizer.from_checkpoint(model, *engine, style=style))
        for (name, style), model in zip(chosen, options.model, strict=True)
    ]


def chosen_styles(options: argparse.Namespace) -> list[tuple[str, Mapping[str, float] | None]]:
    """Name the networks, and choose a style of those that have several."""
    found: list[tuple[str, Mapping[str, float] | None]] = []
    for model in options.model:
        chosen = None
        if takes_style(model):
            if options.style is None:
                raise ValueError(f"{model} has several styles: name one with --style")
            chosen = {StyleSource(options.style).name if styles_of(model) else options.style: 1.0}
        found.append((_name(model, options.model), chosen))
    return found


def _unchanged(photo: Tensor) -> Tensor:
    return photo


def _optimized(photo: Tensor, style: Tensor, loss: PerceptualLoss, iterations: int) -> Tensor:
    """Take the best of some iterations of L-BFGS from the photo."""
    objective = Objective(lambda _: loss, [Style(style)], photo)
    best, least = photo, float("inf")
    for number, (picture, value) in enumerate(minimize(objective, photo), start=1):
        if value < least:
            best, least = picture, value
        if number == iterations:
            break
    return best


def _name(model: Path, models: Sequence[Path]) -> str:
    """Call a network by its file, and by the folder as well where two files have one name."""
    return model.stem if [other.stem for other in models].count(model.stem) == 1 else str(model.with_suffix(""))

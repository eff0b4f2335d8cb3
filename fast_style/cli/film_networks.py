"""The networks that stylize a film."""

import argparse
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from fast_style.checkpoint import describe
from fast_style.cli.arguments import note_of
from fast_style.cli.layers import Layer, layers_of, load, name_of, notes_of, style_files
from fast_style.data import is_style
from fast_style.inference.control import Stylize
from fast_style.inference.moving import StyleOverTime, parse_times
from fast_style.inference.stylizer import Stylizer


class Networks:
    """The networks that stylize, one set for the whole film or others from time to time.

    Args:
        options: those of `stylize`.

    Attributes:
        name: what outputs are called after them.
        count: how many are laid over one another.
        notes: sentences about them.

    Raises:
        ValueError, OSError: if options do not go together, or a file is not there.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.notes = [note for text in options.style if (note := note_of(text))]
        self.used: list[Stylizer] = []
        if options.style_over_time is None:
            self.layers = layers_of(options)
            self.name, self.count = "+".join(layer.name for layer in self.layers), len(self.layers)
            return
        if options.style or options.style_map:
            raise ValueError("--style-over-time takes the place of --style and --style-map: leave these out")
        network = describe(options.model[0])
        if len(options.model) > 1 or not network.takes_style:
            raise ValueError("--style-over-time is of one network that has several styles or takes any")
        self.keys = parse_times(
            options.style_over_time, lambda name: name in network.styles or (network.takes_images and is_style(name))
        )
        self.name, self.count = "-".join(name_of(style) for _, style in self.keys), 1

    @property
    def style_files(self) -> list[Path]:
        """The style images that networks for any style are given."""
        return style_files(self.all_layers)

    @property
    def all_layers(self) -> Sequence[Layer]:
        """The networks that are laid over one another; of a style over time the only one, in all styles at once."""
        if self.options.style_over_time is None:
            return self.layers
        return [Layer(self.options.model[0], "", {name: 1.0 for _, style in self.keys for name in style})]

    def load(self) -> None:
        """Load them, with all styles over time, so that misuse is told before the work."""
        options = self.options
        self.used = [load(layer, options) for layer in self.all_layers]
        if options.style_over_time is None:
            fixed: Sequence[Stylize] = [stylizer.stylize for stylizer in self.used]
            self.at: Callable[[Fraction], Sequence[Stylize]] = lambda _: fixed
        else:
            self.at = StyleOverTime(self.keys, lambda style: load(Layer(options.model[0], "", style), options).stylize)
        self.notes += notes_of(self.all_layers)
        self.notes += [note for stylizer in self.used for note in stylizer.backend.notes]

    def __str__(self) -> str:
        """Name the backends."""
        return ", ".join(dict.fromkeys(str(stylizer.backend) for stylizer in self.used))

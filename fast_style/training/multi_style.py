"""Train one network for several paintings, or add one to a network that knows several."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fast_style.checkpoint import load_network
from fast_style.losses import PerceptualLoss
from fast_style.networks.style_network import StyleNetwork, TakesImages
from fast_style.training.many_paintings import ManyPaintings
from fast_style.training.network_task import describe

log = logging.getLogger(__name__)


class MultiStyle(ManyPaintings):
    """Several styles in one network, or one more in a network that is trained; see `ManyPaintings`.

    Args:
        network: called with styles=NAMES, makes a network with conditional norms.
        loss: called with style=IMAGE and look=LOOK, see `PerceptualLoss`, for every style.
        styles: style images (1, 3, H, W) in [0, 1] by name; or one alone.
        name: of that one.
        optimizer: see `NetworkTask`.
        scheduler: see `NetworkTask`.
        train_only: `style` adds the styles to a network that is trained (`start_from`), or refines those that it has:
            all that is learned are scales and shifts of theirs, and the other styles stay as they are, to the bit.
            None: everything is learned.
        seed: decides the order of the styles, and how photos move, see `NetworkTask`.
        compile: fuse the passes of the networks with `torch.compile`.
        on_nonfinite: see `NetworkTask`.
        checkpoint_activations: see `NetworkTask`.
        equivariance_weight: see `NetworkTask`.
        temporal_weight: see `NetworkTask`.

    Raises:
        ValueError: if there is no style, a name cannot be one, or `train_only` is neither.
    """

    def __init__(
        self,
        network: Callable[..., StyleNetwork],
        loss: Callable[..., PerceptualLoss],
        styles: Mapping[str, Tensor] | Tensor,
        name: str,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        train_only: str | None = None,
        seed: int = 0,
        compile: bool = False,  # noqa: A002 - the name of the torch function it turns on
        on_nonfinite: str = "stop",
        checkpoint_activations: bool = False,
        equivariance_weight: float = 0.0,
        temporal_weight: float = 0.0,
    ) -> None:
        if train_only not in (None, "style"):
            raise ValueError(f"train_only must be style, or null to train everything, got {train_only!r}")
        super().__init__(
            network,
            loss,
            {name: styles} if isinstance(styles, Tensor) else styles,
            optimizer,
            scheduler,
            compile,
            on_nonfinite=on_nonfinite,
            checkpoint_activations=checkpoint_activations,
            equivariance_weight=equivariance_weight,
            temporal_weight=temporal_weight,
            seed=seed,
        )
        self.train_only = train_only
        self._kept: dict[str, Tensor] = {}  # scales and shifts of the styles that the network had, by parameter

    def begin(self, init: str, resume: Path | None) -> str:
        """Start as `NetworkTask.begin`; what is added to a network is added to that of the checkpoint in a resumed run.

        Raises:
            ValueError: if there is no network to add to, or as `start_from` and `continue_from`.
        """
        if self.train_only is not None and init in ("scratch", "base"):
            raise ValueError("train_only=style adds a style to a network of several: give init=FILE, that network")
        if resume is not None:
            self.continue_from(load_network(resume))
        return super().begin(init, resume)

    def start_from(self, start: nn.Module) -> None:
        """Start as `ManyPaintings.start_from`; with `train_only`, nothing else is learned than scales and shifts.

        A style that the network has goes on from what it is, and with `train_only` comes after those that stay.

        Raises:
            ValueError: if it is another kind of network, or, with `train_only`, is for one style only.
        """
        if self.train_only is None:
            super().start_from(start)
        elif isinstance(start, TakesImages) and start.takes_images:
            self._add_to(start.of_images(self.shown).with_styles(self.names))
        elif not isinstance(start, StyleNetwork):
            super().start_from(start)
        elif not start.styles:
            raise ValueError("train_only=style adds to a network of several styles, this one has a single style")
        else:
            for name in [name for name in self.names if name in start.styles]:
                log.info("the network has a style %s, which is trained further", name)
            self._add_to(start.with_styles([*(name for name in start.styles if name not in self.names), *self.names]))

    def continue_from(self, checkpoint: nn.Module) -> None:
        """With `train_only`, take the network of a checkpoint of this run in place of that which it started from.

        Raises:
            ValueError: if the checkpoint does not end with the styles in training.
        """
        if self.train_only is None or not isinstance(checkpoint, StyleNetwork):
            return
        if checkpoint.styles[-len(self.names) :] != self.names:
            raise ValueError(f"the checkpoint does not train {', '.join(self.names)}: resume with the same styles")
        self._add_to(checkpoint)

    def on_train_start(self) -> None:
        """Note what must stay, once it is restored and where it belongs."""
        super().on_train_start()
        if self.train_only is not None:
            count = len(self.network.styles) - len(self.names)
            names = self.network.style_parameters
            self._kept = {name: self.network.get_parameter(name).detach()[:count].clone() for name in names}

    def save(self, path: str | Path, metadata: Mapping[str, Any]) -> None:
        """Write the network as `NetworkTask.save`; the styles that it had stay as they were."""
        self._restore()
        super().save(path, metadata)

    def fits_half(self) -> bool:
        """Tell as `NetworkTask.fits_half`; what stays as it was must not be rounded."""
        fixed = [parameter for parameter in self.network.parameters() if not parameter.requires_grad]
        return super().fits_half() and all(
            torch.equal(tensor.half().float(), tensor) for tensor in (*fixed, *self._kept.values())
        )

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take a step; whatever the optimizer does, the styles that the network had stay as they are."""
        super().optimizer_step(*args, **kwargs)
        self._restore()

    def _add_to(self, network: StyleNetwork) -> None:
        """Train nothing but the scales and shifts of a network, which takes the place of that of the settings."""
        if type(network) is not type(self.network):
            log.info("the network is that of init, %s", describe(network))
        self.network = network.requires_grad_(False).train()
        for name in network.style_parameters:
            self.network.get_parameter(name).requires_grad_(True)

    @torch.no_grad()
    def _restore(self) -> None:
        for name, rows in self._kept.items():
            self.network.get_parameter(name)[: len(rows)].copy_(rows)

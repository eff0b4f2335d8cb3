"""Train one network for several paintings, or add one to a network that knows several."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fast_style.checkpoint import load_network
from fast_style.compiled import Compiled
from fast_style.data.photos import permutation
from fast_style.devices import sent
from fast_style.losses import PerceptualLoss, features_of_each
from fast_style.networks.style_network import StyleNetwork, TakesImages
from fast_style.training.network_task import NetworkTask, name_of

log = logging.getLogger(__name__)

ORDER = 1  # lest the styles come in the order of as many photos
Features = tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]


class MultiStyle(NetworkTask):
    """Several styles in one network by conditional instance normalisation (Dumoulin et al. 2017).

    Every photo of a batch has a style of its own, and what is minimised is the mean of their objectives. Sample i has
    the style of place i mod S in round i // S, each round in an order of its own; so each style has its share, and a
    resumed run goes on as if it had not been stopped.

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
        named: further arguments of another task that this one is mixed with, by name.

    Raises:
        ValueError: if there is no style, a name cannot be one, or `train_only` is neither.
    """

    network: StyleNetwork

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
        **named: Any,
    ) -> None:
        images = {name: styles} if isinstance(styles, Tensor) else dict(styles)
        if not images:
            raise ValueError("there is no style to learn: give at least one")
        if train_only not in (None, "style"):
            raise ValueError(f"train_only must be style, or null to train everything, got {train_only!r}")
        made = network(styles=list(images))
        super().__init__(
            made,
            optimizer=optimizer,
            scheduler=scheduler,
            on_nonfinite=on_nonfinite,
            checkpoint_activations=checkpoint_activations,
            equivariance_weight=equivariance_weight,
            temporal_weight=temporal_weight,
            seed=seed,
            **named,
        )
        self.names = list(images)
        look = lru_cache(maxsize=1)(features_of_each)  # at the reference once for all, and gone with what it saw
        self.losses = nn.ModuleList(loss(style=image, look=look) for image in images.values())
        self.losses.to(memory_format=torch.channels_last)
        self.train_only = train_only
        self._kept: dict[str, Tensor] = {}  # scales and shifts of the styles that the network had, by parameter
        self._passes: Callable[[Tensor, Tensor, int], Features]
        self._passes = Compiled(self._both_passes, log.warning) if compile else self._both_passes

    @property
    def shown(self) -> dict[str, Tensor]:
        """The paintings that are learned, by name."""
        return {name: self._loss(style).image for style, name in enumerate(self.names)}

    def identity(self) -> dict[str, Any]:
        """Describe the paintings and the loss network."""
        return super().identity() | {"loss network": name_of(self._loss(0).loss_network)}

    def stylize_arguments(self, folder: Path | None) -> list[str]:
        """Name the first of the styles."""
        return ["--style", self.names[0]]

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
        """Take over the weights of a network for one style or for several; new styles begin with the mean of those.

        Of a network for any style they begin with what it predicts for their paintings; with `train_only`, nothing else
        is learned than scales and shifts from there on. A style that the network has goes on from what it is, and with
        `train_only` comes after those that stay.

        Raises:
            ValueError: if it is another kind of network, or, with `train_only`, is for one style only.
        """
        if isinstance(start, TakesImages) and start.takes_images:
            predicted = start.of_images(self.shown).with_styles(self.names)
            if self.train_only is not None:
                self._add_to(predicted)
            else:
                super().start_from(predicted)
        elif not isinstance(start, StyleNetwork):
            super().start_from(start)
        elif self.train_only is None:
            super().start_from(start.with_styles(self.names))
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

    def forward(self, photos: Tensor, style: str | None = None) -> Tensor:
        """Stylise photos of shape (N, 3, H, W) in [0, 1] in a style, by default the first of those in training."""
        shares = self.network.mixture({style or self.names[0]: 1.0}).to(photos)
        return self.network(self.laid_out(photos), shares.expand(len(photos), -1))

    def style_of(self, sample: int) -> int:
        """Return whose turn it is: every round visits all styles, in an order of its own."""
        turn, place = divmod(sample, len(self.names))
        return int(permutation(len(self.names), self.seed, turn, ORDER)[place])

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the mean objective of a batch {"image": (N, 3, H, W) in [0, 1], "index": (N,), their numbers}."""
        photos = batch["image"]
        chosen = [self.style_of(sample) for sample in batch["index"].tolist()]
        offset = len(self.network.styles) - len(self.names)
        rows = torch.tensor([offset + style for style in chosen])
        shares = sent(F.one_hot(rows, len(self.network.styles)).float(), photos.device)
        moved, motion = self.moved(batch)
        both = torch.cat([photos, moved]) if len(moved) else photos
        all_shares = torch.cat([shares, shares.index_select(0, motion.places)])
        pictures, features, targets = self._passes(both, all_shares, len(photos))
        stylized = pictures[: len(photos)]
        by_style = sent(torch.tensor(sorted(range(len(chosen)), key=chosen.__getitem__)), photos.device)
        counts = {style: chosen.count(style) for style in sorted(set(chosen))}

        def parted(images: Tensor) -> Sequence[Tensor]:
            return images[by_style].split([*counts.values()])

        made, seen = parted(stylized), parted(photos)
        found, wanted = ({layer: parted(x) for layer, x in each.items()} for each in (features, targets))
        means: dict[str, Tensor] = {}
        for turn, (style, count) in enumerate(counts.items()):
            own, aims = ({layer: x[turn] for layer, x in each.items()} for each in (found, wanted))
            summary = self._compare(style, made[turn], own, seen[turn], aims)
            self.log(f"train/total_loss/{self.names[style]}", summary["total_loss"].detach())
            for name, value in summary.items():
                means[name] = means.get(name, 0) + value * (count / len(chosen))
        further = self.compare_moved(stylized, pictures[len(photos) :], motion)
        further |= self.compare_further(stylized, batch, chosen)
        weights = self.weights_of(further)
        for name, value in further.items():
            means |= {name: value, f"weighted/{name}": weights[name] * value}
            means["total_loss"] = means["total_loss"] + means[f"weighted/{name}"]
        return self.log_step(means, means)

    def compare_further(self, pictures: Tensor, batch: Mapping[str, Any], chosen: Sequence[int]) -> dict[str, Tensor]:
        """Compare pictures (N, 3, H, W) of a batch by what a task adds to the paintings' losses: nothing here.

        Args:
            pictures: with a gradient.
            batch: see `training_step`.
            chosen: the style of each.

        Returns:
            Unweighted scalars by name; `weights_of` knows their weights.
        """
        return {}

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take a step; whatever the optimizer does, the styles that the network had stay as they are."""
        super().optimizer_step(*args, **kwargs)
        self._restore()

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> dict[str, Any]:
        """Log each style's losses on held-out photos and their means, in float32; return the pictures by style."""
        photos = batch["image"]
        pictures: dict[str, Tensor] = {}
        summaries: dict[str, dict[str, Tensor]] = {}
        with torch.autocast(photos.device.type, enabled=False):
            targets = self._loss(0).targets(photos)
            for style, name in enumerate(self.names):
                pictures[name] = self(photos, name)
                summaries[name] = self._compare(style, pictures[name], self._features(pictures[name]), photos, targets)
        self.log_heldout(summaries, len(photos))
        return {"photos": photos, "stylized": pictures}

    def _add_to(self, network: StyleNetwork) -> None:
        """Train nothing but the scales and shifts of a network."""
        self.network = network.requires_grad_(False).train()
        for name in network.style_parameters:
            self.network.get_parameter(name).requires_grad_(True)

    @torch.no_grad()
    def _restore(self) -> None:
        for name, rows in self._kept.items():
            self.network.get_parameter(name)[: len(rows)].copy_(rows)

    def _both_passes(self, photos: Tensor, shares: Tensor, count: int) -> Features:
        """Stylise, and of the first `count` compute the features that the losses compare: all have the same layers."""
        pictures = self.stylize(self.laid_out(photos), shares)
        return pictures, self._features(pictures[:count]), self._loss(0).targets(photos[:count])

    def _features(self, images: Tensor) -> dict[str, Tensor]:
        loss = self._loss(0)
        return loss.loss_network(images, [*loss.content_layers, *loss.style_layers])

    def _compare(
        self,
        style: int,
        stylized: Tensor,
        features: Mapping[str, Tensor],
        photos: Tensor,
        targets: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        loss = self._loss(style)
        return loss.summary(loss.compare(stylized, features, photos, targets))

    def _loss(self, style: int) -> PerceptualLoss:
        return cast("PerceptualLoss", self.losses[style])

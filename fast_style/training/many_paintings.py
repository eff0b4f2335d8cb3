"""What the tasks that train one network for several paintings have in common."""

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

from fast_style.compiled import Compiled
from fast_style.data.photos import permutation
from fast_style.devices import sent
from fast_style.losses import PerceptualLoss, features_of_each, summarize
from fast_style.networks.style_network import StyleNetwork, TakesImages
from fast_style.training.network_task import NetworkTask, name_of

log = logging.getLogger(__name__)

ORDER = 1  # lest the styles come in the order of as many photos
Features = tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]


class ManyPaintings(NetworkTask):
    """Several styles in one network by conditional instance normalisation (Dumoulin et al. 2017).

    Every photo of a batch has a style of its own, and what is minimised is the mean of their objectives. Sample i has
    the style of place i mod S in round i // S, each round in an order of its own; so each style has its share, and a
    resumed run goes on as if it had not been stopped.

    Args:
        network: called with styles=NAMES, makes a network with conditional norms.
        loss: called with style=IMAGE and look=LOOK, see `PerceptualLoss`, for every style.
        styles: style images (1, 3, H, W) in [0, 1] by name.
        optimizer: see `NetworkTask`.
        scheduler: see `NetworkTask`.
        compile: fuse the passes of the networks with `torch.compile`.
        named: further arguments of `NetworkTask`, or of the task that this one is mixed with, by name; `seed` decides
            the order of the styles.

    Attributes:
        names: of the styles that are learned.
        losses: the perceptual loss of each.

    Raises:
        ValueError: if there is no style, or a name cannot be one.
    """

    network: StyleNetwork

    def __init__(
        self,
        network: Callable[..., StyleNetwork],
        loss: Callable[..., PerceptualLoss],
        styles: Mapping[str, Tensor],
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        compile: bool = False,  # noqa: A002 - the name of the torch function it turns on
        **named: Any,
    ) -> None:
        if not styles:
            raise ValueError("there is no style to learn: give at least one")
        super().__init__(network(styles=list(styles)), optimizer=optimizer, scheduler=scheduler, **named)
        self.names = list(styles)
        look = lru_cache(maxsize=1)(features_of_each)  # at the reference once for all, and gone with what it saw
        self.losses = nn.ModuleList(loss(style=image, look=look) for image in styles.values())
        self.losses.to(memory_format=torch.channels_last)
        self._passes: Callable[[Tensor, Tensor, int], Features]
        self._passes = Compiled(self._both_passes, log.warning) if compile else self._both_passes

    @property
    def shown(self) -> dict[str, Tensor]:
        """The paintings that are learned, by name."""
        return {name: self.loss_of(style).image for style, name in enumerate(self.names)}

    def identity(self) -> dict[str, Any]:
        """Describe the paintings and the loss network."""
        return super().identity() | {"loss network": name_of(self.loss_of(0).loss_network)}

    def stylize_arguments(self, folder: Path | None) -> list[str]:
        """Name the first of the styles."""
        return ["--style", self.names[0]]

    def start_from(self, start: nn.Module) -> None:
        """Take over the weights of a network for one style or for several; new styles begin with the mean of those.

        Of a network for any style they begin with what it predicts for their paintings.

        Raises:
            ValueError: if it is another kind of network.
        """
        if isinstance(start, TakesImages) and start.takes_images:
            start = start.of_images(self.shown)
        super().start_from(start.with_styles(self.names) if isinstance(start, StyleNetwork) else start)

    def forward(self, photos: Tensor, style: str | None = None) -> Tensor:
        """Stylise photos of shape (N, 3, H, W) in [0, 1] in a style, by default the first of those in training."""
        network = cast("StyleNetwork", self.use())
        shares = network.mixture({style or self.names[0]: 1.0}).to(photos)
        return network(self.laid_out(photos), shares.expand(len(photos), -1))

    def turn_of(self, sample: int) -> int:
        """Return the round that a sample belongs to: every round visits all styles, in an order of its own."""
        return sample // len(self.names)

    def style_of(self, sample: int) -> int:
        """Return whose turn it is."""
        count = len(self.names)
        return int(permutation(count, self.seed, self.turn_of(sample), ORDER)[sample % count])

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
        if further:
            summary = summarize(further, self.weights_of(further))
            means |= summary | {"total_loss": means["total_loss"] + summary["total_loss"]}
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

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> dict[str, Any]:
        """Log each style's losses on held-out photos and their means, in float32; return the pictures by style."""
        photos = batch["image"]
        pictures: dict[str, Tensor] = {}
        summaries: dict[str, dict[str, Tensor]] = {}
        with torch.autocast(photos.device.type, enabled=False):
            targets = self.loss_of(0).targets(photos)
            for style, name in enumerate(self.names):
                pictures[name] = self(photos, name)
                summaries[name] = self._compare(style, pictures[name], self.features(pictures[name]), photos, targets)
        self.log_heldout(summaries, len(photos))
        return {"photos": photos, "stylized": pictures}

    def _both_passes(self, photos: Tensor, shares: Tensor, count: int) -> Features:
        """Stylise, and of the first `count` compute the features that the losses compare: all have the same layers."""
        pictures = self.stylize(self.laid_out(photos), shares)
        return pictures, self.features(pictures[:count]), self.loss_of(0).targets(photos[:count])

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """Compute the features of images (N, 3, H, W) in [0, 1] that the losses compare, by layer."""
        loss = self.loss_of(0)
        return loss.loss_network(images, [*loss.content_layers, *loss.style_layers])

    def _compare(
        self,
        style: int,
        stylized: Tensor,
        features: Mapping[str, Tensor],
        photos: Tensor,
        targets: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        loss = self.loss_of(style)
        return loss.summary(loss.compare(stylized, features, photos, targets))

    def loss_of(self, style: int) -> PerceptualLoss:
        """Return the perceptual loss of a style."""
        return cast("PerceptualLoss", self.losses[style])

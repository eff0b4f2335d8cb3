"""Train one network for one painting."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fast_style.compiled import Compiled
from fast_style.losses import PerceptualLoss, summarize
from fast_style.training.one_painting import OnePainting

log = logging.getLogger(__name__)


class FeedForward(OnePainting):
    """Feed-forward style transfer: minimise the perceptual loss of network(photo) (Johnson et al. 2016).

    Args:
        network: maps photos (N, 3, H, W) in [0, 1] to stylized images of the same shape.
        loss: the perceptual loss; its targets and its frozen network stay out of the checkpoints.
        optimizer: see `NetworkTask`, also for what is raised.
        scheduler: see `NetworkTask`.
        compile: fuse the training step with `torch.compile`: about a minute of compilation, then a step takes about
            half of the time on a CPU (`docs/training_step.md`: 5.02 against 2.67 times as fast as pytorch/examples).
            Without a C++ compiler a warning says so, and nothing is compiled.
        on_nonfinite: see `NetworkTask`.
        checkpoint_activations: see `NetworkTask`.
        equivariance_weight: see `NetworkTask`.
        temporal_weight: see `NetworkTask`.
        seed: see `NetworkTask`.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: PerceptualLoss,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        compile: bool = False,  # noqa: A002 - the name of the torch function it turns on
        on_nonfinite: str = "stop",
        checkpoint_activations: bool = False,
        equivariance_weight: float = 0.0,
        temporal_weight: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            network,
            optimizer,
            scheduler,
            on_nonfinite,
            checkpoint_activations,
            equivariance_weight,
            temporal_weight,
            seed,
        )
        self.loss = loss.to(memory_format=torch.channels_last)
        self.weights |= loss.weights
        self._losses: Callable[[Tensor, Tensor], tuple[dict[str, Tensor], Tensor, Tensor]]
        self._losses = Compiled(self._pass, log.warning) if compile else self._pass

    def forward(self, photos: Tensor, style: str = "") -> Tensor:
        """Stylise photos of shape (N, 3, H, W) in [0, 1]; there is one style, without a name."""
        return self.network(self.laid_out(photos))

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the weighted sum of the losses of a batch {"image": (N, 3, H, W) in [0, 1]}."""
        moved, motion = self.moved(batch)
        losses, pictures, of_moved = self._losses(batch["image"], moved)
        losses |= self.compare_moved(pictures, of_moved, motion)
        return self.log_step(losses, summarize(losses, self.weights))

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """Log the losses on held-out photos, in float32 whatever the training's precision; return the pictures."""
        photos = batch["image"]
        with torch.autocast(photos.device.type, enabled=False):
            stylized = self(photos)
            self.log_heldout({"": self.loss.summary(self.loss(stylized, photos))}, len(photos))
        return {"photos": photos, "stylized": stylized}

    def _pass(self, photos: Tensor, moved: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return the losses of photos, their pictures, and those of moved photos, which may be none."""
        both = torch.cat([photos, moved]) if len(moved) else photos
        pictures = self.stylize(self.laid_out(both))
        pictures, of_moved = pictures[: len(photos)], pictures[len(photos) :]
        return self.loss(pictures, photos), pictures, of_moved

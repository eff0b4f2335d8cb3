"""Train one network for one painting."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fast_style.compiled import Compiled
from fast_style.losses import PerceptualLoss
from fast_style.training.network_task import NetworkTask

log = logging.getLogger(__name__)


class FeedForward(NetworkTask):
    """Feed-forward style transfer: minimise the perceptual loss of network(photo) (Johnson et al. 2016).

    Args:
        network: maps photos (N, 3, H, W) in [0, 1] to stylized images of the same shape.
        loss: the perceptual loss; its targets and its frozen network stay out of the checkpoints.
        optimizer, scheduler, on_nonfinite, checkpoint_activations: see `NetworkTask`, also for what is raised.
        compile: fuse the training step with `torch.compile`: about a minute of compilation, then a step takes about
            half of the time on a CPU (`benchmarks/training.md`: 5.02 against 2.67 times as fast as pytorch/examples).
            Without a C++ compiler a warning says so, and nothing is compiled.
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
    ) -> None:
        super().__init__(network, optimizer, scheduler, on_nonfinite, checkpoint_activations)
        self.loss = loss.to(memory_format=torch.channels_last)
        self._training_losses: Callable[[Tensor], dict[str, Tensor]]
        self._training_losses = Compiled(self._losses, log.warning) if compile else self._losses

    def forward(self, photos: Tensor) -> Tensor:
        """Stylise photos of shape (N, 3, H, W) in [0, 1]."""
        return self.network(photos.contiguous(memory_format=torch.channels_last))

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the weighted sum of the losses of a batch {"image": (N, 3, H, W) in [0, 1]}."""
        losses = self._training_losses(batch["image"])
        return self.log_step(losses, self.loss.summary(losses))

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """Log the losses on held-out photos, in float32 whatever the training's precision; return the pictures."""
        photos = batch["image"]
        with torch.autocast(photos.device.type, enabled=False):
            stylized = self(photos)
            summary = self.loss.summary(self.loss(stylized, photos))
        for name, value in summary.items():
            self.log(f"heldout/{name}", value, batch_size=len(photos), sync_dist=True)
        return {"photos": photos, "stylized": stylized}

    def _losses(self, photos: Tensor) -> dict[str, Tensor]:
        return self.loss(self.stylize(photos.contiguous(memory_format=torch.channels_last)), photos)

"""Train a network to start from: many styles by turns, learned by none, quick to become any."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fast_style.compiled import Compiled
from fast_style.losses import PerceptualLoss
from fast_style.training.network_task import NetworkTask

log = logging.getLogger(__name__)


class Reptile(NetworkTask):
    """Reptile (Nichol et al. 2018, https://arxiv.org/abs/1803.02999) over styles.

    A copy of the network, the base, is what is learned. By turns, for each style of a shuffled round, the network is
    trained from the base on for `inner_steps` steps to weights φ; then base ← base + outer_rate · (φ − base). With
    `inner_steps` = 1 and `outer_rate` = 1 this is plain training on a mixture of the styles. The optimizer's moments go
    on from style to style.

    Args:
        network: maps photos (N, 3, H, W) in [0, 1] to stylized images of the same shape.
        loss: called with style=IMAGE for every style.
        styles: style images (1, 3, H, W) in [0, 1] by name.
        optimizer, scheduler, on_nonfinite: see `NetworkTask`.
        inner_steps: steps a turn, at least 1.
        outer_rate: how far the base follows, above 0, up to 1.
        seed: decides the order of the turns.
        compile: fuse the network with `torch.compile`.

    Raises:
        ValueError: if a number is outside its range, or there is no style.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[..., PerceptualLoss],
        styles: Mapping[str, Tensor],
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        inner_steps: int = 10,
        outer_rate: float = 0.5,
        seed: int = 0,
        compile: bool = False,  # noqa: A002 - the name of the torch function it turns on
        on_nonfinite: str = "stop",
    ) -> None:
        super().__init__(network, optimizer, scheduler, on_nonfinite)
        if inner_steps < 1 or not 0 < outer_rate <= 1:
            raise ValueError(
                f"inner_steps must be at least 1 and outer_rate above 0, up to 1, got {inner_steps} and {outer_rate}"
            )
        if not styles:
            raise ValueError("there is no style to learn from: give at least one")
        self.names = list(styles)
        self.losses = nn.ModuleList(loss(style=style) for style in styles.values())
        self.losses.to(memory_format=torch.channels_last)
        self.inner_steps = inner_steps
        self.outer_rate = outer_rate
        self.seed = seed
        self._base: list[Tensor] = []  # weights of the base, once training has begun
        self._stylize: Callable[[Tensor], Tensor] = Compiled(network, log.warning) if compile else network

    def style_of(self, step: int) -> int:
        """Return whose turn it is: every round visits all styles, in an order of its own."""
        turn, count = step // self.inner_steps, len(self.names)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + turn // count)
        return int(torch.randperm(count, generator=generator)[turn % count])

    def on_train_start(self) -> None:
        """Set the base, unless it came with the checkpoint."""
        if not self._base:
            self._base = [parameter.detach().clone() for parameter in self.network.parameters()]
        self._base = [weights.to(self.device) for weights in self._base]

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the weighted sum of the losses of the style whose turn it is."""
        photos = batch["image"].contiguous(memory_format=torch.channels_last)
        style = self.style_of(self.global_step)
        total = self._objective(style, self._stylize(photos), photos)
        if not torch.isfinite(total):
            self.not_finite({f"total_loss/{self.names[style]}": total})
        self.log(f"train/total_loss/{self.names[style]}", total.detach())
        self.log("train/total_loss", total.detach(), prog_bar=True)
        return total

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take a step; at the end of a turn the base follows the network, and the network returns to the base."""
        super().optimizer_step(*args, **kwargs)
        if (self.global_step + 1) % self.inner_steps == 0:  # the step just taken is not counted yet
            with torch.no_grad():
                for base, parameter in zip(self._base, self.network.parameters(), strict=True):
                    base.lerp_(parameter, self.outer_rate)
                    parameter.copy_(base)

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> None:
        """Log the objective of every style on held-out photos and their mean, in float32."""
        photos = batch["image"]
        with torch.autocast(photos.device.type, enabled=False):
            stylized = self.network(photos)
            totals = [self._objective(style, stylized, photos) for style in range(len(self.names))]
        for name, total in zip(self.names, totals, strict=True):
            self.log(f"heldout/total_loss/{name}", total, batch_size=len(photos), sync_dist=True)
        self.log("heldout/total_loss", torch.stack(totals).mean(), batch_size=len(photos), sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the base as well."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["base"] = self._base

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the base."""
        if [weights.shape for weights in checkpoint.get("base", ())] != [p.shape for p in self.network.parameters()]:
            raise ValueError("the checkpoint holds no base of this network: resume with the same model")
        super().on_load_checkpoint(checkpoint)
        self._base = checkpoint["base"]

    def save(self, path: str | Path, metadata: Mapping[str, Any]) -> None:
        """Write the base, which the network equals at the end of a turn, as a `.safetensors` file."""
        with torch.no_grad():
            for base, parameter in zip(self._base, self.network.parameters(), strict=True):
                parameter.copy_(base)
        super().save(path, metadata)

    def _objective(self, style: int, stylized: Tensor, photos: Tensor) -> Tensor:
        loss = cast("PerceptualLoss", self.losses[style])
        return loss.summary(loss(stylized, photos))["total_loss"]

"""Train a network that takes any style image."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.checkpoint import checkpoint

from fast_style.compiled import Compiled
from fast_style.data import procedural_image
from fast_style.losses import AdaINLoss
from fast_style.networks import AdaIN
from fast_style.training.any_painting import AnyPainting
from fast_style.training.network_task import describe

log = logging.getLogger(__name__)

SCENES, SCENE = 16, 128  # from which the decoder's input is standardised: their number and their side in pixels


class AdaINStyle(AnyPainting):
    """Style transfer for any style image: every photo of a batch has a painting of its own (Huang & Belongie 2017).

    What the decoder of a new network sees is standardised by procedural scenes, see `AdaIN.standardize`.

    Args:
        network: whose decoder is trained.
        loss: see `AdaINLoss`; its frozen network stays out of the checkpoints.
        styles: see `AnyPainting`.
        optimizer: see `NetworkTask`, also for what is raised.
        scheduler: see `NetworkTask`.
        compile: fuse the training step with `torch.compile`.
        on_nonfinite: see `NetworkTask`.
        checkpoint_activations: see `NetworkTask`.

    Raises:
        ValueError: if there is no style to show, or the network has its styles already.
    """

    network: AdaIN

    def __init__(
        self,
        network: AdaIN,
        loss: AdaINLoss,
        styles: Mapping[str, Tensor],
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        compile: bool = False,  # noqa: A002 - the name of the torch function it turns on
        on_nonfinite: str = "stop",
        checkpoint_activations: bool = False,
    ) -> None:
        if not isinstance(network, AdaIN) or not network.takes_images:
            # It is the setting that is wrong.
            raise ValueError(f"the network must take any style: an AdaIN with norm=adaptive, got {describe(network)}")
        super().__init__(styles, network, optimizer, scheduler, on_nonfinite, checkpoint_activations)
        if not network.standardized:
            network.standardize(torch.stack([procedural_image(0, index, SCENE) for index in range(SCENES)]))
        self.loss = loss.to(memory_format=torch.channels_last)
        self._training_losses: Callable[[Tensor, Tensor], dict[str, Tensor]]
        self._training_losses = Compiled(self._losses, log.warning) if compile else self._losses

    def identity(self) -> dict[str, Any]:
        """Nothing: which styles are shown does not matter to what is learned."""
        return {}

    def forward(self, photos: Tensor, style: str | None = None) -> Tensor:
        """Stylise photos of shape (N, 3, H, W) in [0, 1] in one of the styles that are shown, by default the first."""
        painting = self._painting(style or self.names[0], photos)
        return self.network.transfer(self.network.encode(photos), self.network.encode(painting), photos.shape[-2:])[0]

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the weighted sum of the losses of a batch {"image", "painting": (N, 3, H, W) in [0, 1]}."""
        losses = self._training_losses(*(self.laid_out(batch[part]) for part in ("image", "painting")))
        return self.log_step(losses, self.loss.summary(losses))

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> dict[str, Any]:
        """Log each style's losses on held-out photos and their means, in float32; return the pictures by style."""
        photos = self.laid_out(batch["image"])
        pictures: dict[str, Tensor] = {}
        summaries: dict[str, dict[str, Tensor]] = {}
        with torch.autocast(photos.device.type, enabled=False):
            for name in self.names:
                pictures[name], losses = self._stylize_and_compare(photos, self._painting(name, photos))
                summaries[name] = self.loss.summary(losses)
        self.log_heldout(summaries, len(photos))
        return {"photos": photos, "stylized": pictures}

    def _losses(self, photos: Tensor, paintings: Tensor) -> dict[str, Tensor]:
        return self._stylize_and_compare(photos, paintings)[1]

    def _stylize_and_compare(self, photos: Tensor, paintings: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.no_grad():
            encoded = self.network.encode(paintings)
            own = self.network.encode(photos)
        size = photos.shape[-2:]
        pictures, wanted = self._run(self.network.transfer, own, encoded, size)
        identity = (self._run(self.network.decode, own, size), photos) if self.loss.wants_identity else None
        return pictures, self.loss(pictures, self.network.encode(pictures), wanted, paintings, encoded, identity)

    def _run(self, function: Callable[..., Any], *inputs: Any) -> Any:
        return checkpoint(function, *inputs, use_reentrant=False) if self.again else function(*inputs)

    def _painting(self, style: str, photos: Tensor) -> Tensor:
        return self._shown[style].to(photos.device)

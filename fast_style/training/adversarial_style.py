"""Train one network for one painting, or the hand of several, with a discriminator beside the perceptual loss."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fast_style.losses import PerceptualLoss, summarize
from fast_style.training.adversarial import Adversary, Brushwork
from fast_style.training.adversarial.brushwork import BALANCE_EVERY, style_terms
from fast_style.training.one_painting import OnePainting


class AdversarialStyle(OnePainting, Brushwork):
    """Feed-forward style transfer whose pictures are also to pass for crops of the painting.

    The perceptual loss is that of Johnson et al. 2016; for the discriminator see `Brushwork`.

    Args:
        network: maps photos (N, 3, H, W) in [0, 1] to stylized images of the same shape.
        loss: the perceptual loss; its targets and its frozen network stay out of the checkpoints.
        adversary: the discriminator and what belongs to it.
        optimizer: see `AdversarialTask`.
        scheduler: see `NetworkTask`.
        crops: what is real: crops of the `painting`, at the scale of `style.size`, or of the `paintings` of
            `data.style_root`.
        negatives: see `Brushwork`.
        adversarial_weight: see `Brushwork`.
        balance: see `Brushwork`; measured every 16 steps.
        discriminator_weight: see `Brushwork`.
        seed: with a sample's number decides its crop.
        average: see `AdversarialTask`.
        discriminator_lr: see `AdversarialTask`.
        on_nonfinite: see `NetworkTask`.
        equivariance_weight: see `NetworkTask`.

    Raises:
        ValueError: if `crops` is neither, or as `Brushwork`.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: PerceptualLoss,
        adversary: Adversary,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        crops: Literal["painting", "paintings"] = "painting",
        negatives: Sequence[Literal["grey", "blurred"]] = ("grey", "blurred"),
        adversarial_weight: float = 1.0,
        balance: float | None = 0.25,
        discriminator_weight: float = 1.0,
        seed: int = 0,
        average: float = 0.999,
        discriminator_lr: float = 1.0,
        on_nonfinite: str = "stop",
        equivariance_weight: float = 0.0,
    ) -> None:
        if crops not in ("painting", "paintings"):
            raise ValueError(f"crops must be painting or paintings, got {crops!r}")
        super().__init__(
            network,
            adversary,
            optimizer,
            scheduler,
            {"": loss.image} if crops == "painting" else {},
            negatives,
            adversarial_weight,
            balance,
            discriminator_weight,
            average=average,
            discriminator_lr=discriminator_lr,
            on_nonfinite=on_nonfinite,
            equivariance_weight=equivariance_weight,
            seed=seed,
        )
        self.loss = loss.to(memory_format=torch.channels_last)
        self.weights |= loss.weights
        self.of_one_hand = adversarial_weight > 0 and crops == "paintings"
        self.wants = ("image", "painting") if self.of_one_hand else ("image",)

    def forward(self, photos: Tensor, style: str = "") -> Tensor:
        """Stylise photos of shape (N, 3, H, W) in [0, 1]; there is one style, without a name."""
        return self.use()(self.laid_out(photos))

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the weighted losses of a batch {"image": (N, 3, H, W) in [0, 1]}, both sides' together."""
        photos = batch["image"]
        moved, motion = self.moved(batch)
        both = torch.cat([photos, moved]) if len(moved) else photos
        pictures, of_moved = self.network(self.laid_out(both)).split([len(photos), len(moved)])
        losses = self.loss(pictures, photos)
        own = dict(losses)
        losses |= self.compare_moved(pictures, of_moved, motion)
        if self.adversaries:
            real = batch["painting"] if "painting" in batch else self.crops(batch, [0] * len(photos))
            due = self.global_step % BALANCE_EVERY == 0
            losses |= self.compare_brushwork(real, pictures, batch, due, lambda: self._style_gradient(own, pictures))
            self.log("train/adversarial_weight", self.adversarial_weight)
        return self.log_step(losses, summarize(losses, self.weights_of(losses)))

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """Log the perceptual losses on held-out photos, in float32; return the pictures."""
        photos = batch["image"]
        with torch.autocast(photos.device.type, enabled=False):
            stylized = self(photos)
            self.log_heldout({"": self.loss.summary(self.loss(stylized, photos))}, len(photos))
        return {"photos": photos, "stylized": stylized}

    def _style_gradient(self, losses: Mapping[str, Tensor], pictures: Tensor) -> Tensor | None:
        style = style_terms(self.loss, losses)
        return None if style is None else torch.autograd.grad(style, pictures, retain_graph=True)[0]

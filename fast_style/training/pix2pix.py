"""Train a network to make one side of pairs of the other."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fast_style.losses import chosen_terms, summarize
from fast_style.losses.perceptual import Term
from fast_style.metrics import ssim
from fast_style.metrics.similarity import WINDOW
from fast_style.training.adversarial import AdversarialTask, Adversary


class Pix2Pix(AdversarialTask):
    """Paired translation: pictures are to be like their targets, and to look like such to a discriminator.

    Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks"
    (https://arxiv.org/abs/1611.07004). A discriminator of six channels judges a picture beside its input, one of three
    the picture alone.

    Args:
        network: maps inputs (N, 3, H, W) in [0, 1] to pictures of the same shape.
        adversary: the discriminator and what belongs to it.
        terms: functions of pictures and targets by name, such as `l1_loss`, or a `FeatureLoss` in its place.
        term_weights: of these by name; the paper has 100 for `l1_loss` of images in [−1, 1], which is 200 here.
        optimizer: see `AdversarialTask`.
        scheduler: see `NetworkTask`.
        adversarial_weight: of the generator's side; 0 trains without a discriminator, on the terms alone.
        discriminator_weight: of the discriminator's side, which Adam hardly sees, see `AdversarialTask`; the paper
            halves it.
        average: see `AdversarialTask`.
        discriminator_lr: see `AdversarialTask`.
        on_nonfinite: see `NetworkTask`.

    Raises:
        ValueError: if terms and weights do not have the same names, or a number is outside its range.
    """

    wants = ("pair",)

    def __init__(
        self,
        network: nn.Module,
        adversary: Adversary,
        terms: Mapping[str, Term],
        term_weights: Mapping[str, float],
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        adversarial_weight: float = 1.0,
        discriminator_weight: float = 0.5,
        average: float = 0.0,
        discriminator_lr: float = 1.0,
        on_nonfinite: str = "stop",
    ) -> None:
        weights = {"adversarial_loss": adversarial_weight, "discriminator_loss": discriminator_weight}
        super().__init__(
            network,
            {"B": adversary},
            optimizer,
            scheduler,
            weights,
            average=average,
            discriminator_lr=discriminator_lr,
            on_nonfinite=on_nonfinite,
        )
        self.terms = chosen_terms(terms, term_weights)
        if not self.terms:
            raise ValueError("pairs are compared by nothing: give a term, such as terms.l1_loss, a weight above 0")
        self.frozen = nn.ModuleList(term for term in self.terms.values() if isinstance(term, nn.Module))
        self.frozen.to(memory_format=torch.channels_last)
        self.weights |= dict(term_weights)
        self.sees_input = getattr(adversary.discriminator, "arguments", {}).get("channels") == 6

    def forward(self, photos: Tensor, style: str = "") -> Tensor:
        """Make pictures of inputs of shape (N, 3, H, W) in [0, 1]."""
        return self.use()(self.laid_out(photos))

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the weighted losses of a batch {"real_a", "real_b": (N, 3, H, W) in [0, 1]}, both sides' together."""
        real_a, real_b = batch["real_a"], batch["real_b"]
        fake_b = self.network(self.laid_out(real_a))
        losses = self._compare(fake_b, real_b)
        if self.adversaries:
            real, fake = real_b, fake_b
            if self.sees_input:
                real, fake = (torch.cat([real_a, each], dim=1) for each in (real_b, fake_b))
            losses |= self.play("B", self.laid_out(real), self.laid_out(fake), batch)
        return self.log_step(losses, summarize(losses, self.weights_of(losses)))

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> dict[str, Any]:
        """Log how far held-out pictures are from their targets, in float32; return input | picture | target."""
        real_a, real_b = batch["real_a"], batch["real_b"]
        with torch.autocast(real_a.device.type, enabled=False):
            fake_b = self(real_a)
            losses = self._compare(fake_b, real_b)
            self.log_heldout({"": summarize(losses, self.weights_of(losses))}, len(real_a))
            if min(real_a.shape[-2:]) >= WINDOW:
                similar = ssim(fake_b.clamp(0, 1), real_b).mean()
                self.log("heldout/ssim", similar, batch_size=len(real_a), sync_dist=True)
        return {"grids": {"": [real_a, fake_b, real_b]}, "sets": {"": (real_a, fake_b, real_b)}}

    def _compare(self, fake_b: Tensor, real_b: Tensor) -> dict[str, Tensor]:
        return {name: term(fake_b, real_b) for name, term in self.terms.items()}

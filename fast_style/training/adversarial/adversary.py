"""A discriminator and all that it takes to play against it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fast_style.devices import sent
from fast_style.losses import ADVERSARIAL_LOSSES, r1_penalty
from fast_style.training.adversarial.augment import DiffAugment
from fast_style.training.adversarial.pool import ImagePool


class Adversary(nn.Module):
    """A discriminator with its loss, what it is shown, and its memory, which is kept in checkpoints.

    One backward pass of the sum of all losses trains both sides: in the generator's loss the discriminator's weights
    are constants, in the discriminator's loss the made images are.

    Args:
        discriminator: maps images (N, C, H, W) in [0, 1] to logits (N, 1, h, w); one for several kinds of images also
            takes the kind of each, int64 (N,), see `PatchDiscriminator`.
        loss: a name of `losses.ADVERSARIAL_LOSSES`: `lsgan`, `vanilla`, `hinge` or `relativistic`.
        augment: policies of `DiffAugment`, worth it from about a hundred images downwards.
        pool: number of made images that are remembered, see `ImagePool`; 0 for none.
        r1_weight: weight γ of `r1_penalty`; 0 leaves it out. Images are in [0, 1] here and in [−1, 1] in the papers, so
            that a quarter of theirs is the same.
        r1_every: steps of the optimizer between two of these penalties, which then weigh as many times more (Karras et
            al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", section 4.1,
            https://arxiv.org/abs/1912.04958).
        seed: decides all draws.

    Raises:
        ValueError: if the loss or a policy is unknown, or a number is outside its range.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        loss: str = "lsgan",
        augment: Sequence[str] = (),
        pool: int = 0,
        r1_weight: float = 0.0,
        r1_every: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if loss not in ADVERSARIAL_LOSSES:
            raise ValueError(f"loss must be one of {', '.join(ADVERSARIAL_LOSSES)}, got {loss!r}")
        if not r1_weight >= 0:
            raise ValueError(f"r1_weight must not be negative, got {r1_weight}")
        if r1_every < 1:
            raise ValueError(f"r1_every must be at least 1 step, got {r1_every}")
        self.discriminator = discriminator
        self.loss = ADVERSARIAL_LOSSES[loss]
        self.augment = DiffAugment(augment, seed)
        self.pool = ImagePool(pool, seed)
        self.r1_weight = r1_weight
        self.r1_every = r1_every
        self._settings: dict[str, Any] = {"loss": loss, "augment": augment, "pool": pool, "r1_weight": r1_weight}
        self._settings |= {"r1_every": r1_every, "seed": seed}

    @property
    def r1_weights(self) -> dict[str, float]:
        """The weight of `r1_loss` by its name, nothing where it is left out."""
        return {"r1_loss": self.r1_weight * self.r1_every} if self.r1_weight else {}

    def another(self, **changes: Any) -> "Adversary":
        """Make one with the same settings, and a discriminator with weights of its own.

        Args:
            changes: arguments of the discriminator that are others.
        """
        discriminator: Any = self.discriminator
        return Adversary(type(discriminator)(**discriminator.arguments | changes), **self._settings)

    def forward(
        self,
        real: Tensor,
        fake: Tensor,
        samples: Tensor,
        step: int,
        negatives: Sequence[Tensor] = (),
        kinds: Sequence[int] | None = None,
    ) -> dict[str, Tensor]:
        """Judge images.

        Args:
            real: real images (N, C, H, W) in [0, 1].
            fake: made images of the same shape in [0, 1]-space, with a gradient.
            samples: numbers of the samples, (N,).
            step: number of the optimizer's step, which decides whether the R1 penalty is due: in all batches whose
                gradients are accumulated for it, or in none. Their gradients are averaged, and with them the penalty.
            negatives: further images of that shape that the discriminator learns to reject.
            kinds: of which kind the images of each of the N samples are to be, for a discriminator of several kinds.

        Returns:
            Unweighted float32 scalars by name: `adversarial_loss`, the generator's; `discriminator_loss`, with
            negatives its mean over all that is rejected; `r1_loss` when it is due. With kinds the first is parted into
            `adversarial_loss/KIND`, by their numbers, which add up to it.

        Raises:
            ValueError: if there are kinds, and images are remembered (`pool`), whose kinds are not.
        """
        if kinds is not None and self.pool.size:
            raise ValueError("a pool does not tell of which kind its pictures are: give model.adversary.pool=0")
        told = () if kinds is None else (sent(torch.tensor(list(kinds)), fake.device),)
        draws = self.augment.draw(samples)
        shown = self.augment(real, draws).detach()
        due = self.r1_weight > 0 and step % self.r1_every == 0
        logits = self.discriminator(shown.requires_grad_(due), *told)
        rejected = [self.pool(fake, samples), *negatives]
        against = [self.loss.discriminator(logits, self.discriminator(self.augment(x, draws), *told)) for x in rejected]
        judged = self.judge(self.augment(fake, draws), *told)
        losses = self._generator_losses(logits.detach(), judged, kinds)
        losses["discriminator_loss"] = torch.stack(against).mean()
        if due:
            losses["r1_loss"] = r1_penalty(logits, shown)
        return losses

    def _generator_losses(self, real: Tensor, fake: Tensor, kinds: Sequence[int] | None) -> dict[str, Tensor]:
        if kinds is None:
            return {"adversarial_loss": self.loss.generator(real, fake)}
        parts: dict[str, Tensor] = {}
        for place, kind in enumerate(kinds):
            name, one = f"adversarial_loss/{kind}", slice(place, place + 1)
            parts[name] = parts.get(name, 0) + self.loss.generator(real[one], fake[one]) / len(kinds)
        return parts

    def judge(self, images: Tensor, *told: Tensor) -> Tensor:
        """Return logits of images (N, C, H, W) with a gradient at the images, and none at the discriminator.

        Args:
            images: with a gradient.
            told: what else the discriminator takes, the kinds of the images.
        """
        constants = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        return functional_call(self.discriminator, constants, (images, *told))

    def get_extra_state(self) -> dict[str, Tensor]:
        """Return the images of the pool at the end of the last step, for checkpoints."""
        images = self.pool.committed
        return {} if images is None else {"pool": images.cpu()}

    def set_extra_state(self, state: dict[str, Tensor]) -> None:
        """Take the images of the pool over."""
        found = state.get("pool")
        self.pool.images = None if found is None else found[: self.pool.size].clone()
        self.pool.commit()

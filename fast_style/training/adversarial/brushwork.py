"""What the tasks have in common whose pictures are to pass for crops of a painting."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fast_style.data.photos import generator
from fast_style.functional import luma
from fast_style.images import resize_short_side
from fast_style.layers.antialias import binomial
from fast_style.losses import PerceptualLoss
from fast_style.training.adversarial.adversary import Adversary
from fast_style.training.adversarial.task import AdversarialTask
from fast_style.training.motion import numbers_of

JUDGE = "B"  # the name of the discriminator
DRAW = 6  # lest crops of photos and of the painting are drawn alike
BALANCE_EVERY = 16  # steps between two measurements of the gradients
LEAP = 10  # the adversarial weight grows at most so many times from one measurement to the next
BLUR = 9  # taps of the blur
NEARLY_GREY = 0.01  # mean difference from grey


class Brushwork(AdversarialTask):
    """A perceptual loss says what to keep and which statistics to take on, a discriminator what brushwork looks like.

    The discriminator also learns to reject the painting without its colours and without its edges (Chen et al. 2018,
    "CartoonGAN"; Chen et al. 2020, "AnimeGAN"), so that neither colours nor edges fade.

    Args:
        network: see `AdversarialTask`.
        adversary: the discriminator and what belongs to it.
        optimizer: see `AdversarialTask`.
        scheduler: see `NetworkTask`.
        paintings: style images (1, 3, H, W) in [0, 1] by name, whose crops the discriminator is to see; none where it
            sees others.
        negatives: what is made of crops for the discriminator to reject: `grey` and `blurred`.
        adversarial_weight: of the generator's side; 0 trains without a discriminator. Another than 1 is for
            `balance=None`.
        balance: choose the adversarial weight, every 16 steps, so that at the pictures the gradient of its term has
            this many times the norm of that of the style terms, or of all others if there are none; None keeps the
            weight.
        discriminator_weight: of the discriminator's side, which Adam hardly sees, see `AdversarialTask`.
        named: further arguments of `AdversarialTask`, by name; `seed`, with a sample's number, decides its crop.

    Raises:
        ValueError: if an argument is none of these, a number is outside its range, a weight is given that is measured,
            or a grey painting is to be told from itself without colours.
    """

    kept = (*AdversarialTask.kept, "adversarial_weight")
    adversarial_weight: Tensor

    def __init__(
        self,
        network: nn.Module,
        adversary: Adversary,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        paintings: Mapping[str, Tensor],
        negatives: Sequence[Literal["grey", "blurred"]],
        adversarial_weight: float,
        balance: float | None,
        discriminator_weight: float,
        **named: Any,
    ) -> None:
        for negative in negatives:
            if negative not in NEGATIVES:
                raise ValueError(f"negatives must be a list of {', '.join(NEGATIVES)}, got {negative!r}")
        if balance is not None and not balance >= 0:
            raise ValueError(f"balance must not be negative, got {balance}")
        if balance is not None and adversarial_weight not in (0, 1):
            raise ValueError(
                f"with balance={balance} the adversarial weight is measured: leave adversarial_weight="
                f"{adversarial_weight} out, or give balance=null"
            )
        for name, image in paintings.items() if adversarial_weight > 0 and "grey" in negatives else ():
            if (image - _Grey()(image)).abs().mean() < NEARLY_GREY:
                painting = f"painting {name}".strip()
                raise ValueError(f"the {painting} is grey, and grey is to be rejected: give model.negatives=[blurred]")
        weights = {"adversarial_loss": adversarial_weight, "discriminator_loss": discriminator_weight}
        super().__init__(network, {JUDGE: adversary}, optimizer, scheduler, weights, **named)
        self.register_buffer("adversarial_weight", torch.tensor(float(adversarial_weight)))
        self.balance = balance
        self.negatives = nn.ModuleList(NEGATIVES[name]() for name in negatives)
        self._paintings = [*paintings.values()]  # buffers would go from process to process in every step

    def weights_of(self, losses: Mapping[str, Tensor]) -> dict[str, Any]:
        """Look up the weights of losses, that of the adversarial one as it was measured."""
        return super().weights_of(losses) | {"adversarial_loss": self.adversarial_weight}

    def compare_brushwork(
        self,
        real: Tensor,
        pictures: Tensor,
        batch: Mapping[str, Any],
        style_gradient: Callable[[], Tensor | None],
        kinds: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Let the discriminator judge the pictures of a batch beside real crops, and log what its judgement weighs.

        Args:
            real: crops (N, 3, H, W) in [0, 1].
            pictures: of the same shape, with a gradient.
            batch: what the pictures were made of.
            style_gradient: computes the gradient of the weighted style terms at the pictures, None if there are none;
                called when the balance is due.
            kinds: see `AdversarialTask.play`.

        Returns:
            The losses as `AdversarialTask.play`; nothing without a discriminator.
        """
        if not self.adversaries:
            return {}
        real = self.laid_out(real)
        losses = self.play(JUDGE, real, pictures, batch, [make(real) for make in self.negatives], kinds)
        if self.balance is not None and self.global_step % BALANCE_EVERY == 0:
            style = style_gradient()
            if style is not None:
                self._balance(style, losses["adversarial_loss"], pictures)
        self.log("train/adversarial_weight", self.adversarial_weight)
        return losses

    def crops(self, batch: Mapping[str, Any], kinds: Sequence[int]) -> Tensor:
        """Cut a crop of the photos' size out of a painting for each of them, mirrored half the time.

        The crop depends on the seed and the number of the sample. A painting that is smaller is enlarged.

        Args:
            batch: `image`, photos (N, 3, h, w), and `index`, their numbers.
            kinds: of each photo the number of its painting.

        Returns:
            Crops (N, 3, h, w) in [0, 1].
        """
        photos = batch["image"]
        if self._paintings[0].device != photos.device:
            self._paintings = [painting.to(photos.device) for painting in self._paintings]  # once
        h, w = photos.shape[-2:]
        crops = []
        for sample, kind in zip(numbers_of(batch), kinds, strict=True):
            painting = self._paintings[kind]
            if painting.shape[-2] < h or painting.shape[-1] < w:
                painting = resize_short_side(painting, max(h, w))
            draws = generator(self.seed, sample, DRAW)
            top, left = (
                int(torch.randint(length - side + 1, (), generator=draws))
                for length, side in zip(painting.shape[-2:], (h, w), strict=True)
            )
            crop = painting[..., top : top + h, left : left + w]
            crops.append(crop.flip(-1) if torch.rand((), generator=draws) < 0.5 else crop)
        return torch.cat(crops)

    def _balance(self, style: Tensor, judged: Tensor, pictures: Tensor) -> None:
        """Compare the gradients at the pictures, over all processes, and choose the adversarial weight."""
        (gradient,) = torch.autograd.grad(judged, pictures, retain_graph=True)
        both = torch.stack([each.float().square().sum() for each in (style, gradient)])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(both)
        wanted = float(self.balance or 0) * (both[0] / both[1]).sqrt()
        if wanted.isfinite():  # else there is nothing to weigh
            # A discriminator that is fooled has hardly a gradient: the weight must not leap.
            most = LEAP * self.adversarial_weight if self.global_step else wanted
            self.adversarial_weight.copy_(wanted.minimum(most))


def style_terms(loss: PerceptualLoss, losses: Mapping[str, Tensor]) -> Tensor | None:
    """Weigh the style terms of a perceptual loss and add them up: all its terms if there are none, None if it has none.

    Args:
        loss: knows the weights.
        losses: scalars by name, see `PerceptualLoss.forward`.
    """
    own = {name: value for name, value in losses.items() if name in loss.weights}
    style = {name: value for name, value in own.items() if name.startswith("style_loss")} or own
    return torch.stack([loss.weights[name] * value for name, value in style.items()]).sum() if style else None


class _Grey(nn.Module):
    """Takes the colours away."""

    def forward(self, images: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W) to grey of the same shape."""
        return luma(images.float()).expand_as(images)


class _Blurred(nn.Module):
    """Takes the edges away."""

    taps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("taps", binomial(BLUR), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W) to images of the same shape."""
        kernel = torch.outer(self.taps, self.taps).expand(3, 1, BLUR, BLUR)
        with torch.autocast(images.device.type, enabled=False):
            return F.conv2d(F.pad(images.float(), (BLUR // 2,) * 4, mode="reflect"), kernel, groups=3)


NEGATIVES: dict[str, Callable[[], nn.Module]] = {"grey": _Grey, "blurred": _Blurred}

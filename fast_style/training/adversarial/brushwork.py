"""What the tasks have in common whose pictures are to pass for crops of a painting."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fast_style.data.photos import generator
from fast_style.devices import sent
from fast_style.functional import luma
from fast_style.images import resize_short_side
from fast_style.layers.antialias import binomial
from fast_style.losses import PerceptualLoss
from fast_style.training.adversarial.adversary import Adversary
from fast_style.training.adversarial.task import AdversarialTask
from fast_style.training.motion import numbers_of

log = logging.getLogger(__name__)

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
        balance: choose the adversarial weight, of each kind for itself, so that at the pictures the gradient of its
            term has this many times the norm of that of the style terms, or of all others if there are none; None keeps
            the weight.
        discriminator_weight: of the discriminator's side, which Adam hardly sees, see `AdversarialTask`.
        kinds: how many paintings the discriminator tells apart, each with a weight of its own; None for one painting or
            for those of one hand.
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
        kinds: int | None = None,
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
                f"{adversarial_weight} out, or give model.balance=null"
            )
        for name, image in paintings.items() if adversarial_weight > 0 and "grey" in negatives else ():
            if (image - _Grey()(image)).abs().mean() < NEARLY_GREY:
                painting = f"painting {name}".strip()
                others = f", or leave {name} out of style.names" if name else ""
                raise ValueError(
                    f"the {painting} is grey, and grey is to be rejected: give model.negatives=[blurred]{others}"
                )
        weights = {"adversarial_loss": adversarial_weight, "discriminator_loss": discriminator_weight}
        super().__init__(network, {JUDGE: adversary}, optimizer, scheduler, weights, **named)
        weight = adversarial_weight if balance is None else 0.0  # 0: not measured yet
        self.register_buffer("adversarial_weight", torch.full(() if kinds is None else (kinds,), float(weight)))
        self.balance = balance
        self.negatives = nn.ModuleList(NEGATIVES[name]() for name in negatives)
        self._told_few = False
        self._paintings = [*paintings.values()]  # buffers would go from process to process in every step

    def weights_of(self, losses: Mapping[str, Tensor]) -> dict[str, Any]:
        """Look up the weights of losses, that of the adversarial one as it was measured."""
        measured = {"adversarial_loss": self.adversarial_weight} if "adversarial_loss" in losses else {}
        return super().weights_of(losses) | measured

    def compare_brushwork(
        self,
        real: Tensor,
        pictures: Tensor,
        batch: Mapping[str, Any],
        due: bool,
        style_gradient: Callable[[], Tensor | None],
        kinds: Sequence[int] | None = None,
    ) -> dict[str, Tensor]:
        """Let the discriminator judge the pictures of a batch beside real crops.

        Args:
            real: crops (N, 3, H, W) in [0, 1].
            pictures: of the same shape, with a gradient.
            batch: what the pictures were made of.
            due: whether to measure the gradients, unless `balance` is None.
            style_gradient: computes the gradient of the weighted style terms at the pictures, None if there are none.
            kinds: of which kind each picture is to be, see `Adversary`.

        Returns:
            The losses as `Adversary`; nothing without a discriminator.
        """
        if not self.adversaries:
            return {}
        real = self.laid_out(real)
        losses = self.play(JUDGE, real, pictures, batch, [make(real) for make in self.negatives], kinds)
        if self.balance is not None:
            judged = [value for name, value in losses.items() if name.startswith("adversarial_loss")]
            self._balance(style_gradient() if due else None, torch.stack(judged).sum(), pictures, kinds)
        return losses

    def crops(self, batch: Mapping[str, Any], kinds: Sequence[int]) -> Tensor:
        """Cut a crop of the photos' size out of a painting for each of them, mirrored half the time.

        The crop depends on the seed and the number of the sample. A painting that is smaller is enlarged.

        Args:
            batch: `image`, photos (N, 3, h, w), and `index`, their numbers.
            kinds: of each photo the number of its painting.

        Returns:
            Crops (N, 3, h, w) in [0, 1].

        Raises:
            ValueError: if the task was given no paintings, since their crops were to come with the batch.
        """
        photos = batch["image"]
        if not self._paintings:
            raise ValueError('crops of paintings are to be in the batch, as "painting" (N, 3, H, W)')
        if self._paintings[0].device != photos.device:
            self._paintings = [painting.to(photos.device) for painting in self._paintings]  # once
        h, w = photos.shape[-2:]
        large = {kind: self._at_least(kind, h, w) for kind in sorted(set(kinds))}
        crops = []
        for sample, kind in zip(numbers_of(batch), kinds, strict=True):
            painting = large[kind]
            draws = generator(self.seed, sample, DRAW)
            top, left = (
                int(torch.randint(length - side + 1, (), generator=draws))
                for length, side in zip(painting.shape[-2:], (h, w), strict=True)
            )
            crop = painting[..., top : top + h, left : left + w]
            crops.append(crop.flip(-1) if torch.rand((), generator=draws) < 0.5 else crop)
        return torch.cat(crops)

    def _at_least(self, kind: int, h: int, w: int) -> Tensor:
        painting = self._paintings[kind]
        if min(painting.shape[-2:]) <= min(h, w) and not self._told_few:
            self._told_few = True
            log.info(
                "the discriminator sees few crops of a painting that is %d pixels on the short side, where photos are "
                "%d: style.size=%d gives it more",
                min(painting.shape[-2:]),
                min(h, w),
                3 * min(h, w) // 2,
            )
        small = painting.shape[-2] < h or painting.shape[-1] < w
        return resize_short_side(painting, max(h, w)) if small else painting

    def _balance(
        self, style: Tensor | None, judged: Tensor, pictures: Tensor, kinds: Sequence[int] | None = None
    ) -> None:
        """Compare the gradients at the pictures, over all processes, and choose the adversarial weights.

        Args:
            style: the gradient of the style terms at the pictures; None where nothing is measured.
            judged: the adversarial loss of the batch.
            pictures: (N, 3, H, W).
            kinds: of each picture.
        """
        together = torch.distributed.is_available() and torch.distributed.is_initialized()
        if style is None and not together:
            return
        weight = self.adversarial_weight.view(-1)
        both = weight.new_zeros(2, len(weight))
        if style is not None:
            (gradient,) = torch.autograd.grad(judged, pictures, retain_graph=True)
            squares = torch.stack([each.float().square().flatten(1).sum(1) for each in (style, gradient)])
            places = torch.zeros(len(pictures), dtype=torch.int64) if kinds is None else torch.tensor(list(kinds))
            both.index_add_(1, sent(places, both.device), squares)
        if together:
            torch.distributed.all_reduce(both)
        wanted = float(self.balance or 0) * (both[0] / both[1]).sqrt()
        # A discriminator that is fooled has hardly a gradient: the weight must not leap.
        most = torch.where(weight > 0, LEAP * weight, wanted)
        weight.copy_(torch.where(wanted.isfinite(), wanted.minimum(most), weight))


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

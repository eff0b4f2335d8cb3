"""Train one network for one painting, or the hand of several, with a discriminator beside the perceptual loss."""

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
from fast_style.losses import PerceptualLoss, summarize
from fast_style.training.adversarial import AdversarialTask, Adversary
from fast_style.training.one_painting import OnePainting

DRAW = 6  # lest crops of photos and of the painting are drawn alike
BALANCE_EVERY = 16  # steps between two measurements of the gradients
LEAP = 10  # the adversarial weight grows at most so many times from one measurement to the next
BLUR = 9  # taps of the blur
NEARLY_GREY = 0.01  # mean difference from grey


class AdversarialStyle(OnePainting, AdversarialTask):
    """Feed-forward style transfer whose pictures are also to pass for crops of the painting.

    The perceptual loss of Johnson et al. 2016 says what to keep and which statistics to take on, the discriminator what
    brushwork looks like. It also learns to reject the painting without its colours and without its edges (Chen et al.
    2018, "CartoonGAN"; Chen et al. 2020, "AnimeGAN"), so that neither colours nor edges fade.

    Args:
        network: maps photos (N, 3, H, W) in [0, 1] to stylized images of the same shape.
        loss: the perceptual loss; its targets and its frozen network stay out of the checkpoints.
        adversary: the discriminator and what belongs to it.
        optimizer: see `AdversarialTask`.
        scheduler: see `NetworkTask`.
        crops: what is real: crops of the `painting`, at the scale of `style.size`, or of the `paintings` of
            `data.style_root`.
        negatives: what is made of these crops for the discriminator to reject: `grey` and `blurred`.
        adversarial_weight: of the generator's side; 0 trains without a discriminator. Another than 1 is for
            `balance=None`.
        balance: choose the adversarial weight, every 16 steps, so that at the pictures the gradient of its term has
            this many times the norm of that of the style terms, or of all others if there are none; None keeps the
            weight.
        discriminator_weight: of the discriminator's side, which Adam hardly sees, see `AdversarialTask`.
        seed: with a sample's number decides its crop.
        average: see `AdversarialTask`.
        discriminator_lr: see `AdversarialTask`.
        on_nonfinite: see `NetworkTask`.
        equivariance_weight: see `NetworkTask`.

    Raises:
        ValueError: if an argument is none of these, a number is outside its range, or a grey painting is to be told
            from itself without colours, or a weight is given that is measured.
    """

    kept = (*AdversarialTask.kept, "adversarial_weight")
    adversarial_weight: Tensor

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
        judged = adversarial_weight > 0
        is_grey = (loss.image - _Grey()(loss.image)).abs().mean() < NEARLY_GREY
        if judged and crops == "painting" and "grey" in negatives and is_grey:
            raise ValueError("the painting is grey, and grey is to be rejected: give model.negatives=[blurred]")
        super().__init__(
            network,
            {"B": adversary},
            optimizer,
            scheduler,
            {"adversarial_loss": adversarial_weight, "discriminator_loss": discriminator_weight},
            average=average,
            discriminator_lr=discriminator_lr,
            on_nonfinite=on_nonfinite,
            equivariance_weight=equivariance_weight,
        )
        self.loss = loss.to(memory_format=torch.channels_last)
        self.weights |= loss.weights | {"equivariance_loss": equivariance_weight}
        self.register_buffer("adversarial_weight", torch.tensor(float(adversarial_weight)))
        self.balance = balance
        self.negatives = nn.ModuleList(NEGATIVES[name]() for name in negatives)
        self.seed = seed
        self.of_one_hand = judged and crops == "paintings"
        self.wants = ("image", "painting") if self.of_one_hand else ("image",)
        self._painting = loss.image  # a buffer would go from process to process in every step

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
        losses |= self.compare_moved(pictures, of_moved, motion)
        if self.adversaries:
            real = self.laid_out(batch["painting"] if "painting" in batch else self._crops(batch))
            losses |= self.play("B", real, pictures, batch, [make(real) for make in self.negatives])
            if self.balance is not None and self.global_step % BALANCE_EVERY == 0:
                self._balance(losses, pictures)
            self.log("train/adversarial_weight", self.adversarial_weight)
        return self.log_step(losses, summarize(losses, self.weights_of(losses)))

    def weights_of(self, losses: Mapping[str, Tensor]) -> dict[str, Any]:
        """Look up the weights of losses, that of the adversarial one as it was measured."""
        return super().weights_of(losses) | {"adversarial_loss": self.adversarial_weight}

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """Log the perceptual losses on held-out photos, in float32; return the pictures."""
        photos = batch["image"]
        with torch.autocast(photos.device.type, enabled=False):
            stylized = self(photos)
            self.log_heldout({"": self.loss.summary(self.loss(stylized, photos))}, len(photos))
        return {"photos": photos, "stylized": stylized}

    def _balance(self, losses: Mapping[str, Tensor], pictures: Tensor) -> None:
        """Measure the gradients at the pictures, over all processes, and choose the adversarial weight."""
        own = {name: value for name, value in losses.items() if name in self.loss.weights}
        style = {name: value for name, value in own.items() if name.startswith("style_loss")} or own
        if not style:
            return
        total = torch.stack([self.loss.weights[name] * value for name, value in style.items()]).sum()
        squares = []
        for value in (total, losses["adversarial_loss"]):
            (gradient,) = torch.autograd.grad(value, pictures, retain_graph=True)
            squares.append(gradient.float().square().sum())
        both = torch.stack(squares)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(both)
        wanted = float(self.balance or 0) * (both[0] / both[1]).sqrt()
        if wanted.isfinite():  # else there is nothing to weigh
            # A discriminator that is fooled has hardly a gradient: the weight must not leap.
            most = LEAP * self.adversarial_weight if self.global_step else wanted
            self.adversarial_weight.copy_(wanted.minimum(most))

    def _crops(self, batch: Mapping[str, Any]) -> Tensor:
        """Cut a crop of the photos' size out of the painting for each of them, mirrored half the time."""
        photos = batch["image"]
        h, w = photos.shape[-2:]
        if self._painting.device != photos.device:
            self._painting = self._painting.to(photos.device)  # once
        painting = self._painting
        if painting.shape[-2] < h or painting.shape[-1] < w:
            painting = resize_short_side(painting, max(h, w))
        crops = []
        for sample in batch["index"].tolist() if "index" in batch else range(len(photos)):
            draws = generator(self.seed, sample, DRAW)
            top, left = (
                int(torch.randint(length - side + 1, (), generator=draws))
                for length, side in zip(painting.shape[-2:], (h, w), strict=True)
            )
            crop = painting[..., top : top + h, left : left + w]
            crops.append(crop.flip(-1) if torch.rand((), generator=draws) < 0.5 else crop)
        return torch.cat(crops)


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

"""Train one network for several paintings, with a discriminator beside their perceptual losses."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fast_style.losses import PerceptualLoss
from fast_style.networks.style_network import StyleNetwork
from fast_style.training.adversarial import Adversary, Brushwork
from fast_style.training.adversarial.brushwork import BALANCE_EVERY, style_terms
from fast_style.training.many_paintings import ManyPaintings


class AdversarialMultiStyle(ManyPaintings, Brushwork):
    """Several styles in one network, whose pictures are also to pass for crops of their paintings.

    What is said of `ManyPaintings` and of `Brushwork` holds. One discriminator judges all styles; of what it sees it
    makes logits for each painting, of which those of the picture's own style count.

    Args:
        network: called with styles=NAMES, makes a network with conditional norms.
        loss: called with style=IMAGE and look=LOOK, see `PerceptualLoss`, for every style.
        styles: style images (1, 3, H, W) in [0, 1] by name; or one alone.
        name: of that one.
        adversary: what belongs to the discriminator; one of the same arguments, for so many kinds as there are styles,
            takes the place of its discriminator.
        optimizer: see `AdversarialTask`.
        scheduler: see `NetworkTask`.
        negatives: see `Brushwork`.
        adversarial_weight: see `Brushwork`.
        balance: see `Brushwork`; measured in every sixteenth round of the styles.
        discriminator_weight: see `Brushwork`.
        seed: decides the order of the styles, the crops of the paintings, and how photos move.
        compile: fuse the passes of the networks, but for the discriminator, with `torch.compile`.
        average: see `AdversarialTask`.
        discriminator_lr: see `AdversarialTask`.
        on_nonfinite: see `NetworkTask`.
        equivariance_weight: see `NetworkTask`.
        temporal_weight: see `NetworkTask`.

    Raises:
        ValueError: as `ManyPaintings` and `Brushwork`, or if the adversary remembers pictures (`pool`).
    """

    def __init__(
        self,
        network: Callable[..., StyleNetwork],
        loss: Callable[..., PerceptualLoss],
        styles: Mapping[str, Tensor] | Tensor,
        name: str,
        adversary: Adversary,
        optimizer: Callable[[Iterable[torch.nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        negatives: Sequence[Literal["grey", "blurred"]] = ("grey", "blurred"),
        adversarial_weight: float = 1.0,
        balance: float | None = 0.25,
        discriminator_weight: float = 1.0,
        seed: int = 0,
        compile: bool = False,  # noqa: A002 - the name of the torch function it turns on
        average: float = 0.999,
        discriminator_lr: float = 1.0,
        on_nonfinite: str = "stop",
        equivariance_weight: float = 0.0,
        temporal_weight: float = 0.0,
    ) -> None:
        if adversary.pool.size:
            raise ValueError("a pool does not tell the styles of its pictures: give model.adversary.pool=0")
        images = {name: styles} if isinstance(styles, Tensor) else dict(styles)
        kinds = max(1, len(images))  # that there must be a style is said in what follows
        super().__init__(
            network,
            loss,
            images,
            optimizer,
            scheduler,
            compile,
            seed=seed,
            on_nonfinite=on_nonfinite,
            equivariance_weight=equivariance_weight,
            temporal_weight=temporal_weight,
            adversary=adversary.another(kinds=kinds),
            paintings=images,
            negatives=negatives,
            adversarial_weight=adversarial_weight,
            balance=balance,
            discriminator_weight=discriminator_weight,
            kinds=kinds,
            average=average,
            discriminator_lr=discriminator_lr,
        )

    def compare_further(self, pictures: Tensor, batch: Mapping[str, Any], chosen: Sequence[int]) -> dict[str, Tensor]:
        """Let the discriminator judge pictures (N, 3, H, W) beside crops of the paintings of their styles."""
        if not self.adversaries:
            return {}
        due = any(self.turn_of(sample) % BALANCE_EVERY == 0 for sample in batch["index"].tolist())
        real = self.crops(batch, chosen)
        losses = self.compare_brushwork(
            real, pictures, batch, due, lambda: self._style_gradient(pictures, batch["image"], chosen), chosen
        )
        for style in sorted(set(chosen)):
            name = self.names[style]
            losses[f"adversarial_loss/{name}"] = losses.pop(f"adversarial_loss/{style}")
            self.log(f"train/adversarial_weight/{name}", self.adversarial_weight[style])
        return losses

    def weights_of(self, losses: Mapping[str, Tensor]) -> dict[str, Any]:
        """Look up the weights of losses, those of the adversarial ones as they were measured for each style."""
        named = {f"adversarial_loss/{name}": style for style, name in enumerate(self.names)}
        return super().weights_of(losses) | {
            name: self.adversarial_weight[style] for name, style in named.items() if name in losses
        }

    def _style_gradient(self, pictures: Tensor, photos: Tensor, chosen: Sequence[int]) -> Tensor | None:
        """Compute features of the pictures once more: through compiled passes there is no gradient at them."""
        leaf = pictures.detach().requires_grad_()
        features, targets = self.features(leaf), self.loss_of(0).targets(photos)
        terms = []
        for place, style in enumerate(chosen):
            own, aims = ({layer: x[place : place + 1] for layer, x in each.items()} for each in (features, targets))
            loss = self.loss_of(style)
            losses = loss.compare(leaf[place : place + 1], own, photos[place : place + 1], aims)
            terms.append(style_terms(loss, losses))
        found = [term for term in terms if term is not None]
        return torch.autograd.grad(torch.stack(found).sum() / len(chosen), leaf)[0] if found else None

"""Train a network in one direction without pairs, by patches that are to be found again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fast_style.data.photos import generator
from fast_style.devices import sent
from fast_style.layers import ResidualBlock, apply
from fast_style.losses import patch_nce_loss, summarize
from fast_style.networks import ChainNetwork
from fast_style.training.adversarial import AdversarialTask, Adversary
from fast_style.training.network_task import describe

DRAW = 5  # lest crops and patches are drawn alike
INIT_STD = 0.02


class PatchHead(nn.Module):
    """Two layers that project features of places onto the unit sphere.

    Args:
        channels: of the features.
        width: K, of the projections.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(channels, width), nn.ReLU(), nn.Linear(width, width))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0.0, INIT_STD)
                nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, P, C) to (N, P, K) of unit length."""
        return F.normalize(self.layers(features).float(), dim=-1)


class CUT(AdversarialTask):
    """Unpaired translation in one direction: what is at a place of a picture is found at that place of the photo.

    Park et al. 2020, "Contrastive Learning for Unpaired Image-to-Image Translation" (https://arxiv.org/abs/2007.15651):
    features of patches are those of the generator's own first half, projected by heads that learn with it.

    Args:
        network: a chain of layers, maps images (N, 3, H, W) in [0, 1] to pictures of the same shape.
        adversary: the discriminator and what belongs to it.
        optimizer: see `AdversarialTask`.
        scheduler: see `NetworkTask`.
        nce_weight: weight of `patch_nce_loss`, of which images of B, which are to stay as they are, have half.
        identity: whether images of B are to stay as they are; without it a step is cheaper.
        adversarial_weight: of the generator's side; 0 trains without a discriminator.
        discriminator_weight: of the discriminator's side, which Adam hardly sees, see `AdversarialTask`; the half of
            the paper is in `lsgan`.
        patches: places of each image that are compared.
        temperature: see `patch_nce_loss`.
        head_width: length of the projections.
        layers: positions in the network's `chain` whose outputs are compared beside the image itself. None: those of
            the convolutions that go down, of the first residual block and of the one in the middle, as in the paper.
        seed: with a sample's number decides its places.
        average: see `AdversarialTask`.
        discriminator_lr: see `AdversarialTask`.
        on_nonfinite: see `NetworkTask`.

    Raises:
        ValueError: if the network is no chain, a layer is not in it or comes twice, all weights are 0, or a number is
            outside its range.
    """

    wants = ("unpaired",)
    network: ChainNetwork

    def __init__(
        self,
        network: ChainNetwork,
        adversary: Adversary,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        nce_weight: float = 1.0,
        identity: bool = True,
        adversarial_weight: float = 1.0,
        discriminator_weight: float = 1.0,
        patches: int = 256,
        temperature: float = 0.07,
        head_width: int = 256,
        layers: Sequence[int] | None = None,
        seed: int = 0,
        average: float = 0.999,
        discriminator_lr: float = 1.0,
        on_nonfinite: str = "stop",
    ) -> None:
        if not isinstance(network, ChainNetwork):
            message = "the network must be a chain of layers: network=johnson, slim or resnet, got"
            raise ValueError(f"{message} {describe(network)}")  # noqa: TRY004 - it is the setting that is wrong
        weights = {"adversarial_loss": adversarial_weight, "discriminator_loss": discriminator_weight}
        if not (adversarial_weight or nce_weight):
            raise ValueError("there is nothing to learn: give adversarial_weight or nce_weight a value above 0")
        if patches < 2:
            raise ValueError(f"patches must be at least 2, got {patches}")
        super().__init__(
            network,
            {"B": adversary},
            optimizer,
            scheduler,
            weights | {"nce_loss": nce_weight},
            average=average,
            discriminator_lr=discriminator_lr,
            on_nonfinite=on_nonfinite,
        )
        self.places = _places(network) if layers is None else sorted(layers)
        if len(set(self.places)) < len(self.places):
            raise ValueError(f"layers must name each position once, got {self.places}")
        if not all(0 <= place < len(network.chain) for place in self.places):
            raise ValueError(f"layers must be 0 to {len(network.chain) - 1}, positions in the chain, got {self.places}")
        with torch.no_grad():
            features, _ = self._encode(torch.zeros(1, 3, 64, 64))
        names = ["image", *(f"layer_{place}" for place in self.places)]
        self.heads.update({name: PatchHead(x.shape[1], head_width) for name, x in zip(names, features, strict=True)})
        if identity:
            self.weights["nce_loss"] = self.weights["identity_nce_loss"] = nce_weight / 2
        self.with_identity = identity
        self.patches = patches
        self.temperature = temperature
        self.seed = seed

    def forward(self, photos: Tensor, style: str = "") -> Tensor:
        """Make pictures of images of shape (N, 3, H, W) in [0, 1]."""
        return self.use()(self.laid_out(photos))

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the weighted losses of a batch {"real_a", "real_b": (N, 3, H, W) in [0, 1]}, both sides' together."""
        real_a, real_b = batch["real_a"], batch["real_b"]
        count = len(real_a)
        inputs = self.laid_out(torch.cat([real_a, real_b]) if self.with_identity else real_a)
        found, x = self._encode(inputs)
        pictures = self._paint(x, inputs)
        seen, _ = self._encode(pictures)
        places = self._draw(found, batch.get("index", torch.arange(count)))
        losses = {"nce_loss": self._nce([x[:count] for x in seen], [x[:count] for x in found], places)}
        if self.with_identity:
            rest = [x[count:] for x in seen], [x[count:] for x in found]
            losses["identity_nce_loss"] = self._nce(*rest, places)
        losses |= self.play("B", self.laid_out(real_b), pictures[:count], batch)
        return self.log_step(losses, summarize(losses, self.weights_of(losses)))

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> dict[str, Any]:
        """Log what the patches of held-out images lose, in float32; return image | picture | an image of B."""
        real_a, real_b = self.laid_out(batch["real_a"]), self.laid_out(batch["real_b"])
        samples = batch.get("index", torch.arange(len(real_a)))
        with torch.autocast(real_a.device.type, enabled=False):
            fake_b, losses = self(real_a), {}
            compared = [("nce_loss", fake_b, real_a)]
            if self.with_identity:
                compared.append(("identity_nce_loss", self(real_b), real_b))
            for name, picture, image in compared:
                seen, found = (self._encode(each, self.use())[0] for each in (picture, image))
                losses[name] = self._nce(seen, found, self._draw(found, samples))
            self.log_heldout({"": summarize(losses, self.weights_of(losses))}, len(real_a))
        sets = [self.distinct(batch, side, each) for side, each in ((0, real_a), (0, fake_b), (1, real_b))]
        return {"grids": {"": [real_a, fake_b, real_b]}, "sets": {"": sets}}

    def _encode(self, images: Tensor, network: Any = None) -> tuple[list[Tensor], Tensor]:
        """Return the padded images (N, 3, H, W) and what the places make of them, and the last of these.

        The places are those of the generator, or of another network of its architecture, such as its average.
        """
        network = self.network if network is None else network
        x = network.pad(images)
        features, chain = [x], network.chain
        for position in range(max(self.places, default=-1) + 1):
            x = apply([chain[position]], x)
            if position in self.places:
                features.append(x)
        return features, x

    def _paint(self, x: Tensor, images: Tensor) -> Tensor:
        """Go on from what `_encode` returned last to the pictures of the images."""
        h, w = images.shape[-2:]
        rest = self.network.chain[max(self.places, default=-1) + 1 :]
        return self.network.to_rgb(apply(rest, x))[..., :h, :w]

    def _nce(self, queries: Sequence[Tensor], keys: Sequence[Tensor], places: Sequence[Tensor]) -> Tensor:
        losses = []
        for head, query, key, where in zip(self.heads.values(), queries, keys, places, strict=True):
            with torch.no_grad():
                target = head(_at(key, where))
            losses.append(patch_nce_loss(head(_at(query, where)), target, self.temperature))
        return torch.stack(losses).mean()

    def _draw(self, features: Sequence[Tensor], samples: Tensor) -> list[Tensor]:
        """Draw places of each sample in features of each layer, a function of (seed, sample) alone.

        Args:
            features: of shape (…, H, W) each, which differs from layer to layer.
            samples: their numbers, (N,).

        Returns:
            For each layer numbers below H·W, (N, P), on the device of the features.
        """
        counts = [x.shape[-2] * x.shape[-1] for x in features]
        drawn: list[Tensor] = []
        for sample in samples.tolist():
            orders = (torch.randperm(count, generator=generator(self.seed, sample, DRAW)) for count in counts)
            drawn.append(torch.cat([order[: self.patches] for order in orders]))
        together = sent(torch.stack(drawn), features[0].device)  # (N, P + P + …)
        return list(together.split([min(count, self.patches) for count in counts], 1))


def _at(features: Tensor, places: Tensor) -> Tensor:
    """Gather places (N, P) of features (N, C, H, W): (N, P, C)."""
    flat = features.flatten(2).transpose(1, 2)  # (N, H·W, C)
    return flat.gather(1, places[..., None].expand(-1, -1, flat.shape[2]))


def _places(network: ChainNetwork) -> list[int]:
    chain = network.chain
    down = [p for p, layer in enumerate(chain) if isinstance(layer, nn.Conv2d) and layer.stride != (1, 1)]
    blocks = [p for p, layer in enumerate(chain) if isinstance(layer, ResidualBlock)]
    return sorted({*down, *([blocks[0], blocks[len(blocks) // 2]] if blocks else [])})

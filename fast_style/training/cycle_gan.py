"""Train two networks, each to undo what the other does."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fast_style.checkpoint import load_network
from fast_style.losses import chosen_terms, summarize
from fast_style.losses.perceptual import Term
from fast_style.training.adversarial import AdversarialTask, Adversary
from fast_style.training.adversarial.direction import learned_direction
from fast_style.training.network_task import take_over, write_network

EXPORTS = ("AtoB", "BtoA", "both")


class CycleGAN(AdversarialTask):
    """Unpaired translation in both directions, each of which undoes the other.

    Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks"
    (https://arxiv.org/abs/1703.10593). With G from A to B and F back, cycle_loss/A = mean |F(G(a)) − a| and
    identity_loss/A = mean |G(b) − b|; those of B the other way round. Since images are in [0, 1] here and in [−1, 1] in
    the paper, its weights 10 and 5 are 20 and 10.

    Args:
        network: G, maps images (N, 3, H, W) in [0, 1] to pictures of the same shape; the way back is another one with
            the same arguments.
        adversary: the discriminator of the pictures of B and what belongs to it; that of A is another with the same
            settings.
        optimizer: see `AdversarialTask`.
        scheduler: see `NetworkTask`.
        cycle_weight: weight of `cycle_loss`.
        identity_weight: weight of `identity_loss`; 0 leaves it out, which saves two passes of six.
        adversarial_weight: of the generators' sides; 0 trains without discriminators.
        discriminator_weight: of the discriminators' sides, which Adam hardly sees, see `AdversarialTask`; the half of
            the paper is in `lsgan`.
        terms: further terms by name, functions of pictures and of what they were made of, such as a `FeatureLoss`.
        term_weights: of these by name.
        export: which direction is written: `AtoB`, `BtoA`, or `both`, in two files.
        init_back: the file of a network that the way back starts from; None: from scratch. See `begin` for the other.
        average: see `AdversarialTask`.
        discriminator_lr: see `AdversarialTask`.
        on_nonfinite: see `NetworkTask`.

    Raises:
        ValueError: if the export is none of these, terms and weights do not have the same names, all weights are 0, or
            a number is outside its range.
    """

    wants = ("unpaired",)

    def __init__(
        self,
        network: nn.Module,
        adversary: Adversary,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        cycle_weight: float = 20.0,
        identity_weight: float = 10.0,
        adversarial_weight: float = 1.0,
        discriminator_weight: float = 1.0,
        terms: Mapping[str, Term] | None = None,
        term_weights: Mapping[str, float] | None = None,
        export: Literal["AtoB", "BtoA", "both"] = "AtoB",
        init_back: str | Path | None = None,
        average: float = 0.999,
        discriminator_lr: float = 1.0,
        on_nonfinite: str = "stop",
    ) -> None:
        weights = {"cycle_loss": cycle_weight, "identity_loss": identity_weight}
        weights |= {"adversarial_loss": adversarial_weight, "discriminator_loss": discriminator_weight}
        if export not in EXPORTS:
            raise ValueError(f"export must be one of {', '.join(EXPORTS)}, got {export!r}")
        back: Any = network
        super().__init__(
            network,
            {"AtoB": adversary, "BtoA": adversary.another()},
            optimizer,
            scheduler,
            weights,
            {"back": type(back)(**back.arguments)},
            average,
            discriminator_lr,
            on_nonfinite=on_nonfinite,
        )
        self.terms = chosen_terms(terms or {}, term_weights or {})
        self.frozen = nn.ModuleList(term for term in self.terms.values() if isinstance(term, nn.Module))
        self.frozen.to(memory_format=torch.channels_last)
        self.weights |= dict(term_weights or {})
        if not (cycle_weight or identity_weight or adversarial_weight or self.terms):
            raise ValueError("there is nothing to learn: give cycle_weight or adversarial_weight a value above 0")
        self.export = export
        self.input_side = "B" if export == "BtoA" else "A"
        self.init_back = init_back

    def setup(self, stage: str) -> None:
        """Refuse what `AdversarialTask.setup` does, and data that is turned around.

        Raises:
            ValueError: if so.
        """
        super().setup(stage)
        if self.direction != "AtoB":
            raise ValueError(f"CycleGAN learns both directions: give model.export={self.direction} for data.direction")

    def begin(self, init: str, resume: Path | None) -> str:
        """Start as `NetworkTask.begin`, the way back from `init_back`.

        Raises:
            ValueError: if either network has another architecture, or was learned the other way round.
        """
        if resume is None:
            _check_direction("init", init, "AtoB")
            _check_direction("model.init_back", self.init_back, "BtoA")
        if resume is None and self.init_back is not None:
            start = load_network(self.init_back)
            try:
                take_over(self.further["back"], start)
            except ValueError as error:
                raise ValueError(f"cannot start from model.init_back={self.init_back}: {error}") from error
            if "back" in self.averages:
                self.averages["back"].begin_at(start)  # type: ignore[operator]
        return super().begin(init, resume)

    @property
    def used(self) -> str:
        """How the names begin of what a checkpoint holds of the network that is written first."""
        return self.name_used("back" if self.export == "BtoA" else "network")

    def files(self, output: Path) -> dict[str, Path]:
        """Name the files of both directions, or of the one that is written."""
        if self.export != "both":
            return {self.export: output}
        return {"AtoB": output, "BtoA": output.with_stem(f"{output.stem}_BtoA")}

    def save(self, path: str | Path, metadata: Mapping[str, Any]) -> None:
        """Write the generators of the directions that are exported, see `files`."""
        for direction, file in self.files(Path(path)).items():
            network = self.use("network" if direction == "AtoB" else "back")
            write_network(file, network, {**metadata, "direction": direction})

    def forward(self, photos: Tensor, style: str = "") -> Tensor:
        """Make pictures of images of shape (N, 3, H, W) in [0, 1] by the network that is written first."""
        return self.use("back" if self.export == "BtoA" else "network")(self.laid_out(photos))

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the weighted losses of a batch {"real_a", "real_b": (N, 3, H, W) in [0, 1]}, all sides' together."""
        real_a, real_b = self.laid_out(batch["real_a"]), self.laid_out(batch["real_b"])
        there, back = self.network, self.further["back"]
        if self.weights["identity_loss"]:
            fake_b, idt_a = _each(there, real_a, real_b)
            fake_a, idt_b = _each(back, real_b, real_a)
            identity = {"A": F.l1_loss(idt_a.float(), real_b), "B": F.l1_loss(idt_b.float(), real_a)}
        else:
            fake_b, fake_a, identity = there(real_a), back(real_b), {}
        losses = self._compare(real_a, real_b, fake_b, fake_a, back(fake_b), there(fake_a))
        losses |= {f"identity_loss/{name}": value for name, value in identity.items()}
        losses |= self.play("AtoB", real_b, fake_b, batch) | self.play("BtoA", real_a, fake_a, batch)
        return self.log_step(losses, summarize(losses, self.weights_of(losses)))

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> dict[str, Any]:
        """Log cycles of held-out images, in float32; return image | picture | what the way back makes of it."""
        real_a, real_b = self.laid_out(batch["real_a"]), self.laid_out(batch["real_b"])
        there, back = self.use(), self.use("back")
        with torch.autocast(real_a.device.type, enabled=False):
            fake_b, fake_a = there(real_a), back(real_b)
            rec_a, rec_b = back(fake_b), there(fake_a)
            losses = self._compare(real_a, real_b, fake_b, fake_a, rec_a, rec_b)
            losses |= {
                "identity_loss/A": F.l1_loss(there(real_b), real_b),
                "identity_loss/B": F.l1_loss(back(real_a), real_a),
            }
            self.log_heldout({"": summarize(losses, self.weights_of(losses))}, len(real_a))
        a, b = self.distinct(batch, 0, real_a), self.distinct(batch, 1, real_b)
        return {
            "grids": {"AtoB": [real_a, fake_b, rec_a], "BtoA": [real_b, fake_a, rec_b]},
            "sets": {"AtoB": (a, self.distinct(batch, 0, fake_b), b), "BtoA": (b, self.distinct(batch, 1, fake_a), a)},
        }

    def _compare(
        self, real_a: Tensor, real_b: Tensor, fake_b: Tensor, fake_a: Tensor, rec_a: Tensor, rec_b: Tensor
    ) -> dict[str, Tensor]:
        losses = {"cycle_loss/A": F.l1_loss(rec_a.float(), real_a), "cycle_loss/B": F.l1_loss(rec_b.float(), real_b)}
        for name, term in self.terms.items():
            losses |= {f"{name}/AtoB": term(fake_b, real_a), f"{name}/BtoA": term(fake_a, real_b)}
        return losses


def _check_direction(setting: str, start: str | Path | None, direction: str) -> None:
    """Refuse a network that was learned in the other direction."""
    found = learned_direction(start)
    if found not in (None, direction):
        other = "model.init_back" if direction == "AtoB" else "init"
        raise ValueError(f"{setting}={start} was learned from {found[0]} to {found[-1]}: give it as {other}")


def _each(network: nn.Module, *sides: Tensor) -> Sequence[Tensor]:
    """Make pictures of both sides' images: in one pass, unless a batch norm would mix the statistics of the sides."""
    if any(isinstance(layer, _BatchNorm) for layer in network.modules()):
        return [network(images) for images in sides]
    pictures: Tensor = network(torch.cat(sides))
    return pictures.chunk(len(sides))

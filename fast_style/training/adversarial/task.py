"""What the tasks with a discriminator have in common."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fast_style.training.adversarial.adversary import Adversary
from fast_style.training.adversarial.average import Averaged
from fast_style.training.adversarial.direction import learned_direction
from fast_style.training.network_task import NetworkTask, describe, write_network


class AdversarialTask(NetworkTask):
    """Generators against discriminators, trained together by one optimizer with two groups of parameters.

    A step is one backward pass of the weighted sum of all losses, see `Adversary`, so that batches are counted, the
    gradient is watched over, and schedules run as in every other task; each side's gradient is clipped by its own norm.
    What is measured, shown and written is the running average of the generators.

    Adam divides the gradient of each parameter by its size (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980), and the
    discriminators' parameters have no other loss than their own: its weight, `discriminator_loss`, changes nothing
    there, unless the R1 penalty stands beside it. How fast the discriminators learn is a matter of `discriminator_lr`.

    Args:
        network: the generator that users keep.
        adversaries: discriminators and what belongs to them, by name; left out where `adversarial_loss` weighs 0.
        optimizer: called with two groups of parameters, those of the generators and of the discriminators.
        scheduler: see `NetworkTask`.
        weights: of the losses by name, without what follows a slash.
        further: further generators by name.
        average: decay of the running average, see `Averaged`; 0 goes without.
        discriminator_lr: the discriminators' learning rate as a multiple of the generators'.
        named: further arguments of `NetworkTask`, by name.

    Raises:
        ValueError: if a weight is negative or no number, or another number is outside its range.
    """

    kept: tuple[str, ...] = ("network.", "further.", "adversaries.", "averages.", "heads.")

    def __init__(
        self,
        network: nn.Module,
        adversaries: Mapping[str, Adversary],
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        weights: Mapping[str, float] | None = None,
        further: Mapping[str, nn.Module] | None = None,
        average: float = 0.999,
        discriminator_lr: float = 1.0,
        **named: Any,
    ) -> None:
        super().__init__(network, optimizer, scheduler, **named)
        for name, weight in (weights or {}).items():
            if not weight >= 0:  # this way round refuses NaN as well
                raise ValueError(f"{name.replace('_loss', '_weight')} must not be negative, got {weight}")
        if not discriminator_lr > 0:
            raise ValueError(f"discriminator_lr must be more than 0 times the generators', got {discriminator_lr}")
        self.further = nn.ModuleDict(further or {})
        self.weights |= weights or {}
        playing = adversaries if self.weights.get("adversarial_loss", 1.0) else {}
        self.adversaries = nn.ModuleDict(playing)
        self.heads = nn.ModuleDict()  # what learns beside the generators
        self.averages = nn.ModuleDict()
        if average:
            self.averages.update({name: Averaged(each, average) for name, each in self.generators.items()})
        self.discriminator_lr = discriminator_lr
        self.direction = "AtoB"
        self._start: tuple[str, str | None] = "scratch", None  # and the direction in which it was learned
        for adversary in playing.values():
            self.weights |= adversary.r1_weights

    @property
    def generators(self) -> dict[str, nn.Module]:
        """What makes pictures, by name; `network` is the first."""
        return {"network": self.network, **dict(self.further.items())}

    def use(self, name: str = "network") -> nn.Module:
        """Return a generator for use: its running average if there is one."""
        return self.averages[name].network if name in self.averages else self.generators[name]  # type: ignore[return-value]

    def name_used(self, name: str = "network") -> str:
        """Tell how the names of what `use` returns begin in a checkpoint."""
        if name in self.averages:
            return f"averages.{name}.network."
        return "network." if name == "network" else f"further.{name}."

    @property
    def used(self) -> str:
        """How the names begin of what a checkpoint holds of the network that `save` writes."""
        return self.name_used()

    def begin(self, init: str, resume: Path | None) -> str:
        """Start as `NetworkTask.begin`, and keep in which direction the network was learned."""
        if resume is None:
            self._start = init, learned_direction(init)
        return super().begin(init, resume)

    def setup(self, stage: str) -> None:
        """Learn which side of the data is the input, and refuse batches of one image for batch norms.

        Raises:
            ValueError: if there is a batch norm and batches hold one image, or the network to start from was learned in
                the other direction than that of the data.
        """
        data = getattr(self.trainer, "datamodule", None)
        start, learned = self._start
        if learned not in (None, getattr(data, "direction", learned)):
            raise ValueError(
                f"init={start} was learned from {learned[0]} to {learned[-1]}: give data.direction={learned}, or "
                "another network"
            )
        self.direction = getattr(data, "direction", self.direction)
        if getattr(data, "batch_size", 2) < 2 and any(isinstance(layer, _BatchNorm) for layer in self.modules()):
            raise ValueError(
                "norm: batch needs several images a batch to learn from: give data.batch_size=4, or norm: instance to "
                "model.network and model.adversary.discriminator"
            )

    def start_from(self, start: nn.Module) -> None:
        """Take over the weights of another network, and let its average begin there."""
        super().start_from(start)
        if "network" in self.averages:
            self.averages["network"].begin_at(self.network)  # type: ignore[operator]

    @property
    def laid_out_parts(self) -> Iterable[nn.Module]:
        """What is laid out as the images: everything but heads."""
        return (*self.generators.values(), self.adversaries, self.averages)

    @property
    def trained(self) -> Iterable[nn.Parameter]:
        """The parameters of both sides."""
        return chain(*self._groups())

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Optimise both sides by one optimizer."""
        makers, judges = ([each for each in group if each.requires_grad] for group in self._groups())
        groups: Any = [{"params": group} for group in (makers, judges) if group]
        optimizer = self.optimizer(groups)
        for group in optimizer.param_groups[1:]:
            group["lr"] *= self.discriminator_lr
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "step", "name": "learning_rate"},
        }

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take a step, and take it into the averages unless it was skipped."""
        skipped = self.skipped_steps
        super().optimizer_step(*args, **kwargs)
        for adversary in self.adversaries.values():
            adversary.pool.commit()  # type: ignore[operator,union-attr]
        if self.skipped_steps > skipped:
            return
        for name, average in self.averages.items():
            average.update(self.generators[name])  # type: ignore[operator]

    def play(
        self,
        name: str,
        real: Tensor,
        fake: Tensor,
        batch: Mapping[str, Any],
        negatives: Iterable[Tensor] = (),
        kinds: Sequence[int] | None = None,
    ) -> dict[str, Tensor]:
        """Let a discriminator judge the images of a batch: its losses by name, see `Adversary`; none without it.

        With several discriminators the names end with that of each, `adversarial_loss/NAME`. The R1 penalty is due by
        `global_step`, which is the same for all batches of an accumulated gradient.

        Args:
            name: of the discriminator.
            real: see `Adversary`.
            fake: see `Adversary`.
            batch: what the images were made of, whose `index` numbers the samples, (N,).
            negatives: see `Adversary`.
            kinds: see `Adversary`.
        """
        if name not in self.adversaries:
            return {}
        samples = batch.get("index", torch.arange(len(fake)))
        losses = self.adversaries[name](real, fake, samples, self.global_step, list(negatives), kinds)
        return losses if len(self.adversaries) == 1 else {f"{key}/{name}": value for key, value in losses.items()}

    @staticmethod
    def distinct(batch: Mapping[str, Any], side: int, images: Tensor) -> Tensor:
        """Leave out held-out images of a side, 0 or 1, that come again because the other side has more."""
        return images[batch["new"][:, side]] if "new" in batch else images

    def weights_of(self, losses: Mapping[str, Tensor]) -> dict[str, Any]:
        """Look up the weights of losses, those of several discriminators by what stands before the slash."""
        return {name: self.weights.get(name, self.weights.get(name.partition("/")[0], 1.0)) for name in losses}

    def identity(self) -> dict[str, Any]:
        """Describe the discriminators, and which side of the data is the input."""
        described = {}
        for name, adversary in self.adversaries.items():
            judge = adversary.discriminator
            described[f"discriminator {name}" if len(self.adversaries) > 1 else "discriminator"] = describe(judge)  # type: ignore[arg-type]
        return super().identity() | described | {"direction": self.direction}

    def save(self, path: str | Path, metadata: Mapping[str, Any]) -> None:
        """Write the generator, its average if there is one, as `NetworkTask.save`."""
        write_network(path, self.use(), metadata)

    def _groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        makers = [*self.generators.values(), self.heads]
        return [parameter for each in makers for parameter in each.parameters()], [*self.adversaries.parameters()]

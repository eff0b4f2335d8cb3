"""What the tasks that train an image-transformation network have in common."""

import logging
from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.checkpoint import checkpoint

from fast_style.assets import BASES
from fast_style.checkpoint import load_network, save_network
from fast_style.networks import PREFIX, VGG
from fast_style.training.motion import Motion, compare_moved, motion_weights, move
from fast_style.training.task import PATIENCE, Task

log = logging.getLogger(__name__)


class NetworkTask(Task):
    """Optimises a network, watches over its losses, keeps it in checkpoints and writes it to a file.

    Args:
        network: what is trained.
        optimizer: called with the parameters that require a gradient.
        scheduler: called with the optimizer; stepped once per optimizer step.
        on_nonfinite: `stop` or `skip`, see `Task`.
        checkpoint_activations: compute the network's activations again for its gradient instead of keeping them while
            the loss network works: large crops need less memory, a step takes longer (`benchmarks/large_crops.json`).
        equivariance_weight: weight of `equivariance_loss` between the pictures of a quarter of the photos and those of
            the same photos shifted by up to three pixels; 0 leaves it out.
        temporal_weight: weight of `temporal_loss` between the pictures of half of the photos and those of frames that
            could follow them in a film (see `losses.following`), which takes the place of `equivariance_loss`; 0 leaves
            it out.
        seed: with a sample's number decides how photos move.

    Attributes:
        kept: beginnings of the names of what checkpoints keep of the task's parameters and buffers.
        weights: of the losses by name; the tasks add theirs.

    Raises:
        ValueError: if `on_nonfinite` is neither, a weight is negative, or activations are computed again for batch
            norms.
    """

    kept: tuple[str, ...] = ("network.",)

    def __init__(
        self,
        network: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        on_nonfinite: str = "stop",
        checkpoint_activations: bool = False,
        equivariance_weight: float = 0.0,
        temporal_weight: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(on_nonfinite)
        if checkpoint_activations and any(isinstance(layer, _BatchNorm) for layer in network.modules()):
            raise ValueError("checkpoint_activations would count batches twice for norm: batch: leave it false")
        self.motion_weights = motion_weights(equivariance_weight, temporal_weight)
        self.weights = dict(self.motion_weights)
        self.seed = seed
        self.again = checkpoint_activations
        self.network = network
        self.layout = torch.contiguous_format
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.strict_loading = False  # checkpoints hold what is `kept` alone
        self._before: dict[str, Tensor] = {}  # buffers as they were before the step that is under way

    def begin(self, init: str, resume: Path | None) -> str:
        """Take over the weights of the base that ships for such a network, or of a network; see `Task.begin`."""
        if resume is not None or init == "scratch":
            return ""
        name = type(self.network).__name__
        if init == "base" and name not in BASES:
            return f"no base ships for {name}: it starts from scratch"
        if init == "base" and not self.shown:  # the bases predict a network for a painting
            return f"the base that ships is for a painting, {type(self).__name__} learns none: it starts from scratch"
        start = load_network(BASES[name] if init == "base" else init)
        try:
            self.start_from(start)
        except ValueError as error:
            if init == "base":
                return f"the base that ships has other arguments than this {name}: it starts from scratch"
            raise ValueError(f"cannot start from init={init}: {error}") from error
        return ""

    def start_from(self, start: nn.Module) -> None:
        """Take over the weights of another network.

        Raises:
            ValueError: if it has another architecture.
        """
        take_over(self.network, start)

    def configure_model(self) -> None:
        """Lay out the weights as the images: as is fastest on the device, see `layout`.

        Before they are shared with other processes: `DistributedDataParallel` notes the layout of gradients then, and
        would mix up those of the first step.
        """
        self.layout = layout(self.trainer.strategy.root_device, str(self.trainer.precision))
        for part in self.laid_out_parts:
            part.to(memory_format=self.layout)

    def laid_out(self, images: Tensor) -> Tensor:
        """Give images (N, 3, H, W) the memory layout of the weights."""
        return images.contiguous(memory_format=self.layout)

    @property
    def laid_out_parts(self) -> Iterable[nn.Module]:
        """What is laid out as the images."""
        return (self.network,)

    @property
    def trained(self) -> Iterable[nn.Parameter]:
        """What is optimised, as far as it requires a gradient: the parameters of the network."""
        return self.network.parameters()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Optimise what is trained."""
        optimizer = self.optimizer(parameter for parameter in self.trained if parameter.requires_grad)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "step", "name": "learning_rate"},
        }

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm of the gradient and log what it was; where it is not finite, stop or skip the step.

        Each group of the optimizer is clipped by its own norm: where two sides play a game, the one with the larger
        gradient does not hold the other back. What is logged and watched is the norm of all.
        """
        limit = gradient_clip_val or float("inf")
        norms = [nn.utils.clip_grad_norm_(group["params"], limit) for group in optimizer.param_groups]
        norm = norms[0] if len(norms) == 1 else torch.stack(norms).norm()
        self.log("train/grad_norm", norm)
        named = {"the norm of the gradient": norm}
        if self.scales_gradients:  # an infinite gradient is how the scale of the loss is found: the scaler skips
            self._count(optimizer, norm, named)
        elif self.on_nonfinite == "stop":
            self.watch(norm, named)
        elif self._count(optimizer, norm, named):
            log.warning(
                "skipped step %d: its gradient is not finite (%d skipped)", self.global_step, self.skipped_steps
            )
        if self.on_nonfinite == "skip":
            self.log("train/skipped_steps", float(self.skipped_steps))

    def _count(self, optimizer: Optimizer, norm: Tensor, named: Mapping[str, Tensor]) -> bool:
        """Skip the step if its gradient is not finite, and give up after too many in a row; tell whether it is."""
        if torch.isfinite(norm):
            self._skipped_in_a_row = 0
            return False
        if self._skipped_in_a_row >= PATIENCE or not self.scales_gradients:
            self.not_finite(named, self.global_step)
        # Gradients of several processes are averaged by now: all of them come here, or none.
        optimizer.zero_grad()  # to None: the optimizer passes over parameters without a gradient
        self.skipped_steps += 1
        self._skipped_in_a_row += 1
        return True

    def on_train_start(self) -> None:
        """Lay out what optimizers remember as the weights.

        A checkpoint may be of another layout, of a processor that trains in bfloat16 for one, and fused optimizers take
        the numbers of both in the order in which they lie in memory.
        """
        super().on_train_start()
        for optimizer in self.trainer.optimizers:
            for parameter, state in optimizer.state.items():
                for name, value in state.items():
                    if isinstance(value, Tensor) and value.shape == parameter.shape:
                        state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)

    def use(self) -> nn.Module:
        """Return the network that is measured, shown and written."""
        return self.network

    @property
    def used(self) -> str:
        """How the names begin of what a checkpoint holds of the network that `save` writes."""
        return "network."

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Remember what the batches of a step change before its end: a step that is interrupted is made again."""
        if batch_idx % self.trainer.accumulate_grad_batches == 0:
            kept = ((name, each) for name, each in self.named_buffers() if name.startswith(self.kept))
            self._before = {name: each.detach().clone() for name, each in kept}

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take a step, after which what its batches have changed holds."""
        super().optimizer_step(*args, **kwargs)
        self._before = {}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the network and how to build it; leave the loss network out."""
        super().on_save_checkpoint(checkpoint)
        state = checkpoint["state_dict"]
        kept = {key: value for key, value in state.items() if key.startswith(self.kept)}
        checkpoint["state_dict"] = kept | {key: value for key, value in self._before.items() if key in kept}
        checkpoint["network"] = self._describe_network()
        checkpoint["used"] = self.used

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another network, since loading is not strict, or of another training."""
        found, own = checkpoint.get("network") or {}, self._describe_network()
        # Arguments that a checkpoint does not have came after it, with defaults that mean what was before.
        parameters = signature(type(self.network)).parameters
        defaults = {name: parameters[name].default for name in own["arguments"] if name in parameters}
        if found | {"arguments": defaults | dict(found.get("arguments", {}))} != own:
            raise ValueError(
                f"the checkpoint was trained with {found}, this run's network is {own}: resume with the same model"
            )
        super().on_load_checkpoint(checkpoint)

    def identity(self) -> dict[str, Any]:
        """Name the styles, and keep small copies of their images, (3, 8, 8)."""
        small = {name: nn.functional.adaptive_avg_pool2d(image.float().cpu(), 8) for name, image in self.shown.items()}
        return {f"style image {name}".strip(): image[0] for name, image in small.items()}

    def save(self, path: str | Path, metadata: Mapping[str, Any]) -> None:
        """Write the network as a `.safetensors` file: in half precision, unless a weight is beyond its range."""
        write_network(path, self.network, metadata, self.fits_half())

    def fits_half(self) -> bool:
        """Tell whether no weight or buffer is beyond the range of half precision."""
        return fits_half(self.network)

    def stylize(self, *inputs: Tensor) -> Tensor:
        """Apply the network in training, with or without keeping its activations."""
        return checkpoint(self.network, *inputs, use_reentrant=False) if self.again else self.network(*inputs)

    def moved(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Motion]:
        """Move some photos of a batch by the weights and the seed of the task, see `motion.move`."""
        return move(batch, self.motion_weights, self.seed)

    def compare_moved(self, pictures: Tensor, moved: Tensor, motion: Motion) -> dict[str, Tensor]:
        """Compare the pictures of a batch with those of `moved`: the term by its name, or nothing."""
        return compare_moved(pictures, moved, motion)

    def weights_of(self, losses: Mapping[str, Tensor]) -> dict[str, Any]:
        """Look up the weights of losses by their names."""
        return {name: self.weights[name] for name in losses}

    def _describe_network(self) -> dict[str, Any]:
        return {"target": f"{PREFIX}{type(self.network).__name__}", "arguments": self.network.arguments}


def fits_half(network: nn.Module) -> bool:
    """Tell whether no weight or buffer of a network is beyond the range of half precision."""
    values = [each for each in network.state_dict().values() if each.is_floating_point()]  # counters stay whole
    return max(each.abs().max().item() for each in values) <= torch.finfo(torch.float16).max


def write_network(path: str | Path, network: nn.Module, metadata: Mapping[str, Any], half: bool | None = None) -> None:
    """Write a network as a `.safetensors` file.

    Args:
        path: the file.
        network: the network, one that `save_network` takes.
        metadata: see `save_network`.
        half: whether in half precision. None: unless a weight is beyond its range, see `fits_half`.
    """
    half = fits_half(network) if half is None else half
    save_network(path, network, metadata, torch.float16 if half else torch.float32)


def layout(device: torch.device, precision: str) -> torch.memory_format:
    """Choose the memory layout in which networks train fastest.

    Channels last on a CPU that trains in bfloat16. In float32 the gradient of a weight takes up to five times as long
    there as in the contiguous layout (`docs/training_step.md`), and on other devices each reflection padding would
    turn it into the contiguous one, and back.

    Args:
        device: that trains.
        precision: as Lightning names it, such as `bf16-mixed`.
    """
    return torch.channels_last if device.type == "cpu" and "bf16" in precision else torch.contiguous_format


def take_over(network: nn.Module, start: nn.Module) -> None:
    """Give a network the weights of another.

    Raises:
        ValueError: if it has another architecture.
    """
    if describe(start) != describe(network):
        raise ValueError(
            f"it is a {_unlike(start, network)}, the model a {_unlike(network, start)}: give model.network the same "
            "arguments, or init=scratch"
        )
    network.load_state_dict(start.state_dict())


def _unlike(network: nn.Module, other: nn.Module) -> str:
    """Name a network, and of its arguments those that are others than another one's of the same kind."""
    own, others = (getattr(each, "arguments", None) or {} for each in (network, other))
    kind = type(network).__name__
    if type(network) is not type(other):
        return kind
    unlike = {name: own.get(name) for name in {**own, **others} if own.get(name) != others.get(name)}
    told = (f"{len(value)} {name}" if isinstance(value, list) else f"{name}={value}" for name, value in unlike.items())
    return f"{kind} with {', '.join(told)}"


def describe(network: nn.Module) -> str:
    """Name a network and its arguments."""
    return f"{type(network).__name__}({getattr(network, 'arguments', None)})"


def name_of(loss_network: VGG) -> str:
    """Name a loss network and the file of its weights, wherever that lies."""
    return f"{loss_network.name} with the weights {Path(loss_network.source).name}"

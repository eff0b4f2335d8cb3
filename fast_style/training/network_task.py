"""What the tasks that train an image-transformation network have in common."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.checkpoint import checkpoint

from fast_style.checkpoint import save_network

log = logging.getLogger(__name__)

PROGRESS_BAR = ("total_loss", "weighted/content_loss", "weighted/style_loss")
PATIENCE = 20  # steps skipped in a row until on_nonfinite=skip gives up


class NonFiniteLossError(RuntimeError):
    """A loss became infinite or not a number."""


class NetworkTask(L.LightningModule):
    """Optimises a network, watches over its losses, keeps it in checkpoints and writes it to a file.

    Args:
        network: what is trained.
        optimizer: called with the parameters that require a gradient.
        scheduler: called with the optimizer; stepped once per optimizer step.
        on_nonfinite: what to do when a loss or the gradient is not finite: `stop`, or `skip` the step, which leaves
            the network as it is, and count it (`train/skipped_steps`).
        checkpoint_activations: compute the network's activations again for its gradient instead of keeping them while
            the loss network works: large crops need less memory, a step takes longer (`benchmarks/large_crops.json`).

    Attributes:
        heldout_before: held-out losses before the first step.

    Raises:
        ValueError: if `on_nonfinite` is neither, or activations are computed again for batch norms.
        NonFiniteLossError: in training, if a loss or the gradient is not finite and steps are not skipped, or 20 in a
            row were.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        on_nonfinite: str = "stop",
        checkpoint_activations: bool = False,
    ) -> None:
        super().__init__()
        if checkpoint_activations and any(isinstance(layer, _BatchNorm) for layer in network.modules()):
            raise ValueError("checkpoint_activations would count batches twice for norm: batch: leave it false")
        self.again = checkpoint_activations
        if on_nonfinite not in ("stop", "skip"):
            raise ValueError(f"on_nonfinite must be stop or skip, got {on_nonfinite}")
        self.network = network.to(memory_format=torch.channels_last)
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.strict_loading = False  # checkpoints hold the network alone
        self.heldout_before: dict[str, float] = {}
        self.on_nonfinite = on_nonfinite
        self.skipped_steps = 0
        self._skipped_in_a_row = 0

    def start_from(self, start: nn.Module) -> None:
        """Take over the weights of another network.

        Raises:
            ValueError: if it has another architecture.
        """
        described, wanted = describe(start), describe(self.network)
        if described != wanted:
            raise ValueError(
                f"it is a {described}, the model a {wanted}: give model.network the same arguments, or init=scratch"
            )
        self.network.load_state_dict(start.state_dict())

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Optimise the network alone."""
        optimizer = self.optimizer(parameter for parameter in self.network.parameters() if parameter.requires_grad)
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
        """Clip the norm of the gradient and log what it was; where it is not finite, stop or skip the step."""
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), gradient_clip_val or float("inf"))
        if torch.isfinite(norm):
            self._skipped_in_a_row = 0
            self.log("train/grad_norm", norm)
        else:
            self.not_finite({"the norm of the gradient": norm})
            # Gradients of several processes are averaged by now: all of them come here, or none.
            optimizer.zero_grad()  # to None: the optimizer passes over parameters without a gradient
            self.skipped_steps += 1
            self._skipped_in_a_row += 1
            message = "skipped step %d: its gradient is not finite (%d skipped)"
            log.warning(message, self.global_step, self.skipped_steps)
        if self.on_nonfinite == "skip":
            self.log("train/skipped_steps", float(self.skipped_steps))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the network, how to build it, and where it started; leave the loss network out."""
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {key: value for key, value in state.items() if key.startswith("network.")}
        checkpoint["network"] = self._describe_network()
        checkpoint["heldout_before"] = self.heldout_before
        checkpoint["skipped_steps"] = self.skipped_steps

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another network: loading is not strict."""
        if checkpoint.get("network") != self._describe_network():
            raise ValueError(
                f"the checkpoint was trained with {checkpoint.get('network')}, this run's network is "
                f"{self._describe_network()}: resume with the same model"
            )
        self.heldout_before = checkpoint["heldout_before"]
        self.skipped_steps = checkpoint.get("skipped_steps", 0)

    def save(self, path: str | Path, metadata: Mapping[str, Any]) -> None:
        """Write the network as a `.safetensors` file: in half precision, unless a weight is beyond its range."""
        save_network(path, self.network, metadata, torch.float16 if self.fits_half() else torch.float32)

    def fits_half(self) -> bool:
        """Tell whether no weight or buffer is beyond the range of half precision."""
        values = [
            each for each in self.network.state_dict().values() if each.is_floating_point()
        ]  # counters stay whole
        largest = max(each.abs().max().item() for each in values)
        return largest <= torch.finfo(torch.float16).max

    def stylize(self, *inputs: Tensor) -> Tensor:
        """Apply the network in training, with or without keeping its activations."""
        return checkpoint(self.network, *inputs, use_reentrant=False) if self.again else self.network(*inputs)

    def log_step(self, losses: Mapping[str, Tensor], summary: Mapping[str, Tensor]) -> Tensor:
        """Log the losses of a training step, raw and weighted, and return their sum; see `not_finite`."""
        if not torch.isfinite(summary["total_loss"]):
            self.not_finite(losses)
        for name, value in summary.items():
            self.log(f"train/{name}", value.detach(), prog_bar=name in PROGRESS_BAR)
        return summary["total_loss"]

    def log_heldout(self, summaries: Mapping[str, Mapping[str, Tensor]], count: int) -> None:
        """Log the losses on so many held-out photos: the sum of each style, and the means of all terms over styles."""
        for style, summary in summaries.items():
            self.log(f"heldout/total_loss/{style}", summary["total_loss"], batch_size=count, sync_dist=True)
        for term in next(iter(summaries.values())):
            mean = torch.stack([summary[term] for summary in summaries.values()]).mean()
            self.log(f"heldout/{term}", mean, batch_size=count, sync_dist=True)

    def not_finite(self, values: Mapping[str, Tensor]) -> None:
        """Stop the training, unless the step is to be skipped once its gradient is known."""
        if self.on_nonfinite == "stop" or self._skipped_in_a_row >= PATIENCE:
            raise NonFiniteLossError(self._describe_non_finite(values))

    def _describe_network(self) -> dict[str, Any]:
        return {"target": f"fast_style.networks.{type(self.network).__name__}", "arguments": self.network.arguments}

    def _describe_non_finite(self, losses: Mapping[str, Tensor]) -> str:
        terms = [f"{name} = {value.item()}" for name, value in losses.items() if not torch.isfinite(value)]
        saved = getattr(self.trainer.checkpoint_callback, "newest", None) or self.trainer.ckpt_path
        advice = "continue from it with ckpt_path=last" if saved else "start again"
        return (
            f"training stopped at step {self.global_step}: {', '.join(terms) or 'the weighted sum'} is not finite; "
            f"the last good checkpoint is {saved or 'none yet'}; {advice} and a lower model.optimizer.lr"
        )


def describe(network: nn.Module) -> str:
    """Name a network and its arguments."""
    return f"{type(network).__name__}({getattr(network, 'arguments', None)})"

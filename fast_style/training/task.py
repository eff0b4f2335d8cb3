"""What the command, the callbacks and the data module ask of a task."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from fast_style.training.answer import Answer
from fast_style.training.optimizers import Numbers, numbers_of, put_back

log = logging.getLogger(__name__)

PATIENCE = 20  # steps skipped in a row until on_nonfinite=skip gives up, and gradients scaled down under 16-mixed


RESUME = "resume with the same settings, or begin a new run from its network with init=FILE"


class NonFiniteLossError(RuntimeError):
    """A loss became infinite or not a number."""


class Task(L.LightningModule):
    """A training task. Whoever trains asks it, and never what class it is.

    A task implements Lightning's `configure_optimizers`, `training_step` and `validation_step`, and `save`. Its
    `training_step` returns `log_step(…)`, or calls it, so that all tasks log alike and stop where a loss is not
    finite. Its `validation_step` logs `heldout/total_loss`, and may return pictures that are then shown in the log:
    {"photos", "stylized"}, (N, 3, H, W) each or for `stylized` one such tensor for each name of `shown`; or {"grids"},
    by name a list of such tensors, the columns of a grid, as many in each. It may also return {"sets"}, by name inputs,
    pictures made of them, and real images that pictures are to be like, see `callbacks.Distances`, each the one of its
    place if the task `wants` pairs. The number of steps is `global_step`: that of batches, also with several
    optimizers, in units of `accumulate_grad_batches`, see `Trainer`; in between, all that a task keeps must be in its
    checkpoints.

    Args:
        on_nonfinite: what to do when a loss or the gradient is not finite: `stop`, or `skip` the step, which leaves
            the network as it is, and count it (`train/skipped_steps`).

    Attributes:
        wants: what a batch must hold beside its samples' `index`: `image`, (N, 3, H, W) in [0, 1]; `painting`, the
            same of style images; `pair` or `unpaired`, `real_a` and `real_b`, of such shapes, which belong together or
            do not.
        input_side: of `unpaired` images, the side of the batch of which the network that `save` writes first makes
            pictures: `A` or `B`.
        heldout_before: held-out losses before the first step, by name.
        measured_at: `global_step` of the last measurement on held-out photos.

    Raises:
        ValueError: if `on_nonfinite` is neither.
        NonFiniteLossError: in training, if a loss or the gradient is not finite and steps are not skipped, or 20 in a
            row were. On a CUDA device it is raised in a later step, a few of them at most, when the answer has arrived
            by itself, so that no step waits for the device; a checkpoint is never written in between.
    """

    wants: tuple[str, ...] = ("image",)
    input_side: str = "A"

    def __init__(self, on_nonfinite: str = "stop") -> None:
        super().__init__()
        if on_nonfinite not in ("stop", "skip"):
            raise ValueError(f"on_nonfinite must be stop or skip, got {on_nonfinite}")
        self.on_nonfinite = on_nonfinite
        self.heldout_before: dict[str, float] = {}
        self.measured_at = 0
        self.skipped_steps = 0
        self._skipped_in_a_row = 0
        self._configured: list[list[Numbers]] = []  # of each group of each optimizer
        self._unread: list[tuple[Answer, dict[str, Tensor], int]] = []  # finite?, of what, at which step

    def begin(self, init: str, resume: Path | None) -> str:
        """Take over the weights to begin with, before the first step or the restoring of a checkpoint.

        Args:
            init: `scratch`, `base`, or a network to start from: see configs/train.yaml.
            resume: the checkpoint that will be restored; None in a new run.

        Returns:
            What the user should know of it, a sentence; empty if nothing.

        Raises:
            ValueError: if this task, or its network, cannot start from it.
        """
        if resume is None and init != "scratch":
            raise ValueError(f"init={init} does not go with {type(self).__name__.lower()}: give init=scratch")
        return ""

    def save(self, path: str | Path, metadata: Mapping[str, Any]) -> None:
        """Write what users keep of the training; the file appears under its name only once it is complete."""
        raise NotImplementedError

    def files(self, output: Path) -> dict[str, Path]:
        """Name the files that `save` writes when it is given a path, the first one itself."""
        return {"": output}

    @property
    def shown(self) -> dict[str, Tensor]:
        """Style images (1, 3, H, W) in [0, 1] that held-out photos are shown in, by name; "" if there is but one."""
        return {}

    def stylize_arguments(self, folder: Path | None) -> list[str]:
        """Say what `stylize.py` must be told beside network and photo, such as ["--style", NAME].

        Args:
            folder: where the style images are, if they are in one.
        """
        return []

    def identity(self) -> dict[str, Any]:
        """Describe what must be the same in a run that is resumed: plain values or tensors by name."""
        return {}

    def log_step(self, losses: Mapping[str, Tensor], summary: Mapping[str, Tensor]) -> Tensor:
        """Log the losses of a training step and watch over them.

        Args:
            losses: the terms by name, scalars, to be named if one is not finite.
            summary: what is logged, `train/NAME`: their weighted sum `total_loss`, and anything else.

        Returns:
            The weighted sum.
        """
        self.watch(summary["total_loss"], losses)
        for name, value in summary.items():
            shown = name == "total_loss" or (name.startswith("weighted/") and name.count("/") == 1)
            self.log(f"train/{name}", value.detach(), prog_bar=shown)
        return summary["total_loss"]

    def log_heldout(self, summaries: Mapping[str, Mapping[str, Tensor]], count: int) -> None:
        """Log the losses on so many held-out photos: the sum of each style, and the means of all terms over styles."""
        for style, summary in summaries.items():
            if style:
                self.log(f"heldout/total_loss/{style}", summary["total_loss"], batch_size=count, sync_dist=True)
        for term in next(iter(summaries.values())):
            mean = torch.stack([summary[term] for summary in summaries.values()]).mean()
            self.log(f"heldout/{term}", mean, batch_size=count, sync_dist=True)

    def watch(self, value: Tensor, named: Mapping[str, Tensor]) -> None:
        """Stop the training if a value is not finite, unless steps are to be skipped.

        On a CPU, and where steps are skipped, at once; on a CUDA device as soon as it is known there, see `Answer`.

        Args:
            value: a scalar.
            named: what it was made of, scalars by name, to say which is to blame.
        """
        kept = {name: term.detach() for name, term in named.items()}
        self._unread.append((Answer(torch.isfinite(value.detach())), kept, self.global_step))
        self.read_watched(wait=self.on_nonfinite == "skip")

    def read_watched(self, wait: bool = True) -> None:
        """Look at what `watch` left for later: at all of it, or at what is known without waiting for the device."""
        while self._unread and (wait or self._unread[0][0].known):
            finite, named, step = self._unread.pop(0)
            if not finite.read():
                self.not_finite(named, step)

    def not_finite(self, values: Mapping[str, Tensor], step: int) -> None:
        """Stop the training, unless the step is to be skipped once its gradient is known."""
        if self.on_nonfinite == "stop" or self._skipped_in_a_row >= PATIENCE:
            self._unread.clear()
            raise NonFiniteLossError(self._describe_non_finite(values, step))

    @property
    def scales_gradients(self) -> bool:
        """Whether losses are scaled for half precision, whose scale is found by infinite gradients now and then."""
        return getattr(self.trainer.precision_plugin, "scaler", None) is not None

    def on_validation_end(self) -> None:
        """Note of which step the measurement is."""
        self.measured_at = self.global_step

    def on_fit_start(self) -> None:
        """Note what optimizers are told, before a checkpoint is restored; whoever overrides it calls it."""
        self._configured = numbers_of(self.trainer.optimizers)

    def on_train_start(self) -> None:
        """Let the settings of this run hold, not those of the checkpoint's; whoever overrides it calls it."""
        schedules = (each.scheduler for each in self.trainer.lr_scheduler_configs)
        told = put_back(self.trainer.optimizers, self._configured, schedules)
        if told and self.trainer.is_global_zero:
            log.info("; ".join(told))

    def on_train_end(self) -> None:
        """Look at the last steps."""
        self.read_watched()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the protocol has; whoever overrides it calls it."""
        self.read_watched()
        checkpoint["heldout_before"] = self.heldout_before
        checkpoint["skipped_steps"] = self.skipped_steps, self._skipped_in_a_row
        checkpoint["identity"] = self.identity()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another training.

        Raises:
            ValueError: if what must be the same is not.
        """
        found, own = checkpoint.get("identity", {}), self.identity()
        for name in {*found} ^ {*own} if found else ():
            raise ValueError(f"only one of the checkpoint and this run has a {name}: {RESUME}")
        for name, value in found.items():
            if not _same(value, own[name]):
                values = "" if isinstance(value, Tensor) else f", {value} and not {own[name]}"
                raise ValueError(f"the checkpoint was trained with another {name}{values}: {RESUME}")
        self.heldout_before = checkpoint.get("heldout_before", {})
        skipped = checkpoint.get("skipped_steps", 0)
        self.skipped_steps, self._skipped_in_a_row = skipped if isinstance(skipped, tuple) else (skipped, 0)

    def _describe_non_finite(self, losses: Mapping[str, Tensor], step: int) -> str:
        terms = [f"{name} = {value.item()}" for name, value in losses.items() if not torch.isfinite(value)]
        saved = getattr(self.trainer.checkpoint_callback, "newest", None) or self.trainer.ckpt_path
        advice = "continue from it with ckpt_path=last" if saved else "start again"
        return (
            f"training stopped at step {step}: {', '.join(terms) or 'the weighted sum'} is not finite; "
            f"the last good checkpoint is {saved or 'none yet'}; {advice} and a lower model.optimizer.lr"
        )


def _same(found: object, own: object) -> bool:
    """Compare plain values exactly, tensors up to what decoders of images differ by."""
    if isinstance(found, Tensor) and isinstance(own, Tensor):
        return found.shape == own.shape and torch.allclose(found, own, atol=0.02)
    return found == own

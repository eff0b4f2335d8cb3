"""How far made images are from real ones, at every validation."""

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor

from fast_style.metrics import Description, describe_images, halves, set_distances
from fast_style.networks import VGG

LEAST = 16  # pixels a side, for patches


class Distances(L.Callback):
    """Log how far the pictures of held-out images are from real ones, where a task says which these are.

    `heldout/kernel_distance` and `heldout/patch_distance`, see `metrics.set_distances`, the latter the mean over the
    levels, of what `validation_step` returns as `sets`, see `Task`; for several sets each has its name. At the first
    validation also of the inputs left as they are, `…/untouched`, and of every other real image beside the others,
    `…/halves`: what there is to gain, and what two samples of the same images differ by, a floor: lower is not nearer.
    Of a task that learns from pairs, what belongs together is compared as such, see `metrics.kernel_distance`. A few
    images say little, and there are at most as many as are held out.

    Args:
        network: makes the VGG whose features are compared, with weights to relu5_1; called when it is first needed.
    """

    def __init__(self, network: Callable[[], VGG]) -> None:
        self.make = network
        self._network: VGG | None = None
        self._sets: dict[str, list[tuple[Tensor, ...]]] = {}  # inputs, pictures and real images of each batch
        self._real: dict[str, Description] = {}

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Forget the last pictures."""
        self._sets = {}

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep what is to be compared."""
        for name, images in (outputs or {}).get("sets", {}).items():
            self._sets.setdefault(name, []).append(tuple(each.float().clamp(0, 1).cpu() for each in images))

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compare and log."""
        for name, batches in self._sets.items():
            inputs, pictures, real = (torch.cat(each).to(_device(pl_module)) for each in zip(*batches, strict=True))
            if min(len(inputs), len(pictures), len(real)) < 2 or min(real.shape[2:]) < LEAST:
                continue
            first = name not in self._real
            if first:
                self._real[name] = self._described(real, seed=1)
            found = {"": self._described(pictures)}
            if first:
                found["untouched"] = self._described(inputs)
            paired = "pair" in getattr(pl_module, "wants", ())
            for kind, described in found.items():
                self._log(pl_module, name, kind, described, self._real[name], paired)
            if first and len(real) >= 4:
                self._log(pl_module, name, "halves", *halves(self._real[name]))
        self._sets = {}

    def _described(self, images: Tensor, seed: int = 0) -> Description:
        if self._network is None:
            with torch.random.fork_rng(devices=[]):  # its first weights, which are replaced, are random
                self._network = self.make().to(images.device)
        return describe_images(images.split(1), self._network, seed)

    @staticmethod
    def _log(
        task: L.LightningModule, name: str, kind: str, found: Description, real: Description, paired: bool = False
    ) -> None:
        kernel, levels = set_distances(found, real, paired)
        place = "".join(f"/{each}" for each in (name, kind) if each)
        task.log(f"heldout/kernel_distance{place}", kernel, sync_dist=True)
        task.log(f"heldout/patch_distance{place}", sum(levels.values()) / len(levels), sync_dist=True)


def _device(task: L.LightningModule) -> torch.device:
    """Where to compare: other devices than these lack double precision."""
    return task.device if task.device.type == "cuda" else torch.device("cpu")

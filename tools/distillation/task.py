"""Distil a narrow loss network out of VGG."""

import copy
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from distillation.files import save_loss_network
from fast_style.compiled import Compiled
from fast_style.functional import gram_matrix
from fast_style.losses import PerceptualLoss
from fast_style.networks import VGG
from fast_style.training import Task

log = logging.getLogger(__name__)

MARGIN = 2  # positions at the rim of a feature map left out of the loss: the networks pad differently
STRIDES = {"1": 4, "2": 2}  # by block: every how many positions the loss looks, since the fine maps are large
VARIATION = 0.35  # of contrast and colour, relative; the largest standard deviation of added noise is 0.3
MEMORY = 256  # of the explorer's pictures are kept
TURNS = 4  # of the explorer before it starts from scratch again
RESUMED = ("network.", "heads.", "explorer.")  # kept in checkpoints, beside the scales


class Distillation(Task):
    """Teach a narrow VGG to tell images apart as a wide one does (collaborative distillation, Wang et al. 2020).

    For each layer a 1×1 head H without bias predicts the teacher's rectified features from the student's, F ≈ H S, the
    teacher's divided by one number a layer so that their mean square is 1. The loss of a layer is

        ‖H S − F‖² / ‖F − mean F‖²  +  gram_weight · ‖H G_S Hᵀ − G_F‖² / ‖G_F‖²,

    the mean over the images of a batch and over spatial positions (in blocks 1 and 2 on a grid), G per image.

    The exported network holds T = √(C_S/C_T) · R for each layer, from the decomposition H = QR. Since ‖H x‖ = ‖R x‖
    and, in the Frobenius norm, ‖H G Hᵀ‖ = ‖R G Rᵀ‖, content and Gram style losses of T S are exactly those of the
    predicted features H S: the loss network is as narrow as the student and measures in the teacher's metric.

    A student that agrees with its teacher on photos alone is easily deceived: networks trained against it find patterns
    that only it takes for the style. So an explorer, an image transformation network, is trained against the student
    all along, for one style after the other, each in colours of its own. A batch holds pictures it makes now (a third),
    pictures it made before (a quarter; an image pool as in Shrivastava et al. 2017), crops of the styles (a sixth), and
    photos: what deceives the student is corrected while it is found, and not forgotten.

    Args:
        network: the student, a `VGG`; random weights are drawn anew, those of a file kept, but for its taps.
        teachers: frozen networks with `forward(images, layers)`, by a name of your own.
        layers: of each teacher, by the same names, the layers to learn.
        optimizer: called with the parameters that are trained.
        scheduler: called with the optimizer; stepped once per optimizer step.
        gram_weight: weight of the Gram term.
        explorer: the image transformation network. None: photos alone.
        styles: style images (1, 3, H, W) in [0, 1] by name, for the explorer.
        explorer_loss: arguments of `PerceptualLoss` for the explorer: layers and weights.
        explorer_lr: learning rate of the explorer, with Adam.
        turn: steps until the explorer goes over to the next style; every fourth turn it starts from scratch.
        compile: fuse student and teachers with `torch.compile`.

    Raises:
        ValueError: if teachers and layers do not have the same names, a layer is unknown or learned twice, or none is;
            the explorer lacks styles or a loss; in training, if the images are too small for the deepest layer, or
            explorer_loss asks for a layer that is not learned.
    """

    def __init__(
        self,
        network: VGG,
        teachers: Mapping[str, nn.Module],
        layers: Mapping[str, Sequence[str]],
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        gram_weight: float = 1.0,
        explorer: nn.Module | None = None,
        styles: Mapping[str, Tensor] | None = None,
        explorer_loss: Mapping[str, Any] | None = None,
        explorer_lr: float = 1e-3,
        turn: int = 60,
        compile: bool = False,  # noqa: A002 - the name of the torch function it turns on
    ) -> None:
        super().__init__()
        self.used = [layer for names in layers.values() for layer in names]
        if teachers.keys() != layers.keys():
            raise ValueError(
                f"teachers are {', '.join(teachers)}, layers are given for {', '.join(layers)}: name each in both"
            )
        if not self.used or len(set(self.used)) < len(self.used):
            raise ValueError(f"each layer must be learned of one teacher, got {', '.join(self.used) or 'no layer'}")
        network.check_layers(self.used)
        network.taps.clear()
        self.network = network.to(memory_format=torch.channels_last)
        self.teachers = nn.ModuleDict(teachers).to(memory_format=torch.channels_last)
        self.layers = dict(layers)
        self.gram_weight = gram_weight
        self.explorer = None if explorer is None else explorer.to(memory_format=torch.channels_last)
        self.styles = list((styles or {}).values())
        self.memory: list[Tensor] = []
        self.explorer_loss = dict(explorer_loss or {})
        self.turn = turn
        if self.explorer is not None:
            if not self.styles or not self.explorer_loss:
                raise ValueError("the explorer needs styles and explorer_loss")
            self.explorer_optimizer = torch.optim.Adam(self.explorer.parameters(), explorer_lr)
            self._fresh = copy.deepcopy((self.explorer.state_dict(), self.explorer_optimizer.state_dict()))
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.strict_loading = False  # checkpoints hold what is trained
        deepest = list(self.network.convs).index(max(f"conv{layer[4:]}" for layer in self.used))
        self.convs = list(self.network.convs)[: deepest + 1]
        for name in self.convs:
            conv = self.network.convs[name].requires_grad_(True)
            if network.source == "random":
                nn.init.kaiming_normal_(conv.get_parameter("weight"), nonlinearity="relu")
                nn.init.zeros_(conv.get_parameter("bias"))
        wide = {layer: feature.shape[1] for layer, feature in self._teach(torch.zeros(1, 3, 64, 64)).items()}
        # Set by the first batch.
        self.heads = nn.ParameterDict({layer: torch.zeros(wide[layer], self._width(layer)) for layer in self.used})
        self.scales = nn.Parameter(torch.zeros(len(self.used)), requires_grad=False)
        self._terms: Callable[[Tensor], dict[str, Tensor]]
        self._terms = Compiled(self._losses, log.warning) if compile else self._losses

    def on_fit_start(self) -> None:
        """Refuse several processes.

        Raises:
            ValueError: if there are, with an explorer: it is trained inside the training step, where they do not meet.
        """
        if self.explorer is not None and self.trainer.world_size > 1:
            count = self.trainer.world_size
            raise ValueError(f"distillation with an explorer runs in one process, got {count}: give trainer.devices=1")
        super().on_fit_start()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Optimise the student, as deep as it is used, and the heads."""
        optimizer = self.optimizer(self._trained())
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "step", "name": "learning_rate"},
        }

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the sum of the losses of a batch {"image": (N, 3, H, W) in [0, 1]}, after varying its images."""
        if not self.scales.any():
            self._start(batch["image"])
        generator = torch.Generator().manual_seed(self.global_step)
        images = batch["image"]
        if self.explorer is not None:
            images = self._explore(self.explorer, images, generator)
        images = self._vary(images, len(images) - len(images) // 4, generator)
        return self._log_terms("train", self._terms(images.contiguous(memory_format=torch.channels_last)))

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> None:
        """Log the losses on held-out photos as they are, in float32."""
        with torch.autocast(batch["image"].device.type, enabled=False):
            if not self.scales.any():
                self._start(batch["image"])
            self._log_terms("heldout", self._losses(batch["image"]))

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm of the gradient; a fused optimizer does not let Lightning do so."""
        nn.utils.clip_grad_norm_(self._trained(), gradient_clip_val or float("inf"), error_if_nonfinite=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what is trained, the explorer too, and leave the teachers out."""
        state = checkpoint["state_dict"]
        if self.explorer is not None:
            checkpoint["explorer_optimizer"] = self.explorer_optimizer.state_dict()
            checkpoint["memory"] = self.memory
        checkpoint["state_dict"] = {key: value for key, value in state.items() if key.startswith((*RESUMED, "scales"))}
        super().on_save_checkpoint(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another student: loading is not strict."""
        own, found = (
            {key: value.shape for key, value in state.items() if key.startswith(RESUMED)}
            for state in (self.state_dict(), checkpoint["state_dict"])
        )
        if own != found:
            raise ValueError("the checkpoint is not of a distillation of this network: resume with the same model")
        if self.explorer is not None:
            self.explorer_optimizer.load_state_dict(checkpoint["explorer_optimizer"])
            self.memory = checkpoint["memory"]
        super().on_load_checkpoint(checkpoint)

    @torch.no_grad()
    def save(self, path: str | Path, metadata: Mapping[str, Any]) -> None:
        """Write the student with its taps, in half precision, as a file for `VGG`."""
        save_loss_network(path, self.network, self.convs, self._taps(), metadata)

    def _taps(self) -> dict[str, Tensor]:
        """Square matrices in which the student's features measure as the predicted ones do."""
        with torch.no_grad(), torch.autocast(self.scales.device.type, enabled=False):
            return {
                layer: torch.linalg.qr(head).R * (head.shape[1] / head.shape[0]) ** 0.5
                for layer, head in self.heads.items()
            }

    def _width(self, layer: str) -> int:
        return len(self.network.get_parameter(f"convs.conv{layer[4:]}.bias"))

    @torch.no_grad()
    def _teach(self, images: Tensor) -> dict[str, Tensor]:
        features: dict[str, Tensor] = {}
        for name, teacher in self.teachers.items():
            features |= teacher(images, self.layers[name])
        return features

    def _trained(self) -> list[nn.Parameter]:
        convs = [p for name in self.convs for p in self.network.convs[name].parameters()]
        return [*convs, *self.heads.parameters()]

    @torch.no_grad()
    def _start(self, images: Tensor) -> None:
        """Set the scale of every layer, and its head to the least squares solution."""
        with torch.autocast(images.device.type, enabled=False):
            taught, learned = self._teach(images), self.network(images, self.used)
            for number, layer in enumerate(self.used):
                target, student = (
                    _positions(features[layer], layer).transpose(0, 1).flatten(1).double()
                    for features in (taught, learned)
                )  # (C, positions)
                self.scales[number] = target.square().mean().rsqrt()
                moments = student @ student.T
                moments += 1e-3 * moments.trace() / len(moments) * torch.eye(len(moments)).to(moments)
                self.heads[layer].copy_(torch.linalg.solve(moments, student @ target.T).T * self.scales[number])

    def _explore(self, explorer: nn.Module, photos: Tensor, generator: torch.Generator) -> Tensor:
        """Train the explorer for a step against the student as it is; compose the batch of its pictures and others."""
        number, start = divmod(self.global_step, self.turn)
        if start == 0 and number % TURNS == 0:
            network, optimizer = copy.deepcopy(self._fresh)
            explorer.load_state_dict(network)
            self.explorer_optimizer.load_state_dict(optimizer)
        style = self.styles[number % len(self.styles)].to(photos)
        style = _recolour(style, torch.Generator().manual_seed(number)).clamp(0, 1)
        student = cast("VGG", _InTeachersMetric(self))  # as far as the loss is concerned
        loss = PerceptualLoss(student, style, **self.explorer_loss)
        trained = self._trained()
        for parameter in trained:
            parameter.requires_grad_(False)
        made, remembered, crops = max(1, len(photos) // 3), len(photos) // 4, len(photos) // 6
        seen, rest = photos[:made].contiguous(memory_format=torch.channels_last), photos[made + remembered + crops :]
        stylized = explorer(seen)
        objective = loss.summary(loss(stylized, seen))["total_loss"]
        self.explorer_optimizer.zero_grad()
        objective.backward()
        nn.utils.clip_grad_norm_(explorer.parameters(), 100.0)
        self.explorer_optimizer.step()
        for parameter in trained:
            parameter.requires_grad_(True)
        self.log("train/explorer_objective", objective.detach())
        stylized = stylized.detach().to(photos)
        self.memory += [picture.half().contiguous() for picture in stylized]
        chosen = torch.randint(len(self.memory), (remembered,), generator=generator).tolist()
        old = [self.memory[i][None].to(photos) for i in chosen]
        while len(self.memory) > MEMORY:
            del self.memory[int(torch.randint(len(self.memory), (), generator=generator))]
        some = [self._crop_style(photos.shape[2:], generator).to(photos) for _ in range(crops)]
        return torch.cat([stylized, *old, *some, rest])

    def _crop_style(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """A random part (1, 3, *shape) of one of the styles, enlarged where the style is smaller, recoloured."""
        style = self.styles[int(torch.randint(len(self.styles), (), generator=generator))]
        grow = max(wanted / have for wanted, have in zip(shape, style.shape[2:], strict=True))
        if grow > 1:
            style = F.interpolate(
                style,
                size=[max(n, round(grow * m)) for n, m in zip(shape, style.shape[2:], strict=True)],
                mode="bilinear",
                antialias=True,
            )
        top, left = (
            int(torch.randint(m - n + 1, (), generator=generator)) for n, m in zip(shape, style.shape[2:], strict=True)
        )
        return _recolour(style[:, :, top : top + shape[0], left : left + shape[1]], generator).clamp(0, 1)

    def _losses(self, images: Tensor) -> dict[str, Tensor]:
        taught = self._teach(images)
        learned = self.network(images, self.used)
        terms = {}
        for scale, layer in zip(self.scales, self.used, strict=True):
            head = self.heads[layer]
            target = _positions(taught[layer], layer).float() * scale
            student = _positions(learned[layer], layer)
            error = F.conv2d(student, head[:, :, None, None]).float() - target
            variance = (target - target.mean((0, 2, 3), keepdim=True)).square().mean()
            terms[f"feature_loss/{layer}"] = error.square().mean() / variance
            channels = len(head)
            own = head @ gram_matrix(student) @ head.T * (head.shape[1] / channels)  # both / (C_T·H·W)
            other = gram_matrix(target)
            difference = (own - other).square().sum((1, 2)) / other.square().sum((1, 2))
            terms[f"gram_loss/{layer}"] = difference.mean()
        return terms

    def _log_terms(self, stage: str, terms: Mapping[str, Tensor]) -> Tensor:
        for name, value in terms.items():
            self.log(f"{stage}/{name}", value.detach(), sync_dist=stage == "heldout")
        weights = {"feature_loss": 1.0, "gram_loss": self.gram_weight}
        total = torch.stack([weights[name.split("/")[0]] * value for name, value in terms.items()]).sum()
        self.log(f"{stage}/total_loss", total.detach(), prog_bar=True, sync_dist=stage == "heldout")
        return total

    @torch.no_grad()
    def _vary(self, images: Tensor, kept: int, generator: torch.Generator) -> Tensor:
        """Leave the first images, `kept` in number, as they are; mix, recolour and disturb the others."""
        other = images[kept:]
        n, _, h, w = other.shape

        def uniform() -> Tensor:
            return torch.rand(n, 1, 1, 1, generator=generator).to(images)

        blend = uniform() * (uniform() > 0.5)
        other = other * (1 - blend) + other.flip(0) * blend
        other = _recolour(other, generator)
        for scale in (1, 2, 4):
            noise = torch.randn(n, 3, h // scale + 1, w // scale + 1, generator=generator).to(images)
            other = other + 0.3 * uniform() ** 3 * F.interpolate(noise, scale_factor=scale)[:, :, :h, :w]
        return torch.cat([images[:kept], other.clamp(-0.1, 1.1)])


def _recolour(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mix the colours around the mean of each image at random, and shift the mean."""
    n = len(images)
    mean = images.mean((2, 3), keepdim=True)
    mix = torch.eye(3).to(images) + VARIATION * torch.randn(n, 3, 3, generator=generator).to(images)
    shift = 0.15 * torch.randn(n, 3, 1, 1, generator=generator).to(images)
    return torch.einsum("nij,njhw->nihw", mix, images - mean) + mean + shift


class _InTeachersMetric:
    """The student as a loss network, its taps those of the heads as they are."""

    padding_mode = "zeros"

    def __init__(self, task: Distillation) -> None:
        self.task = task
        self.taps = task._taps()

    def check_layers(self, layers: Iterable[str]) -> None:
        for layer in layers:
            if layer not in self.task.used:
                raise ValueError(f"explorer_loss asks for {layer}, must be of the layers learned: {self.task.used}")

    def __call__(self, images: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        features = self.task.network(images, layers)
        return {layer: F.conv2d(x, self.taps[layer][:, :, None, None]) for layer, x in features.items()}


def _positions(features: Tensor, layer: str) -> Tensor:
    h, w = features.shape[2:]
    if min(h, w) <= 2 * MARGIN:
        raise ValueError(f"{layer} of these images is {h}×{w}, must be over {2 * MARGIN} a side: enlarge data.size")
    stride = STRIDES.get(layer[4], 1)
    return features[:, :, MARGIN:-MARGIN:stride, MARGIN:-MARGIN:stride]

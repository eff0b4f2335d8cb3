"""Train a network that predicts the scales and shifts of any style image."""

import copy
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fast_style.compiled import Compiled
from fast_style.devices import sent
from fast_style.losses import AnyPaintingLoss, summarize
from fast_style.losses.any_painting import Painted
from fast_style.networks import AnyStyleNetwork
from fast_style.networks.style_encoder import MOMENTUM, as_seen, code_of
from fast_style.training.any_painting import AnyPainting
from fast_style.training.motion import numbers_of, one_in
from fast_style.training.network_task import describe, name_of

log = logging.getLogger(__name__)

CLOSE = 0.5  # mean product of the encoder's and the teacher's codes from which on the encoder's is used
TAUGHT, PLAIN = 4, 8  # one of so many samples is painted by the teacher's code always, or is to stay as it is as well


class Teacher(nn.Module):
    """Codes of style images from the statistics of the loss network's features, which the encoder learns to match.

    Over the style images of a batch each number of the codes has the mean 0 and the variance 1.

    Args:
        channels: of each layer of the loss network.
        code: length of the code.
    """

    def __init__(self, channels: Iterable[int], code: int) -> None:
        super().__init__()
        numbers = 2 * sum(channels)
        # Without the last the codes of all styles come out nearly equal, and nothing depends on them.
        self.to_code = nn.Sequential(*code_of(numbers, code), nn.BatchNorm1d(code, affine=False, momentum=MOMENTUM))

    def forward(self, painted: Mapping[str, Painted]) -> Tensor:
        """Map what `AnyPaintingLoss.look_at` found in N paintings to codes (N, K) in float32."""
        statistics: list[Tensor] = []
        for gram, mean in painted.values():
            squares = gram.diagonal(dim1=1, dim2=2) * gram.shape[1]  # the mean square of each channel
            statistics += [mean, (squares - mean.square()).clamp_min(0).sqrt()]
        return self.to_code(torch.cat(statistics, 1).log1p()).float()


class AnyStyle(AnyPainting):
    """Style transfer for any style image by predicted scales and shifts (Ghiasi et al. 2017).

    Every photo of a batch has a painting of its own. Two codes of it are learned: the teacher's, of the statistics of
    VGG-19, which are there anyway since the losses need them, and that of the network's small encoder, which is trained
    to equal it. Three of four samples are painted by the encoder's code once the two are close, all others by the
    teacher's. An eighth of the photos, at least one, is also painted by the row of scales and shifts `photo`, and is to
    stay as it is. Which samples these are depends on their numbers, see `motion.one_in`.

    Args:
        network: what is trained.
        loss: see `AnyPaintingLoss`; its frozen network stays out of the checkpoints.
        styles: see `AnyPainting`.
        optimizer: see `NetworkTask`, also for what is raised.
        scheduler: see `NetworkTask`.
        code_weight: weight of ‖code − teacher's code‖² / K; 0 goes without a teacher, to train a network further.
        identity_weight: weight of the mean squared difference of photos painted by `photo` and themselves.
        compile: fuse the training step with `torch.compile`.
        on_nonfinite: see `NetworkTask`.
        equivariance_weight: see `NetworkTask`.
        temporal_weight: see `NetworkTask`.
        seed: see `NetworkTask`.

    Raises:
        ValueError: if there is no style to show, the network is another, or a weight is negative.
    """

    network: AnyStyleNetwork
    kept = ("network.", "teacher.")

    def __init__(
        self,
        network: AnyStyleNetwork,
        loss: AnyPaintingLoss,
        styles: Mapping[str, Tensor],
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        code_weight: float = 1.0,
        identity_weight: float = 20.0,
        compile: bool = False,  # noqa: A002 - the name of the torch function it turns on
        on_nonfinite: str = "stop",
        equivariance_weight: float = 0.0,
        temporal_weight: float = 0.0,
        seed: int = 0,
    ) -> None:
        if not isinstance(network, AnyStyleNetwork):
            raise ValueError(f"the network must predict styles: an AnyStyleNetwork, got {describe(network)}")  # noqa: TRY004
        for name, weight in (("code_weight", code_weight), ("identity_weight", identity_weight)):
            if not weight >= 0:
                raise ValueError(f"{name} must not be negative, got {weight}")
        motion = equivariance_weight, temporal_weight, seed
        super().__init__(styles, network, optimizer, scheduler, on_nonfinite, False, *motion)
        self.loss = loss.to(memory_format=torch.channels_last)
        channels = [mean.shape[1] for _, mean in loss.look_at(torch.zeros(1, 3, 32, 32)).values()]
        self.teacher = Teacher(channels, network.arguments["code"]) if code_weight else None
        self.weights = loss.weights | {"code_loss": code_weight, "identity_loss": identity_weight}
        self.weights |= self.motion_weights
        self._shown = {name: as_seen(image) for name, image in styles.items()}
        self._losses: Callable[..., tuple[dict[str, Tensor], Tensor, Tensor]]
        self._losses = Compiled(self._pass, log.warning) if compile else self._pass

    def identity(self) -> dict[str, Any]:
        """Describe the loss network: which styles are shown does not matter to what is learned."""
        return {"loss network": name_of(self.loss.loss_network)}

    def setup(self, stage: str) -> None:
        """Refuse a batch of one painting, which cannot be told from the mean of all.

        Raises:
            ValueError: if there is a teacher, whose codes are standardised over a batch, and batches hold one photo.
        """
        data = getattr(self.trainer, "datamodule", None)
        if self.teacher is not None and getattr(data, "batch_size", 2) < 2:
            raise ValueError("a network for any style learns from several paintings a step: give data.batch_size=8")

    @property
    def trained(self) -> Iterable[nn.Parameter]:
        """The parameters of the network and of the teacher, if there is one."""
        return (*self.network.parameters(), *(self.teacher.parameters() if self.teacher else ()))

    def save(self, path: str | Path, metadata: Mapping[str, Any]) -> None:
        """Write the network as `NetworkTask.save`, its encoder balanced (see `StyleEncoder.balance`)."""
        trained, self.network = self.network, copy.deepcopy(self.network)
        try:
            self.network.encoder.balance()
            super().save(path, metadata)
        finally:
            self.network = trained

    def forward(self, photos: Tensor, style: str | None = None) -> Tensor:
        """Stylise photos of shape (N, 3, H, W) in [0, 1] in one of the styles that are shown, by default the first."""
        painting = self._shown[style or self.names[0]].to(photos.device)
        rows = self.network.rows(self.network.encoder(painting))
        same = {key: row.expand(len(photos), -1) for key, row in rows.items()}
        return self.network.in_styles(self.laid_out(photos), same)

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the weighted losses of a batch {"image": (N, 3, H, W), "painting": (N, 3, h, w), both in [0, 1]}."""
        photos = batch["image"]
        if self.teacher is None:
            self.network.encoder.eval()  # what it standardises by stays as it is
        moved, motion = self.moved(batch)
        numbers = numbers_of(batch)
        own = sent(torch.tensor([number % TAUGHT != 0 for number in numbers]), photos.device)
        plain = sent(torch.tensor(one_in(PLAIN, numbers), dtype=torch.int64), photos.device)
        losses, pictures, of_moved = self._losses(photos, batch["painting"], moved, motion.places, own, plain)
        losses |= self.compare_moved(pictures, of_moved, motion)
        return self.log_step(losses, summarize(losses, self.weights))

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> dict[str, Any]:
        """Log each style's losses on held-out photos and their means, in float32; return the pictures by style."""
        photos = batch["image"]
        pictures: dict[str, Tensor] = {}
        summaries: dict[str, dict[str, Tensor]] = {}
        with torch.autocast(photos.device.type, enabled=False):
            for name in self.names:
                pictures[name] = self(photos, name)
                painted = self.loss.look_at(self._shown[name].to(photos.device))
                summaries[name] = self.loss.summary(self.loss(pictures[name], photos, painted))
        self.log_heldout(summaries, len(photos))
        return {"photos": photos, "stylized": pictures}

    def _pass(
        self, photos: Tensor, paintings: Tensor, moved: Tensor, again: Tensor, own: Tensor, plain: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return the losses of photos, their pictures, and those of moved photos, which may be none.

        Args:
            photos: (N, 3, H, W) in [0, 1].
            paintings: one for each photo, (N, 3, h, w) in [0, 1].
            moved: some of the photos, moved, (M, 3, H, W).
            again: their places in the batch, (M,).
            own: which photos are painted by the encoder's code once it is close to the teacher's, bool (N,).
            plain: places of those that are to stay as they are as well, (P,).
        """
        painted = self.loss.look_at(paintings)
        codes = used = self.network.encoder(paintings)
        if self.teacher is not None:
            taught = self.teacher(painted)
            close = (taught * codes).mean(1) > CLOSE
            used = torch.where((close & own)[:, None], codes, taught)
        rows = self.network.rows(used)
        photo = self.network.photo_rows(len(plain))
        rows = {key: torch.cat([row, row.index_select(0, again), photo[key]]) for key, row in rows.items()}
        same = photos.index_select(0, plain)
        together = self.laid_out(torch.cat([photos, moved, same]))
        made = self.network.in_styles(together, rows)
        pictures, of_moved, unchanged = made.split([len(photos), len(moved), len(plain)])
        losses = self.loss(pictures, photos, painted)
        if self.teacher is not None:
            losses["code_loss"] = F.mse_loss(codes, taught.detach())
        losses["identity_loss"] = F.mse_loss(unchanged.float(), same)
        return losses, pictures, of_moved

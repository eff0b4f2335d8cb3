"""What the tasks that train one network for one painting have in common."""

from typing import Any

from torch import Tensor, nn

from fast_style.losses import PerceptualLoss
from fast_style.networks import TakesImages
from fast_style.training.network_task import NetworkTask, name_of


class OnePainting(NetworkTask):
    """A task whose `loss` holds the painting that is learned.

    Attributes:
        loss: the perceptual loss.
    """

    loss: PerceptualLoss

    @property
    def shown(self) -> dict[str, Tensor]:
        """The painting, which needs no name."""
        return {"": self.loss.image}

    def identity(self) -> dict[str, Any]:
        """Describe the painting and the loss network."""
        return super().identity() | {"loss network": name_of(self.loss.loss_network)}

    def start_from(self, start: nn.Module) -> None:
        """Take over the weights of another network; of one for any style, those that it predicts for the painting.

        Raises:
            ValueError: if it has another architecture.
        """
        if isinstance(start, TakesImages) and start.takes_images:
            start = start.of_images({"painting": self.loss.image}).of_style({"painting": 1})
        super().start_from(start)

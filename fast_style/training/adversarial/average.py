"""A network's running average."""

import copy
from typing import Self

import torch
from torch import Tensor, nn


class Averaged(nn.Module):
    """Exponential moving average of a network's weights, which is steadier than the network while two play a game.

    θ̄ ← d θ̄ + (1 − d) θ with d = min(decay, (1 + t) / (10 + t)) at step t, so that a short training is not held back by
    its beginning. Buffers, such as the statistics of batch norms, are those of the network.

    Args:
        network: what is averaged; the average begins as a copy.
        decay: in [0, 1).

    Attributes:
        network: the average, in evaluation mode and without gradients.

    Raises:
        ValueError: if the decay is outside its range.

    Source: Yazıcı et al. 2019, "The Unusual Effectiveness of Averaging in GAN Training"
    (https://arxiv.org/abs/1806.04498).
    """

    steps: Tensor

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"average must be at least 0 and below 1, got {decay}")
        self.decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.register_buffer("steps", torch.zeros(()))
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take a step of the network into the average."""
        decay = ((1 + self.steps) / (10 + self.steps)).clamp_max(self.decay)
        for own, new in zip(self.network.parameters(), network.parameters(), strict=True):
            own.lerp_(new, (1 - decay).to(own))
        for kept, now in zip(self.network.buffers(), network.buffers(), strict=True):
            kept.copy_(now)
        self.steps += 1

    @torch.no_grad()
    def begin_at(self, network: nn.Module) -> None:
        """Begin anew as a copy of a network of the same architecture."""
        self.network.load_state_dict(network.state_dict())
        self.steps.zero_()

"""Training tasks: LightningModules that bind a network, its losses and an optimiser."""

from fast_style.tasks.feed_forward import FeedForward, NonFiniteLossError
from fast_style.tasks.schedules import warmup_constant, warmup_cosine

__all__ = ["FeedForward", "NonFiniteLossError", "warmup_constant", "warmup_cosine"]

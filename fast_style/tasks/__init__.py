"""Training tasks: LightningModules that bind a network, its losses and an optimiser."""

from fast_style.tasks.distillation import Distillation
from fast_style.tasks.feed_forward import FeedForward, NonFiniteLossError
from fast_style.tasks.reptile import Reptile
from fast_style.tasks.schedules import warmup_constant, warmup_cosine

__all__ = ["Distillation", "FeedForward", "NonFiniteLossError", "Reptile", "warmup_constant", "warmup_cosine"]

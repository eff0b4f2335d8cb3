"""Training tasks: LightningModules that bind a network, its losses and an optimiser."""

from fast_style.training.any_style import AnyStyle
from fast_style.training.distillation import Distillation
from fast_style.training.feed_forward import FeedForward
from fast_style.training.multi_style import MultiStyle
from fast_style.training.network_task import NetworkTask, NonFiniteLossError
from fast_style.training.reptile import Reptile
from fast_style.training.schedules import warmup_constant, warmup_cosine

__all__ = ["AnyStyle", "Distillation", "FeedForward", "MultiStyle", "NetworkTask", "NonFiniteLossError", "Reptile"]
__all__ += ["warmup_constant", "warmup_cosine"]

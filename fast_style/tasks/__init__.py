"""Training tasks: LightningModules that bind a network, its losses and an optimiser."""

from fast_style.tasks.any_style import AnyStyle
from fast_style.tasks.distillation import Distillation
from fast_style.tasks.feed_forward import FeedForward
from fast_style.tasks.multi_style import MultiStyle
from fast_style.tasks.network_task import NetworkTask, NonFiniteLossError
from fast_style.tasks.reptile import Reptile
from fast_style.tasks.schedules import warmup_constant, warmup_cosine

__all__ = ["AnyStyle", "Distillation", "FeedForward", "MultiStyle", "NetworkTask", "NonFiniteLossError", "Reptile"]
__all__ += ["warmup_constant", "warmup_cosine"]

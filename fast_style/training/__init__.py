"""Training tasks: LightningModules that bind a network, its losses and an optimiser."""

from fast_style.training.adain_style import AdaINStyle
from fast_style.training.adversarial import Adversary
from fast_style.training.adversarial_multi_style import AdversarialMultiStyle
from fast_style.training.adversarial_style import AdversarialStyle
from fast_style.training.any_style import AnyStyle
from fast_style.training.cut import CUT
from fast_style.training.cycle_gan import CycleGAN
from fast_style.training.feed_forward import FeedForward
from fast_style.training.multi_style import MultiStyle
from fast_style.training.network_task import NetworkTask
from fast_style.training.pix2pix import Pix2Pix
from fast_style.training.schedules import hold_linear, warmup_constant, warmup_cosine
from fast_style.training.task import NonFiniteLossError, Task
from fast_style.training.trainer import Trainer

__all__ = [
    "CUT",
    "AdaINStyle",
    "AdversarialMultiStyle",
    "AdversarialStyle",
    "Adversary",
    "AnyStyle",
    "CycleGAN",
    "FeedForward",
    "MultiStyle",
    "NetworkTask",
    "NonFiniteLossError",
    "Pix2Pix",
    "Task",
    "Trainer",
    "hold_linear",
    "warmup_constant",
    "warmup_cosine",
]

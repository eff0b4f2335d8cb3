"""What it takes to train against a discriminator."""

from fast_style.training.adversarial.adversary import Adversary
from fast_style.training.adversarial.augment import DiffAugment
from fast_style.training.adversarial.average import Averaged
from fast_style.training.adversarial.pool import ImagePool


__all__ = ["Adversary", "Averaged", "DiffAugment", "ImagePool"]

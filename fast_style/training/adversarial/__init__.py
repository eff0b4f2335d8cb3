"""What it takes to train against a discriminator."""

from fast_style.training.adversarial.adversary import Adversary
from fast_style.training.adversarial.augment import DiffAugment
from fast_style.training.adversarial.average import Averaged
from fast_style.training.adversarial.brushwork import Brushwork
from fast_style.training.adversarial.pool import ImagePool
from fast_style.training.adversarial.task import AdversarialTask

__all__ = ["AdversarialTask", "Adversary", "Averaged", "Brushwork", "DiffAugment", "ImagePool"]

"""Losses of a discriminator, and of what it judges."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Compare = Callable[[Tensor, Tensor], Tensor]


class AdversarialLoss(NamedTuple):
    """The two sides of an adversarial loss, functions of logits of real and of made images, both (N, 1, h, w).

    Attributes:
        discriminator: what the discriminator minimises.
        generator: what the generator minimises; only the relativistic one looks at the real images' logits.
    """

    discriminator: Compare
    generator: Compare


def lsgan_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Least squares: ½ mean (D(x) − 1)² + ½ mean D(G(z))².

    Args:
        real: logits of real images, of any shape.
        fake: logits of made images, of any shape.

    Returns:
        A float32 scalar.

    Source: Mao et al. 2017, "Least Squares Generative Adversarial Networks" (https://arxiv.org/abs/1611.04076), with
    the targets 0 and 1.
    """
    return ((real.float() - 1).square().mean() + fake.float().square().mean()) / 2


def lsgan_generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Least squares: mean (D(G(z)) − 1)², which is twice that of Mao et al. 2017, as in CycleGAN.

    Zhu et al. 2017, section 7.1 (https://arxiv.org/abs/1703.10593), whose weights of cycle and identity go with it.

    Args, Returns: as of `lsgan_discriminator_loss`; `real` is not looked at.
    """
    del real
    return (fake.float() - 1).square().mean()


def vanilla_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Minimax: −mean log σ(D(x)) − mean log(1 − σ(D(G(z)))).

    Args:
        real: logits of real images, of any shape.
        fake: logits of made images, of any shape.

    Returns:
        A float32 scalar.

    Source: Goodfellow et al. 2014, "Generative Adversarial Networks" (https://arxiv.org/abs/1406.2661), eq. 1.
    """
    return F.softplus(-real.float()).mean() + F.softplus(fake.float()).mean()


def vanilla_generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Non-saturating: −mean log σ(D(G(z))) (Goodfellow et al. 2014, section 3).

    Args, Returns: as of `vanilla_discriminator_loss`; `real` is not looked at.
    """
    del real
    return F.softplus(-fake.float()).mean()


def hinge_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge: mean max(0, 1 − D(x)) + mean max(0, 1 + D(G(z))).

    Args:
        real: logits of real images, of any shape.
        fake: logits of made images, of any shape.

    Returns:
        A float32 scalar.

    Source: Lim & Ye 2017, "Geometric GAN" (https://arxiv.org/abs/1705.02894), in the form of Miyato et al. 2018, eq. 16
    (https://arxiv.org/abs/1802.05957).
    """
    return F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean()


def hinge_generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge: −mean D(G(z)) (Miyato et al. 2018, eq. 17).

    Args, Returns: as of `hinge_discriminator_loss`; `real` is not looked at.
    """
    del real
    return -fake.float().mean()


def relativistic_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Relativistic pairing: mean log(1 + exp(D(G(z)) − D(x))), each made patch against a real one of its place.

    Args:
        real: logits of real images, (N, 1, h, w).
        fake: logits of made images, of the same shape.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if the shapes differ.

    Source: Jolicoeur-Martineau 2018, "The relativistic discriminator" (https://arxiv.org/abs/1807.00734), with the
    softplus of Huang et al. 2024, "The GAN is dead; long live the GAN!" (https://arxiv.org/abs/2501.05441).
    """
    return F.softplus(_difference(fake, real)).mean()


def relativistic_generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Relativistic pairing: mean log(1 + exp(D(x) − D(G(z)))).

    Args, Returns, Raises, Source: as of `relativistic_discriminator_loss`.
    """
    return F.softplus(_difference(real, fake)).mean()


def r1_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Squared norm of the discriminator's gradient at real images: ½ mean_n ‖∇ D(x_n)‖².

    D(x_n) is the mean of the logits of an image. The gradient with respect to the discriminator's weights takes a
    second derivative, which `torch.compile` does not have.

    Args:
        logits: what the discriminator made of the images, (N, 1, h, w).
        images: real images (N, C, H, W) that require a gradient.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if the images do not require a gradient.

    Source: Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?"
    (https://arxiv.org/abs/1801.04406), eq. 9 with γ = 1.
    """
    if not images.requires_grad:
        raise ValueError("the R1 penalty needs images that require a gradient: call images.requires_grad_() before")
    judged = logits.float().mean((1, 2, 3)).sum()
    (gradient,) = torch.autograd.grad(judged, images, create_graph=True)
    return gradient.float().square().sum((1, 2, 3)).mean() / 2


ADVERSARIAL_LOSSES = {
    "lsgan": AdversarialLoss(lsgan_discriminator_loss, lsgan_generator_loss),
    "vanilla": AdversarialLoss(vanilla_discriminator_loss, vanilla_generator_loss),
    "hinge": AdversarialLoss(hinge_discriminator_loss, hinge_generator_loss),
    "relativistic": AdversarialLoss(relativistic_discriminator_loss, relativistic_generator_loss),
}


def _difference(first: Tensor, second: Tensor) -> Tensor:
    if first.shape != second.shape:
        raise ValueError(
            f"the relativistic loss compares patches in pairs: logits of shape {tuple(first.shape)} and "
            f"{tuple(second.shape)} must be alike"
        )
    return first.float() - second.float()

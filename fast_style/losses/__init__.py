"""Losses: pure functions that return one unweighted scalar, and the perceptual loss that binds them."""

from fast_style.losses.content import content_loss
from fast_style.losses.perceptual import PerceptualLoss
from fast_style.losses.style import style_loss

__all__ = ["PerceptualLoss", "content_loss", "style_loss"]

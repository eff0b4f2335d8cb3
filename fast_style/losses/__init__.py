"""Losses: pure functions that return one unweighted scalar, and the perceptual loss that binds them."""

from fast_style.losses.adain import AdaINLoss
from fast_style.losses.adversarial import ADVERSARIAL_LOSSES, AdversarialLoss, r1_penalty
from fast_style.losses.any_painting import AnyPaintingLoss
from fast_style.losses.colour import colour_loss
from fast_style.losses.content import content_loss, feature_gradient_loss, feature_l1_loss, laplacian_loss
from fast_style.losses.equivariance import equivariance_loss, shifted
from fast_style.losses.features import FeatureLoss
from fast_style.losses.patch_nce import patch_nce_loss
from fast_style.losses.perceptual import PerceptualLoss, chosen_terms, features_of_each, summarize
from fast_style.losses.style import (
    STYLE_LOSSES,
    covariance_loss,
    gram_loss,
    mean_std_loss,
    sliced_wasserstein_loss,
    wasserstein_loss,
)
from fast_style.losses.temporal import Frames, following, temporal_loss, warped
from fast_style.losses.tone import tone_loss

__all__ = [
    "ADVERSARIAL_LOSSES",
    "STYLE_LOSSES",
    "AdaINLoss",
    "AdversarialLoss",
    "AnyPaintingLoss",
    "FeatureLoss",
    "Frames",
    "PerceptualLoss",
    "chosen_terms",
    "colour_loss",
    "content_loss",
    "covariance_loss",
    "equivariance_loss",
    "feature_gradient_loss",
    "feature_l1_loss",
    "features_of_each",
    "following",
    "gram_loss",
    "laplacian_loss",
    "mean_std_loss",
    "patch_nce_loss",
    "r1_penalty",
    "shifted",
    "sliced_wasserstein_loss",
    "summarize",
    "temporal_loss",
    "tone_loss",
    "warped",
    "wasserstein_loss",
]

"""What is measured of pictures beside their losses: pure functions."""

from fast_style.metrics.features import feature_distance
from fast_style.metrics.palette import palette_distance
from fast_style.metrics.similarity import ssim

__all__ = ["feature_distance", "palette_distance", "ssim"]

"""What is measured of pictures beside their losses: functions of images or of features."""

from fast_style.metrics.error import mean_absolute_error, peak_signal_to_noise_ratio
from fast_style.metrics.features import feature_distance
from fast_style.metrics.inception import Inception, frechet_distance
from fast_style.metrics.kernel_distance import kernel_distance
from fast_style.metrics.palette import palette_distance
from fast_style.metrics.patches import patch_descriptors, patch_distance
from fast_style.metrics.sets import Description, describe_images, halves, set_distances
from fast_style.metrics.similarity import ssim

__all__ = [
    "Description",
    "Inception",
    "describe_images",
    "feature_distance",
    "frechet_distance",
    "halves",
    "kernel_distance",
    "mean_absolute_error",
    "palette_distance",
    "patch_descriptors",
    "patch_distance",
    "peak_signal_to_noise_ratio",
    "set_distances",
    "ssim",
]

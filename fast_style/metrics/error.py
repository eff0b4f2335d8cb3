"""How far images are from those they ought to be, pixel by pixel."""

from torch import Tensor

LEAST = 1e-10  # mean squared error, of 100 dB


def mean_absolute_error(images: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute difference over pixels and colours (L1).

    Args:
        images: RGB of shape (N, 3, H, W) in [0, 1].
        targets: RGB of the same shape.

    Returns:
        One float32 number an image, shape (N,), in [0, 1].

    Raises:
        ValueError: if the shapes differ.
    """
    _check(images, targets)
    return (images.float() - targets.float()).abs().mean((1, 2, 3))


def peak_signal_to_noise_ratio(images: Tensor, targets: Tensor) -> Tensor:
    """Peak signal-to-noise ratio, PSNR = −10 · log₁₀ of the mean squared difference, of values in [0, 1].

    Args:
        images: RGB of shape (N, 3, H, W) in [0, 1].
        targets: RGB of the same shape.

    Returns:
        One float32 number an image, shape (N,), in dB; 100 for equal images and those nearer than that.

    Raises:
        ValueError: if the shapes differ.
    """
    _check(images, targets)
    return -10 * (images.float() - targets.float()).square().mean((1, 2, 3)).clamp_min(LEAST).log10()


def _check(images: Tensor, targets: Tensor) -> None:
    if images.shape != targets.shape:
        raise ValueError(f"images have shape {tuple(images.shape)}, targets {tuple(targets.shape)}")

"""Pictures that move with the photo."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

MARGIN = 24  # pixels at each side that see the border differently and are not compared


def shifted(photos: Tensor, down: int, right: int) -> Tensor:
    """Move what the frame shows by whole pixels: result(h, w) = photos(h + down, w + right), reflected at the border.

    Args:
        photos: of shape (N, C, H, W).
        down: pixels, in absolute value less than H and W.
        right: pixels, in absolute value less than H and W.
    """
    reach = max(abs(down), abs(right))
    h, w = photos.shape[-2:]
    padded = F.pad(photos, (reach,) * 4, mode="reflect")
    return padded[..., reach + down : reach + down + h, reach + right : reach + right + w]


def equivariance_loss(
    network: Callable[[Tensor], Tensor], stylized: Tensor, photos: Tensor, down: int, right: int
) -> Tensor:
    """Mean squared difference between the picture of a shifted photo and the shifted picture of the photo.

    mean (f(S x) − S f(x))², S the shift, away from the border. A network whose strided convolutions alias paints
    another picture when the photo moves by one or two pixels, which flickers in films and shows as a weave of four
    pixels on flat ground; shifts of one to three pixels in each direction make it learn not to (Zhang 2019,
    https://arxiv.org/abs/1904.11486, measures the same as shift consistency).

    Args:
        network: f, which maps (N, 3, H, W) to the same shape.
        stylized: f(photos), of shape (N, 3, H, W).
        photos: RGB of shape (N, 3, H, W) in [0, 1], H and W above 48 + the shift, else 0 is returned.
        down: rows that the shift moves by.
        right: columns that it moves by.

    Returns:
        A float32 scalar.
    """
    h, w = photos.shape[-2:]
    if min(h - abs(down), w - abs(right)) <= 2 * MARGIN:
        return stylized.new_zeros((), dtype=stylized.dtype).float()
    moved = network(shifted(photos, down, right))
    inside = moved[..., MARGIN : h - MARGIN, MARGIN : w - MARGIN]
    expected = stylized[..., MARGIN + down : h - MARGIN + down, MARGIN + right : w - MARGIN + right]
    return F.mse_loss(inside.float(), expected.float())

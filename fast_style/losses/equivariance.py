"""Pictures that move with the photo."""

from torch import Tensor
from torch.nn import functional as F

MARGIN = 24  # pixels at each side that see the border differently and are not compared
REACH = 3  # pixels that photos are shifted by at most in training: less than the grid of four


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


def equivariance_loss(pictures: Tensor, moved: Tensor, down: int, right: int) -> Tensor:
    """Mean squared difference between the picture of a shifted photo and the shifted picture of the photo.

    mean (f(S x) − S f(x))² for a network f and a shift S, away from the border. A network whose strided convolutions
    alias paints another picture when the photo moves by one or two pixels, which flickers in films and shows as a
    weave of four pixels on flat ground; shifts of one to three pixels in each direction make it learn not to (Zhang
    2019, https://arxiv.org/abs/1904.11486, measures the same as shift consistency).

    Args:
        pictures: f(x), of shape (N, 3, H, W).
        moved: f(shifted(x, down, right)), of the same shape.
        down: rows that the photos were shifted by.
        right: columns that they were shifted by.

    Returns:
        A float32 scalar; 0 where a side is so small that nothing is left between the borders.

    Raises:
        ValueError: if the shapes differ.
    """
    if pictures.shape != moved.shape:
        raise ValueError(f"pictures have shape {tuple(pictures.shape)}, those of shifted photos {tuple(moved.shape)}")
    h, w = pictures.shape[-2:]
    if min(h, w) <= 2 * (MARGIN + max(abs(down), abs(right))):
        return pictures.new_zeros(()).float()
    inside = moved[..., MARGIN : h - MARGIN, MARGIN : w - MARGIN]
    expected = pictures[..., MARGIN + down : h - MARGIN + down, MARGIN + right : w - MARGIN + right]
    return F.mse_loss(inside.float(), expected.float())

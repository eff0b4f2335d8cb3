"""Convolutions rewritten as cheaper ones whose output channels are the pixels of small squares.

The sums stay what they are: the same products, up to the order of summation.
"""

from torch import Tensor


def strided_weight(weight: Tensor) -> Tensor:
    """Weight of a convolution of stride two that gives squares of 2×2 pixels of a convolution of stride one.

    With few output channels most lanes of a vector unit idle; four times as many channels fill them.

    Args:
        weight: of the convolution of stride one, (C', C, h, w).

    Returns:
        Weight of shape (4·C', C, h+1, w+1), at the window of inputs (i, j), (i+1, j+1) the outputs (2i+1,
        2j+1), (2i+1, 2j+2), (2i+2, 2j+1), (2i+2, 2j+2) in this order, all channels of one after those of the other.
    """
    channels, inputs, h, w = weight.shape
    wide = weight.new_zeros(2, 2, channels, inputs, h + 1, w + 1)
    for y in range(2):
        for x in range(2):
            wide[y, x, :, :, y : y + h, x : x + w] = weight
    return wide.flatten(0, 2)


def unfold_squares(x: Tensor) -> Tensor:
    """Lay out what such a convolution gives: (1, 4·C, h, w) → (1, C, 2h, 2w)."""
    _, c, h, w = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(1, h, w, 2, c // 2).transpose(2, 3)  # (1, h, 2, w, 2·C)
    return rows.reshape(1, 2 * h, 2 * w, c // 4).permute(0, 3, 1, 2)  # (1, C, 2h, 2w)

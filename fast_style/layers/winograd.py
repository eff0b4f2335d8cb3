"""3×3 convolutions in float32 on a CPU with a quarter of the multiplications."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

# F(4×4, 3×3) of Lavin & Gray 2015, "Fast Algorithms for Convolutional Neural Networks", https://arxiv.org/abs/1509.09308,
# section 4.3: y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A for a kernel g, a tile d of 6×6 inputs and the 4×4 outputs y.
_B = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_G = ((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24))  # times 24
_A = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
TILES = 256  # at once, so that what they become stays in a processor's cache
FEW, MANY = 128, 256  # channels in and out from which it is faster: below, the transforms cost what the products save


def winograd_weight(weight: Tensor) -> Tensor:
    """Transform the weight (C', C, 3, 3) of a convolution for `winograd_conv`: (36, C, C'), four times as large."""
    kernel = _both(_G, weight) / 24**2
    return (kernel @ weight.permute(2, 3, 1, 0).flatten(0, 1).flatten(1)).view(36, weight.shape[1], weight.shape[0])


def winograd_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """3×3 convolution with a border of zeros, differentiable by its input alone, by Winograd's algorithm.

    Tiles of 4×4 outputs are computed with 36 products for each pair of channels in place of 144. In float32 the result
    differs from that of `torch.nn.functional.conv2d` by about 10⁻⁵ of its size.

    Args:
        x: of shape (N, C, H, W), of any size; channels last is fastest.
        weight: what `winograd_weight` made of the weight, (36, C, C').
        bias: (C').

    Returns:
        (N, C', H, W), channels last.
    """
    return _Winograd.apply(x, weight, bias)


class FrozenConv(nn.Conv2d):
    """3×3 convolution of stride one that is not trained, by Winograd's algorithm where that is faster.

    That is in float32 on a CPU with enough channels and outside `torch.compile`, if the border is of zeros.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._transformed: tuple[Tensor, int, Tensor] | None = None  # of which weight, which state, and what it became

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H, W)."""
        if self.bias is None or not self._pays(x):
            return super().forward(x)
        version = -1 if self.weight.is_inference() else self.weight._version
        if self._transformed is None or self._transformed[0] is not self.weight or self._transformed[1] != version:
            with torch.inference_mode(False), torch.no_grad():  # for a gradient later, too
                self._transformed = self.weight, version, winograd_weight(self.weight)
        return winograd_conv(x, self._transformed[2], self.bias)

    def _pays(self, x: Tensor) -> bool:
        return (
            x.device.type == "cpu"
            and x.dtype == self.weight.dtype == torch.float32
            and not self.weight.requires_grad
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
            and self.padding_mode == "zeros"
            and self.in_channels >= FEW
            and self.out_channels >= MANY
        )


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        n, c, h, w = x.shape
        rows, columns = -(-h // 4), -(-w // 4)
        # One row and column of zeros before, and as many after that every tile has its six.
        inner = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 4 * columns + 1 - w, 1, 4 * rows + 1 - h))
        tiles = inner.unfold(1, 6, 4).unfold(2, 6, 4).permute(0, 4, 5, 1, 2, 3)  # (N, 6, 6, rows, columns, C)
        to_tiles, from_tiles = _both(_B, x), _both(_A, x)
        channels = weight.shape[2]
        y = torch.empty(n, channels, 4 * rows, 4 * columns, dtype=x.dtype, memory_format=torch.channels_last)
        parts = y.permute(0, 2, 3, 1).view(n, rows, 4, columns, 4, channels)
        for image, many in _parts(n, rows, columns):
            products = torch.bmm((to_tiles @ tiles[image, :, :, many].reshape(36, -1)).view(36, -1, c), weight)
            outputs = (from_tiles @ products.view(36, -1)).view(4, 4, -1, columns, channels)
            parts[image, many] = outputs.permute(2, 0, 3, 1, 4)
        if y.shape[2:] != (h, w):
            y = y[:, :, :h, :w].contiguous(memory_format=torch.channels_last)
        return y.add_(bias[:, None, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        n, channels, h, w = gradient.shape
        rows, columns, c = -(-h // 4), -(-w // 4), weight.shape[1]
        outer = F.pad(gradient.permute(0, 2, 3, 1), (0, 0, 0, 4 * columns - w, 0, 4 * rows - h))
        tiles = outer.view(n, rows, 4, columns, 4, channels).permute(0, 2, 4, 1, 3, 5)  # (N, 4, 4, rows, columns, C')
        to_tiles, from_tiles = _both(_A, gradient).T, _both(_B, gradient).T
        x = gradient.new_zeros(n, rows + 1, 4, columns + 1, 4, c)  # the padded input
        for image, many in _parts(n, rows, columns):
            spread = (to_tiles @ tiles[image, :, :, many].reshape(16, -1)).view(36, -1, channels)
            products = torch.bmm(spread, weight.transpose(1, 2)).view(36, -1)
            inputs = (from_tiles @ products).view(6, 6, -1, columns, c).permute(2, 0, 3, 1, 4)
            below = slice(many.start + 1, many.stop + 1)  # a tile's last two rows are the first of the next
            x[image, many, :, :-1] += inputs[:, :4, :, :4]
            x[image, many, :, 1:, :2] += inputs[:, :4, :, 4:]
            x[image, below, :2, :-1] += inputs[:, 4:, :, :4]
            x[image, below, :2, 1:, :2] += inputs[:, 4:, :, 4:]
        x = x.view(n, 4 * rows + 4, 4 * columns + 4, c)[:, 1 : h + 1, 1 : w + 1]
        return x.permute(0, 3, 1, 2), None, None


def _both(matrix: tuple[tuple[int, ...], ...], like: Tensor) -> Tensor:
    """Make the matrix that transforms flattened tiles in both directions, (rows², columns²)."""
    one = like.new_tensor(matrix)
    return torch.kron(one, one)


def _parts(images: int, rows: int, columns: int) -> list[tuple[int, slice]]:
    """Cut the rows of tiles of all images into parts of about `TILES` tiles."""
    step = max(1, TILES // columns)
    return [(i, slice(row, min(row + step, rows))) for i in range(images) for row in range(0, rows, step)]

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
# Channels in and out from which it is faster: below, the transforms cost what the products save. The gradient of a
# weight gains more than the rest, but weights that are trained are transformed each time, which takes SIDE² pixels.
FEW, MANY = 128, 256
TRAINED, SIDE = 128, 32


def winograd_weight(weight: Tensor) -> Tensor:
    """Transform the weight (C', C, 3, 3) of a convolution for `winograd_conv`: (36, C', C), four times as large."""
    kernel = _both(_G, weight) / 24**2
    return (kernel @ weight.permute(0, 2, 3, 1).flatten(1, 2)).transpose(0, 1)


def winograd_conv(
    x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, transformed: Tensor | None = None
) -> Tensor:
    """3×3 convolution of stride one with a border of zeros, by Winograd's algorithm.

    Tiles of 4×4 outputs are computed with 36 products for each pair of channels in place of 144, and so are both
    gradients, which have none themselves. In float32 the result differs from that of `torch.nn.functional.conv2d` by
    about 10⁻⁵ of its size.

    Args:
        x: of shape (N, C, H, W), of any size; channels last is fastest.
        weight: (C', C, 3, 3).
        bias: (C'), or None.
        padding: width of the border in pixels, 0 or 1.
        transformed: what `winograd_weight` makes of the weight, where it is known already.

    Returns:
        (N, C', H + 2·padding − 2, W + 2·padding − 2), channels last.
    """
    return _Winograd.apply(x, weight, bias, padding, transformed)


def winograd_pays(x: Tensor, weight: Tensor) -> bool:
    """Tell whether `winograd_conv` is faster than PyTorch: in float32 on a CPU outside `torch.compile`, if wide enough.

    Args:
        x: the input, (N, C, H, W).
        weight: (C', C, 3, 3), which counts as trained if it requires a gradient.
    """
    trained = weight.requires_grad
    few, many, pixels = (TRAINED, TRAINED, SIDE**2) if trained else (FEW, MANY, 0)
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and weight.shape[2:] == (3, 3)
        and weight.shape[1] >= few
        and weight.shape[0] >= many
        and x.shape[2] * x.shape[3] >= pixels
    )


class FrozenConv(nn.Conv2d):
    """3×3 convolution of stride one that is not trained, by Winograd's algorithm where that is faster.

    That is in float32 on a CPU with enough channels and outside `torch.compile`, if the border is of zeros.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._transformed: tuple[Tensor, int, Tensor] | None = None  # of which weight, which state, and what it became

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H, W)."""
        frozen = not self.weight.requires_grad and self.padding_mode == "zeros"
        if not (frozen and winograd_pays(x, self.weight)):
            return super().forward(x)
        version = -1 if self.weight.is_inference() else self.weight._version
        if self._transformed is None or self._transformed[0] is not self.weight or self._transformed[1] != version:
            with torch.inference_mode(False), torch.no_grad():  # for a gradient later, too
                self._transformed = self.weight, version, winograd_weight(self.weight)
        return winograd_conv(x, self.weight, self.bias, 1, self._transformed[2])


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, transformed: Tensor | None
    ) -> Tensor:
        ctx.padding, ctx.transformed, ctx.channels = padding, transformed, weight.shape[:2]
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight if transformed is None else None)
        tiles, (h, w) = _tiles(x, padding), (each - 2 + 2 * padding for each in x.shape[2:])
        n, rows, columns, *_, c = tiles.shape
        products = (winograd_weight(weight) if transformed is None else transformed).transpose(1, 2)  # (36, C, C')
        to_tiles, from_tiles, channels = _both(_B, x), _both(_A, x), len(weight)
        y = torch.empty(
            n, channels, 4 * rows, 4 * columns, dtype=x.dtype, device=x.device, memory_format=torch.channels_last
        )
        parts = y.permute(0, 2, 3, 1).view(n, rows, 4, columns, 4, channels)
        for image, some in _parts(n, rows, columns):
            inputs = to_tiles @ tiles[image, some].reshape(-1, 36, c)
            outputs = from_tiles @ torch.bmm(inputs.transpose(0, 1), products).transpose(0, 1)
            parts[image, some] = outputs.view(-1, columns, 4, 4, channels).transpose(1, 2)
        if y.shape[2:] != (h, w):
            y = y[:, :, :h, :w].clone(memory_format=torch.channels_last)  # a copy also of the rows of one tile
        return y if bias is None else y.add_(bias[:, None, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        with torch.autocast("cpu", enabled=False):
            return *_gradients(ctx, gradient), None, None


def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Compute the gradients of `_Winograd` by its input, its weight and its bias."""
    x, weight = ctx.saved_tensors
    of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
    (channels, c), (n, _, h, w) = ctx.channels, gradient.shape
    rows, columns = -(-h // 4), -(-w // 4)
    outer = F.pad(gradient.permute(0, 2, 3, 1), (0, 0, 0, 4 * columns - w, 0, 4 * rows - h))
    outputs = outer.view(n, rows, 4, columns, 4, channels).transpose(2, 3)
    to_tiles, from_tiles = _both(_B, gradient), _both(_A, gradient)
    if of_x:
        products = winograd_weight(weight) if ctx.transformed is None else ctx.transformed
        sums = gradient.new_zeros(n, rows + 1, 4, columns + 1, 4, c)  # of the padded input
    if of_weight:
        tiles, of_products = _tiles(x, ctx.padding), gradient.new_zeros(36, channels, c)
    for image, some in _parts(n, rows, columns):
        spread = (from_tiles.T @ outputs[image, some].reshape(-1, 16, channels)).transpose(0, 1)
        if of_weight:
            inputs = to_tiles @ tiles[image, some].reshape(-1, 36, c)
            of_products.baddbmm_(spread.transpose(1, 2), inputs.transpose(0, 1))
        if of_x:
            inputs = to_tiles.T @ torch.bmm(spread, products).transpose(0, 1)
            inputs = inputs.view(-1, columns, 6, 6, c).transpose(1, 2)
            below = slice(some.start + 1, some.stop + 1)  # a tile's last two rows are the first of the next
            sums[image, some, :, :-1] += inputs[:, :4, :, :4]
            sums[image, some, :, 1:, :2] += inputs[:, :4, :, 4:]
            sums[image, below, :2, :-1] += inputs[:, 4:, :, :4]
            sums[image, below, :2, 1:, :2] += inputs[:, 4:, :, 4:]
    answers: list[Tensor | None] = [None, None, gradient.sum((0, 2, 3)) if of_bias else None]
    if of_x:
        first, size = ctx.padding, (h + 2 - 2 * ctx.padding, w + 2 - 2 * ctx.padding)
        inner = sums.view(n, 4 * rows + 4, 4 * columns + 4, c)[:, first : first + size[0], first : first + size[1]]
        answers[0] = inner.permute(0, 3, 1, 2)
    if of_weight:
        kernel = _both(_G, gradient).T / 24**2
        answers[1] = (kernel @ of_products.transpose(0, 1)).view(channels, 3, 3, c).permute(0, 3, 1, 2)
    return answers[0], answers[1], answers[2]


def _tiles(x: Tensor, padding: int) -> Tensor:
    """Cut an input (N, C, H, W) into the overlapping tiles that each give 4×4 outputs: (N, rows, columns, 6, 6, C)."""
    h, w = x.shape[2:]
    below, right = (-(-(each - 2 + 2 * padding) // 4) * 4 + 2 - padding - each for each in (h, w))
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, padding, right, padding, below))
    return padded.unfold(1, 6, 4).unfold(2, 6, 4).permute(0, 1, 2, 4, 5, 3)


def _both(matrix: tuple[tuple[int, ...], ...], like: Tensor) -> Tensor:
    """Make the matrix that transforms flattened tiles in both directions, (rows², columns²)."""
    one = like.new_tensor(matrix)
    return torch.kron(one, one)


def _parts(images: int, rows: int, columns: int) -> list[tuple[int, slice]]:
    """Cut the rows of tiles of all images into parts of about `TILES` tiles."""
    step = max(1, TILES // columns)
    return [(i, slice(row, min(row + step, rows))) for i in range(images) for row in range(0, rows, step)]

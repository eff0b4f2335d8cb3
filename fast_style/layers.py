"""Building blocks of the image-transformation networks."""

import copy
import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from fast_style.functional import instance_norm, padded, thin_conv, upsampled_conv

# A function that is no module works pixel by pixel.
Layer = Callable[[Tensor], Tensor]


def norm_layer(name: str, channels: int, styles: int = 0) -> nn.Module:
    """Build a normalisation layer by name.

    Args:
        name: `instance` (Ulyanov et al. 2016, "Instance Normalization: The Missing Ingredient for Fast Stylization"),
            `conditional` (see `ConditionalInstanceNorm`), `filter_response` (see `FilterResponseNorm`) or `batch`
            (Ioffe & Szegedy 2015), all with a learned scale and shift per channel; `none` leaves what it is given.
        channels: number of channels.
        styles: number of styles, which `conditional` alone has.

    Raises:
        ValueError: if the name is not one of them, or the number of styles does not go with it.
    """
    if name not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {name!r}")
    if (styles > 0) != (name == "conditional"):
        raise ValueError(f"norm: conditional, and no other, has styles; got norm: {name} and {styles} styles")
    return NORMS[name](channels, styles)


def apply(layers: "Iterable[Layer]", x: Tensor, styles: Tensor | None = None) -> Tensor:
    """Apply layers one after the other, and tell those that ask for it which style: see `ConditionalInstanceNorm`."""
    for layer in layers:
        if isinstance(layer, nn.Sequential):
            x = apply(layer, x, styles)
        else:
            x = layer(x, styles) if isinstance(layer, ConditionalInstanceNorm | ResidualBlock) else layer(x)
    return x


class ConvLayer(nn.Conv2d):
    """Convolution with reflection padding of `kernel_size // 2`, so that no border darkens: (N, C, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, padding_mode="reflect"
        )

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if torch.is_grad_enabled() and x.requires_grad:
            if self.out_channels <= 4 and self.kernel_size[0] >= 5 and self.stride == (1, 1) and x.device.type == "cpu":
                return thin_conv(padded(x, int(self.padding[0]), "reflect"), weight, bias)
            return F.conv2d(padded(x, int(self.padding[0]), "reflect"), weight, bias, self.stride)
        return super()._conv_forward(x, weight, bias)


class InstanceNorm(nn.InstanceNorm2d):
    """`nn.InstanceNorm2d` that trains fast when it is compiled, see `functional.instance_norm`."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as PyTorch calls it
        """Normalise (N, C, H, W) by the statistics of each image."""
        if torch.compiler.is_compiling() and input.requires_grad and not self.track_running_stats:
            return instance_norm(input, self.weight, self.bias, self.eps)
        return super().forward(input)


class FilterResponseNorm(nn.Module):
    """Filter response normalisation: y = γ x / √(ν² + ε) + β, with ν² the mean of x² over a channel's positions.

    Singh & Krishnan 2020, "Filter Response Normalization Layer" (https://arxiv.org/abs/1911.09737), without their
    learned threshold: ReLU follows here.

    Args:
        channels: C; `weight` (γ) and `bias` (β) are (C,).
    """

    eps = 1e-6

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, H, W) by the mean squares of each image, computed in float32."""
        exact = x.float()
        scale = (exact.square().mean((2, 3), keepdim=True) + self.eps).rsqrt() * self.weight[:, None, None]
        return (exact * scale + self.bias[:, None, None]).to(x.dtype)


class ConditionalInstanceNorm(nn.Module):
    """Instance normalisation with a scale and a shift for each style: y = γ_s (x − μ) / √(σ² + ε) + β_s.

    Dumoulin et al. 2017, "A Learned Representation for Artistic Style" (https://arxiv.org/abs/1610.07629).

    Args:
        channels: C.
        styles: S, at least 1; `weight` (γ) and `bias` (β) are (S, C).
    """

    eps = 1e-5

    def __init__(self, channels: int, styles: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(styles, channels))
        self.bias = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, x: Tensor, styles: Tensor | None) -> Tensor:
        """Normalise (N, C, H, W) by the statistics of each image.

        Args:
            x: the images.
            styles: shares of each image's styles, (N, S): of one alone 1 and else 0, of a mixture numbers whose sum is
                1, which mix scales and shifts.

        Raises:
            ValueError: if no styles are given, or of another number of styles.
        """
        if styles is None or styles.shape[-1] != len(self.weight):
            raise ValueError(f"a network of {len(self.weight)} styles must be told which: give the share of each")
        # Sums of products, not a matrix product: autocast leaves them in float32.
        weight, bias = ((styles[:, :, None] * each).sum(1) for each in (self.weight, self.bias))  # (N, C)
        return instance_norm(x, weight, bias, self.eps)


class StyleMap(nn.Module):
    """Scales and shifts of styles that differ from place to place, after a normalisation: y = γ(h, w) x + β(h, w).

    Args:
        shares: share of each of K styles at each place, (1, K, h, w), of sums 1; it lies over the whole picture
            whatever the size of that, and is interpolated linearly.
        weight: γ of each style, (K, C).
        bias: β of each style, (K, C).
    """

    def __init__(self, shares: Tensor, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("shares", shares)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape and type."""
        h, w = x.shape[-2:]
        return self.part(x, ((0, h), (0, w)), (h, w))

    def part(self, x: Tensor, box: tuple[tuple[int, int], tuple[int, int]], size: tuple[int, int]) -> Tensor:
        """Map what covers the rows and columns of a box, (N, C, h, w), in a picture of a size (H, W)."""
        rows, columns = (
            (torch.arange(first, last, device=x.device) + 0.5) * (2 / length) - 1
            for (first, last), length in zip(box, size, strict=True)
        )
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)[None]  # (1, h, w, 2)
        shares = F.grid_sample(self.get_buffer("shares"), grid, padding_mode="border", align_corners=False)
        scale, shift = (torch.einsum("nkhw,kc->nchw", shares, self.get_buffer(name)) for name in ("weight", "bias"))
        return (x * scale + shift).to(x.dtype)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions around an identity: y = x + norm(conv(relu(norm(conv(x))))).

    Without a nonlinearity after the addition (Gross & Wilber 2016, "Training and investigating Residual Nets"), as in
    Johnson et al. 2016, but padded by reflection instead of cropped.

    Args:
        channels: channels in and out.
        norm, styles: name of the normalisation and number of styles, see `norm_layer`.
    """

    def __init__(self, channels: int, norm: str = "instance", styles: int = 0) -> None:
        super().__init__()
        self.conv1 = ConvLayer(channels, channels, 3)
        self.norm1 = norm_layer(norm, channels, styles)
        self.conv2 = ConvLayer(channels, channels, 3)
        self.norm2 = norm_layer(norm, channels, styles)

    @property
    def branch(self) -> list[Layer]:
        """What is added to the identity, in order."""
        return [self.conv1, self.norm1, F.relu, self.conv2, self.norm2]

    def forward(self, x: Tensor, styles: Tensor | None = None) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W), in styles of shares (N, S) where the norm is conditional."""
        return x + apply(self.branch, x, styles)


class UpsampleConv(ConvLayer):
    """Nearest-neighbour upsampling by two, then a convolution: (N, C, H, W) → (N, C', 2H, 2W).

    Free of the checkerboards of transposed convolution (Odena et al. 2016, "Deconvolution and Checkerboard
    Artifacts").
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', 2H, 2W)."""
        if torch.is_grad_enabled() and x.requires_grad and self.kernel_size == (3, 3):
            return upsampled_conv(x, self.weight, self.bias)
        return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class TransposedConv(nn.ConvTranspose2d):
    """Transposed 3×3 convolution of stride two, as in Johnson et al. 2016: (N, C, H, W) → (N, C', 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=2, padding=kernel_size // 2, output_padding=1)


class SubpixelConv(ConvLayer):
    """Nearest-neighbour upsampling, then a convolution, computed at the small size; `nn.PixelShuffle` lays it out.

    (N, C, H, W) → (N, C'·factor², H, W), the factor × factor pixels of each position (Shi et al. 2016,
    https://arxiv.org/abs/1609.05158). With weights of their own, these pixels repeat a pattern wherever the input is
    flat; so they share those of one kernel of the large size, as `torch.nn.utils.parametrize` does it:
    `parametrizations.weight.original` is that kernel, (C', C, kernel_size, kernel_size).

    Args:
        in_channels: C.
        out_channels: C'.
        kernel_size: odd, at the large size.
        factor: of the upsampling.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, factor: int) -> None:
        half = kernel_size // 2
        super().__init__(in_channels, out_channels * factor**2, 2 * math.ceil(half / factor) + 1)
        kernel = nn.Conv2d(in_channels, out_channels, kernel_size)  # for its random weights
        self.weight = nn.Parameter(kernel.weight.detach())
        self.bias = kernel.bias
        parametrize.register_parametrization(self, "weight", _Spread(kernel_size, factor), unsafe=True)
        parametrize.register_parametrization(self, "bias", _Repeat(factor**2), unsafe=True)


class _Spread(nn.Module):
    """Weight of the convolution at the small size: for each pixel, sums of the taps that fall on the same input."""

    taps: Tensor

    def __init__(self, kernel_size: int, factor: int) -> None:
        super().__init__()
        half = kernel_size // 2
        reach = math.ceil(half / factor)
        # Not on the device of the network, which may be "meta" while it is built to be loaded.
        taps = torch.zeros(factor, 2 * reach + 1, kernel_size, device="cpu")
        for pixel in range(factor):
            for tap in range(kernel_size):
                taps[pixel, (pixel + tap - half) // factor + reach, tap] = 1
        self.register_buffer("taps", taps, persistent=False)

    def forward(self, kernel: Tensor) -> Tensor:
        """Map (C', C, K, K) to (C'·factor², C, k, k)."""
        return torch.einsum("ayk,bxl,ockl->oabcyx", self.taps, self.taps, kernel).flatten(0, 2)


class _Repeat(nn.Module):
    """One number for all pixels of a position."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, bias: Tensor) -> Tensor:
        """Map (C') to (C'·times)."""
        return bias.repeat_interleave(self.times)


def frozen(network: nn.Module) -> nn.Module:
    """Copy a network for use: in evaluation mode, without gradients, computed weights settled."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for parent in list(network.modules()):
        for name, conv in list(parent.named_children()):
            if isinstance(conv, nn.Conv2d) and parametrize.is_parametrized(conv):
                setattr(parent, name, _settled(conv))
    return network


def _settled(conv: nn.Conv2d) -> nn.Conv2d:
    plain = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        padding=conv.padding,  # type: ignore[arg-type]
        padding_mode=conv.padding_mode,
    )
    plain.load_state_dict({"weight": conv.weight, "bias": conv.bias})
    return plain.to(conv.weight).eval().requires_grad_(False)


NORMS: dict[str, Callable[[int, int], nn.Module]] = {
    "instance": lambda channels, _: InstanceNorm(channels, affine=True),
    "conditional": ConditionalInstanceNorm,
    "filter_response": lambda channels, _: FilterResponseNorm(channels),
    "batch": lambda channels, _: nn.BatchNorm2d(channels),
    "none": lambda channels, _: nn.Identity(),
}

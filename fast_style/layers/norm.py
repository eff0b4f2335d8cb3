"""Normalisations of the image-transformation networks, chosen by name."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.functional import instance_norm

Span = tuple[int, int]  # first, and one beyond the last


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
    """Instance normalisation in styles that differ from place to place: y = Σ s_k (γ_k (x − μ_k) / √(σ_k² + ε) + β_k).

    The statistics μ_k and σ_k are those of the whole picture in style k alone: where that style has all of the share,
    and as far around as the layers see, the picture is what it is in that style alone. Those of the mixed picture
    itself would not do: each style would be normalised by what the others have made elsewhere. So a batch holds each
    photo in each style alone first, and mixed last.

    Args:
        shares: share of each of K styles at each place, (1, K, h, w), of sums 1; it lies over the whole picture
            whatever the size of that, and is interpolated linearly.
        weight: γ of each style, (K, C).
        bias: β of each style, (K, C).
    """

    eps = ConditionalInstanceNorm.eps

    def __init__(self, shares: Tensor, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("shares", shares)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def __len__(self) -> int:
        """Count the styles, K."""
        return len(self.get_buffer("weight"))

    def alone(self, number: int) -> InstanceNorm:
        """Make the norm of one of the styles."""
        weight, bias = self.get_buffer("weight")[number], self.get_buffer("bias")[number]
        norm = InstanceNorm(len(weight), self.eps, affine=True, device="meta")
        norm.load_state_dict({"weight": weight, "bias": bias}, assign=True)
        return norm.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ((K + 1)·N, C, H, W), N photos in each style alone and N mixed, to the same shape and type."""
        *alone, mixed = x.chunk(len(self) + 1)
        rows = zip(alone, self.get_buffer("weight"), self.get_buffer("bias"), strict=True)
        made = [instance_norm(each, weight, bias, self.eps) for each, weight, bias in rows]
        statistics = [torch.var_mean(each.float(), dim=(2, 3), correction=0) for each in alone]
        variance, mean = (torch.stack(each) for each in zip(*statistics, strict=True))  # (K, N, C)
        h, w = x.shape[-2:]
        for n, photo in enumerate(mixed.split(1)):
            made.append(self.part(photo, (0, h), (0, w), (h, w), mean[:, n], variance[:, n]))
        return torch.cat(made)

    def part(
        self, x: Tensor, rows: Span, columns: Span, size: tuple[int, int], mean: Tensor, variance: Tensor
    ) -> Tensor:
        """Map a part of a mixed picture to the same shape and type.

        Args:
            x: the part, (1, C, h, w).
            rows: which rows of the picture it holds, h of them.
            columns: which columns, w of them.
            size: of the picture, (H, W).
            mean: of the whole picture in each style alone, (K, C).
            variance: of the same, biased, (K, C).
        """
        down, right = (
            (torch.arange(first, last, device=x.device) + 0.5) * (2 / length) - 1
            for (first, last), length in zip((rows, columns), size, strict=True)
        )
        grid = torch.stack(torch.meshgrid(right, down, indexing="xy"), dim=-1)[None]  # (1, h, w, 2)
        shares = F.grid_sample(self.get_buffer("shares"), grid, padding_mode="border", align_corners=False)
        scales = (variance + self.eps).rsqrt() * self.get_buffer("weight")  # (K, C)
        shifts = self.get_buffer("bias") - mean * scales
        scale, shift = (torch.einsum("nkhw,kc->nchw", shares, each) for each in (scales, shifts))
        return (x * scale + shift).to(x.dtype)


NORMS: dict[str, Callable[[int, int], nn.Module]] = {
    "instance": lambda channels, _: InstanceNorm(channels, affine=True),
    "conditional": ConditionalInstanceNorm,
    "filter_response": lambda channels, _: FilterResponseNorm(channels),
    "batch": lambda channels, _: nn.BatchNorm2d(channels),
    "none": lambda channels, _: nn.Identity(),
}

"""Two more plans for any style, compact, for `any_style_designs.py`: MicroAST's, and whitening and colouring."""

import copy
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.functional import channel_statistics, instance_norm
from fast_style.layers import ConvLayer, UpsampleConv
from fast_style.networks import VGG
from fast_style.networks.adain import CONVS, DOUBLED, SLOPE

EPS = 1e-5
LEVELS = ("relu4_1", "relu3_1", "relu2_1", "relu1_1")  # coarse to fine
Signals = list[tuple[Tensor, Tensor]]  # pairs of (N, C): means and deviations of two levels, biases and scales of two


class MicroAST(nn.Module):
    """Two micro encoders and a decoder whose filters the style modulates (Wang et al. 2023).

    As https://arxiv.org/abs/2211.15313 has it: an encoder of the photo and one of the style image, each with two
    levels; AdaIN at both, and after each a residual block whose convolutions become a·conv(x) + b·x, with a and b in
    each channel the means of two depthwise convolutions of the style's features.

    Args:
        width: channels of both levels, a multiple of 4, in the paper 64.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.of_photo, self.of_style = _Encoder(width), _Encoder(width)
        # Of each level, biases and scales.
        self.modulators = nn.ModuleList(_conv(width, width, 3, groups=width) for _ in range(4))
        self.blocks = nn.ModuleList([_Residual(width), _Residual(width)])
        self.decoder = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear"),
            *_separable(width, width // 2),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            *_separable(width // 2, width // 4),
            _conv(width // 4, 3, 9),
        )
        with torch.no_grad():
            self.decoder[-1].get_parameter("weight").mul_(0.1)  # else first pictures are far outside [0, 1]

    def signals(self, images: Tensor) -> Signals:
        """Tell what the network knows of style images (N, 3, H, W) in [0, 1]."""
        levels = self.of_style(images)
        statistics = [channel_statistics(level, EPS) for level in levels]
        means = [
            conv(level).mean((2, 3), dtype=torch.float32)
            for conv, level in zip(self.modulators, [*levels, *levels], strict=True)
        ]
        return [*statistics, (means[0], means[2]), (means[1], means[3])]

    def paint(self, photos: Tensor, signals: Signals) -> Tensor:
        """Stylise photos (N, 3, H, W) in [0, 1], H and W multiples of 4, in styles by their signals."""
        x = self.of_photo(photos)[1]
        for level, block in zip((1, 0), self.blocks, strict=True):
            mean, deviation = signals[level]
            shift, scale = signals[2 + level]
            x = block(instance_norm(x, deviation, mean, EPS), scale[..., None, None], shift[..., None, None])
        return self.decoder(x).float().add(0.5)

    def forward(self, photos: Tensor, style: Tensor) -> Tensor:
        """Stylise photos in the style of an image (1, 3, h, w) in [0, 1]."""
        return self.paint(photos, self.signals(style))


def contrast_loss(found: Signals, wanted: Signals) -> Tensor:
    """Have pictures signal their own styles rather than the others of the batch (Wang et al. 2023, section 3.3).

    mean over i of D(i, i) / Σ over j ≠ i of D(i, j), with D(i, j) the mean squared differences of all signals of
    picture i and style image j, added up.

    Args:
        found: signals of N pictures.
        wanted: signals of their N style images, at least two.
    """
    pairs = [
        (one, other)
        for ours, theirs in zip(found, wanted, strict=True)
        for one, other in zip(ours, theirs, strict=True)
    ]
    distance = torch.stack([(one[:, None] - other[None]).square().mean(2) for one, other in pairs]).sum(0)  # (N, N)
    own = distance.diagonal()
    return (own / (distance.sum(1) - own).clamp_min(1e-8)).mean()


class Whitening(nn.Module):
    """Closed-form whitening and colouring of VGG's features, coarse to fine (Li et al. 2017).

    As https://arxiv.org/abs/1705.08086 has it, on four of its five levels: from relu4_1 to relu1_1 the features of the
    picture so far get the means and the covariances of those of the style image, and a decoder of that level, which has
    learned from photos to give back what was encoded, makes the next picture of them. What decoders see is standardised
    as in `AdaIN`, and they are initialised like its own.

    Args:
        vgg: the encoder, frozen.
        levels: of its layers, in this order.
    """

    def __init__(self, vgg: VGG, levels: Sequence[str] = LEVELS) -> None:
        super().__init__()
        self.vgg = vgg
        self.levels = list(levels)
        self.decoders = nn.ModuleDict({level: _decoder(vgg, level) for level in levels})
        for level in levels:
            channels = len(vgg.convs[f"conv{level[4:]}"].get_parameter("bias"))
            self.register_buffer(f"center_{level}", torch.zeros(channels, 1, 1))
            self.register_buffer(f"spread_{level}", torch.ones(channels, 1, 1))

    def starting_at(self, level: str) -> "Whitening":
        """Share all weights with a network that begins at a level, and leaves the coarser ones as they are."""
        other = copy.copy(self)
        other.levels = self.levels[self.levels.index(level) :]
        return other

    @torch.no_grad()
    def standardize(self, images: Tensor) -> None:
        """Have what decoders see of images (N, 3, H, W) in [0, 1] mean 0 and deviation 1 in each channel."""
        for level, found in self.vgg(images, self.levels).items():
            deviation, mean = torch.std_mean(found.float(), (0, 2, 3), keepdim=True)
            self.get_buffer(f"center_{level}").copy_(mean[0])
            self.get_buffer(f"spread_{level}").copy_(deviation[0].clamp_min((0.1 * deviation.mean()).clamp_min(1e-4)))

    def decode(self, level: str, features: Tensor) -> Tensor:
        """Map features of a level to pictures (N, 3, H, W) in [0, 1]-space."""
        x = (features - self.get_buffer(f"center_{level}")) / self.get_buffer(f"spread_{level}")
        return self.decoders[level](x).float().add(0.5)

    def reconstruction_loss(self, level: str, photos: Tensor) -> Tensor:
        """Tell how far the decoder of a level is from giving photos back (eq. 1 of the paper).

        ‖d − p‖² / ‖p − μ(p)‖² + ‖f(d) − f(p)‖² / ‖f(p) − μ(f(p))‖² with the pixels p of the photos, those d that were
        decoded, and the features f. The denominators are ours.
        """
        with torch.no_grad():
            wanted = self.vgg(photos, [level])[level]
        pictures = self.decode(level, wanted)
        pairs = ((pictures, photos), (self.vgg(pictures, [level])[level], wanted))
        return sum((F.mse_loss(one.float(), other.float()) / _variance(other) for one, other in pairs), torch.zeros(()))

    @torch.no_grad()
    def look_at(self, style: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Compute means (C, 1) and roots of covariances (C, C) of an image (1, 3, h, w) in [0, 1], by level."""
        return {level: _root(found[0], 0.5)[:2] for level, found in self.vgg(style, self.levels).items()}

    @torch.no_grad()
    def paint(self, photo: Tensor, looked: Mapping[str, tuple[Tensor, Tensor]], strength: float = 1.0) -> Tensor:
        """Stylise a photo (1, 3, H, W) in [0, 1], H and W multiples of 8.

        Args:
            photo: what is stylised.
            looked: what `look_at` found in the style image.
            strength: share of the coloured features beside those that were found, in [0, 1]; in the paper 0.6.
        """
        picture = photo
        for level in self.levels:
            found = self.vgg(picture, [level])[level].float()
            mean, whitening, flat = _root(found[0], -0.5)
            wanted, root = looked[level]
            coloured = (root @ (whitening @ (flat - mean)) + wanted).view_as(found)  # (C, P) to (1, C, H, W)
            picture = self.decode(level, strength * coloured + (1 - strength) * found).clamp_(0, 1)
        return picture


class _Encoder(nn.Module):
    """From images in [0, 1] to two levels of features at a quarter of their sides."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first = [_conv(3, width // 4, 9), nn.ReLU()]
        for above, below in pairwise((width // 4, width // 2, width)):
            first += _separable(above, below, stride=2)
        self.first = nn.Sequential(*first, _Residual(width))
        self.second = _Residual(width)

    def forward(self, images: Tensor) -> list[Tensor]:
        level = self.first(images - 0.5)
        return [level, self.second(level)]


class _Residual(nn.Module):
    """Two convolutions around an identity; with a style each becomes scale · conv(x) + shift · x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _conv(width, width, 3), _conv(width, width, 3)

    def forward(self, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
        if scale is None or shift is None:
            return x + self.conv2(F.relu(self.conv1(x)))
        inner = F.relu(scale * self.conv1(x) + shift * x)
        return x + scale * self.conv2(inner) + shift * inner


def _conv(above: int, below: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(above, below, kernel, stride, kernel // 2, groups=groups, padding_mode="reflect")
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")  # with PyTorch's, pictures hardly depend on anything
    return conv


def _separable(above: int, below: int, stride: int = 1) -> list[nn.Module]:
    """Make a convolution of 3 × 3 in groups as small as can be and one of 1 × 1, as both halves of MicroAST have."""
    return [_conv(above, below, 3, stride, min(above, below)), nn.ReLU(), _conv(below, below, 1), nn.ReLU()]


def _decoder(vgg: VGG, level: str) -> nn.Sequential:
    """Mirror VGG up to a level, with nearest-neighbour upsampling where it pools."""
    names = CONVS[: CONVS.index(f"conv{level[4:]}") + 1]
    sides = [3, *(len(vgg.convs[name].get_parameter("bias")) for name in names)]
    layers: list[nn.Module] = []
    for name, above, width in zip(reversed(names), sides[-2::-1], sides[::-1], strict=False):
        layers += [(UpsampleConv if name in DOUBLED else ConvLayer)(width, above, 3), nn.LeakyReLU(SLOPE)]
    for conv in layers[:-2:2]:
        nn.init.kaiming_normal_(conv.get_parameter("weight"), a=SLOPE)
    return nn.Sequential(*layers[:-1])


def _variance(x: Tensor) -> Tensor:
    """Mean squared difference of (N, C, H, W) from the mean of each channel."""
    return (x.float() - x.float().mean((2, 3), keepdim=True)).square().mean().clamp_min(EPS)


def _root(features: Tensor, power: float) -> tuple[Tensor, Tensor, Tensor]:
    """Compute a power of the covariance of features (C, H, W): 0.5 its root, −0.5 what whitens them.

    Returns:
        The means (C, 1), the power (C, C) without directions whose variance is below a millionth of the largest, and
        the features in float32, (C, P).
    """
    flat = features.float().flatten(1)  # (C, P)
    mean = flat.mean(1, keepdim=True)
    values, vectors = torch.linalg.eigh(torch.cov(flat, correction=0))
    kept = values > 1e-6 * values[-1]
    powers = torch.where(kept, values.clamp_min(1e-12).pow(power), 0.0)
    return mean, vectors * powers @ vectors.T, flat

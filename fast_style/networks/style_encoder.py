"""What a network for any style sees of a style image: a code."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.functional import channel_statistics
from fast_style.layers import ConvLayer

SIDE = 384  # pixels on the short side of a style image, as in training
MOMENTUM = 0.02  # of what is standardised by running statistics
LONGEST = 4  # times the short side: of longer images the middle is looked at


class StyleEncoder(nn.Module):
    """Sums up a style image in a code: statistics of features at four scales, then two linear layers.

    Convolutions of stride 4, 2, 2 and 2, each but the first followed by one of stride 1, without normalisation, which
    would take away what the statistics are to tell. Mean and standard deviation of each channel after each scale make
    one long vector, so that the code is the same wherever things are in the image.

    Args:
        width: channels of the first scale, 1 to 128; the others have two, four and four times as many.
        code: length of the code, 1 to 1024.
        slope: of the leaky rectified linear units below 0, in [0, 1). With 0 many channels are 0 for every image once
            trained, and their statistics tell nothing.

    Raises:
        ValueError: if an argument is outside its range.
    """

    def __init__(self, width: int, code: int, slope: float = 0.0) -> None:
        super().__init__()
        if not (isinstance(width, int) and 1 <= width <= 128):
            raise ValueError(f"the encoder must have a width of 1 to 128 channels, got {width!r}")
        if not (isinstance(code, int) and 1 <= code <= 1024):
            raise ValueError(f"the code of a style must have 1 to 1024 numbers, got {code!r}")
        if not 0 <= slope < 1:
            raise ValueError(f"the slope of the encoder below 0 must be in [0, 1), got {slope!r}")
        widths, bend = [width, 2 * width, 4 * width, 4 * width], nn.LeakyReLU(slope)
        self.scales = nn.ModuleList([nn.Sequential(ConvLayer(3, width, 7, stride=4), bend)])
        for above, below in pairwise(widths):
            self.scales.append(
                nn.Sequential(ConvLayer(above, below, 3, stride=2), bend, ConvLayer(below, below, 3), bend)
            )
        for layer in self.modules():
            # Without values, as a file is loaded, PyTorch would import its compiler for this: seconds.
            if isinstance(layer, nn.Conv2d) and not layer.weight.is_meta:
                nn.init.kaiming_normal_(layer.weight, slope, nonlinearity="leaky_relu")
        self.to_code = code_of(2 * sum(widths), code)

    @torch.no_grad()
    def balance(self) -> None:
        """Scale the channels so that statistics vary by about 1, as half precision needs it; codes hardly change.

        Leaky rectified linear units let factors above 0 pass: what a channel is divided by, the next convolution
        multiplies its weights with. Channels whose statistics are divided are those of the last convolution of each
        scale. Computed in float64 on the CPU, since not every device has it.
        """
        standardize = self.to_code[0]
        mean, variance = standardize.get_buffer("running_mean"), standardize.get_buffer("running_var")
        factors, place = torch.ones(3, dtype=torch.float64), 0
        for scale in self.scales:
            convs = [layer for layer in scale.children() if isinstance(layer, nn.Conv2d)]
            for conv in convs[:-1]:
                factors = _divide(conv, factors, None)
            # What hardly varies is left alone: the small number under the root would grow beside it.
            here = slice(place, place + 2 * convs[-1].out_channels)
            varying = variance[here].cpu().double()
            factors = _divide(convs[-1], factors, varying.view(2, -1).amax(0).sqrt().clamp_min(1))
            mean[here] = mean[here].cpu().double() / factors.repeat(2)
            variance[here] = varying / factors.repeat(2).square()
            place = here.stop

    def forward(self, images: Tensor) -> Tensor:
        """Map style images (N, 3, H, W) in [0, 1], H and W at least 64, to codes (N, K) in float32."""
        x, statistics = 4 * (images - 0.5), list[Tensor]()
        for scale in self.scales:
            x = scale(x)
            statistics += channel_statistics(x, 1e-4)
        return self.to_code(torch.cat(statistics, 1)).float()


def code_of(numbers: int, code: int) -> nn.Sequential:
    """Make the layers from statistics (N, numbers) to codes (N, code): standardised, then two linear ones."""
    return nn.Sequential(
        nn.BatchNorm1d(numbers, affine=False, momentum=MOMENTUM),
        nn.Linear(numbers, 3 * code),
        nn.ReLU(),
        nn.Linear(3 * code, code),
    )


def as_seen(image: Tensor) -> Tensor:
    """Give a style image (1, 3, H, W) the size at which the encoder looks at it.

    Returns:
        The image with a short side of 384 pixels; of one more than four times as long as wide the middle.
    """
    short = min(image.shape[-2:])
    h, w = (min(side, LONGEST * short) for side in image.shape[-2:])
    top, left = (image.shape[2] - h) // 2, (image.shape[3] - w) // 2
    part = image[..., top : top + h, left : left + w]
    if short == SIDE:
        return part
    size = [max(1, round(side * SIDE / short)) for side in (h, w)]
    return F.interpolate(part, size, mode="bicubic", antialias=True).clamp_(0, 1)


def _divide(conv: nn.Conv2d, above: Tensor, by: Tensor | None) -> Tensor:
    """Divide the outputs of a convolution whose inputs were divided, by default by the norms of its kernels."""
    weight = conv.weight.cpu().double() * above[:, None, None]
    factors = weight.flatten(1).norm(dim=1).clamp_min(1e-12) if by is None else by
    conv.weight.copy_(weight / factors[:, None, None, None])
    if conv.bias is not None:
        conv.bias.copy_(conv.bias.cpu().double() / factors)
    return factors

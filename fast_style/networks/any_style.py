"""Any style in one pass: an encoder of style images, and a network whose scales and shifts it predicts."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from fast_style.functional import channel_statistics
from fast_style.layers import ConvLayer
from fast_style.networks.generator import Generator
from fast_style.networks.slim import SlimNetwork
from fast_style.networks.style_network import StyleNetwork
from fast_style.networks.transformer import TransformerNetwork

NETWORKS: dict[str, type[StyleNetwork]] = {"johnson": TransformerNetwork, "slim": SlimNetwork}
PHOTO = "photo"  # the style that leaves photos as they are
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
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, slope, nonlinearity="leaky_relu")
        self.to_code = code_of(2 * sum(widths), code)

    @torch.no_grad()
    def balance(self) -> None:
        """Scale the channels so that statistics vary by about 1, as half precision needs it; codes hardly change.

        Leaky rectified linear units let factors above 0 pass: what a channel is divided by, the next convolution
        multiplies its weights with. Channels whose statistics are divided are those of the last convolution of each
        scale.
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
            factors = _divide(convs[-1], factors, variance[here].double().view(2, -1).amax(0).sqrt().clamp_min(1))
            mean[here] /= factors.repeat(2)
            variance[here] /= factors.repeat(2).square()
            place = here.stop

    def forward(self, images: Tensor) -> Tensor:
        """Map style images (N, 3, H, W) in [0, 1], H and W at least 64, to codes (N, K) in float32."""
        x, statistics = 4 * (images - 0.5), list[Tensor]()
        for scale in self.scales:
            x = scale(x)
            statistics += channel_statistics(x, 1e-4)
        return self.to_code(torch.cat(statistics, 1)).float()


def _divide(conv: nn.Conv2d, above: Tensor, by: Tensor | None) -> Tensor:
    """Divide the outputs of a convolution whose inputs were divided, by default by the norms of its kernels."""
    weight = conv.weight.double() * above[:, None, None]
    factors = weight.flatten(1).norm(dim=1).clamp_min(1e-12) if by is None else by
    conv.weight.copy_(weight / factors[:, None, None, None])
    if conv.bias is not None:
        conv.bias.copy_(conv.bias.double() / factors)
    return factors


def code_of(numbers: int, code: int) -> nn.Sequential:
    """Make the layers from statistics (N, numbers) to codes (N, code): standardised, then two linear ones."""
    return nn.Sequential(
        nn.BatchNorm1d(numbers, affine=False, momentum=MOMENTUM),
        nn.Linear(numbers, 3 * code),
        nn.ReLU(),
        nn.Linear(3 * code, code),
    )


class AnyStyleNetwork(Generator):
    """A network for any style image: an encoder predicts scales and shifts of an image-transformation network.

    Ghiasi et al. 2017, "Exploring the structure of a real-time, arbitrary neural artistic stylization network"
    (https://arxiv.org/abs/1705.06830): a style costs one pass of the encoder, a photo one pass of the network, and the
    style of a photo is a row of numbers, which can be mixed, kept and trained further. Here the encoder is small and
    learns to tell what the statistics of VGG-19 tell (`training.StylePrediction`); and one row, `photo`, is that of
    leaving photos as they are, so that the way from there to a style is the strength.

    Args:
        network: `johnson` (see `TransformerNetwork`) or `slim` (see `SlimNetwork`).
        arguments: of that network, without `norm` and `styles`.
        encoder_width: see `StyleEncoder`.
        code: see `StyleEncoder`.
        encoder_slope: see `StyleEncoder`.

    Raises:
        ValueError: if an argument is outside its range.
    """

    required: ClassVar[tuple[str, ...]] = ("network",)

    def __init__(
        self,
        network: str = "johnson",
        arguments: Mapping[str, Any] | None = None,
        encoder_width: int = 48,
        code: int = 128,
        encoder_slope: float = 0.0,
    ) -> None:
        super().__init__()
        if network not in NETWORKS:
            raise ValueError(f"the network for any style must be {' or '.join(NETWORKS)}, got {network!r}")
        given = dict(arguments or {})
        if given.keys() & {"norm", "styles"}:
            raise ValueError("the norms of a network for any style are conditional: leave out norm and styles")
        self.transformer = NETWORKS[network](**given, norm="conditional", styles=[PHOTO])
        self.arguments = {
            "network": network,
            "arguments": given,
            "encoder_width": encoder_width,
            "code": code,
            "encoder_slope": encoder_slope,
        }
        self.encoder = StyleEncoder(encoder_width, code, encoder_slope)
        self.sizes = {key: self.transformer.get_parameter(key).shape[1] for key in self.transformer.style_parameters}
        self.head = nn.Linear(code, sum(self.sizes.values()))
        with torch.no_grad():
            self.head.weight.mul_(0.5)
            begins = [torch.full((size,), float(key.endswith("weight"))) for key, size in self.sizes.items()]
            self.head.bias.copy_(torch.cat(begins))

    @property
    def takes_images(self) -> bool:
        """Whether the style is still open: always."""
        return True

    @property
    def styles(self) -> list[str]:
        """Names of the styles that it has without an image: `photo`, which leaves photos as they are."""
        return self.transformer.styles

    def rows(self, codes: Tensor) -> dict[str, Tensor]:
        """Map codes (N, K) to scales and shifts by the parameter of the transformer, each (N, channels)."""
        parts = self.head(codes).float().split(list(self.sizes.values()), 1)
        return dict(zip(self.sizes, parts, strict=True))

    def photo_rows(self, count: int) -> dict[str, Tensor]:
        """Return scales and shifts that leave `count` photos as they are, as `rows` does those of codes."""
        return {key: self.transformer.get_parameter(key).expand(count, -1) for key in self.sizes}

    @torch.no_grad()
    def strengthen(self, factor: float) -> None:
        """Let every style differ from `photo` by a factor more than it does.

        What is predicted for paintings that were not trained on lies nearer to the mean of all than it should.
        """
        begins = torch.cat([self.transformer.get_parameter(key)[0] for key in self.sizes])
        self.head.weight.mul_(factor)
        self.head.bias.copy_(begins + factor * (self.head.bias - begins))

    def in_styles(self, photos: Tensor, rows: Mapping[str, Tensor]) -> Tensor:
        """Stylise photos (N, 3, H, W) in [0, 1], each with scales and shifts of its own (see `rows`)."""
        own = torch.eye(len(photos), device=photos.device)
        return functional_call(self.transformer, dict(rows), (photos, own))

    def forward(self, images: Tensor, style: Tensor | None = None) -> Tensor:
        """Make pictures of photos in the style of an image, both in one pass, as exported networks do.

        Args:
            images: RGB of shape (N, 3, H, W) in [0, 1], H and W at least 1.
            style: RGB of shape (1, 3, h, w) in [0, 1], as `as_seen` shows it: with a short side of 384 pixels.

        Returns:
            RGB of the shape of `images` in [0, 1]-space.

        Raises:
            ValueError: if there is no style.
        """
        if style is None:
            return super().forward(images)
        shares = images.new_ones(images.shape[0], 1)
        return functional_call(self.transformer, self.rows(self.encoder(style)), (images, shares))

    def of_padded(self, x: Tensor) -> Tensor:
        """Refuse: the style is open.

        Raises:
            ValueError: always.
        """
        raise ValueError("this network takes style images: use network.of_images({NAME: IMAGE})")

    @torch.no_grad()
    def of_images(self, images: Mapping[str, Tensor]) -> StyleNetwork:
        """Make the network of some style images.

        Args:
            images: RGB of shape (1, 3, H, W) in [0, 1], each of a size of its own, by the name of the style. They are
                looked at as `as_seen` shows them.

        Returns:
            A network of several styles: these, and `photo`, which leaves photos as they are.

        Raises:
            ValueError: if there is no image, or a name cannot be that of a style, as `photo`.
        """
        if not images:
            raise ValueError("there is no style image: give at least one")
        device, training = next(self.parameters()).device, self.encoder.training
        self.encoder.eval()  # what is standardised by running statistics is not so by those of one image
        rows = [self.rows(self.encoder(as_seen(image.to(device)))) for image in images.values()]
        self.encoder.train(training)
        state = {key: torch.cat([*(row[key] for row in rows), self.photo_rows(1)[key]]) for key in self.sizes}
        return self.transformer.rebuilt({"styles": [*images, PHOTO]}, state)


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

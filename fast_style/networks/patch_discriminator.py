"""A discriminator that judges patches."""

from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from fast_style.layers import norm_layer
from fast_style.networks.size import check_number, doubled

SLOPE = 0.2  # of the leaky ReLU below zero
INIT_STD = 0.02


class PatchDiscriminator(nn.Module):
    """PatchGAN: a convolutional discriminator, each of whose logits judges a patch of the image.

    `layers` 4×4 convolutions of stride two, one of stride one, and one that gives the logits, with leaky ReLU of slope
    0.2 between them and a normalisation after all but the first and the last. With three layers a logit sees 70×70
    pixels (Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", section 3.2.2 and
    appendix 6.1.2, https://arxiv.org/abs/1611.07004). Weights of convolutions begin as N(0, 0.02²). Images in [0, 1]
    are mapped to [−1, 1] inside.

    Args:
        width: channels of the first layer, 1 to 512; each layer has twice those of the one before, up to eight times.
        layers: number of convolutions of stride two, 1 to 6.
        norm: `instance`, `batch`, `filter_response` or `none`, see `layers.norm_layer`.
        spectral: divide each weight by its largest singular value, by one step of power iteration a forward pass in
            training (Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks",
            https://arxiv.org/abs/1802.05957).
        channels: of the input: 3, or 6 for an image and what it was made of, one after the other.
        kinds: kinds of real images, of which each has logits of its own, from features that all share (Liu et al. 2019,
            "Few-Shot Unsupervised Image-to-Image Translation", section 3.2, https://arxiv.org/abs/1905.01723).

    Raises:
        ValueError: if an argument is outside its range.
    """

    def __init__(
        self,
        width: int = 64,
        layers: int = 3,
        norm: str = "instance",
        spectral: bool = False,
        channels: int = 3,
        kinds: int = 1,
    ) -> None:
        super().__init__()
        check_number("width", width, 1, 512, "channels")
        check_number("layers", layers, 1, 6)
        if channels < 1:
            raise ValueError(f"channels must be at least 1, got {channels}")
        if kinds < 1:
            raise ValueError(f"kinds must be at least 1, got {kinds}")
        self.arguments: dict[str, Any] = {
            "width": width,
            "layers": layers,
            "norm": norm,
            "spectral": spectral,
            "channels": channels,
        }
        if kinds > 1:
            self.arguments["kinds"] = kinds
        self.layers = layers
        widths = doubled(width, layers + 1)
        body: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        for layer, (above, below) in enumerate(pairwise(widths), start=1):
            stride = 1 if layer == layers else 2
            body += [nn.Conv2d(above, below, 4, stride, 1), norm_layer(norm, below), nn.LeakyReLU(SLOPE)]
        body.append(nn.Conv2d(widths[-1], kinds, 4, 1, 1))
        for module in body:
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, INIT_STD)
                if spectral:
                    spectral_norm(module)
        self.body = nn.Sequential(*body)

    @property
    def least_side(self) -> int:
        """The shortest side of images that give a logit, in pixels."""
        return 3 * 2**self.layers  # of 3 pixels the two convolutions of stride one make a single logit

    def forward(self, images: Tensor, kinds: Tensor | None = None) -> Tensor:
        """Judge images.

        Args:
            images: of shape (N, `channels`, H, W) in [0, 1], H and W at least `least_side`.
            kinds: of which kind each is to be, int64 (N,); None for a discriminator of one kind.

        Returns:
            Logits of shape (N, 1, h, w), positive where a patch is taken for real; with three layers h = H // 8 − 2.

        Raises:
            ValueError: if the channels are others, a side is too short, or it is not told of which of several kinds the
                images are to be.
        """
        if images.shape[1] != self.arguments["channels"]:
            raise ValueError(f"the discriminator takes {self.arguments['channels']} channels, got {images.shape[1]}")
        if min(images.shape[-2:]) < self.least_side:
            h, w = images.shape[-2:]
            raise ValueError(
                f"a discriminator of {self.layers} layers needs images of at least {self.least_side} "
                f"pixels, got {w}×{h}: give data.size={self.least_side} or more, or fewer layers"
            )
        logits = self.body(2 * images - 1)
        if kinds is None:
            if "kinds" in self.arguments:
                raise ValueError(f"the discriminator knows {self.arguments['kinds']} kinds: give that of each image")
            return logits
        return logits.gather(1, kinds.view(-1, 1, 1, 1).expand(-1, 1, *logits.shape[-2:]))

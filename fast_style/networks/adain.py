"""Any style without training: the statistics of a style image between an encoder and a decoder."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.functional import adaptive_instance_norm, channel_statistics
from fast_style.layers import ConditionalInstanceNorm, ConvLayer, InstanceNorm, Layer, UpsampleConv, apply
from fast_style.networks.chain import ChainNetwork
from fast_style.networks.vgg import VGG

NORMS = ("adaptive", "conditional", "instance")
SHIPPED = "slim"  # the encoder that is ours, and travels in the file
CONVS = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv3_4", "conv4_1")
POOLED = ("conv2_1", "conv3_1", "conv4_1")  # after a pooling; of their mirror images in the decoder, before one
DOUBLED = ("conv3_4", "conv2_2", "conv1_2")  # whose mirror images enlarge
EPS = 1e-5


class AdaIN(ChainNetwork):
    """Encoder – statistics of the style image – decoder: Huang & Belongie 2017 (https://arxiv.org/abs/1703.06868).

    The encoder is VGG-19 up to relu4_1, frozen; the decoder mirrors it, without norms, with nearest-neighbour
    upsampling. All convolutions are padded by reflection. Between the two the features of the photo get the means and
    the standard deviations of those of the style image. Once the style images are known (`of_images`) this is a
    conditional instance norm, and whatever `StyleNetwork` does with styles can be done with theirs.

    Args:
        encoder: its weights, as of `VGG`: `slim`, which ships, so that files hold it; of any other, files hold the name
            alone, by which it is found again.
        norm: `adaptive`, for any image; `conditional` or `instance`, for those whose statistics it holds.
        styles: names of these, see `StyleNetwork`.

    Raises:
        ValueError: if the norm is none of these, or has styles without being conditional or the other way round, or
            the weights are not of a VGG-19 up to relu4_1.
        FileNotFoundError, RuntimeError: if the weights are not to be had, see `VGG`.
    """

    def __init__(self, encoder: str = SHIPPED, norm: str = "adaptive", styles: Sequence[str] = ()) -> None:
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")
        if (len(styles) > 0) != (norm == "conditional"):
            raise ValueError(f"norm: conditional, and no other, has styles; got norm: {norm} and {len(styles)} styles")
        self.arguments = {"encoder": str(encoder), "norm": norm} | self.style_arguments(styles)
        convs = _encoder(str(encoder))
        self.encoder = nn.ModuleDict(convs).requires_grad_(False)
        widths = [conv.out_channels for conv in convs.values()]
        self.pool = nn.MaxPool2d(2)
        self.norm: nn.Module = _AnyStyle()
        if norm == "conditional":
            self.norm = ConditionalInstanceNorm(widths[-1], len(styles))
        elif norm == "instance":
            self.norm = InstanceNorm(widths[-1], affine=True)
        layers: list[nn.Module] = []
        for name, width, narrower in reversed(list(zip(CONVS, widths, [3, *widths], strict=False))):
            layers += [(UpsampleConv if name in DOUBLED else ConvLayer)(width, narrower, 3), nn.ReLU()]
        for conv in layers[:-2:2]:  # without norms, PyTorch's weights would leave next to nothing of what varies
            nn.init.kaiming_normal_(conv.get_parameter("weight"), nonlinearity="relu")
        self.decoder = nn.Sequential(*layers[:-1])

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """Beginnings of the names of parameters that files leave out, since the encoder is not ours to ship."""
        return () if self.arguments["encoder"] == SHIPPED else ("encoder.",)

    @property
    def takes_images(self) -> bool:
        """Whether the style is still open."""
        return self.arguments["norm"] == "adaptive"

    @property
    def encoding(self) -> list[Layer]:
        """Layers from the padded picture to relu4_1."""
        layers: list[Layer] = []
        for name, conv in self.encoder.items():
            layers += [self.pool] * (name in POOLED) + [conv, F.relu]
        return layers

    @property
    def chain(self) -> list[Layer]:
        """All layers in order."""
        return [*self.encoding, self.norm, *self.decoder]

    def padded(self, side: int) -> int:
        """Round a side up to a multiple of eight, at least 16, so that relu4_1 can be padded by reflection."""
        return 8 * ((side + 7) // 8 + 15 // (side + 7))  # as in `StyleNetwork`, without a comparison

    def encode(self, images: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W) in [0, 1] to relu4_1, (N, C, H/8, W/8)."""
        return apply(self.encoding, self.pad(images))

    def transfer(self, photos: Tensor, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Give photos the styles of style images.

        Args:
            photos: RGB of shape (N, 3, H, W) in [0, 1].
            encoded: what `encode` makes of one style image, or of one for each photo.

        Returns:
            Pictures (N, 3, H, W) in [0, 1]-space, and the features relu4_1 that they should have.
        """
        h, w = photos.shape[-2:]
        with torch.no_grad():
            wanted = adaptive_instance_norm(self.encode(photos), encoded, EPS)
        return self.to_rgb(self.decoder(wanted))[..., :h, :w], wanted

    @torch.no_grad()
    def of_images(self, images: Sequence[Tensor]) -> Self:
        """Make the network of some style images, RGB (1, 3, H, W) in [0, 1]: its styles are called 1, 2, 3 and so on.

        Raises:
            ValueError: if it is of some already.
        """
        if not self.takes_images:
            raise ValueError("this network has its styles: it cannot take on those of images")
        statistics = [channel_statistics(self.encode(image), EPS) for image in images]
        means, deviations = (torch.cat(each) for each in zip(*statistics, strict=True))
        names = [str(number) for number in range(1, len(images) + 1)]
        other = type(self)(self.arguments["encoder"], "conditional", names)
        other.load_state_dict(self.state_dict() | {"norm.weight": deviations, "norm.bias": means})
        return other.to(means.device).train(self.training)

    def with_styles(self, styles: Sequence[str]) -> Self:
        """Refuse: an encoder and a decoder are for any style.

        Raises:
            ValueError: always.
        """
        raise ValueError("an AdaIN network takes style images as they are: it learns no styles by name")


class _AnyStyle(nn.Module):
    """Stands where the statistics of a style image belong."""

    def forward(self, x: Tensor) -> Tensor:
        """Ask for the style image."""
        raise ValueError("this network takes a style image: network.of_images([image]), and then its styles")


def _encoder(weights: str) -> dict[str, ConvLayer]:
    """Build VGG-19 up to relu4_1 with reflection padding: with its weights, on whatever device the rest is built."""
    with torch.device("cpu"), torch.no_grad():
        vgg = VGG("vgg19", weights)
        vgg.check_layers(["relu4_1"])
        encoder: dict[str, ConvLayer] = {}
        for name in CONVS:
            state = vgg.convs[name].state_dict()
            channels, inputs = state["weight"].shape[:2]
            encoder[name] = ConvLayer(inputs, channels, 3)
            encoder[name].load_state_dict(state)
        first = encoder[CONVS[0]].state_dict()  # which takes in that its input should be (x − mean) / std
        first["weight"] /= vgg.std
        first["bias"] -= (first["weight"] * vgg.mean).sum((1, 2, 3))
    return encoder

"""Any style without training: the statistics of a style image between an encoder and a decoder."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.functional import adaptive_instance_norm, channel_statistics
from fast_style.layers import ConditionalInstanceNorm, ConvLayer, InstanceNorm, Layer, UpsampleConv, apply
from fast_style.networks.chain import ChainNetwork
from fast_style.networks.vgg import VGG
from fast_style.networks.vgg_weights import named_weights

NORMS = ("adaptive", "conditional", "instance")
OWN = "own"  # an encoder from a file
IN_FILES = ("slim", OWN)  # encoders that travel in the files of networks: what ships, and what has no public name
CONVS = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv3_4", "conv4_1")
POOLED = ("conv2_1", "conv3_1", "conv4_1")  # of the encoder, after a pooling
DOUBLED = ("conv3_4", "conv2_2", "conv1_2")  # whose mirror images enlarge
EPS = 1e-5
SLOPE = 0.2  # of the decoder below 0


class AdaIN(ChainNetwork):
    """Encoder – statistics of the style image – decoder: Huang & Belongie 2017 (https://arxiv.org/abs/1703.06868).

    The encoder is VGG-19 up to relu4_1, frozen; the decoder mirrors it, without norms, with nearest-neighbour
    upsampling. Unlike theirs it sees standardised features, (t − center) / spread in each channel (`standardize`), and
    has leaky ReLUs: of features as they are, whose mean is large, a few steps of Adam at a rate of 1e-3 left plain ones
    at 0, where nothing is learned. All convolutions are padded by reflection. Between the two the features of the photo
    get the means and the standard deviations of those of the style image. Once the style images are known (`of_images`)
    this is a conditional instance norm, and whatever `StyleNetwork` does with styles can be done with theirs.

    Args:
        encoder: weights of VGG-19 by a name that `VGG` knows, or their file. Files of networks hold an encoder that is
            `slim` or came from a file, which is called `own` from then on; of others they hold the name alone, by which
            the weights are found again.
        norm: `adaptive`, for any image; `conditional` or `instance`, for those whose statistics it holds.
        styles: names of these, see `StyleNetwork`.
        widths: channels of each convolution of the encoder, whose weights are then not read: they are loaded, or found
            (`find`). None: those of the weights, which are read.
        decoder_width: how many times the channels of the encoder the decoder has: in the paper once.

    Raises:
        ValueError: if the norm is none of these, or has styles without being conditional or the other way round, the
            weights are not of a VGG-19 up to relu4_1, or have no name although widths are given, the widths are not
            nine numbers from 1 to 512, or the decoder is not 1 to 8 times as wide.
        FileNotFoundError, RuntimeError: if the weights are not to be had, see `VGG`.
    """

    required: ClassVar[tuple[str, ...]] = ("encoder", "widths")
    mean: Tensor
    std: Tensor
    center: Tensor
    spread: Tensor

    def __init__(
        self,
        encoder: str = "slim",
        norm: str = "adaptive",
        styles: Sequence[str] = (),
        widths: Sequence[int] | None = None,
        decoder_width: int = 1,
    ) -> None:
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")
        if (len(styles) > 0) != (norm == "conditional"):
            raise ValueError(f"norm: conditional, and no other, has styles; got norm: {norm} and {len(styles)} styles")
        vgg = _read(str(encoder)) if widths is None else None
        widths = [vgg.convs[name].get_parameter("bias").numel() for name in CONVS] if vgg else list(widths or ())
        if len(widths) != len(CONVS) or not all(isinstance(width, int) and 1 <= width <= 512 for width in widths):
            raise ValueError(f"the encoder must have {len(CONVS)} widths of 1 to 512 channels, got {widths}")
        if not (isinstance(decoder_width, int) and 1 <= decoder_width <= 8):
            raise ValueError(f"decoder_width must be a whole number from 1 to 8, got {decoder_width!r}")
        self.arguments = {"encoder": _name_of(str(encoder), vgg is not None), "norm": norm, "widths": widths}
        self.arguments |= {"decoder_width": decoder_width} | self.style_arguments(styles)
        pairs = zip(CONVS, [3, *widths], widths, strict=False)
        self.encoder = nn.ModuleDict({name: ConvLayer(above, width, 3) for name, above, width in pairs})
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.register_buffer("std", torch.ones(3, 1, 1))
        if vgg:
            self._take(vgg)
        self.encoder.requires_grad_(False)
        self.pool = nn.MaxPool2d(2)
        self.norm: nn.Module = _AnyStyle()
        if norm == "conditional":
            self.norm = ConditionalInstanceNorm(widths[-1], len(styles))
        elif norm == "instance":
            self.norm = InstanceNorm(widths[-1], affine=True)
        self.register_buffer("center", torch.zeros(widths[-1], 1, 1))
        self.register_buffer("spread", torch.ones(widths[-1], 1, 1))
        self.decoder = _decoder(widths, decoder_width)

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """Tell which weights are stored outside the file: those of an encoder that can be found by its name."""
        return () if self.arguments["encoder"] in IN_FILES else ("encoder.",)

    def find(self) -> None:
        """Read the weights of an encoder that is stored outside the file.

        Raises:
            FileNotFoundError: if they come with a package that is not installed.
            RuntimeError: if they cannot be downloaded.
            ValueError: if they are of another width.
        """
        if self.elsewhere:
            try:
                self._take(_read(self.arguments["encoder"]))
            except (FileNotFoundError, RuntimeError, ValueError) as error:
                raise type(error)(f"its encoder is not to be had: {error}") from error

    @property
    def takes_images(self) -> bool:
        """Whether the style is still open."""
        return self.arguments["norm"] == "adaptive"

    @property
    def encoding(self) -> list[Layer]:
        """Layers from the padded picture to relu4_1."""
        layers: list[Layer] = [self._normalize]
        for name, conv in self.encoder.items():
            layers += [self.pool] * (name in POOLED) + [conv, F.relu]
        return layers

    @property
    def decoding(self) -> list[Layer]:
        """Layers from what relu4_1 should be to a picture, before `to_rgb`."""
        return [self._standardize, *self.decoder]

    @property
    def chain(self) -> list[Layer]:
        """All layers in order."""
        return [*self.encoding, self.norm, *self.decoding]

    def padded(self, side: int) -> int:
        """Round a side up to a multiple of eight, at least 16, so that relu4_1 can be padded by reflection."""
        return 8 * ((side + 7) // 8 + 15 // (side + 7))  # as in `StyleNetwork`, without a comparison

    def encode(self, images: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W) in [0, 1] to relu4_1, (N, C, H/8, W/8)."""
        return apply(self.encoding, self.pad(images))

    def decode(self, features: Tensor, size: Sequence[int]) -> Tensor:
        """Map features, as `encode` makes of images of a size (H, W), to pictures (N, 3, H, W) in [0, 1]-space."""
        h, w = size
        return self.to_rgb(apply(self.decoding, features))[..., :h, :w]

    def transfer(self, features: Tensor, style: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Give photos the styles of style images.

        Args:
            features: what `encode` makes of N photos.
            style: what it makes of one style image, or of one for each photo.
            size: (H, W) of the photos.

        Returns:
            Pictures (N, 3, H, W) in [0, 1]-space, and the features relu4_1 that they should have.
        """
        with torch.no_grad():
            wanted = adaptive_instance_norm(features, style, EPS)
        return self.decode(wanted, size), wanted

    @property
    def standardized(self) -> bool:
        """Whether `standardize` was called, on this network or on the one in whose file its weights were."""
        return bool((self.spread != 1).any())

    @torch.no_grad()
    def standardize(self, images: Tensor) -> None:
        """Let the decoder see features of mean 0 and deviation 1 in each channel over images (N, 3, H, W) in [0, 1].

        As they are it learns slowly from them: some channels are large, others small. Those whose deviation is below a
        tenth of the mean one, as where a channel is 0 whatever the image, are divided by that tenth.
        """
        features = self.encode(images.to(self.center.device)).float()
        deviation, mean = torch.std_mean(features, (0, 2, 3), keepdim=True)
        self.center.copy_(mean[0])
        self.spread.copy_(deviation[0].clamp_min((0.1 * deviation.mean()).clamp_min(1e-4)))

    @torch.no_grad()
    def of_images(self, images: Mapping[str, Tensor]) -> Self:
        """Make the network of some style images.

        Args:
            images: RGB of shape (1, 3, H, W) in [0, 1], each of a size of its own, by the name of the style.

        Returns:
            A network with `norm: conditional`, whose styles have these names.

        Raises:
            ValueError: if it has its styles already, there is no image, or a name cannot be one.
        """
        if not self.takes_images:
            raise ValueError("this network has its styles: it cannot take on those of images")
        if not images:
            raise ValueError("there is no style image: give at least one")
        statistics = [channel_statistics(self.encode(image), EPS) for image in images.values()]
        means, deviations = (torch.cat(each) for each in zip(*statistics, strict=True))
        state = {"norm.weight": deviations, "norm.bias": means}
        return self.rebuilt({"norm": "conditional", "styles": list(images)}, state)

    def with_styles(self, styles: Sequence[str]) -> Self:
        """Refuse: an encoder and a decoder are for any style.

        Raises:
            ValueError: always.
        """
        raise ValueError("an AdaIN network takes style images as they are: it learns no styles by name")

    def _normalize(self, images: Tensor) -> Tensor:
        """Map [0, 1] to what the encoder expects, in float32: what is flat lives on small differences."""
        return (images.float() - self.mean) / self.std

    def _standardize(self, features: Tensor) -> Tensor:
        """Map relu4_1 to what the decoder expects."""
        return (features - self.center) / self.spread

    @torch.no_grad()
    def _take(self, vgg: VGG) -> None:
        """Take over the weights of a loss network."""
        state = {f"{name}.{key}": value for name in CONVS for key, value in vgg.convs[name].state_dict().items()}
        for key, value in self.encoder.state_dict().items():
            if state[key].shape != value.shape:
                raise ValueError(f"{key} must have shape {tuple(value.shape)}, found {tuple(state[key].shape)}")
        self.encoder.load_state_dict(state, assign=True)
        self.mean, self.std = vgg.mean.clone(), vgg.std.clone()


class _AnyStyle(nn.Module):
    """Stands where the statistics of a style image belong."""

    def forward(self, x: Tensor) -> Tensor:
        """Ask for the style image."""
        raise ValueError(
            "this network takes style images: train it with model=adain, use network.of_images({NAME: IMAGE})"
        )


def _name_of(encoder: str, was_read: bool) -> str:
    """Name an encoder so that no file of a network names a file."""
    if encoder in named_weights("vgg19") or encoder == OWN:
        return encoder
    if was_read:
        return OWN
    known = ", ".join((*named_weights("vgg19"), OWN))
    raise ValueError(f"the encoder must be one of {known} where widths are given, got {encoder!r}")


def _decoder(widths: Sequence[int], wider: int) -> nn.Sequential:
    """Mirror an encoder of nine widths, `wider` times as wide inside."""
    layers: list[nn.Module] = []
    sides = [3, *(wider * width for width in widths[:-1]), widths[-1]]
    for name, above, width in zip(reversed(CONVS), sides[-2::-1], sides[::-1], strict=False):
        layers += [(UpsampleConv if name in DOUBLED else ConvLayer)(width, above, 3), nn.LeakyReLU(SLOPE)]
    for conv in layers[:-2:2]:  # without norms, PyTorch's weights would leave next to nothing of what varies
        weight = conv.get_parameter("weight")
        if not weight.is_meta:  # as a file is loaded, see `StyleEncoder`
            nn.init.kaiming_normal_(weight, a=SLOPE)
    return nn.Sequential(*layers[:-1])


def _read(weights: str) -> VGG:
    """Read VGG-19 up to relu4_1, on whatever device the rest is built."""
    with torch.device("cpu"):
        vgg = VGG("vgg19", weights)
    vgg.check_layers(["relu4_1"])
    return vgg

"""Any style in one pass: a network whose scales and shifts an encoder of style images predicts."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fast_style.networks.generator import Generator
from fast_style.networks.slim import SlimNetwork
from fast_style.networks.style_encoder import StyleEncoder, as_seen
from fast_style.networks.style_network import PHOTO, StyleNetwork
from fast_style.networks.transformer import TransformerNetwork

NETWORKS: dict[str, type[StyleNetwork]] = {"johnson": TransformerNetwork, "slim": SlimNetwork}


class AnyStyleNetwork(Generator):
    """A network for any style image: an encoder predicts scales and shifts of an image-transformation network.

    Ghiasi et al. 2017, "Exploring the structure of a real-time, arbitrary neural artistic stylization network"
    (https://arxiv.org/abs/1705.06830): a style costs one pass of the encoder, a photo one pass of the network, and the
    style of a photo is a row of numbers, which can be mixed, kept and trained further. Here the encoder is small and
    learns to tell what the statistics of VGG-19 tell (`training.AnyStyle`); and one row, `photo`, is that of
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
        if not self.head.weight.is_meta:  # as a file is loaded, see `StyleEncoder`
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

"""Networks that may hold several styles, and those that take style images."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

from fast_style.errors import did_you_mean
from fast_style.layers import ConditionalInstanceNorm, StyleMap
from fast_style.networks.generator import Generator

MAX_STYLES = 4096
PHOTO = "photo"  # the style that leaves photos as they are
RESERVED = set("/\\:,")  # have a meaning in paths, or where styles are mixed


class StyleNetwork(Generator):
    """A generator that may hold several styles.

    With `norm: conditional` it does: they share all but the scales and shifts of the norms (Dumoulin et al. 2017,
    https://arxiv.org/abs/1610.07629). `forward` is told which, and `of_style` makes a network of one.

    Attributes:
        copies: how many times `of_padded` wants each photo, one after the other, see `StyleMap`; the last are kept.
    """

    copies: int = 1

    @property
    def styles(self) -> list[str]:
        """Names of the styles, in the order of the rows of the norms; of a network for one style none."""
        return list(self.arguments.get("styles", ()))

    @property
    def style_parameters(self) -> list[str]:
        """Names of the parameters that have a row for each style."""
        norms = [name for name, layer in self.named_modules() if isinstance(layer, ConditionalInstanceNorm)]
        return [f"{norm}.{part}" for norm in norms for part in ("weight", "bias")]

    @staticmethod
    def style_arguments(styles: Sequence[str]) -> dict[str, list[str]]:
        """Make the part of `arguments` that names the styles: nothing where there are none.

        Raises:
            ValueError: if they are not a list of up to 4096 names, or a name is empty, comes twice or holds a slash, a
                backslash, a colon, a comma or what cannot be printed.
        """
        if not isinstance(styles, list | tuple) or len(styles) > MAX_STYLES:
            raise ValueError(f"styles must be a list of up to {MAX_STYLES} names, got {str(styles)[:80]}")
        for name in styles:
            if not isinstance(name, str) or not name.strip() or RESERVED & set(name) or not name.isprintable():
                rule = "must be a printable text without slash, backslash, colon and comma"
                raise ValueError(f"the name of a style {rule}, got {name!r}: rename its image")
        if len(set(styles)) < len(styles):
            twice = next(name for name in styles if styles.count(name) > 1)
            raise ValueError(f"each style must have a name of its own, {twice!r} comes more than once")
        return {"styles": list(styles)} if styles else {}

    def mixture(self, weights: Mapping[str, float]) -> Tensor:
        """Lay out weights of styles by name as `forward` takes them: (1, S), of sum 1.

        Raises:
            ValueError: if a style is unknown, a weight is negative or not finite, or all are 0.
        """
        names = self.styles
        for name, weight in weights.items():
            if name not in names:
                near = did_you_mean(name, names)
                raise ValueError(f"there is no style {name!r} in the network{near}: it has {', '.join(names)}")
            if not isfinite(weight):
                raise ValueError(f"the weight of style {name} must be a finite number, got {weight}")
            if weight < 0:
                raise ValueError(f"the weight of style {name} must not be negative, got {weight}")
        highest = max(weights.values(), default=0)
        if not highest > 0:
            raise ValueError("the weights of the styles must not all be 0")
        shares = {name: weight / highest for name, weight in weights.items()}
        total = sum(shares.values())
        return torch.tensor([[shares.get(name, 0.0) / total for name in names]])

    def of_style(self, weights: Mapping[str, float]) -> Self:
        """Make the network of one style or of a mixture: a copy whose instance norms have its scales and shifts.

        Args:
            weights: of the styles by name; only their ratio matters.

        Raises:
            ValueError: if a style is unknown, a weight is negative or not finite, or all are 0.
        """
        row, state = self.mixture(weights), self.state_dict()
        mixed = {key: (row.T.to(state[key]) * state[key]).sum(0) for key in self.style_parameters}
        return self.rebuilt({"norm": "instance", "styles": ()}, mixed)

    def of_style_map(self, styles: Sequence[Mapping[str, float]], shares: Tensor) -> nn.Module:
        """Make a network whose style differs from place to place: scales and shifts are mixed there, pictures are not.

        Where a style has all of the share, the picture is what it is in that style alone, see `StyleMap`; so a pass
        takes as long as K + 1.

        Args:
            styles: K styles or mixtures, weights by name.
            shares: of each at each place, (1, K, h, w), not negative; only their ratio matters. It lies over the whole
                picture whatever the size of that.

        Returns:
            A network to use, not to save.

        Raises:
            ValueError: if the shares are of another shape, negative, not finite or all 0 somewhere, a style is unknown,
                or its weights are negative, not finite or all 0.
        """
        if shares.ndim != 4 or shares.shape[:2] != (1, len(styles)) or 0 in shares.shape:
            raise ValueError(f"shares of {len(styles)} styles must be (1, {len(styles)}, H, W), got {shares.shape}")
        total = shares.sum(1, keepdim=True)
        if not (shares.min() >= 0 and total.min() > 0 and total.max() < float("inf")):
            raise ValueError(
                "the shares of styles must not be negative or infinite, nor all be 0 anywhere in the picture"
            )
        mapped = self.of_style(styles[0])
        device = next(mapped.parameters()).device
        rows = torch.cat([self.mixture(style) for style in styles]).to(device)  # (K, S)
        shares = (shares / total).to(device)
        for name, norm in self.named_modules():
            if isinstance(norm, ConditionalInstanceNorm):
                mapped.set_submodule(name, StyleMap(shares, rows @ norm.weight.detach(), rows @ norm.bias.detach()))
        mapped.copies = len(styles) + 1
        return mapped.train(self.training)

    def with_styles(self, styles: Sequence[str]) -> Self:
        """Make a network of styles: those that this one has stay as they are, others begin with the mean of all it has.

        `photo`, which paints nothing, is left out of that mean, unless it is the only one.

        Args:
            styles: names of all styles of the new network, in the order of the rows of its norms.

        Raises:
            ValueError: if a name cannot be that of a style (see `style_arguments`), or the norms are not instance
                norms.
        """
        if (norm := self.arguments["norm"]) not in ("instance", "conditional"):
            raise ValueError(f"a network with norm: {norm} cannot take on styles: their norms are instance norms")
        arguments = {"norm": "conditional", "styles": list(styles)}
        known, state, changed = self.styles, self.state_dict(), {}
        with torch.device("meta"):
            names = type(self)(**self.arguments | arguments).style_parameters
        painted = [row for row, style in enumerate(known) if style != PHOTO] or slice(None)
        for key in names:
            rows = state[key].reshape(-1, state[key].shape[-1])
            mean = rows[painted].mean(0)
            changed[key] = torch.stack([rows[known.index(style)] if style in known else mean for style in styles])
        return self.rebuilt(arguments, changed)

    @abstractmethod
    def of_padded(self, x: Tensor, styles: Tensor | None = None) -> Tensor:
        """Map photos (N, 3, H, W) of padded sides, in [0, 1], to pictures of the same shape in [0, 1]-space.

        Args:
            x: the photos.
            styles: shares of the styles of each photo, (N, S) of sums 1; None where the network has one style.
        """

    def forward(self, images: Tensor, styles: Tensor | None = None) -> Tensor:
        """Stylise a batch.

        Args:
            images: RGB of shape (N, 3, H, W) in [0, 1], H and W at least 1.
            styles: of a network of several styles the shares of each, (N, S) of sums 1.

        Returns:
            RGB of the same shape in [0, 1]-space: values may lie a little outside, clamp before writing a file.

        Raises:
            ValueError: if the network has several styles and is not told which, or has one and is.
        """
        if styles is not None and not self.styles:
            raise ValueError("this network has a single style: leave out the choice of one")
        h, w = images.shape[-2:]
        x = self.pad(images)
        if self.copies > 1:
            return self.of_padded(x.repeat(self.copies, 1, 1, 1))[-len(images) :, :, :h, :w]
        return self.of_padded(x, styles)[..., :h, :w]


@runtime_checkable
class TakesImages(Protocol):
    """A network whose style is that of images which it is given."""

    @property
    def takes_images(self) -> bool:
        """Whether the style is still open."""
        ...

    def of_images(self, images: Mapping[str, Tensor]) -> StyleNetwork:
        """Make the network of some style images, RGB (1, 3, H, W) in [0, 1] by the names that its styles shall have.

        Raises:
            ValueError: if it has its styles already, there is no image, or a name cannot be one.
        """
        ...

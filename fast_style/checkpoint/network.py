"""Networks out of and into files."""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fast_style import networks
from fast_style.checkpoint.torch_file import EXAMPLES, read_torch_file
from fast_style.data import find_style, load_style, shipped_styles
from fast_style.files import replacing
from fast_style.layers import StyleMap

FORMAT = "fast_style/1"
PREFIX = "fast_style.networks."
STYLE_SIZE = 512  # pixels on the short side of the style image for a network that takes any, as in its training
LOADABLE = tuple(name for name in networks.__all__ if name not in ("ChainNetwork", "StyleNetwork", "VGG"))


def save_network(
    path: str | Path, network: nn.Module, metadata: Mapping[str, Any], dtype: torch.dtype = torch.float16
) -> None:
    """Write a network that `load_network` builds again; the file appears under its name only once it is complete.

    Args:
        path: the `.safetensors` file; what is there is replaced, missing folders are made.
        network: one of `fast_style.networks`.
        metadata: values by name, each kept as JSON. `format`, `network` (import path), `arguments` (of its
            constructor), `fast_style` and `torch` (versions) are set here; `elsewhere` (SHA-256) where weights are left
            out, see `StyleNetwork.elsewhere`.
        dtype: type of the floating-point weights in the file.

    Raises:
        TypeError: if the network is not one that can be loaded, or a value of the metadata is not JSON.
        ValueError: if a weight is not finite, or beyond the range of `dtype`.
        OSError: if the file cannot be written; nothing is left behind.
    """
    path = Path(path)
    name = type(network).__name__
    known = {getattr(networks, name) for name in LOADABLE}
    if not isinstance(network, networks.StyleNetwork) or type(network) not in known:
        raise TypeError(f"cannot save a {name}: the network must be one of {', '.join(LOADABLE)}")
    if any(isinstance(layer, StyleMap) for layer in network.modules()):
        raise TypeError("cannot save a network of a map of styles: save the one that it was made of")
    state = {key: _to(tensor, dtype).contiguous() for key, tensor in _own(network).items()}
    for key, tensor in state.items():
        if not tensor.isfinite().all():
            raise ValueError(f"cannot save {path}: weight {key} has values that are not finite in {dtype}")
    described = {
        **metadata,
        "format": FORMAT,
        "network": PREFIX + name,
        "arguments": network.arguments,
        "fast_style": _version(),
        "torch": torch.__version__,
    } | _digest(network)
    try:
        texts = {key: json.dumps(value) for key, value in described.items()}
    except (TypeError, ValueError) as error:
        raise TypeError(f"cannot save {path}: its metadata must be JSON ({error})") from error
    with replacing(path) as file:
        file.write(save(state, texts))


def load_network(path: str | Path) -> networks.StyleNetwork:
    """Build the network of a file: on the CPU, in float32, in evaluation mode.

    Args:
        path: what `save_network` wrote, a Lightning checkpoint of a training, or weights in the layout of
            pytorch/examples' fast_neural_style, whose range 0 … 255 is folded into the first and the last convolution.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a complete file of one of these kinds, its weights do not fit the network it names,
            it holds anything but plain, finite weights, or names an encoder that is no longer that of the training.
            Nothing in the file is executed.
        FileNotFoundError, RuntimeError: if it names an encoder that is not to be had, see `networks.AdaIN`.
    """
    metadata, state = _read(Path(path))
    network = _build(path, metadata)
    state = {key: tensor for key, tensor in state.items() if not key.startswith(network.elsewhere)}
    _check(path, _own(network), state)
    # Copies, since those read may be views of the file.
    weights = {key: _to(tensor, torch.float32, copy=True) for key, tensor in state.items()}
    for key, tensor in weights.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{path} is damaged: weight {key} has values that are not finite")
    if metadata["format"] == EXAMPLES:
        # Theirs: y = conv(255·x), 0 … 255. Ours: 0.5 + 150/255·conv(x), 0 … 1.
        weights["conv1.weight"] *= 255
        weights["conv4.weight"] /= 150
        weights["conv4.bias"] = (weights["conv4.bias"] - 127.5) / 150
    network.load_state_dict(weights, assign=True, strict=False)  # the rest is found
    try:
        network.find()
    except (FileNotFoundError, RuntimeError, ValueError) as error:
        raise type(error)(f"{path}: {error}") from error
    digest = _digest(network).get("elsewhere")
    if digest and metadata.get("elsewhere", digest) != digest:
        encoder = metadata["arguments"]["encoder"]
        raise ValueError(f"{path}: its encoder {encoder} is not the one it was trained with: put that in its place")
    return network.eval()


def load_styled(
    path: str | Path,
    style: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None,
    style_map: Tensor | None = None,
) -> nn.Module:
    """Build the network of a file in one style.

    Args:
        path: as of `load_network`.
        style: of a network of several styles the weights of one or some, by name; with a map several such. Of a network
            for any style the names are files, URLs or names of shipped styles.
        style_map: where each applies, see `StyleNetwork.of_style_map`.

    Raises:
        FileNotFoundError, ValueError: as `load_network`, or if the style is not one of the network, there are several
            and none is chosen, or there is one and something is chosen; of a network for any style as of `load_style`.
        RuntimeError: if a style image cannot be downloaded.
    """
    network = load_network(path)
    if isinstance(network, networks.AdaIN) and network.takes_images:
        if not style:
            raise ValueError(f"{path} takes any style: choose an image, or one of {', '.join(shipped_styles())}")
        network, style = _of_images(network, style)
    if not network.styles:
        if style is not None or style_map is not None:
            raise ValueError(f"{path} has a single style: leave out the choice of one")
        return network
    if not style:
        raise ValueError(f"{path} has several styles: choose one, or a mixture, of {', '.join(network.styles)}")
    try:
        if style_map is not None:
            return network.of_style_map([style] if isinstance(style, Mapping) else style, style_map)
        if not isinstance(style, Mapping):
            message = "several styles need a map that says where each applies"
            raise ValueError(message)  # noqa: TRY004 - it is the map that is missing
        return network.of_style(style)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _of_images(
    network: networks.AdaIN, style: Mapping[str, float] | Sequence[Mapping[str, float]]
) -> tuple[networks.AdaIN, Mapping[str, float] | Sequence[Mapping[str, float]]]:
    """Make the network of the images of some styles, and tell what these are called there."""
    styles = [style] if isinstance(style, Mapping) else style
    names = list(dict.fromkeys(name for each in styles for name in each))
    images = [load_style(Path(name).stem, find_style(name), size=STYLE_SIZE) for name in names]
    renamed = [{str(names.index(name) + 1): weight for name, weight in each.items()} for each in styles]
    return network.of_images(images), renamed[0] if isinstance(style, Mapping) else renamed


def takes_style(path: str | Path) -> bool:
    """Tell whether a style is to be chosen for the network of a file: one of several, or any.

    Raises:
        FileNotFoundError, ValueError: as `styles_of`.
    """
    path = Path(path)
    network = _build(path, _read(path)[0])
    return bool(network.styles) or network.takes_images


def styles_of(path: str | Path) -> list[str]:
    """List the styles of a file; none, if it is of a network for one style or for any.

    Raises:
        FileNotFoundError, ValueError: as `load_network`, but weights are not checked.
    """
    path = Path(path)
    return _build(path, _read(path)[0]).styles


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Read what a file says of its network: `format`, `network`, `arguments`, and what `save_network` was given.

    Raises:
        FileNotFoundError, ValueError: as `load_network`, but neither metadata nor weights are checked.
    """
    return _read(Path(path))[0]


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return metadata, and weights under our names; the content tells the kind of file, not the suffix."""
    if not path.exists():
        raise FileNotFoundError(f"there is no network at {path}")
    if not path.is_file():
        raise ValueError(f"{path} is not a file: name a .safetensors, .ckpt or .pth file")
    with path.open("rb") as file:
        head = file.read(9)
    if head[4:] == b"\0\0\0\0{":  # 8 bytes for the length of the header, which is JSON
        return _read_safetensors(path)
    if head.startswith((b"PK", b"\x80")):  # a zip archive; a bare pickle, as before PyTorch 1.6
        return read_torch_file(path, zipped=head.startswith(b"PK"))
    raise ValueError(f"{path} is not a network: neither .safetensors nor written by torch.save, or damaged")


def _read_safetensors(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        with safe_open(path, "pt") as file:
            texts = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except SafetensorError as error:
        raise ValueError(f"{path} is not a complete safetensors file ({error})") from error
    try:
        metadata = {key: json.loads(text) for key, text in texts.items()}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} was not written by fast_style: its metadata is not JSON") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} has the format {metadata.get('format')!r} in its metadata, must be {FORMAT!r}")
    return metadata, state


def _own(network: networks.StyleNetwork) -> dict[str, Tensor]:
    """What a file of a network holds."""
    return {key: value for key, value in network.state_dict().items() if not key.startswith(network.elsewhere)}


def _digest(network: networks.StyleNetwork) -> dict[str, str]:
    """Tell by which weights what a file leaves out is recognised."""
    digest, found = hashlib.sha256(), False
    for key, value in network.state_dict().items():
        if key.startswith(network.elsewhere):
            digest.update(value.detach().cpu().contiguous().numpy())
            found = True
    return {"elsewhere": digest.hexdigest()} if found else {}


def _build(path: str | Path, metadata: Mapping[str, Any]) -> networks.StyleNetwork:
    """Build the network without its weights."""
    try:
        with torch.device("meta"):  # takes no memory, however large a network the file claims
            return _network_class(metadata)(**metadata["arguments"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} does not describe a network that can be built: {error}") from error


def _network_class(metadata: Mapping[str, Any]) -> type[networks.StyleNetwork]:
    known = [PREFIX + name for name in LOADABLE]
    if metadata.get("network") not in known:
        raise ValueError(f"the network must be one of {', '.join(known)}, got {metadata.get('network')!r}")
    if not isinstance(metadata.get("arguments"), dict):
        raise TypeError(f"the arguments of the network must be a dictionary, got {metadata.get('arguments')!r}")
    return getattr(networks, metadata["network"].removeprefix(PREFIX))


def _check(path: str | Path, expected: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    for label, keys in (("lacks", expected.keys() - state.keys()), ("has a stray", state.keys() - expected.keys())):
        if keys:
            raise ValueError(f"{path} does not fit the network it names: it {label} weight {min(keys)}")
    for key, wanted in expected.items():
        found = state[key]
        if type(found) not in (Tensor, nn.Parameter) or found.device.type != "cpu" or found.layout != torch.strided:
            raise ValueError(f"{path} does not fit the network it names: {key} is not a plain tensor")
        if found.shape != wanted.shape or found.is_floating_point() != wanted.is_floating_point():
            raise ValueError(
                f"{path} does not fit the network it names: {key} must be {wanted.dtype} of shape "
                f"{tuple(wanted.shape)}, found {found.dtype} of shape {tuple(found.shape)}"
            )


def _to(tensor: Tensor, dtype: torch.dtype, copy: bool = False) -> Tensor:
    return tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype, copy=copy)


def _version() -> str:
    try:
        return importlib.metadata.version("fast-style")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout
        return "unknown"

"""Networks out of files, in the styles that are chosen."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from fast_style.checkpoint.content import read
from fast_style.checkpoint.network import load_network, save_network
from fast_style.checkpoint.source import find_network
from fast_style.networks import AnyStyleNetwork, StyleNetwork, TakesImages
from fast_style.networks.style_encoder import as_seen

# Pixels on the short side of style images as they are read, for an `AdaIN` as in its training; an `AnyStyleNetwork`, as
# the one that ships, looks at them at 384 pixels, see `style_encoder.as_seen`.
STYLE_SIZE = 512
NEAR = 0.01  # by which scales and shifts of one image differ at most, in half precision and from another machine


def load_styled(
    source: str | Path,
    style: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None,
    style_map: Tensor | None = None,
) -> nn.Module:
    """Build the network of a file in one style.

    Args:
        source: a file, a folder or the name of a network that ships, see `find_network`.
        style: of a network of several styles the weights of one or some, by name; with a map several such. Of a network
            for any style the names are files, URLs or names of shipped styles; of an `AnyStyleNetwork` also `photo`,
            which leaves photos as they are.
        style_map: where each of K styles applies, (1, K, h, w), not negative; only their ratio matters. It lies over
            the whole picture whatever the size of that.

    Returns:
        On the CPU, in float32, in evaluation mode.

    Raises:
        FileNotFoundError: if there is no such network, encoder or style image.
        ValueError: if the file is refused (see `load_network`), the style is not one of the network, there are several
            and none is chosen, there is one and something is chosen, or a style image cannot be read.
        RuntimeError: if a style image or an encoder cannot be downloaded.
    """
    path = find_network(source)
    network = load_network(path)
    if isinstance(network, TakesImages) and network.takes_images:
        if not style:
            raise _without_style(path)
        network, style = _of_images(network, style)
    if not isinstance(network, StyleNetwork) or not network.styles:
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


def load_style_image(
    path: Path,
    style: Mapping[str, float] | Sequence[Mapping[str, float]] | None,
    style_map: Tensor | None = None,
) -> Tensor:
    """Read the style image for an ONNX file that takes one, see `takes_style_image`.

    Args:
        path: the file.
        style: a single one: a file, a URL or the name of a shipped style.
        style_map: None.

    Returns:
        RGB of shape (1, 3, h, w) in [0, 1], as the encoder sees it.

    Raises:
        FileNotFoundError: if there is no such style image.
        ValueError: if there is no style, or there are several, or the image cannot be read.
        RuntimeError: if it cannot be downloaded.
    """
    from fast_style.data import find_style, load_style

    if not style:
        raise _without_style(path)
    if style_map is not None or not isinstance(style, Mapping) or len(style) > 1:
        raise ValueError(f"{path} takes a single style image: mixtures and maps need the network it was made of")
    (name,) = style
    return as_seen(load_style(Path(name).stem, find_style(name), size=STYLE_SIZE))


def _without_style(path: Path) -> ValueError:
    from fast_style.data import shipped_styles

    return ValueError(f"{path} takes any style: choose an image, or one of {', '.join(shipped_styles())}")


def keep_styles(source: str | Path, styles: Sequence[str], output: str | Path, replace: bool = False) -> list[str]:
    """Make a network of several styles of one for any style and some images, and write it to a file.

    Args:
        source: the network for any style, see `find_network`.
        styles: files, URLs or names of shipped styles, each of which becomes a style with the name of its file.
        output: a `.safetensors` file; to one that is there, of styles of the same network, these are added, and what it
            holds stays as it is. A style that it has of the same image is left alone.
        replace: whether a style that it has by the name is what the image makes of it now.

    Returns:
        The names of all styles of the file; of an `AnyStyleNetwork` also `photo`.

    Raises:
        FileNotFoundError: if there is no such network, encoder or style image.
        FileExistsError: if the output is there, and not of styles of this network, or has another style of one of the
            names, and is not to be replaced.
        ValueError: if the network has its styles already, there is no image, two have one name, the output has another
            suffix, or as `load_styled`.
        RuntimeError: if a style image or an encoder cannot be downloaded.
        OSError: if the file cannot be written; nothing is left behind.
    """
    from fast_style.data import StyleSource, find_style, load_style

    output = Path(output)
    if output.suffix.lower() != ".safetensors":
        raise ValueError(f"cannot write {output}: its suffix must be .safetensors")
    path = find_network(source)
    if path.suffix.lower() == ".onnx":
        raise ValueError(f"{path} is an exported file, of which no styles are kept: give the network it was made of")
    network = load_network(path)
    if not (isinstance(network, TakesImages) and network.takes_images):
        raise ValueError(f"{path} has its styles: styles are kept of a network for any style, such as any")
    own: list[str] = network.styles if isinstance(network, AnyStyleNetwork) else []
    styles = [style for style in styles if style not in own]
    names = [StyleSource(style).name for style in styles]
    for name in names:
        if name in own:
            raise ValueError(f"the network has a style {name} of its own: rename the file of the style image")
        if names.count(name) > 1:
            raise ValueError(f"two of the styles to keep are called {name}: rename one of the files")
    found = {name: find_style(style) for name, style in zip(names, styles, strict=True)}
    kept = network.of_images({name: load_style(name, file, size=STYLE_SIZE) for name, file in found.items()})
    if output.is_file():
        return _add(output, path, kept, names, replace)
    save_network(output, kept, {"predicted_by": path.stem, "style": "+".join(names)}, torch.float16)
    return kept.styles


def _add(output: Path, path: Path, kept: StyleNetwork, names: Sequence[str], replace: bool) -> list[str]:
    """Add styles to those of a file, which stay as they are to the bit unless they are replaced.

    Args:
        output: the file.
        path: that of the network for any style.
        kept: the network of the new styles, which come first in it.
        names: of the new styles.
        replace: see `keep_styles`.

    Returns:
        The names of all styles.

    Raises:
        FileExistsError: if the file is not of styles of the same network, or has another style of one of the names, and
            is not to be replaced.
        ValueError: if it is damaged or not of a network.
        OSError: if it cannot be written; it stays as it is.
    """
    metadata, before = read(output, weights=False)[0], load_network(output)
    if not isinstance(before, StyleNetwork) or not _differ_in_styles(before, kept):
        raise FileExistsError(
            f"{output} does not hold styles of {path}, to which others can be added: choose another file"
        )
    rows = {key: torch.cat([before.get_parameter(key), kept.get_parameter(key)]) for key in kept.style_parameters}
    old = {name: place for place, name in enumerate(before.styles)}
    new = {name: len(old) + place for place, name in enumerate(names)}
    for name in old.keys() & new.keys():
        same = all(torch.allclose(row[old[name]], row[new[name]], NEAR, NEAR) for row in rows.values())
        if not (same or replace):
            advice = "rename the file of the style image, or give --overwrite to replace that style"
            raise FileExistsError(f"{output} has another style {name} already: {advice}")
    chosen = old | new if replace else new | old
    fresh = [name for name in names if name not in old]
    styles = [*old, *fresh]
    both = before.rebuilt(
        {"styles": styles}, {key: row[[chosen[name] for name in styles]] for key, row in rows.items()}
    )
    metadata |= {"predicted_by": path.stem, "style": "+".join([metadata.get("style", output.stem), *fresh])}
    save_network(output, both, metadata, torch.float16 if _is_half(before) else torch.float32)
    return both.styles


def _differ_in_styles(network: StyleNetwork, other: StyleNetwork) -> bool:
    """Tell whether networks are the same, in half precision, but for their styles."""
    if type(network) is not type(other) or network.arguments | {"styles": ()} != other.arguments | {"styles": ()}:
        return False
    state, others = network.state_dict(), other.state_dict()
    shared = [key for key in state if key not in network.style_parameters]
    return all(torch.equal(state[key].half(), others[key].half()) for key in shared)


def _is_half(network: nn.Module) -> bool:
    """Tell whether half precision holds the weights of a network to the bit."""
    return all(torch.equal(tensor.half().to(tensor), tensor) for tensor in network.state_dict().values())


def _of_images(
    network: TakesImages, style: Mapping[str, float] | Sequence[Mapping[str, float]]
) -> tuple[StyleNetwork, Mapping[str, float] | Sequence[Mapping[str, float]]]:
    """Make the network of the images of some styles, and tell what these are called there."""
    from fast_style.data import find_style, load_style  # heavy, and wanted for style images only

    styles = [style] if isinstance(style, Mapping) else style
    own: list[str] = network.styles if isinstance(network, AnyStyleNetwork) else []
    names = [name for name in dict.fromkeys(name for each in styles for name in each) if name not in own]
    if isinstance(network, AnyStyleNetwork) and not names:
        return network.transformer, style
    numbers = {name: str(number) for number, name in enumerate(names, start=1)} | {name: name for name in own}
    images = {numbers[name]: load_style(Path(name).stem, find_style(name), size=STYLE_SIZE) for name in names}
    renamed = [{numbers[name]: weight for name, weight in each.items()} for each in styles]
    return network.of_images(images), renamed[0] if isinstance(style, Mapping) else renamed

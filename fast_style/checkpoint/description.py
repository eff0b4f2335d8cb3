"""What a file says of its network, read without its weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fast_style.checkpoint.content import build, read
from fast_style.checkpoint.onnx_metadata import read_onnx_metadata, takes_style_image
from fast_style.checkpoint.source import find_network
from fast_style.networks import StyleNetwork, TakesImages


@dataclass(frozen=True)
class Description:
    """What a file says of its network.

    Attributes:
        path: the file.
        metadata: values by name; of a network of ours `format`, `network`, `arguments`, and what `save_network` was
            given; of an ONNX file `format`, `precision`, and what the checkpoint held from which it was made.
        styles: names of the styles, if there are several to choose from.
        takes_images: whether the style is to be an image.
    """

    path: Path
    metadata: dict[str, Any]
    styles: tuple[str, ...] = ()
    takes_images: bool = False

    @property
    def is_onnx(self) -> bool:
        """Whether it is an ONNX file, which runs without PyTorch's network."""
        return self.path.suffix.lower() == ".onnx"

    @property
    def takes_style(self) -> bool:
        """Whether a style is to be chosen: one of several, or any image."""
        return bool(self.styles) or self.takes_images


def describe(source: str | Path) -> Description:
    """Read what a file says of its network; of a `.safetensors` the header alone is read.

    Args:
        source: a file, a folder or the name of a network that ships, see `find_network`.

    Raises:
        FileNotFoundError: if there is no such network.
        ValueError: if the source is not that of one network, or the file is damaged, of another program or does not
            describe a network that can be built. Weights are not checked.
    """
    path = find_network(source)
    if path.suffix.lower() == ".onnx":
        return Description(path, read_onnx_metadata(path), takes_images=takes_style_image(path))
    metadata, _ = read(path, weights=False)
    network = build(path, metadata)
    styles = network.styles if isinstance(network, StyleNetwork) else ()
    return Description(path, metadata, tuple(styles), isinstance(network, TakesImages) and network.takes_images)


def read_metadata(source: str | Path) -> dict[str, Any]:
    """Read what a file says of its network, of which nothing is checked but the format.

    Args:
        source: a file, a folder or the name of a network that ships, see `find_network`.

    Returns:
        Values by name: `format`, `network`, `arguments`, and what `save_network` was given; of an ONNX file `format`,
        `precision`, and what the checkpoint held from which it was made.

    Raises:
        FileNotFoundError: if there is no such network.
        ValueError: if the source is not that of one network, or the file is damaged or of another program.
    """
    path = find_network(source)
    return read_onnx_metadata(path) if path.suffix.lower() == ".onnx" else read(path, weights=False)[0]


def takes_style(source: str | Path) -> bool:
    """Tell whether a style is to be chosen for a network, one of several or any; raises what `describe` raises."""
    return describe(source).takes_style


def styles_of(source: str | Path) -> list[str]:
    """List the styles of a network of several, else nothing; raises what `describe` raises."""
    return list(describe(source).styles)

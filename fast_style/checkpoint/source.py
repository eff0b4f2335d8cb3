"""Which file a network is in: by its path, folder or address, or by the name of a network that ships."""

from pathlib import Path

from fast_style.assets import shipped_networks
from fast_style.checkpoint.hub import fetch_network
from fast_style.errors import nearest
from fast_style.files import home_expanded
from fast_style.remote import is_address

SUFFIXES = (
    ".safetensors",
    ".ckpt",
    ".pth",
    ".pt",
    ".model",
    ".onnx",
)  # in the order in which files of one name are preferred
LISTED = 20  # names in a sentence


def find_network(source: str | Path) -> Path:
    """Find the file of a network.

    Args:
        source: a file; a folder with a single network; `FOLDER/NAME`, a network of a folder without its suffix;
            `NAME`, a network that ships, such as `starry_night`; or an address, which is fetched, see
            `hub.fetch_network`. What is there goes before what ships, but for an exported `NAME.onnx`, which is the
            same network and has fewer uses.

    Returns:
        The file, whose content is not looked at.

    Raises:
        FileNotFoundError: if there is no such network; the nearest name is suggested.
        ValueError: if the source is empty, or a folder holds no network or several.
        ValueError, OSError, RuntimeError: as `hub.fetch_network`, of an address.
    """
    if is_address(source):
        return fetch_network(str(source))
    if not str(source).strip():
        raise ValueError("the network is empty: give a file, a folder or the name of a network that ships")
    path, shipped = home_expanded(source), shipped_networks()
    if path.is_dir():
        inside = networks_in(path)
        if len(inside) == 1:
            return next(iter(inside.values()))
        if inside:
            raise ValueError(
                f"{path} holds {len(inside)} networks, {_listed(inside)}: give {path / next(iter(inside))}"
            )
        if str(source) not in shipped:
            raise ValueError(f"{path} holds no network ({', '.join(SUFFIXES)}): name a folder with one, or a file")
    elif path.exists():
        return path
    beside = networks_in(path.parent) if path.parent.is_dir() else {}
    if path.name in beside and not (str(source) in shipped and beside[path.name].suffix.lower() == ".onnx"):
        return beside[path.name]
    if str(source) in shipped:
        return shipped[str(source)]
    return _refuse(path, beside, shipped)


def networks_in(folder: Path) -> dict[str, Path]:
    """List the networks of a folder by name; of several files of one name the first in the order of `SUFFIXES`."""
    files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    files.sort(key=lambda path: (path.stem, -SUFFIXES.index(path.suffix.lower())))
    return {path.stem: path for path in files if path.is_file()}


def _refuse(path: Path, beside: dict[str, Path], shipped: dict[str, Path]) -> Path:
    """Raise FileNotFoundError with what may have been meant."""
    bare = path.parent == Path()
    near = nearest(path.stem if path.suffix.lower() in SUFFIXES else path.name, {**beside, **shipped})
    meant = ""
    if near:
        meant = f" (did you mean {near if near in shipped and near not in beside else beside[near]}?)"
    known = f"; those that ship are {_listed(shipped)}" if bare and shipped else ""
    raise FileNotFoundError(f"there is no network at {path}{meant}{known}")


def _listed(names: dict[str, Path]) -> str:
    return ", ".join([*list(names)[:LISTED], *(["…"] if len(names) > LISTED else [])])

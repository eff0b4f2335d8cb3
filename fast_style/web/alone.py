"""The page without a server: files for any host of static files, whose visitors' browsers do the work."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fast_style import images
from fast_style.files import new_folder
from fast_style.inference.export import export
from fast_style.inference.stylizer import Stylizer
from fast_style.version import __version__
from fast_style.web.runtime import Runtime
from fast_style.web.security import SOURCES, WASM
from fast_style.web.styles import Style, of_files

PAGE = Path(__file__).with_name("page")
ABOUT = "site.json"  # what the page asks instead of a server
SIDE, PHOTO = 192, 600  # pixels of a thumbnail, and of the photo that it is made of


def write(folder: Path, networks: Path, runtime: Runtime, tell: Callable[[int, int], None]) -> list[Style]:
    """Write the page with networks and the program that runs them; the folder appears once all is in it.

    Args:
        folder: where to; nothing, or an empty folder.
        networks: a folder of the user's networks, whose `.safetensors` become styles beside those that ship.
        runtime: files with which browsers run networks.
        tell: told how many networks are exported, and of how many.

    Returns:
        The styles.

    Raises:
        ValueError: if there is no network, or a package of the extra `onnx` is missing.
        RuntimeError: if a network cannot be exported.
        OSError: if the folder is there and not empty, or cannot be written.
    """
    offered = [style for style in of_files(networks) if not style.aside]
    styles = sorted(offered, key=lambda style: not style.quick)  # those first that any device runs
    if not styles:
        raise ValueError(f"there is no network to write: none ships here, and none is in {networks}")
    with new_folder(folder) as made:
        shutil.copytree(PAGE, made, dirs_exist_ok=True, copy_function=shutil.copyfile)
        for name in ("networks", "runtime"):
            (made / name).mkdir()
        for name, source in runtime.files.items():
            shutil.copyfile(source, made / "runtime" / name)
        tell(0, len(styles))
        told = []
        for number, style in enumerate(styles, 1):
            told.append(_write_style(style, made))
            tell(number, len(styles))
        about = {"version": __version__, "runtime": runtime.told(), "styles": told}
        (made / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
        _mark(made / "index.html")
    return styles


def thumbnail(style: Style, path: Path) -> None:
    """Write the page's example in a style, its strokes as in the whole picture, as a small JPEG."""
    photo = images.resize_long_side(images.read(PAGE / "sample.jpg")[None], PHOTO)
    picture = Stylizer.from_checkpoint(style.model, backend="torch", style=_weights(style)).stylize(photo)
    images.write(path, images.resize_long_side(picture, SIDE), quality=70)


def _write_style(style: Style, folder: Path) -> dict[str, Any]:
    """Write the network of a style and its thumbnail; what the page is told of it."""
    name = style.id.replace("/", "-")
    if (plain := re.sub(r"[^\w.-]", "-", name)) != name:
        name = f"{plain}-{hashlib.sha256(style.id.encode()).hexdigest()[:8]}"  # still none like another
    network, picture = f"networks/{name}.onnx", f"styles/{name}.jpg"
    export(style.model, folder / network, style=_weights(style))
    if not (folder / picture).is_file():
        thumbnail(style, folder / picture)
    return style.told() | {"network": network, "picture": picture}


def _weights(style: Style) -> dict[str, float] | None:
    return None if style.key is None else {style.key: 1.0}


def _mark(path: Path) -> None:
    """Tell the page that it is alone, and browsers that it may ask nobody else, as the server's headers do."""
    policy = f'<meta http-equiv="content-security-policy" content="{SOURCES}{WASM}">'
    text = path.read_text(encoding="utf-8")
    text = text.replace("<html ", f'<html data-alone="{ABOUT}" ', 1)
    path.write_text(text.replace("<head>", f"<head>\n{policy}", 1), encoding="utf-8")

"""The style image: the user's own, one from the web, or one of those shipped."""

import hashlib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from torch import Tensor

from fast_style import assets, images
from fast_style.data.download import download
from fast_style.files import cache_dir

SHIPPED = assets.STYLES
MAX_BYTES = 50_000_000  # of an image from the web


def load_style(name: str, image: str | Path | None = None, dir: str | Path = "styles", size: int = 256) -> Tensor:  # noqa: A002 - the word in the configuration
    """Load the style image at the size that sets the scale of the strokes.

    Args:
        name: the style; without `image`, NAME with one of `images.SUFFIXES` is looked for in `dir`, then among
            `shipped_styles()`: an image of yours goes before the shipped one of the same name.
        image: the image itself, a file or an http(s) URL. A URL is downloaded once, at most 50 MB, and kept in
            `styles/` of `$FAST_STYLE_CACHE`, by default `~/.cache/fast_style`.
        dir: folder of style images.
        size: short side in pixels, at least 16; the aspect is kept. The smaller, the finer the strokes.

    Returns:
        RGB of shape (1, 3, H, W) in [0, 1].

    Raises:
        FileNotFoundError: if there is no such file, or no style of this name.
        ValueError: if the file is not an image, the name is a path, the size is too small, or the URL is neither http
            nor https or leads to more than 50 MB.
        RuntimeError: if the download fails; nothing of it is kept.
    """
    if size < 16:
        raise ValueError(f"style.size must be at least 16 pixels, got {size}")
    if image is None:
        image = _find(name, dir)
    elif "://" in str(image):
        image = _fetch(str(image))
    return images.resize_short_side(images.to_float(images.read(image))[None], size)


def shipped_styles() -> list[str]:
    """List the names of the style images that come with the package, sorted."""
    return sorted(path.stem for path in SHIPPED.glob("*.jpg"))


def load_styles(
    names: Sequence[str] | None = None,
    dir: str | Path = "styles",  # noqa: A002 - the word in the configuration
    size: int = 256,
) -> dict[str, Tensor]:
    """Load several style images by their names, by default every shipped one; each as `load_style` does."""
    return {name: load_style(name, dir=dir, size=size) for name in (shipped_styles() if names is None else names)}


def load_gallery(
    names: Sequence[str] | None = None,
    dir: str | Path | None = None,  # noqa: A002 - the word in the configuration
    size: int = 256,
    name: str = "gallery",
) -> dict[str, Tensor]:
    """Load the images of a folder as styles.

    Args:
        names: those to take; None: all.
        dir: folder of images; None: the shipped styles.
        size: as of `load_style`.
        name: of them together, after which files are called.

    Returns:
        Images by their names, in the order of these.

    Raises:
        FileNotFoundError: if the folder does not exist, holds no image or none of a name.
        ValueError: if names are not a list, two images have one name, or as `load_style`.
    """
    del name
    if isinstance(names, str):
        raise ValueError(f"style.names must be a list, such as [{names}], got {names!r}")  # noqa: TRY004
    folder = SHIPPED if dir is None else Path(dir)
    files: dict[str, Path] = {}
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() in images.SUFFIXES and not path.name.startswith("."):
            if path.stem in files:
                raise ValueError(f"{files[path.stem]} and {path} would both be style {path.stem}: rename one")
            files[path.stem] = path
    if not files:
        raise FileNotFoundError(f"style.dir={folder} holds no image: name a folder of paintings")
    for each in files if names is None else names:
        if each not in files:
            nearest = "".join(f" (did you mean {near}?)" for near in get_close_matches(each, files, n=1))
            where = "among the shipped styles" if dir is None else f"in style.dir={folder}"
            raise FileNotFoundError(f"there is no style {each!r} {where}{nearest}: it has {', '.join(files)}")
    return {each: load_style(each, image=files[each], size=size) for each in (files if names is None else names)}


def find_style(style: str) -> Path:
    """Find a style image by its file, its URL or the name of a shipped style.

    Raises: as `load_style`.
    """
    if "://" in style:
        return _fetch(style)
    return Path(style) if Path(style).is_file() or Path(style).name != style else _find(style, "styles")


def _find(name: str, folder: str | Path) -> Path:
    if Path(name).name != name:
        raise ValueError(f"style name {name!r} must not be a path: give the file with style.image=FILE")
    candidates = [Path(folder) / f"{name}{suffix}" for suffix in images.SUFFIXES]
    for path in (*candidates, SHIPPED / f"{name}.jpg"):
        if path.is_file():
            return path
    shipped = shipped_styles()
    nearest = "".join(f" (did you mean {near}?)" for near in get_close_matches(name, shipped, n=1))
    raise FileNotFoundError(
        f"no image for style {name!r}: looked for {', '.join(map(str, candidates))}; shipped are {', '.join(shipped)}"
        f"{nearest}; give the file with style.image=FILE_OR_URL, or its folder with style.dir=FOLDER"
    )


def _fetch(url: str) -> Path:
    def check(path: Path) -> None:
        try:
            images.read(path)
        except ValueError as error:
            message = str(error).replace(str(path), url)
            raise ValueError(f"{message}; give the URL of the image itself, not of a page that shows it") from error

    suffix = Path(url.partition("?")[0]).suffix.lower()
    name = hashlib.sha256(url.encode()).hexdigest()[:32] + (suffix if suffix in images.SUFFIXES else "")
    return download(url, cache_dir() / "styles" / name, check, MAX_BYTES)

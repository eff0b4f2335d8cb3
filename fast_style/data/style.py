"""Style images: the user's own, from the web, or shipped, and how all commands write down which is meant."""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from fast_style import assets, images
from fast_style.data.download import download
from fast_style.errors import did_you_mean
from fast_style.files import as_path, cache_dir, is_file

log = logging.getLogger(__name__)

SHIPPED = assets.STYLES
UNNAMED = "custom"  # the name of style=custom, until it is given another
MAX_BYTES = 50_000_000  # of an image from the web
NETWORKS = (".safetensors", ".onnx", ".pth", ".ckpt")  # how files end that are taken for paintings by mistake
SPARE = 4  # a JPEG is decoded reduced as long as it stays this many times larger than wanted


@dataclass(frozen=True)
class StyleSource:
    """Where a style comes from, as every command takes it: an image file, the URL of one, or the name of a style.

    What is a file as it stands is that file, and what holds `://` is a URL. What ends like an image (`.jpg`, …) or has
    folders is a file that is not there. All else is a name: of an image in the user's folder, of a shipped style, or of
    one that a network of several styles keeps.

    Attributes:
        text: what the user wrote.

    Raises:
        ValueError: if the text is empty.
    """

    text: str

    def __post_init__(self) -> None:
        as_path(self.text, "the style")

    @property
    def is_url(self) -> bool:
        """Whether it is to be downloaded."""
        return "://" in self.text and not is_file(self.text)

    @property
    def is_name(self) -> bool:
        """Whether it is a name: it reads as one, and is no file."""
        return self.reads_as_name and not is_file(self.text)

    @property
    def reads_as_name(self) -> bool:
        """Whether it is written like a name: without folders and without the ending of an image."""
        path = Path(self.text)
        plain = path.name == self.text and "\\" not in self.text and not self.text.startswith("~")
        return plain and path.suffix.lower() not in images.SUFFIXES

    @property
    def name(self) -> str:
        """What files are called after it: the name, or that of the file without its suffix and blanks at the ends."""
        if self.is_name:
            return self.text
        return Path(self.text.partition("?")[0] if self.is_url else self.text).stem.strip()

    def find(self, folder: str | Path = "styles") -> Path:
        """Find the image file; a URL is downloaded once, at most 50 MB, and kept in `styles/` of `files.cache_dir()`.

        Args:
            folder: where the image of a name is looked for first, `NAME` with one of `images.SUFFIXES` in capitals or
                not; the shipped styles come after it.

        Raises:
            FileNotFoundError: if there is no such file, or no style of this name.
            IsADirectoryError: if it is a folder.
            ValueError: if the URL is neither http nor https, or leads to more than 50 MB or to no image, or the file is
                of a network.
            RuntimeError: if the download fails; nothing of it is kept.
        """
        if self.is_url:
            return _fetch(self.text)
        path = as_path(self.text, "the style")
        if path.suffix.lower() in NETWORKS:
            raise ValueError(f"style image {path} is the file of a network: give the picture of a painting")
        if self.is_name and (found := _found(self.text, folder)):
            return found
        if path.is_dir():
            raise IsADirectoryError(f"style image {path} is a folder: give an image in it")
        if self.is_name:
            raise _unknown(self.text, folder, "give the file of an image, or its URL")
        if not path.is_file():
            raise FileNotFoundError(f"style image {path} does not exist")
        return path


def load_style(name: str, image: str | Path | None = None, dir: str | Path = "styles", size: int = 256) -> Tensor:  # noqa: A002 - the word in the configuration
    """Load the style image at the size that sets the scale of the strokes.

    Args:
        name: the style. Without `image`, an image of this name is looked for in `dir`, then among `shipped_styles()`:
            an image of the user's goes before the shipped one of the same name.
        image: the image itself: a file, an http(s) URL, or the name of a style, see `StyleSource`.
        dir: folder of style images.
        size: short side in pixels, at least 16; the aspect is kept, but of an image more than eight times as long as
            wide the middle is taken. The smaller, the finer the strokes. A JPEG of at least eight times the size is
            decoded at a half, a quarter or an eighth of its own.

    Returns:
        RGB of shape (1, 3, H, W) in [0, 1].

    Raises:
        FileNotFoundError: if there is no such file, or no style of this name.
        IsADirectoryError: if `image` is a folder.
        ValueError: if the file is not an image, the name is empty or a path, the size is too small, or the URL is
            neither http nor https or leads to more than 50 MB.
        RuntimeError: if the download fails; nothing of it is kept.
    """
    if size < 16:
        raise ValueError(f"style.size must be at least 16 pixels, got {size}")
    path = _find(name, dir) if image is None else StyleSource(str(image)).find(dir)
    if images.is_transparent(path):
        log.info(transparency_note(str(image or path)))
    pixels = images.read(path, SPARE * size)
    return images.resize_short_side(images.to_float(pixels)[None], size)


def shipped_styles() -> list[str]:
    """List the names of the style images that come with the package, sorted."""
    return sorted(path.stem for path in SHIPPED.glob("*.jpg"))


def load_gallery(
    names: Sequence[str] | None = None,
    dir: str | Path | None = None,  # noqa: A002 - the word in the configuration
    size: int = 256,
    name: str = "gallery",
) -> dict[str, Tensor]:
    """Load the images of a folder as styles.

    Args:
        names: those to take, a list; None: all.
        dir: folder of images, without the folders in it; None: the shipped styles.
        size: short side in pixels, at least 16; the aspect is kept.
        name: of them together, after which files are called.

    Returns:
        RGB of shape (1, 3, H, W) in [0, 1] by name, in the order of the names.

    Raises:
        FileNotFoundError: if the folder does not exist, holds no image or none of a name.
        ValueError: if names are not a list, two images have one name, a file is not an image, or the size is too small.
    """
    del name
    if isinstance(names, str):
        raise ValueError(f"style.names must be a list, such as [{names}], got {names!r}")  # noqa: TRY004
    files = _gallery(SHIPPED if dir is None else as_path(dir, "style.dir"))
    for each in files if names is None else names:
        if each not in files:
            where = "among the shipped styles" if dir is None else f"in style.dir={dir}"
            known = ", ".join(files)
            raise FileNotFoundError(f"there is no style {each!r} {where}{did_you_mean(each, files)}: it has {known}")
    return {each: load_style(each, image=files[each], size=size) for each in (files if names is None else names)}


def find_style(style: str) -> Path:
    """Find the image file of a style: a file, a URL, or a name in `styles/` or among the shipped ones.

    Raises:
        FileNotFoundError, IsADirectoryError, ValueError, RuntimeError: as `StyleSource.find`.
    """
    return StyleSource(style).find()


def transparency_notes(styles: Iterable[str]) -> list[str]:
    """Tell of style images which have transparency.

    Args:
        styles: files, URLs or names, see `find_style`.

    Raises:
        FileNotFoundError, IsADirectoryError, ValueError, RuntimeError: as `StyleSource.find`.
    """
    return [transparency_note(style) for style in styles if images.is_transparent(find_style(style))]


def transparency_note(style: str) -> str:
    """Say of a style image with transparency how it is seen."""
    return f"{style} has transparency: as a style it lies on white"


def is_style(text: str) -> bool:
    """Tell whether a text is an image file or the name of one that `find_style` finds; nothing is downloaded."""
    try:
        return not StyleSource(text).is_url and find_style(text).is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def _gallery(folder: Path) -> dict[str, Path]:
    """List the images of a folder by their names without suffix."""
    files: dict[str, Path] = {}
    for file in images.list_images(folder, deep=False).names if folder.is_dir() else []:
        path = folder / file
        if path.stem in files:
            raise ValueError(f"{files[path.stem]} and {path} would both be style {path.stem}: rename one")
        files[path.stem] = path
    if not files:
        raise FileNotFoundError(f"style.dir={folder} holds no image: name a folder of paintings")
    return files


def _find(name: str, folder: str | Path) -> Path:
    """Find the image of a style that the configuration names."""
    if not name.strip():
        raise ValueError("style.name is empty: give the name of a style, or the file with style.image=FILE")
    if Path(name).name != name:
        raise ValueError(f"style name {name!r} must not be a path: give the file with style.image=FILE")
    if found := _found(name, folder):
        return found
    advice = "give the file with style.image=FILE_OR_URL, or its folder with style.dir=FOLDER"
    raise _unknown(name, folder, advice)


def _found(name: str, folder: str | Path) -> Path | None:
    """Look for the image of a name in a folder, then among the shipped ones."""
    folder = as_path(folder, "style.dir")
    there = images.list_images(folder, deep=False).names if folder.is_dir() else []
    found = [file for file in there if Path(file).stem == name]
    if found:
        return folder / min(found, key=lambda file: (images.SUFFIXES.index(Path(file).suffix.lower()), file))
    return SHIPPED / f"{name}.jpg" if name in shipped_styles() else None


def _unknown(name: str, folder: str | Path, advice: str) -> FileNotFoundError:
    """Tell that there is no image of a name, and what to do."""
    shipped = shipped_styles()
    if name == UNNAMED:
        return FileNotFoundError(
            f"no painting is named: give style=NAME, one of {', '.join(shipped)}, or style.image=FILE_OR_URL"
        )
    if "," in name:
        advice = f"to train one network for each of several styles put -m before them: -m style={name}"
    return FileNotFoundError(
        f"no image for style {name!r}: looked for {as_path(folder) / name} with {', '.join(images.SUFFIXES)}; shipped "
        f"are {', '.join(shipped)}{did_you_mean(name, shipped)}; {advice}"
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

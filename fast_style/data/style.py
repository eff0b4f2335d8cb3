"""The style image."""

from pathlib import Path

from torch import Tensor

from fast_style import images


def load_style(name: str, image: str | Path | None = None, dir: str | Path = "styles", size: int = 256) -> Tensor:  # noqa: A002 - the word in the configuration
    """Load the style image at the size that sets the scale of the strokes.

    Args:
        name: the style; without `image`, NAME.jpg, .jpeg, .png or .webp is looked for in `dir`.
        image: the image file itself.
        dir: folder of style images.
        size: short side in pixels, at least 16; the aspect is kept. The smaller, the finer the strokes.

    Returns:
        RGB of shape (1, 3, H, W) in [0, 1].

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not an image, the name is a path, or the size is too small.
    """
    if size < 16:
        raise ValueError(f"style.size must be at least 16 pixels, got {size}")
    pixels = images.read(_find(name, dir) if image is None else image)
    return images.resize_short_side(images.to_float(pixels)[None], size)


def _find(name: str, folder: str | Path) -> Path:
    if Path(name).name != name:
        raise ValueError(f"style name {name!r} must not be a path: give the file with style.image=FILE")
    candidates = [Path(folder) / f"{name}{suffix}" for suffix in images.SUFFIXES]
    for path in candidates:
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"no image for style {name!r}: looked for {', '.join(map(str, candidates))}; "
        "give the file with style.image=FILE, or its folder with style.dir=FOLDER"
    )

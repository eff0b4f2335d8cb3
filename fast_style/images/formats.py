"""What the file formats can hold, and what is read and written at all."""

from dataclasses import dataclass
from typing import Literal

from PIL import features

from fast_style.files import Place

# Larger images are taken for decompression bombs; the limit beyond which Pillow refuses too.
MAX_PIXELS = 178_956_970


@dataclass(frozen=True)
class Format:
    """A file format as it is written.

    Attributes:
        name: what people call it; in capitals, what Pillow calls it.
        suffixes: of its files.
        max_side: pixels.
        alpha: whether pixels can be transparent; "on/off": not half transparent.
        bits: per channel, at most.
        animated: whether there can be several frames.
        profile: whether there can be a colour profile.
    """

    name: str
    suffixes: tuple[str, ...]
    max_side: int
    alpha: Literal["no", "on/off", "yes"] = "yes"
    bits: Literal[8, 16] = 8
    animated: bool = False
    profile: bool = True


JPEG = Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), 65_500, alpha="no")
PNG = Format("PNG", (".png", ".apng"), 2**31 - 1, bits=16, animated=True)
WEBP = Format("WebP", (".webp",), 16_383, animated=True)
AVIF = Format("AVIF", (".avif",), 32_768)
TIFF = Format("TIFF", (".tif", ".tiff"), 2**31 - 1, bits=16)
GIF = Format("GIF", (".gif",), 65_535, alpha="on/off", animated=True, profile=False)

FORMATS = (JPEG, PNG, WEBP, *([AVIF] if features.check("avif") else []), TIFF, GIF)
SUFFIXES = tuple(suffix for form in FORMATS for suffix in form.suffixes)
NAMES = f"{', '.join(form.name for form in FORMATS[:-1])} or {FORMATS[-1].name}"


def format_of(path: Place) -> Format:
    """Find the format that the suffix stands for.

    Raises:
        ValueError: if the suffix is not one of `SUFFIXES`.
    """
    for form in FORMATS:
        if path.suffix.lower() in form.suffixes:
            return form
    raise ValueError(f"cannot write {path}: its suffix must be one of {', '.join(SUFFIXES)}")


def suffixes(*, alpha: bool = False, deep: bool = False, animated: bool = False, profile: bool = False) -> str:
    """List a suffix of each format that holds all of this, to say what else to take."""
    fit = [form for form in FORMATS if (form.alpha == "yes" or not alpha) and (form.bits == 16 or not deep)]
    fit = [form for form in fit if (form.animated or not animated) and (form.profile or not profile)]
    names = [form.suffixes[0] for form in fit]
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

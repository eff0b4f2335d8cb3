"""Files to pixels."""

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import PIL.Image
import torch
from PIL.Image import Image
from torch import Tensor

from fast_style.images import colour, deep, metadata
from fast_style.images.formats import FORMATS, MAX_PIXELS, NAMES
from fast_style.images.picture import Frame, Picture
from fast_style.images.tensors import TOPS, to_depth, to_float, to_tensor
from fast_style.images.transparency import fill_hidden, flatten

__all__ = ["from_pil", "open_picture", "read"]

Source = str | Path | BinaryIO
# What Pillow's decoders raise on damaged files; most are no OSError.
DECODER_ERRORS: tuple[type[Exception], ...] = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError)
DECODER_ERRORS += (RuntimeError, ArithmeticError, struct.error, zlib.error)
WHITE = (255, 255, 255)
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read(source: Source, min_side: int | None = None) -> Tensor:
    """Read an image file, upright, of whatever mode; of an animation the first frame.

    Args:
        source: a path, or an open binary file that can seek.
        min_side: allows a smaller decode, as long as the short side stays at least this long. JPEG is decoded up to
            eight times smaller in a fraction of the time; other formats ignore it.

    Returns:
        A uint8 tensor of sRGB, shape (3, H, W): EXIF orientation and colour profile applied, 16 bits scaled to 8,
        transparency flattened on white.

    Raises:
        FileNotFoundError: if the file does not exist.
        OSError: if it cannot be opened.
        ValueError: if it is not a complete image, has more than `MAX_PIXELS` pixels, or `min_side` is below 1.
    """
    with _opened(source, min_side) as (image, file):
        return _flat(_upright(_decode(image, file), image))


def open_picture(source: Source, profile: Literal["srgb", "keep"] = "srgb", min_side: int | None = None) -> Picture:
    """Read an image file with everything it holds.

    Stills are decoded at once. The frames of an animated GIF, WebP, PNG or AVIF are decoded one after the other while
    they are iterated, from a path anew each time. Of a TIFF with several pages and of what a phone adds to a JPEG, the
    first is read.

    Args:
        source: a path, or an open binary file that can seek, and that stays open while an animation is used.
        profile: "srgb" converts colours that have a profile to sRGB. "keep" leaves the values and the profile as they
            are, where they are RGB; grey and CMYK become sRGB.
        min_side: as of `read`.

    Returns:
        The picture, upright. Its pixels are uint16 if it is a still PNG or TIFF of 16 bits, else uint8; whatever
        colours the file hides under wholly transparent pixels are replaced by those around.

    Raises:
        FileNotFoundError: if the file does not exist.
        OSError: if it cannot be opened.
        ValueError: if it is not a complete image, has more than `MAX_PIXELS` pixels, or an argument is none of these.
            A frame of an animation raises it when it is reached.
    """
    if profile not in ("srgb", "keep"):
        raise ValueError(f"the colour profile can be srgb, to convert to it, or keep, got {profile!r}")
    keep = profile == "keep"
    with _opened(source, min_side) as (image, file):
        numbers = _frame_numbers(image)
        embedded = _profile_after(image, keep)
        if len(numbers) > 1:
            with warnings.catch_warnings(action="ignore"):
                image.load()
            animation = _Animation(source, numbers, keep)
            return Picture(animation, 8, _plays(image), embedded, metadata.gather(image))
        frame = _visible(_upright(_decode(image, file, keep), image))
        bits = 16 if frame.pixels.dtype == torch.uint16 else 8
        return Picture([frame], bits, icc_profile=embedded, metadata=metadata.gather(image))


def from_pil(image: Image) -> Tensor:
    """Convert a Pillow image of whatever mode as `read` does: float RGB of shape (1, 3, H, W) in [0, 1], upright."""
    return to_float(_flat(_upright(_decode(image), image))).unsqueeze(0)


@dataclass(frozen=True)
class _Animation:
    """The frames of a file, decoded one by one."""

    source: Source
    numbers: range
    keep: bool

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Frame]:
        with _opened(self.source) as (image, _):
            for number in self.numbers:
                with warnings.catch_warnings(action="ignore"):
                    image.seek(number)
                    frame = _visible(_upright(_decode(image, keep=self.keep), image))
                yield replace(frame, duration=float(image.info.get("duration", 0)))


@contextmanager
def _opened(source: Source, min_side: int | None = None) -> Iterator[tuple[Image, BinaryIO]]:
    """Open a file for Pillow; whatever is wrong with it, then or in the body, becomes a sentence that names it."""
    if min_side is not None and min_side < 1:
        raise ValueError(f"min_side must be at least 1 pixel, got {min_side}")
    if not isinstance(source, str | Path):
        source.seek(0)
        with _identified(source, str(getattr(source, "name", "of a stream")), min_side) as image:
            yield image, source
        return
    try:
        file = Path(source).open("rb")  # noqa: SIM115 - closed below, where errors are no longer of opening it
    except FileNotFoundError:
        raise FileNotFoundError(f"image {source} does not exist") from None
    except OSError as error:
        raise OSError(f"cannot read image {source}: {error.strerror}") from error
    with file, _identified(file, str(source), min_side) as image:
        yield image, file


@contextmanager
def _identified(file: BinaryIO, name: str, min_side: int | None) -> Iterator[Image]:
    try:
        # Pillow warns of large images, which we judge ourselves, and of damaged metadata, which we do without.
        with warnings.catch_warnings(action="ignore"):
            image = PIL.Image.open(file, formats=[form.name.upper() for form in FORMATS])
        with image:
            w, h = image.size
            if w * h > MAX_PIXELS:
                raise ValueError(f"{w}×{h} pixels are more than {MAX_PIXELS}")
            if min_side is not None:
                # A square request bounds the short side, whichever way EXIF turns the image afterwards.
                image.draft(None, (min_side, min_side))
            yield image
    except PIL.UnidentifiedImageError:
        raise ValueError(f"cannot read image {name}: {_what_it_is_not(file)}") from None
    except PIL.Image.DecompressionBombError:
        raise ValueError(f"cannot read image {name}: it has more than {MAX_PIXELS} pixels") from None
    except DECODER_ERRORS as error:
        raise ValueError(f"cannot read image {name}: {error}") from error


def _what_it_is_not(file: BinaryIO) -> str:
    if not file.seek(0, os.SEEK_END):
        return "it is empty"
    file.seek(0)
    if file.read(4) in TIFF_MAGIC:
        return "it is a TIFF file of a kind that is not read: save it as RGB of 8 or 16 bits"
    return f"it is not a {NAMES} file"


def _frame_numbers(image: Image) -> range:
    count = getattr(image, "n_frames", 1) if image.format in ("GIF", "WEBP", "PNG", "AVIF") else 1
    # A PNG may show another picture where animations are not known.
    return range(1 if count > 1 and image.info.get("default_image") else 0, count)


def _plays(image: Image) -> int:
    """Tell how often an animation is played; 0: forever."""
    loop = image.info.get("loop")
    if image.format == "GIF":  # tells how often it is repeated
        return 1 if loop is None else loop + 1 if loop else 0
    return int(loop or 0)


def _profile_after(image: Image, keep: bool) -> bytes | None:
    """Return the profile of the pixels that `_decode` makes."""
    profile, mode = image.info.get("icc_profile"), _colour_mode(image)
    if not profile or not colour.is_usable(profile, mode):
        return None
    return profile if mode == "RGB" and (keep or colour.is_srgb(profile)) else colour.SRGB


def _colour_mode(image: Image) -> str:
    if image.mode in ("L", "LA", "La", "I") or image.mode.startswith("I;16"):
        return "L"
    return image.mode if image.mode in ("CMYK", "LAB") else "RGB"


def _decode(image: Image, file: BinaryIO | None = None, keep: bool = False) -> Frame:
    """Decode an image to sRGB, or to the RGB of its profile; as it lies in the file, transparent pixels as they are."""
    with warnings.catch_warnings(action="ignore"):
        profile = image.info.get("icc_profile")
        if keep and _colour_mode(image) == "RGB":
            profile = None
        deep.check_planes(image)
        if file is not None and deep.is_deep(image) and len(_frame_numbers(image)) == 1:
            return _decode_deep(image, file, profile)
        if image.mode == "I" or image.mode.startswith("I;16"):
            return _decode_deep(image, None, profile)
        image.load()
        if image.mode == "F":
            raise ValueError("its pixels are floating point numbers, whose range is unknown: save it with 16 bits")
        alpha = None
        if image.has_transparency_data:
            mode = "L" if image.mode in ("L", "LA", "La") else "RGB"
            if image.mode != f"{mode}A":
                image = image.convert(f"{mode}A")
            alpha = to_tensor(np.asarray(image.getchannel("A")))
            image = image.convert(mode)
        if image.mode not in colour.SPACES:
            image = image.convert("L" if image.mode == "1" else "RGB")
        return Frame(to_tensor(np.asarray(colour.to_srgb(image, profile))), alpha)


def _decode_deep(image: Image, file: BinaryIO | None, profile: bytes | None) -> Frame:
    mode, transparent = image.mode, image.info.get("transparency")
    channels = deep.samples(image, file)  # (H, W, C)
    pixels, alpha = channels, None
    if channels.shape[2] in (2, 4):
        pixels, alpha = channels[..., :-1], channels[..., -1]
    elif transparent is not None and (mode == "RGB") == (channels.shape[2] == 3):
        alpha = np.where((channels == np.array(transparent)).all(axis=2), 0, TOPS[torch.uint16]).astype(np.uint16)
    return Frame(
        colour.deep_to_srgb(to_tensor(pixels), profile).contiguous(), None if alpha is None else to_tensor(alpha)
    )


def _upright(frame: Frame, image: Image) -> Frame:
    turn = metadata.orientation(image)
    alpha = None if frame.alpha is None else _turned(frame.alpha, turn)
    return replace(frame, pixels=_turned(frame.pixels, turn), alpha=alpha)


def _turned(pixels: Tensor, orientation: int) -> Tensor:
    """Undo an EXIF orientation, 1 to 8, of (C, H, W)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.mT
    axes = {2: [-1], 3: [-2, -1], 4: [-2], 6: [-1], 7: [-2, -1], 8: [-2]}.get(orientation, [])
    return pixels.flip(axes).contiguous() if axes or orientation == 5 else pixels


def _visible(frame: Frame) -> Frame:
    if frame.alpha is None:
        return frame
    return replace(frame, pixels=fill_hidden(frame.pixels, frame.alpha))


def _flat(frame: Frame) -> Tensor:
    pixels = frame.pixels if frame.alpha is None else flatten(frame.pixels, frame.alpha, WHITE)
    return to_depth(pixels, 8)

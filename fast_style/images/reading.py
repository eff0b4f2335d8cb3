"""Files to pixels."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal

import numpy as np
from PIL.Image import Image
from torch import Tensor

from fast_style.images import colour, deep, metadata
from fast_style.images.opening import Source, identified, in_sentences, opened_file, with_opened
from fast_style.images.picture import Frame, Picture
from fast_style.images.tensors import to_depth, to_float, to_tensor
from fast_style.images.transparency import fill_hidden, flatten

__all__ = ["from_pil", "open_picture", "read"]

WHITE = (255, 255, 255)


def read(source: Source, min_side: int | None = None) -> Tensor:
    """Read the pixels of an image file, upright; of an animation the first frame.

    Args:
        source: a path, a file behind an address, or an open binary file that can seek.
        min_side: allows a smaller decode, as long as the short side stays at least this long. A JPEG is decoded up to
            eight times smaller in a fraction of the time, and may then have more than `MAX_PIXELS`; other formats
            ignore it. None: full size.

    Returns:
        A uint8 tensor of sRGB, shape (3, H, W): EXIF orientation and colour profile applied, 16 bits scaled to 8,
        transparency flattened on white.

    Raises:
        FileNotFoundError: if the file does not exist.
        OSError: if it cannot be opened.
        ValueError: if it is not a complete image, has more than `MAX_PIXELS` pixels, needs a package that is not
            installed, or `min_side` is below 1.
    """
    return with_opened(source, min_side, lambda image, file, _: _flat(_upright_frame(image, file)))


def open_picture(source: Source, profile: Literal["srgb", "keep"] = "srgb", min_side: int | None = None) -> Picture:
    """Read an image file with everything it holds.

    Stills are decoded at once. The frames of an animated GIF, WebP, PNG or AVIF are decoded one after the other while
    they are iterated, from a path or an address anew each time. Of a TIFF with several pages and of what a phone adds
    to a JPEG, the first is read.

    Args:
        source: a path, a file behind an address, or an open binary file that can seek, and that stays open while an
            animation is used.
        profile: "srgb" converts colours that have a profile to sRGB. "keep" leaves the values and the profile as they
            are, where they are RGB; grey and CMYK become sRGB.
        min_side: allows a smaller decode of a JPEG, as long as the short side stays at least this long; it may then
            have more than `MAX_PIXELS`. None: full size.

    Returns:
        The picture, upright. Its pixels are uint16 if it is a still PNG or TIFF of 16 bits, else uint8; whatever
        colours the file hides under wholly transparent pixels are replaced by those around. Metadata that is damaged
        is left out; where it kept the file from being read, `notes` say so.

    Raises:
        FileNotFoundError: if the file does not exist.
        OSError: if it cannot be opened.
        ValueError: if it is not a complete image, has more than `MAX_PIXELS` pixels, needs a package that is not
            installed, or an argument is none of these. A frame of an animation raises it when it is reached.
    """
    if profile not in ("srgb", "keep"):
        raise ValueError(f"the colour profile can be srgb, to convert to it, or keep, got {profile!r}")
    keep = profile == "keep"

    def picture(image: Image, file: BinaryIO, notes: tuple[str, ...]) -> Picture:
        embedded, numbers = _profile_after(image, keep), _frame_numbers(image)
        if len(numbers) > 1:
            with warnings.catch_warnings(action="ignore"):
                image.load()
            frames = _Animation(file if notes else source, numbers, keep)
            return Picture(frames, 8, _plays(image), embedded, metadata.gather(image), notes)
        frame = _visible(_upright_frame(image, file, keep))
        return Picture([frame], 8 * frame.pixels.element_size(), 1, embedded, metadata.gather(image), notes)

    return with_opened(source, min_side, picture)


def is_transparent(source: Source) -> bool:
    """Tell whether an image file has transparency, which `read` flattens on white; the pixels are not decoded.

    Raises:
        FileNotFoundError, OSError, ValueError: as `read`.
    """
    return with_opened(source, None, lambda image, *_: image.has_transparency_data)


def from_pil(image: Image) -> Tensor:
    """Convert a Pillow image of any mode.

    Returns:
        Float32 RGB of shape (1, 3, H, W) in [0, 1], upright: EXIF orientation and colour profile applied, transparency
        flattened on white.

    Raises:
        ValueError: if its pixels are floating point numbers.
    """
    return to_float(_flat(_upright_frame(image))).unsqueeze(0)


@dataclass(frozen=True)
class _Animation:
    """The frames of a file, decoded one by one."""

    source: Source
    numbers: range
    keep: bool

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Frame]:
        with opened_file(self.source) as (file, name), in_sentences(file, name), identified(file, None) as image:
            for number in self.numbers:
                with warnings.catch_warnings(action="ignore"):
                    image.seek(number)
                    frame = _visible(_upright_frame(image, keep=self.keep))
                yield replace(frame, duration=float(image.info.get("duration", 0)))


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


def _upright_frame(image: Image, file: BinaryIO | None = None, keep: bool = False) -> Frame:
    """Decode an image to sRGB, or to the RGB of its profile if that is to be kept; transparent pixels as they are.

    Args:
        image: opened, at the frame that is wanted.
        file: what a still was opened from, which may have 16 bits; None: as Pillow has it.
        keep: whether RGB keeps its values.
    """
    with warnings.catch_warnings(action="ignore"):
        profile = None if keep and _colour_mode(image) == "RGB" else image.info.get("icc_profile")
        if file is not None and len(_frame_numbers(image)) == 1 and deep.is_deep(image, file):
            frame = _deep_frame(deep.samples(image, file), profile)
        elif image.mode == "I" or image.mode.startswith("I;16"):
            frame = _deep_frame(np.asarray(image).clip(0, 65_535).astype(np.uint16)[..., None], profile)
        else:
            frame = _frame(image, profile)
        return _turned_frame(frame, metadata.orientation(image))


def _frame(image: Image, profile: bytes | None) -> Frame:
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


def _deep_frame(channels: np.ndarray, profile: bytes | None) -> Frame:
    """Make a frame of uint16, shape (H, W, C): grey or RGB, and perhaps alpha."""
    has_alpha = channels.shape[2] in (2, 4)
    pixels = to_tensor(channels[..., :-1] if has_alpha else channels)
    alpha = to_tensor(channels[..., -1]) if has_alpha else None
    return Frame(colour.deep_to_srgb(pixels, profile).contiguous(), alpha)


def _turned_frame(frame: Frame, turn: int) -> Frame:
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

"""Pixels to files."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Literal

import PIL.Image
from PIL import ImageColor
from torch import Tensor

from fast_style.files import Place, as_place, replacing
from fast_style.images import deep
from fast_style.images.animation import as_images, write_images
from fast_style.images.colour import is_srgb
from fast_style.images.formats import AVIF, GIF, JPEG, PNG, TIFF, WEBP, Format, format_of, suffixes
from fast_style.images.metadata import exif_of_size, png_text
from fast_style.images.opening import CODEC_ERRORS
from fast_style.images.picture import Frame, Metadata, Picture
from fast_style.images.tensors import TOPS, one_image, to_array, to_depth
from fast_style.images.tiff import write_tiff
from fast_style.images.transparency import flatten

__all__ = ["Encoding", "save_picture", "write"]

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
MAX_SEGMENT = 65_000  # bytes that a piece of metadata may have in JPEG


@dataclass(frozen=True)
class Encoding:
    """How pictures are written; the format follows from the suffix.

    Attributes:
        quality: 1 to 100, of JPEG, WebP and AVIF. WebP is lossless at 100; PNG and TIFF always are.
        subsampling: resolution of the colours of JPEG and AVIF: "4:4:4" is full, "4:2:2" half across, "4:2:0" half
            across and down. WebP below quality 100 is always 4:2:0.
        bits: per channel, 8 or 16; None: as many as the picture has.
        background: a colour such as "white" or "#ff8800", on which transparency is flattened; None: it is kept.
        keep_metadata: whether EXIF, XMP, resolution and text are written, as far as the format can hold them. The
            colour profile always is.

    Raises:
        ValueError: if a value is none of these.
    """

    quality: int = 95
    subsampling: str = "4:4:4"
    bits: Literal[8, 16] | None = None
    background: str | None = None
    keep_metadata: bool = True
    _background: tuple[int, int, int] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ValueError(f"quality must be 1 to 100, got {self.quality}")
        if self.subsampling not in SUBSAMPLINGS:
            raise ValueError(f"subsampling must be one of {', '.join(SUBSAMPLINGS)}, got {self.subsampling!r}")
        if self.bits not in (None, 8, 16):
            raise ValueError(f"bits must be 8 or 16 per channel, got {self.bits}")
        if self.background is not None:
            object.__setattr__(self, "_background", _rgb(self.background))

    def check(self, path: str | Place, picture: Picture) -> None:
        """Tell before a long computation whether the file could hold the picture.

        Args:
            path: the file to be written.
            picture: what it is made from.

        Raises:
            ValueError: if the suffix is another, or the format has no room for the size, for 16 bits, transparency, a
                profile or several frames. That GIF has no room for the transparency of later frames turns out only
                while they are written.
        """
        form = self._format(as_place(path), picture)
        _check_side(as_place(path), form, picture.size)

    def _format(self, path: Place, picture: Picture) -> Format:
        form, bits = format_of(path), self.bits or picture.bits
        if picture.animated and bits == 16:
            raise ValueError(f"cannot write {path}: animations are written with 8 bits per channel: ask for 8 bits")
        if bits > form.bits:
            raise ValueError(
                f"cannot write {path}: {form.name} holds 8 bits per channel, not 16: "
                f"take {_others(picture, deep=True)}, or ask for 8 bits"
            )
        if picture.animated and not form.animated:
            raise ValueError(
                f"cannot write {path}: {form.name} is written with one frame, not {len(picture.frames)}: "
                f"take {_others(picture)}, or the first frame alone"
            )
        if bits == 16 and form == PNG and not deep.is_installed():
            raise ValueError(f"cannot write {path}: {deep.MISSING}")
        if _has_profile(picture) and not form.profile:
            raise ValueError(
                f"cannot write {path}: {form.name} holds no colour profile: convert the colours to sRGB, "
                f"or take {_others(picture)}"
            )
        if not picture.animated:
            self._check_alpha(path, form, picture, next(iter(picture.frames)).alpha)
        return form

    @property
    def background_rgb(self) -> tuple[int, int, int] | None:
        """Red, green and blue of the background in 0 … 255; None: transparency is kept."""
        return self._background

    def kept(self, picture: Picture) -> Metadata:
        """Return the metadata of a picture that is written."""
        return picture.metadata if self.keep_metadata else Metadata()

    def _check_alpha(self, path: Place, form: Format, picture: Picture, alpha: Tensor | None) -> None:
        if alpha is None or self.background is not None or form.alpha == "yes":
            return
        values, top = alpha.numpy(), TOPS[alpha.dtype]
        if form.alpha == "no" and values.min() < top:
            what = "no transparency"
        elif form.alpha == "on/off" and ((values > 0) & (values < top)).any():
            what = "nothing half transparent"
        else:
            return
        raise ValueError(
            f"cannot write {path}: {form.name} holds {what}: take {_others(picture, alpha=True)}, "
            "or give a background colour"
        )

    def _fitted(self, path: Place, form: Format, picture: Picture, frame: Frame) -> Frame:
        """Return a frame of the picture as integers that the format can hold."""
        _check_side(path, form, frame.size)
        self._check_alpha(path, form, picture, frame.alpha)
        bits = self.bits or picture.bits
        pixels = to_depth(frame.pixels, bits)
        alpha = None if frame.alpha is None else to_depth(frame.alpha, bits)
        if alpha is not None and self._background is not None:
            return replace(frame, pixels=flatten(pixels, alpha, self._background), alpha=None)
        return replace(frame, pixels=pixels, alpha=None if form.alpha == "no" else alpha)


def save_picture(path: str | Place, picture: Picture, encoding: Encoding | None = None) -> None:
    """Write a picture, its format chosen by the suffix; what is there is replaced, missing folders are made.

    The file appears under its name only once it is complete. Several frames become an animated GIF, WebP or PNG of 8
    bits, in which equal frames that follow each other become one that is shown as long as they were. GIF has 256
    colours a frame and rounds durations to 10 ms, at most 655,350. GIF holds no metadata but a comment, JPEG none of
    more than 65 kB.

    Args:
        path: ends in one of `SUFFIXES`.
        picture: what to write; float frames are clamped to [0, 1] and rounded.
        encoding: quality and the like; None: the defaults.

    Raises:
        ValueError: if the suffix is another, or the format has no room for the size, for 16 bits, transparency, a
            profile or several frames; what to do then is in the sentence. Or if the encoder fails.
        OSError: if the file cannot be written; nothing is left behind.
    """
    path, encoding = as_place(path), encoding or Encoding()
    form = encoding._format(path, picture)
    bits = encoding.bits or picture.bits
    frames = _of_one_size(path, (encoding._fitted(path, form, picture, frame) for frame in picture.frames))
    with replacing(path) as file:
        first = next(frames)
        shown = as_images(form, chain([first], frames)) if picture.animated or form == GIF else []
        with _in_a_sentence(path):
            options = _options(form, picture, encoding, first.size)
            if shown:
                write_images(file, form, shown, picture.loop, options)
            elif form == TIFF:
                write_tiff(file, to_array(first.pixels, first.alpha), picture.icc_profile, encoding.kept(picture))
            elif bits == 16:
                deep.write_png(file, to_array(first.pixels, first.alpha), options)
            else:
                PIL.Image.fromarray(to_array(first.pixels, first.alpha)).save(file, form.name, **options)


def write(path: str | Place, image: Tensor, quality: int = 95) -> None:
    """Write an image, its format chosen by the suffix; what is there is replaced, missing folders are made.

    The file appears under its name only once it is complete.

    Args:
        path: ends in one of `SUFFIXES`.
        image: RGB of shape (3, H, W) or (1, 3, H, W), clamped to [0, 1].
        quality: 1 to 100, for JPEG and AVIF (colours at full resolution, 4:4:4) and WebP; PNG and TIFF are lossless.

    Raises:
        ValueError: if the suffix, the quality or the shape is not one of these, or the format has no room for the size.
        OSError: if the file cannot be written; nothing is left behind.
    """
    save_picture(path, Picture([Frame(one_image(image))]), Encoding(quality))


@contextmanager
def _in_a_sentence(path: Place) -> Iterator[None]:
    """Turn what encoders raise into a sentence that names the file."""
    try:
        yield
    except OSError:  # is told where the file is opened
        raise
    except CODEC_ERRORS as error:
        raise ValueError(f"cannot write {path}: {error}") from error


def _has_profile(picture: Picture) -> bool:
    return bool(picture.icc_profile) and not is_srgb(picture.icc_profile)


def _others(picture: Picture, *, alpha: bool = False, deep: bool = False) -> str:
    """List the formats that hold the picture, to say what else to take."""
    return suffixes(alpha=alpha, deep=deep, animated=picture.animated, profile=_has_profile(picture))


def _check_side(path: Place, form: Format, size: tuple[int, int]) -> None:
    h, w = size
    if max(h, w) > form.max_side:
        raise ValueError(
            f"cannot write {path}: {w}×{h} pixels exceed the {form.max_side} of a {form.name} side, take .png"
        )


def _rgb(colour: str) -> tuple[int, int, int]:
    try:
        return ImageColor.getcolor(colour, "RGB")  # type: ignore[return-value]  # of RGB, a triple
    except ValueError:
        raise ValueError(f"background must be a colour such as white or #ff8800, got {colour!r}") from None


def _of_one_size(path: Place, frames: Iterator[Frame]) -> Iterator[Frame]:
    size = None
    for frame in frames:
        size = size or frame.size
        if frame.size != size:
            raise ValueError(f"cannot write {path}: its frames have different sizes, {size} and {frame.size}")
        yield frame


def _options(form: Format, picture: Picture, encoding: Encoding, size: tuple[int, int]) -> dict[str, Any]:
    """Gather what Pillow is told when it saves a picture of this size."""
    told = encoding.kept(picture)
    exif = exif_of_size(told.exif, size).tobytes() if told.exif else None
    options: dict[str, Any] = {"icc_profile": picture.icc_profile, "exif": exif, "xmp": told.xmp}
    if form in (JPEG, GIF):
        options["comment"] = told.text.get("Comment", "").encode()
    if form == JPEG:
        options |= {key: None for key in ("exif", "xmp", "comment") if len(options[key] or b"") > MAX_SEGMENT}
    if form in (JPEG, PNG):
        options["dpi"] = told.dpi
    if form == PNG:
        options["pnginfo"] = png_text(told)
    if form in (JPEG, WEBP, AVIF):
        options["quality"] = encoding.quality
    if form in (JPEG, AVIF):
        options["subsampling"] = encoding.subsampling
    if form == WEBP:
        options["lossless"] = encoding.quality == 100
    if form == AVIF:  # twelve times as fast as Pillow's 6, for 6 % more bytes; without loss of alpha
        options |= {"speed": 9, "advanced": {"alpha:lossless": "1"}}
    return {key: value for key, value in options.items() if value}

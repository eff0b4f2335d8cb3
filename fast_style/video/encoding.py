"""Pictures to packets: one closed part of a film, which can be decoded by itself."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from fast_style.images.transparency import flatten
from fast_style.video.av_library import Recorded, pyav, reason_of
from fast_style.video.colour import LIMITED, Colours
from fast_style.video.formats import Codec
from fast_style.video.frame import Frame

RATES = Fraction(1), Fraction(240)  # frames a second that all encoders take


@dataclass(frozen=True)
class Look:
    """How the pictures of a film are encoded.

    Attributes:
        codec: which one.
        size: height and width of the film, to which smaller pictures are enlarged; where the codec has even ones only,
            odd ones grow by a row or column, which repeats the last.
        deep: whether the pictures have more than 8 bits.
        alpha: whether transparency is kept.
        colours: what the film is tagged with.
        aspect: width of a pixel by its height.
        crf: quality; None: the codec's usual one.
        threads: of the encoder, on which its result may depend.
        background: red, green, blue in 0 … 255 behind transparency that is not kept.
        rate: frames a second that the codec's headers tell, whatever the frames' true times are; see `nominal_rate`.
    """

    codec: Codec
    size: tuple[int, int]
    deep: bool
    alpha: bool
    colours: Colours
    aspect: Fraction = Fraction(1)
    crf: int | None = None
    threads: int = 1
    background: tuple[int, int, int] = (0, 0, 0)
    rate: Fraction = Fraction(25)

    @property
    def format(self) -> str:
        """The pixel format."""
        if self.alpha and self.codec.transparent:
            return self.codec.transparent
        depth = 10 if self.deep else 8
        return self.codec.formats[depth if depth in self.codec.formats else next(iter(self.codec.formats))]

    @property
    def padding(self) -> tuple[int, int]:
        """How many rows and columns are repeated."""
        height, width = (length % 2 if self.codec.even else 0 for length in self.size)
        return height, width

    @property
    def options(self) -> Mapping[str, str]:
        """Options of the encoder."""
        crf = self.codec.crf if self.crf is None else self.crf
        quality = {} if crf is None else {"crf": str(crf)}
        quiet = {"x265-params": f"log-level=none:pools={self.threads}"} if self.codec.name == "hevc" else {}
        parallel = {"svtav1-params": f"lp={self.threads}"} if self.codec.name == "av1" else {}
        profile = {"profile": "4" if self.alpha else "3"} if self.codec.name == "prores" else {}
        return {**self.codec.options, **quality, **quiet, **parallel, **profile}


def nominal_rate(rate: Fraction) -> Fraction:
    """Return the rate, or the nearest to it that all encoders take: of 1 to 240 frames, with a small denominator."""
    return min(max(rate.limit_denominator(1001), RATES[0]), RATES[1])


def check_look(look: Look) -> None:
    """Tell before the work whether the encoder is there, and takes the quality asked for and pictures of this size.

    Raises:
        ValueError: if not.
    """
    av = pyav()
    codec = look.codec
    try:
        av.Codec(codec.encoder, "w")
    except av.codec.codec.UnknownCodecError:
        raise ValueError(f"this build of FFmpeg cannot encode {codec.name}: choose another --codec") from None
    if look.crf is not None and codec.crf is None:
        raise ValueError(f"{codec.name} takes no --crf: leave it out")
    if look.crf is not None and not 0 <= look.crf <= codec.most:
        raise ValueError(f"--crf of {codec.name} must be 0 (the best) to {codec.most}, got {look.crf}")
    part = Part(BytesIO(), look)
    try:
        part.open()
    finally:
        part.abandon()


@contextmanager
def _in_a_sentence(look: Look) -> Iterator[None]:
    """Raise what an encoder refuses as a ValueError that says of which pictures."""
    try:
        yield
    except pyav().FFmpegError as error:
        height, width = (length + more for length, more in zip(look.size, look.padding, strict=True))
        what = f"{look.codec.name} cannot encode pictures of {width}×{height} pixels ({look.format})"
        raise ValueError(f"{what}: {reason_of(error)}") from error


class Part:
    """A Matroska file of some frames, evenly after one another, since their true times are kept elsewhere.

    Args:
        file: open for writing.
        look: how the pictures are encoded.

    Attributes:
        order: the number in this part of each packet's frame, in the order of the packets.
    """

    def __init__(self, file: BinaryIO, look: Look) -> None:
        av = pyav()
        self.look = look
        self.order: list[int] = []
        self.count = 0
        self._file = Recorded(file)
        self._container = av.open(self._file, "w", format="matroska")
        # Nothing in it depends on when it was made.
        self._container.flags |= av.container.Flags.bitexact.value
        stream = self._container.add_stream(look.codec.encoder, rate=look.rate, options=dict(look.options))
        height, width = (length + more for length, more in zip(look.size, look.padding, strict=True))
        stream.height, stream.width, stream.pix_fmt = height, width, look.format
        context = stream.codec_context
        context.time_base = 1 / look.rate
        context.thread_count = look.threads
        context.sample_aspect_ratio = look.aspect
        context.colorspace, context.color_range = look.colours.matrix, look.colours.range
        context.color_primaries, context.color_trc = look.colours.primaries, look.colours.transfer
        if look.format.startswith("yuva4") and look.codec.name == "vp9":
            stream.metadata["alpha_mode"] = "1"
        self._stream = stream

    def open(self) -> None:
        """Open the encoder, as the first frame does.

        Raises:
            ValueError: if it refuses pictures of this size.
        """
        with _in_a_sentence(self.look):
            self._stream.codec_context.open()

    def write(self, frame: Frame) -> None:
        """Encode a frame."""
        picture = to_yuv(frame.pixels, frame.alpha, self.look)
        picture.pts, picture.time_base = self.count, 1 / self.look.rate
        self.count += 1
        with _in_a_sentence(self.look), self._file.telling():
            self._mux(self._stream.encode(picture))

    def close(self) -> None:
        """Encode what is held back, and end the file.

        Raises:
            RuntimeError: if the encoder left out a frame.
        """
        with _in_a_sentence(self.look), self._file.telling():
            self._mux(self._stream.encode(None))
            self._container.close()
        if sorted(self.order) != list(range(self.count)):
            raise RuntimeError(f"{self.look.codec.encoder} encoded {len(self.order)} of {self.count} frames")

    def abandon(self) -> None:
        """End it after a failure, whatever becomes of the file."""
        with suppress(pyav().FFmpegError, OSError):
            self._container.close()

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            self.order.append(round(packet.pts * packet.time_base * self.look.rate))
            self._container.mux(packet)


def to_yuv(pixels: Tensor, alpha: Tensor | None, look: Look) -> Any:
    """Convert a picture to a frame of PyAV.

    Args:
        pixels: RGB of shape (3, H, W), uint8 or uint16.
        alpha: opacity (1, H, W) of the same type, or None.
        look: of the film.
    """
    from av.video.reformatter import Interpolation

    if alpha is not None and not look.alpha:
        pixels, alpha = flatten(pixels, alpha, look.background), None
    channels = pixels if alpha is None else torch.cat([pixels, alpha])
    if look.alpha and alpha is None:
        top = 65_535 if pixels.dtype == torch.uint16 else 255
        channels = torch.cat([pixels, torch.full_like(pixels[:1], top)])
    array = channels.permute(1, 2, 0).contiguous().numpy()  # (H, W, C)
    height, width = (length + more for length, more in zip(look.size, look.padding, strict=True))
    if array.shape[:2] == look.size and any(look.padding):
        array = np.pad(array, [(0, more) for more in (*look.padding, 0)], mode="edge")
    name = {"uint8": ("rgb24", "rgba"), "uint16": ("rgb48le", "rgba64le")}[str(array.dtype)][array.shape[2] - 3]
    frame = pyav().VideoFrame.from_ndarray(array, format=name)
    return frame.reformat(
        width,
        height,
        look.format,
        dst_colorspace=look.colours.matrix,
        dst_color_range=LIMITED,
        src_color_range=2,
        interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
        threads=1,
    )

"""Packets of a film to frames of PyAV, and these to R'G'B'."""

from collections.abc import Iterator
from fractions import Fraction
from math import atan2, pi
from typing import Any

import numpy as np

from fast_style.video.av_library import pyav
from fast_style.video.clock import Clock
from fast_style.video.colour import KNOWN, RGB, Colours

DEPTHS = {1: "rgb24", 2: "rgb48le"}
DEPTHS_ALPHA = {1: "rgba", 2: "rgba64le"}


def decoded(container: Any, stream: Any, damaged: list[Fraction | None] | None) -> Iterator[Any]:
    """Yield decoded frames, those that a decoder holds back included.

    Args:
        container: the open film.
        stream: of its pictures.
        damaged: takes the times in the file of what cannot be decoded, or only in part, in seconds; None for its end.
    """
    av = pyav()
    context = _transparent_decoder(stream)
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.InvalidDataError:
            if damaged is not None:
                damaged.append(None)
            return
        if packet.size == 0 and packet.dts is not None:
            continue  # a frame that was dropped: only the last packets, which have no time, end the decoding
        try:
            frames = context.decode(packet if packet.size else None)
        except av.FFmpegError:  # decoders of FFmpeg tell of damage in many ways
            if damaged is not None and packet.pts is not None:
                damaged.append(packet.pts * Fraction(stream.time_base))
            continue
        for frame in frames:
            if frame.is_corrupt and damaged is not None and frame.pts is not None:
                damaged.append(frame.pts * Fraction(stream.time_base))
            yield frame


def _transparent_decoder(stream: Any) -> Any:
    """Return the decoder; of VP9 with transparency, the one that knows of it."""
    if (
        stream.codec_context.name not in ("vp9", "vp8")
        or stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) != "1"
    ):
        return stream.codec_context
    context = pyav().CodecContext.create(f"libvpx{'-vp9' if stream.codec_context.name == 'vp9' else ''}", "r")
    context.extradata = stream.codec_context.extradata
    return context


def to_rgb(raw: Any, colours: Colours, size: tuple[int, int], deep: bool, alpha: bool) -> np.ndarray:
    """Convert a decoded frame to R'G'B', (H, W, 3), or (H, W, 4) with transparency; uint8 or uint16.

    Raises:
        av.FFmpegError: if it cannot be converted.
    """
    from av.video.reformatter import Interpolation

    if raw.colorspace not in KNOWN:
        raw.colorspace = colours.matrix
    accurate = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
    formats = DEPTHS_ALPHA if alpha else DEPTHS
    known = {} if colours.matrix == RGB else {"src_colorspace": colours.matrix, "src_color_range": colours.range}
    converted = raw.reformat(
        size[1], size[0], formats[2 if deep else 1], interpolation=accurate, dst_color_range=2, threads=1, **known
    )
    return np.asarray(converted.to_ndarray())


def scaled(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """Return height and width so that the long side has so many pixels, both even; as they are where it has."""
    if side is None or max(size) == side:
        return size
    height, width = (max(2, 2 * round(length * side / max(size) / 2)) for length in size)
    return height, width


def turns_of(raw: Any) -> tuple[bool, int]:
    """Tell how a decoded frame becomes upright: whether top and bottom change places, then quarter turns to the left.

    Its display matrix shows at (a x + c y, b x + d y) what is at (x, y), x to the right and y down.
    """
    try:
        matrix = raw.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV lists all side data of a frame, and refuses frames with a kind that it does not know
        return False, round(raw.rotation / 90) % 4
    if matrix is None:
        return False, 0
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()
    return a * d < b * c, round(-atan2(b, a) / (pi / 2)) % 4


def aspect_of(stream: Any) -> Fraction:
    """Tell the width of a pixel by its height, as the container has it, else the codec, in a fraction that all take."""
    return Fraction(stream.sample_aspect_ratio or 1).limit_denominator(1000) or Fraction(1)


def squared(size: tuple[int, int], aspect: Fraction, side: int | None) -> tuple[int, int]:
    """Return height and width, both even, at which pixels are square: one is enlarged, or the long side is `side`."""
    height, width = size
    wide = (Fraction(height), width * aspect) if aspect > 1 else (height / aspect, Fraction(width))
    share = Fraction(1) if side is None else side / max(wide)
    height, width = (max(2, 2 * round(length * share / 2)) for length in wide)
    return height, width


def times_of(container: Any, stream: Any, clock: Clock) -> list[Fraction]:
    """Read through a film, decoding nothing, for when its frames are shown, in seconds after the first."""
    packets = (packet for packet in container.demux(stream) if packet.size and not packet.is_discard)
    times = (clock.time(packet, Fraction(stream.time_base)) for packet in packets)
    return sorted({time for time in times if time is not None and time >= 0})


def length_of(container: Any, stream: Any, begin: Fraction) -> tuple[Fraction, bool]:
    """Read in the headers how many seconds the pictures last, 0: unknown; and whether that is of the pictures.

    Matroska tells how long all streams last, and only in a tag, which not all programs write, when each ends.

    Args:
        container: the open film.
        stream: of its pictures.
        begin: when the first of them is shown.
    """
    if told := stream.metadata.get("DURATION"):
        try:
            parts = [Fraction(part) for part in told.split(":")]
        except ValueError:
            return Fraction(0), False
        end = sum((part * 60**place for place, part in enumerate(reversed(parts))), Fraction(0))
        return max(Fraction(0), end - begin), True
    if stream.duration is None:
        return Fraction(container.duration or 0, 1_000_000), False
    start = begin if stream.start_time is None else stream.start_time * Fraction(stream.time_base)
    length = start + stream.duration * Fraction(stream.time_base) - begin
    return max(Fraction(0), length), "matroska" not in container.format.name

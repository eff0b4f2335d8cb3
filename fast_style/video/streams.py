"""Which streams beside the pictures of a film a container holds."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from fast_style.video.av_library import address, in_sentences, pyav
from fast_style.video.formats import CONTAINERS
from fast_style.video.opening import pictures_in
from fast_style.video.reading import Film

# What channels are taken for where a film does not tell, which MP4 must know of PCM: FFmpeg's usual ones.
LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
MOST = ".mkv"  # which holds more than the other containers


def check_streams(output: Path, film: Film, audio: bool) -> list[str]:
    """Tell before the work whether the container holds the film's sound.

    Returns:
        Sentences about what will be left out.

    Raises:
        ValueError: if the container does not hold the sound.
    """
    suffix = output.suffix.lower()
    with in_sentences("read film", film.path), pyav().open(address(film.path)) as source:
        sounds = [stream for stream in source.streams.audio if audio and not _takes(suffix, stream)]
        texts = [stream for stream in source.streams.subtitles if not _fits(suffix, stream)]
        helps = all(_takes(MOST, stream) for stream in sounds)
        others = _others(suffix, source)
        keeps = ", .mkv can" if all(_fits(MOST, stream) for stream in texts) else ""
    if sounds:
        advice = f"choose {MOST}, or give --audio none" if helps else "give --audio none"
        raise ValueError(f"{suffix} cannot hold sound in {_names(sounds)}: {advice}")
    notes = [f"subtitles ({_names(texts)}) are left out: {suffix} cannot hold them{keeps}"] if texts else []
    return [*notes, *others]


def kept_streams(output: Path, source: Any, audio: bool) -> list[Any]:
    """List the streams of an open film beside its pictures that are copied."""
    wanted = [*(source.streams.audio if audio else ()), *source.streams.subtitles]
    suffix = output.suffix.lower()
    return [*(stream for stream in wanted if _fits(suffix, stream)), *_attachments(suffix, source)]


def _attachments(suffix: str, source: Any) -> Sequence[Any]:
    """List the files in a film, as fonts of its subtitles, that a container holds."""
    return source.streams.attachments if suffix == MOST else ()


def _others(suffix: str, source: Any) -> list[str]:
    """Tell what else is not copied: pictures that are not stylized, data, and files that the container cannot hold."""
    shown: Any = pictures_in(source)  # without which it would not have been opened
    covers = pyav().stream.Disposition.attached_pic
    more = [stream for stream in source.streams.video if stream.index != shown.index]
    pictures = [stream for stream in more if not stream.disposition & covers]
    data = [stream for stream in source.streams.data if stream.discard != pyav().stream.Discard.all]  # chapters of MP4
    counts = {
        f"other pictures than those of stream {shown.index}": len(pictures),
        "covers": len(more) - len(pictures),
        "data": len(data),
        f"attached files, which {MOST} can hold": len(source.streams.attachments) - len(_attachments(suffix, source)),
    }
    left = [f"{what} ({count})" for what, count in counts.items() if count]
    return [f"left out: {', '.join(left)}"] if left else []


@cache
def _held(suffix: str) -> frozenset[str]:
    """Name the codecs that a container holds, not what encodes and decodes them, which may be called otherwise."""
    av = pyav()
    names: set[str] = set()
    with av.open(BytesIO(), "w", format=CONTAINERS[suffix]) as container:
        for name in container.supported_codecs:
            for mode in ("r", "w"):
                with suppress(av.codec.codec.UnknownCodecError):
                    names.add(av.Codec(name, mode).canonical_name)
    return frozenset(names)


def _fits(suffix: str, stream: Any) -> bool:
    """Tell whether a container has a place for a stream, by writing a header."""
    av = pyav()
    if _name(stream) not in _held(suffix):
        return False
    out = av.open(BytesIO(), "w", format=CONTAINERS[suffix])
    try:
        template(out, stream)
        out.start_encoding()
    except av.FFmpegError:
        return False
    finally:
        with suppress(av.FFmpegError):  # some, as of E-AC-3, cannot end without a packet
            out.close()
    return True


def _takes(suffix: str, stream: Any) -> bool:
    """Tell whether a container takes a stream of sound, by writing a packet of it; some refuse only then."""
    av = pyav()
    if not _fits(suffix, stream):
        return False
    try:
        with av.open(BytesIO(), "w", format=CONTAINERS[suffix]) as out:
            copy = template(out, stream)
            for packet in stream.container.demux(stream):
                if packet.dts is not None and packet.size:
                    packet.stream = copy
                    out.mux(packet)
                    break
    except av.FFmpegError:
        return False
    finally:
        with suppress(av.FFmpegError):  # it cannot be sought in
            stream.container.seek(0)
    return True


def template(out: Any, stream: Any) -> Any:
    """Add a stream to which packets of another are copied."""
    copy = out.add_stream_from_template(stream, opaque=True)
    if stream.type == "audio":
        channels = stream.codec_context.layout.nb_channels
        if stream.codec_context.layout.name == f"{channels} channels" and channels in LAYOUTS:
            copy.codec_context.layout = LAYOUTS[channels]
    return copy


def _names(streams: Sequence[Any]) -> str:
    return ", ".join(sorted({_name(stream) for stream in streams}))


def _name(stream: Any) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context is not None else "an unknown codec"

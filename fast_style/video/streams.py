"""What a film has beside its pictures: sound, subtitles and chapters, which are copied as they are."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from fast_style.video.av_library import address, in_sentences, pyav
from fast_style.video.formats import CONTAINERS
from fast_style.video.reading import Film

JITTER = Fraction(1, 10)  # seconds by which times may go back by mistake
REPEATED = Fraction(1, 1000)  # seconds by which sound comes later that has the time of what is before
# What channels are taken for where a film does not tell, which MP4 must know of PCM: FFmpeg's usual ones.
LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
MOST = ".mkv"  # which holds more than the other containers


def check_streams(output: Path, film: Film, audio: bool) -> list[str]:
    """Tell before the work whether the container holds the film's sound.

    Returns:
        A sentence for what will be left out.

    Raises:
        ValueError: if the container does not hold the sound.
    """
    suffix = output.suffix.lower()
    with in_sentences("read film", film.path), pyav().open(address(film.path)) as source:
        sounds = [stream for stream in source.streams.audio if audio and not _takes(suffix, stream)]
        texts = [stream for stream in source.streams.subtitles if not _fits(suffix, stream)]
        helps = all(_takes(MOST, stream) for stream in sounds)
        keeps = ", .mkv can" if all(_fits(MOST, stream) for stream in texts) else ""
    if sounds:
        advice = f"choose {MOST}, or give --audio none" if helps else "give --audio none"
        raise ValueError(f"{suffix} cannot hold sound in {_names(sounds)}: {advice}")
    return [f"subtitles ({_names(texts)}) are left out: {suffix} cannot hold them{keeps}"] if texts else []


@cache
def _held(suffix: str) -> frozenset[str]:
    """Name the codecs that a container holds, not what encodes and decodes them, which may be called otherwise."""
    av, names = pyav(), set()
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
    try:
        with av.open(BytesIO(), "w", format=CONTAINERS[suffix]) as out:
            _template(out, stream)
            out.start_encoding()
    except av.FFmpegError:
        return False
    return True


def _takes(suffix: str, stream: Any) -> bool:
    """Tell whether a container takes a stream of sound, by writing a packet of it; some refuse only then."""
    av = pyav()
    if not _fits(suffix, stream):
        return False
    try:
        with av.open(BytesIO(), "w", format=CONTAINERS[suffix]) as out:
            copy = _template(out, stream)
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


def _template(out: Any, stream: Any) -> Any:
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


def copied(
    out: Any, output: Path, source: Any, film: Film, audio: bool, end: Fraction | None
) -> Iterator[tuple[Fraction, Any]]:
    """Add the other streams, then yield their packets as they are, from the start to the end of the pictures."""
    wanted = [*(source.streams.audio if audio else ()), *source.streams.subtitles]
    copies = {}
    for stream in wanted:
        if _fits(output.suffix.lower(), stream):
            copy = copies[stream.index] = _template(out, stream)
            copy.metadata.update(stream.metadata)
            copy.disposition = stream.disposition
    return _shifted(source, copies, film, end) if copies else iter(())


def chapters(source: Any, shift: Fraction) -> list[Any]:
    """Return the chapters, so many seconds earlier."""
    return [
        {**each, **{key: round(each[key] - shift / each["time_base"]) for key in ("start", "end")}}
        for each in source.chapters()
    ]


def _shifted(source: Any, copies: dict[int, Any], film: Film, end: Fraction | None) -> Iterator[tuple[Fraction, Any]]:
    """Yield packets between the start and the end with the times of the new film, which never go back."""
    begin = film.clock.begin + film.wanted.start
    last: dict[int, tuple[int, int]] = {}  # of each stream, the latest time in the source, and as it is written
    for packet in source.demux([source.streams[index] for index in copies]):
        if packet.pts is None and packet.dts is None:
            continue
        base = packet.time_base
        pts = packet.dts if packet.pts is None else packet.pts
        dts = packet.pts if packet.dts is None else packet.dts
        if (film.wanted.start and pts * base < begin) or (end is not None and pts * base >= begin + end):
            continue
        shift = round((begin - film.lead) / base)
        packet.pts, packet.dts = pts - shift, dts - shift
        told, written = last.get(packet.stream.index, (packet.dts, packet.dts - 1))
        texts = packet.stream.type == "subtitle"  # of which several may come at one time
        if (told - packet.dts) * base > JITTER and not texts:
            continue  # the film's own times go back, and its pictures were left out there as well
        told = max(told, packet.dts)
        if packet.dts <= written:  # which no container takes of sound
            packet.dts = written if texts else written + max(1, round(REPEATED / base))
            packet.pts = max(packet.pts, packet.dts)
        last[packet.stream.index] = told, packet.dts
        packet.stream = copies[packet.stream.index]
        yield packet.dts * base, packet

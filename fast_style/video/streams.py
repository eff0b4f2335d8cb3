"""What a film has beside its pictures: sound, subtitles and chapters, which are copied as they are."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

from fast_style.video.av_library import address, in_sentences, pyav
from fast_style.video.formats import CONTAINERS
from fast_style.video.reading import Film

JITTER = Fraction(1, 10)  # seconds by which times may go back by mistake
REPEATED = Fraction(1, 1000)  # seconds by which sound comes later that has the time of what is before
# What channels are taken for where a film does not tell, which MP4 must know of PCM: FFmpeg's usual ones.
LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def check_streams(output: Path, film: Film, audio: bool) -> list[str]:
    """Tell before the work whether the container holds the film's sound.

    Returns:
        A sentence for what will be left out.

    Raises:
        ValueError: if the container does not hold the sound.
    """
    av = pyav()
    held = _held(output)
    notes = []
    with in_sentences("read film", film.path), av.open(address(film.path)) as source:
        sounds, texts = ({_name(s) for s in several} for several in (source.streams.audio, source.streams.subtitles))
        lost = sounds - held
        if audio and not lost:
            lost = {_name(stream) for stream in source.streams.audio if not _takes(output, source, stream)}
    if audio and lost:
        raise ValueError(
            f"{output.suffix} cannot hold sound in {', '.join(sorted(lost))}: choose .mkv, or give --audio none"
        )
    if lost := texts - held:
        notes.append(f"subtitles ({', '.join(sorted(lost))}) are left out: {output.suffix} cannot hold them, .mkv can")
    return notes


def _held(output: Path) -> set[str]:
    """Name the codecs that a container holds."""
    from io import BytesIO

    with pyav().open(BytesIO(), "w", format=CONTAINERS[output.suffix.lower()]) as container:
        return set(container.supported_codecs)


def _takes(output: Path, source: Any, stream: Any) -> bool:
    """Tell whether a container takes a stream of sound, by writing a packet of it; some refuse only then."""
    from io import BytesIO

    av = pyav()
    try:
        with av.open(BytesIO(), "w", format=CONTAINERS[output.suffix.lower()]) as out:
            copy = _template(out, stream)
            for packet in source.demux(stream):
                if packet.dts is not None and packet.size:
                    packet.stream = copy
                    out.mux(packet)
                    break
    except av.FFmpegError:
        return False
    with suppress(av.FFmpegError):  # it cannot be sought in
        source.seek(0)
    return True


def _template(out: Any, stream: Any) -> Any:
    """Add a stream to which packets of another are copied."""
    copy = out.add_stream_from_template(stream, opaque=True)
    if stream.type == "audio":
        channels = stream.codec_context.layout.nb_channels
        if stream.codec_context.layout.name == f"{channels} channels" and channels in LAYOUTS:
            copy.codec_context.layout = LAYOUTS[channels]
    return copy


def _name(stream: Any) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context is not None else "an unknown codec"


def copied(out: Any, source: Any, film: Film, audio: bool, end: Fraction | None) -> Iterator[tuple[Fraction, Any]]:
    """Add the other streams, then yield their packets as they are, from the start to the end of the pictures."""
    held = set(out.supported_codecs)
    wanted = [*(source.streams.audio if audio else ()), *source.streams.subtitles]
    copies = {}
    for stream in wanted:
        if _name(stream) in held:
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

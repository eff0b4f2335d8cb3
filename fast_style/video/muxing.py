"""Parts of a film joined in a container of any kind, with the sound and the subtitles of another film."""

import heapq
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from fast_style.files import replacing
from fast_style.video.av_library import Recorded, address, in_sentences, pyav
from fast_style.video.encoding import Look
from fast_style.video.formats import CONTAINERS
from fast_style.video.reading import Film

JITTER = Fraction(1, 10)  # seconds by which times may go back by mistake
REPEATED = Fraction(1, 1000)  # seconds by which sound comes later that has the time of what is before
# What channels are taken for where a film does not tell, which MP4 must know of PCM: FFmpeg's usual ones.
LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


@dataclass(frozen=True)
class Timing:
    """When a frame is shown, and for how long, in seconds; of the durations only that of the last frame matters."""

    time: Fraction
    duration: Fraction


class Joinable(Protocol):
    """Closed parts, and the film that they become."""

    output: Path

    def timings(self) -> Iterator[tuple[Path, list[int], list[Timing]]]:
        """Yield each part with the order of its packets and the times of its frames."""
        ...


def mux(
    parts: Joinable, film: Film | None, look: Look, time_base: Fraction, audio: bool, cut: bool, metadata: bool = True
) -> None:
    """Write the film, whole or not at all. Nothing is encoded anew.

    Args:
        parts: of the pictures.
        film: whose sound, subtitles, title, comment, and chapters if it is whole, are copied; None: nothing is.
        look: of the pictures.
        time_base: of the pictures' timestamps; Matroska and WebM round them to milliseconds.
        audio: whether sound is copied.
        cut: whether sound that comes after the last picture is left out.
        metadata: whether title, comment and chapters are copied.

    Raises:
        OSError: if the film cannot be written.
        ValueError: if the container refuses a stream.
    """
    av = pyav()
    delay = max(_delay(order) for _, order, _ in parts.timings())
    with in_sentences("write film", parts.output), ExitStack() as open_:  # some is only refused when it is closed
        file = Recorded(open_.enter_context(replacing(parts.output)))
        open_.enter_context(file.telling())
        form = CONTAINERS[parts.output.suffix.lower()]
        out = open_.enter_context(av.open(file, "w", format=form))
        out.flags |= av.container.Flags.bitexact.value  # nothing in it depends on when it was made
        first, _, _ = next(parts.timings())
        with av.open(address(first)) as part:
            pictures = out.add_stream_from_template(part.streams.video[0], opaque=True)
        _dress(pictures, look, time_base)
        lead = Fraction(0) if film is None else film.lead
        streams = [_pictures(parts, pictures, time_base, delay, lead)]
        if film is not None:
            source = open_.enter_context(av.open(address(film.path)))
            end = _end(parts) if cut or film.wanted.end is not None else None
            if metadata:
                if not film.wanted.start and end is None and source.chapters():
                    out.set_chapters(_chapters(source, film.clock.begin - film.lead))
                told = {key: value for key, value in source.metadata.items() if key in ("title", "comment")}
                out.metadata.update(told)
            streams.append(_copied(out, source, film, audio, end))
        for _, packet in heapq.merge(*streams, key=lambda timed: timed[0]):
            out.mux(packet)


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


def _dress(stream: Any, look: Look, time_base: Fraction) -> None:
    """Tag the pictures as they are encoded."""
    stream.time_base = time_base
    context = stream.codec_context
    if look.codec.tag is not None and stream.container.format.name in ("mp4", "mov"):
        context.codec_tag = look.codec.tag
    if look.alpha and look.codec.name == "vp9":
        stream.metadata["alpha_mode"] = "1"


def _delay(order: list[int]) -> int:
    """Count by how many frames packets come before they are shown, at least what decoding needs."""
    return max((place - number for place, number in enumerate(order)), default=0)


def _end(parts: Joinable) -> Fraction:
    *_, (_, _, timings) = parts.timings()
    return timings[-1].time + timings[-1].duration


def _pictures(
    parts: Joinable, stream: Any, time_base: Fraction, delay: int, lead: Fraction
) -> Iterator[tuple[Fraction, Any]]:
    """Yield packets with their true times; those of decoding are the times of showing, `delay` frames earlier."""
    av = pyav()
    before: list[Fraction] = []
    usual = None
    for path, order, timings in parts.timings():
        times = [lead + timing.time for timing in timings]
        if usual is None:
            usual = (times[1] - times[0]) if len(times) > 1 else timings[0].duration or time_base
            before = [times[0] - usual * (delay - number) for number in range(delay)]
        decoding = [*before, *times]
        before = decoding[len(times) :]
        nexts = [*times[1:], times[-1] + timings[-1].duration]
        with av.open(address(path)) as part:
            packets = (packet for packet in part.demux(video=0) if packet.size)
            for place, packet in enumerate(packets):
                number = order[place]
                packet.stream, packet.time_base = stream, time_base
                packet.pts, packet.dts = (round(time / time_base) for time in (times[number], decoding[place]))
                packet.duration = round((nexts[number] - times[number]) / time_base)
                yield decoding[place], packet


def _copied(out: Any, source: Any, film: Film, audio: bool, end: Fraction | None) -> Iterator[tuple[Fraction, Any]]:
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


def _chapters(source: Any, shift: Fraction) -> list[Any]:
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

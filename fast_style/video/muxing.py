"""Parts of a film joined in a container of any kind, with the sound and the subtitles of another film."""

import heapq
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from fast_style.files import replacing
from fast_style.video.av_library import Recorded, address, in_sentences, pyav
from fast_style.video.clock import common_base
from fast_style.video.copying import Beside
from fast_style.video.encoding import Look
from fast_style.video.formats import CONTAINERS
from fast_style.video.reading import Film


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
        time_base: of the pictures' times; Matroska and WebM round them to milliseconds.
        audio: whether sound is copied.
        cut: whether sound that comes after the last picture is left out.
        metadata: whether title, comment and chapters are copied, and what is told of the other streams.

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
        beside: Beside | None = None
        lead = Fraction(0)
        if film is not None:
            beside = Beside(open_.enter_context(av.open(address(film.path))), film, parts.output, audio)
            lead = beside.lead
        time_base = common_base(time_base, lead)
        _dress(pictures, look, time_base)
        streams = [_pictures(parts, pictures, time_base, delay, lead)]
        if film is not None and beside is not None:
            end = _end(parts) if cut or film.wanted.end is not None else None
            streams.append(beside.added(out, end, metadata))
        for _, packet in heapq.merge(*streams, key=lambda timed: timed[0]):
            out.mux(packet)


def _dress(stream: Any, look: Look, time_base: Fraction) -> None:
    """Tag the pictures as they are encoded."""
    stream.time_base = time_base
    context = stream.codec_context
    if look.codec.tag is not None and stream.container.format.name in ("mp4", "mov"):
        context.codec_tag = look.codec.tag
    if look.aspect != 1:
        context.sample_aspect_ratio = look.aspect  # for MP4 and MOV, since not all codecs tell
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

"""What a film has beside its pictures, as sound, subtitles, their fonts and chapters, copied as it is."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from fast_style.video.clock import lead_of
from fast_style.video.reading import Film
from fast_style.video.streams import kept_streams, template

JITTER = Fraction(1, 10)  # seconds by which times may go back by mistake
REPEATED = Fraction(1, 1000)  # seconds by which sound comes later that has the time of what is before


class Beside:
    """What is copied beside the pictures of a film.

    Args:
        source: the film, opened by PyAV.
        film: the same; which part of it is wanted.
        output: what is written; its suffix names the container.
        audio: whether sound is copied.

    Attributes:
        lead: seconds by which it begins before the first picture.
    """

    def __init__(self, source: Any, film: Film, output: Path, audio: bool) -> None:
        self._source, self._film = source, film
        self._streams = kept_streams(output, source, audio)
        timed = [stream for stream in self._streams if stream.type != "attachment"]
        self.lead = Fraction(0) if film.wanted.start else lead_of(film.clock.begin, timed)
        self._origin = film.clock.begin + film.wanted.start - self.lead  # the time in the film that becomes 0

    def added(self, out: Any, end: Fraction | None, metadata: bool) -> Iterator[tuple[Fraction, Any]]:
        """Add the streams, then yield their packets as they are, each after its time.

        Args:
            out: the new film, opened by PyAV.
            end: seconds after the first picture from which on nothing is copied; None: all is.
            metadata: whether title, comment, of whole films chapters, and all that is told of the streams are added;
                otherwise of the streams their language alone.
        """
        if metadata:
            out.metadata.update(_only(self._source.metadata, ("title", "comment")))
            if not self._film.wanted.start and end is None and (chapters := self._chapters()):
                out.set_chapters(chapters)
        copies = {}
        for stream in self._streams:
            copy = copies[stream.index] = template(out, stream)
            kept = metadata or stream.type == "attachment"  # whose name and type it needs
            copy.metadata.update(stream.metadata if kept else _only(stream.metadata, ("language",)))
            copy.disposition = stream.disposition
        return self._shifted(copies, end)

    def _chapters(self) -> list[Any]:
        """Return the chapters, as `set_chapters` takes them, but those that end before anything that is copied."""
        chapters = []
        for each in self._source.chapters():
            start, end = (round(each[key] - self._origin / each["time_base"]) for key in ("start", "end"))
            if end > 0:
                chapters.append({**each, "start": max(0, start), "end": end})
        return chapters

    def _shifted(self, copies: Mapping[int, Any], end: Fraction | None) -> Iterator[tuple[Fraction, Any]]:
        """Yield packets between the start and the end with the times of the new film, which never go back.

        Text that is shown at the start comes first, though it has begun before, and is shown until the end at most.
        """
        start = self._origin + self.lead
        timed = [stream for stream in self._streams if stream.type != "attachment"]
        last: dict[int, tuple[int, int]] = {}  # of each stream, the latest time in the source, and as it is written
        for packet in self._source.demux(timed) if timed else ():
            if packet.pts is None and packet.dts is None:
                continue
            base = packet.time_base
            pts = packet.dts if packet.pts is None else packet.pts
            dts = packet.pts if packet.dts is None else packet.dts
            shown = pts + (packet.duration or 0) if _is_text(packet.stream) else pts
            early = bool(self._film.wanted.start) and pts * base < start
            if (early and shown * base <= start) or (end is not None and pts * base >= start + end):
                continue
            shift = round(self._origin / base)
            packet.pts, packet.dts = (0, 0) if early else (pts - shift, dts - shift)
            if shown > pts:
                last_moment = shown - shift if end is None else min(shown - shift, round((self.lead + end) / base))
                packet.duration = max(1, last_moment - packet.pts)
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


def _is_text(stream: Any) -> bool:
    """Tell whether a stream is of subtitles whose packets are text, each complete, and may be moved."""
    return stream.type == "subtitle" and stream.codec_context is not None and stream.codec_context.codec.text_sub


def _only(metadata: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    """Return what has one of some keys, which Matroska writes in capitals."""
    return {key.lower(): value for key, value in metadata.items() if key.lower() in keys}

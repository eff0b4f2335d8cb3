"""Films whose first frame has another time than 0, as those of MPEG-TS mostly do."""

from fractions import Fraction

import av
import numpy as np
import pytest

from fast_style import video
from fast_style.video.clock import common_base
from tests.video.conftest import packets_of, times_of

LATE = {"output_ts_offset": "1.4"}
STEP = 5  # by which each frame is lighter than the one before


def grey(number, height, width, _):
    return np.full((height, width, 3), STEP * number, np.uint8)


@pytest.fixture
def late(clip):
    """Fifty frames, of which every tenth can be begun with."""

    def make(name="late.ts", sound="aac", codec="libx264", frames=50, **more):
        options = {"g": "10", **more}
        return clip(name, frames, codec=codec, sound=sound, draw=grey, options=options, container_options=LATE)

    return make


def numbers(film: video.Film) -> list[int]:
    """Tell by their light which frames are read."""
    return [round(float(frame.pixels.float().mean()) / STEP) for frame in film.frames()]


@pytest.mark.parametrize("name", ["late.ts", "late.mkv", "late.flv"])
def test_time_is_counted_from_the_first_frame(late, name):
    film = video.Film(late(name))
    assert film.clock.origin > 1
    assert [frame.time for frame in film.frames()] == [Fraction(n, 25) for n in range(50)]
    assert film.count == pytest.approx(50, abs=2)
    assert not film.notes


@pytest.mark.parametrize("name", ["late.ts", "late.mkv", "late.flv"])
@pytest.mark.parametrize(("start", "end"), [("0.4", "0.8"), ("1.96", None), ("0.04", "0.12")])
def test_a_part_is_counted_from_the_first_frame(late, name, start, end):
    """Where MPEG-TS is sought in, decoding begins at some later frame."""
    wanted = video.Wanted(Fraction(start), None if end is None else Fraction(end))
    film = video.Film(late(name), wanted)
    first, last = 25 * wanted.start, 50 if wanted.end is None else 25 * wanted.end
    assert numbers(film) == list(range(int(first), int(last)))
    assert next(film.frames()).time == 0
    assert not film.notes


def test_a_start_after_the_end(late):
    path = late()
    with pytest.raises(ValueError, match=r"--start 2 is after the end of .*, which lasts 2\.000 s"):
        video.Film(path, video.Wanted(Fraction(2)))


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv"])
def test_the_new_film_begins_at_once(late, remake, name):
    """And its sound comes with its pictures as before; in MPEG-TS each packet of AAC has seven bytes before it."""
    source = late()
    output = remake(source, name)
    assert times_of(output)[0] < Fraction(1, 10)
    assert packets_of(output, "audio") == [packet[7:] for packet in packets_of(source, "audio")] != []
    assert float(_ahead(output)) == pytest.approx(float(_ahead(source)), abs=0.001)


def test_a_foreign_reader_sees_all_frames(late, remake, probe):
    output = remake(late(), "o.mp4")
    pictures, sound = probe(output)["streams"]
    assert (pictures["nb_read_frames"], sound["codec_name"]) == ("50", "aac")
    assert float(pictures["start_time"]) < 0.1
    assert float(pictures["duration"]) == pytest.approx(2, abs=0.001)


def test_an_even_rate_begins_with_the_first_frame(late, remake):
    source = late()
    output = remake(source, "o.mkv", wanted=video.Wanted(fps=Fraction(10)))
    times = times_of(output)
    assert [time - times[0] for time in times] == [Fraction(n, 10) for n in range(20)]
    assert float(_ahead(output)) == pytest.approx(float(_ahead(source)), abs=0.002)


@pytest.mark.parametrize(("audio", "begin"), [(True, 1), (False, 0)])
def test_only_what_is_copied_comes_before_the_pictures(clip, remake, audio, begin):
    source = clip("a.mkv", frames=3, times=[1000, 1040, 1080], sound="aac")
    assert times_of(remake(source, audio=audio))[0] == begin


def test_a_font_comes_before_no_picture(clip, remake, tmp_path):
    """Its stream is said to begin with the file, which sound may."""
    source = tmp_path / "font.mkv"
    begun = clip("a.mkv", frames=3, times=[1000, 1040, 1080], sound="aac")
    with av.open(str(begun)) as plain, av.open(str(source), "w") as out:
        copies = {each.index: out.add_stream_from_template(each, opaque=True) for each in plain.streams}
        out.add_attachment("letters.ttf", "application/x-truetype-font", b"outlines")
        for packet in plain.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    assert times_of(remake(source, "o.mkv", audio=False))[0] == 0


def test_chapters_move_along(late, remake, tmp_path):
    """Matroska has no place for one that begins before the film."""
    source = tmp_path / "told.mkv"
    chapters = [
        {"id": number, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": str(number)}}
        for number, (start, end) in enumerate([(0, 1000), (1000, 1600), (1600, 2000)], start=1)
    ]
    with av.open(str(late("a.mkv", None))) as plain, av.open(str(source), "w") as out:
        stream = out.add_stream_from_template(plain.streams.video[0], opaque=True)
        out.set_chapters(chapters)
        for packet in plain.demux():
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    with av.open(str(remake(source, "o.mkv"))) as output:
        found = output.chapters()
    assert [chapter["metadata"]["title"] for chapter in found] == ["2", "3"]
    starts, ends = ([float(each[key] * each["time_base"]) for each in found] for key in ("start", "end"))
    assert starts == pytest.approx([0, 0.2], abs=0.09)
    assert ends == pytest.approx([0.2, 0.6], abs=0.09)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_avi_with_frames_out_of_order(clip, remake, codec):
    """AVI tells when frames are decoded, not when they are shown."""
    options = {"g": "10", "bf": "2", "b": "4M", "qmax": "3"}
    source = clip("a.avi", 50, codec=codec, sound="mp2", draw=grey, options=options)
    film = video.Film(source)
    assert numbers(film) == list(range(50))
    assert [frame.time for frame in film.frames()] == [Fraction(n, 25) for n in range(50)]
    assert numbers(video.Film(source, video.Wanted(Fraction(1), Fraction(6, 5)))) == list(range(25, 30))
    output = remake(source, "o.mkv")
    assert times_of(output) == [Fraction(n, 25) for n in range(50)]
    assert packets_of(output, "audio") == packets_of(source, "audio") != []


@pytest.mark.parametrize("wanted", [video.Wanted(fps=Fraction("29.97002997")), video.Wanted(Fraction("0.1234567891"))])
def test_units_that_no_file_can_have(clip, remake, wanted):
    source = clip(frames=9)
    told = [float(frame.time) for frame in video.Film(source, wanted).frames()]
    assert [float(time) for time in times_of(remake(source, "o.mp4", wanted=wanted))] == pytest.approx(told, abs=2e-6)


def test_units_that_two_times_have_in_common():
    for time in (Fraction(1, 30_000_001), Fraction(100_000_000, 2_997_002_997)):
        assert common_base(time) == Fraction(1, 1_000_000)
    assert common_base(Fraction(1, 25), Fraction(21, 1000)) == Fraction(1, 1000)
    assert common_base(Fraction(1001, 30_000), Fraction(0)) == Fraction(1001, 30_000)


def _ahead(path) -> Fraction:
    """Seconds by which the sound begins before the pictures."""
    with av.open(str(path)) as container:
        (pictures,), (sound,) = (container.streams.video, container.streams.audio)
        return pictures.start_time * pictures.time_base - sound.start_time * sound.time_base

"""Films that are read and written again, seen by a foreign reader."""

import io
import struct
from contextlib import ExitStack
from fractions import Fraction

import av
import numpy as np
import PIL.Image
import pytest
import torch
from av.bitstream import BitStreamFilterContext

from fast_style import video
from fast_style.video import parts
from fast_style.video.decoding import squared
from tests.video.conftest import packets_of, picture, pictures_of, times_of

VFR = [0, 40, 50, 133, 140, 400, 410, 600, 640, 997]


def test_nothing_but_the_pictures_changes(clip, remake, probe):
    source = clip("a.mkv", frames=20, sound="aac", words=True)
    output = remake(source, "b.mkv")
    assert times_of(output) == times_of(source)
    assert packets_of(output, "audio") == packets_of(source, "audio") != []
    assert packets_of(output, "subtitle") == packets_of(source, "subtitle") != []
    pictures, sound, words = probe(output)["streams"]
    assert (pictures["codec_name"], sound["codec_name"], words["codec_name"]) == ("h264", "aac", "subrip")
    assert (pictures["nb_read_frames"], pictures["avg_frame_rate"]) == ("20", "25/1")


@pytest.fixture
def crowded(clip, tmp_path):
    """A film with two streams of pictures, the second of which is the default, and a font."""
    path = tmp_path / "crowded.mkv"
    with ExitStack() as stack:
        clips = [clip("a.mkv", frames=3), clip("b.mkv", frames=5, size=(32, 32))]
        films = [stack.enter_context(av.open(str(clip))) for clip in clips]
        out = stack.enter_context(av.open(str(path), "w"))
        streams = [out.add_stream_from_template(film.streams.video[0], opaque=True) for film in films]
        for stream, disposition in zip(streams, (0, av.stream.Disposition.default), strict=True):
            stream.disposition = disposition
        out.add_attachment("letters.ttf", "application/x-truetype-font", b"outlines")
        for film, stream in zip(films, streams, strict=True):
            for packet in film.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
    return path


@pytest.mark.parametrize(("name", "lost"), [("o.mkv", ""), ("o.mp4", ", attached files, which .mkv can hold (1)")])
def test_streams_that_are_left_out_are_told(crowded, remake, name, lost):
    """The pictures are those that players show."""
    output = remake(crowded, name)
    notes = video.check_streams(output, video.Film(crowded), True)
    assert notes == [f"left out: other pictures than those of stream 1 (1){lost}"]
    with av.open(str(output)) as container:
        assert (container.streams.video[0].width, len(times_of(output))) == (32, 5)
        fonts = [] if lost else [("letters.ttf", b"outlines")]
        assert [(each.name, each.data) for each in container.streams.attachments] == fonts


def test_frames_that_tell_more_than_is_known_of(tmp_path):
    """Such as EXIF in each, of which PyAV has no name."""
    told, content, path = PIL.Image.Exif(), io.BytesIO(), tmp_path / "camera.mov"
    told[0x010E] = "a field"
    PIL.Image.new("RGB", (32, 16), (200, 100, 50)).save(content, "JPEG", exif=told)
    with av.open(str(path), "w") as out:
        stream = out.add_mux_stream("mjpeg", rate=25, width=32, height=16)
        for number in range(3):
            packet = av.Packet(content.getvalue())
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 25), number, number
            out.mux(packet)
    assert [tuple(frame.pixels.shape) for frame in video.Film(path).frames()] == [(3, 16, 32)] * 3


def test_chapters_are_no_data_that_is_left_out(clip):
    """In MP4 they are a stream as well."""
    source, told = clip("a.mp4", frames=3), clip("told.mp4", frames=1)
    with av.open(str(source)) as film, av.open(str(told), "w") as out:
        stream = out.add_stream_from_template(film.streams.video[0], opaque=True)
        out.set_chapters([{"id": 1, "start": 0, "end": 80, "time_base": Fraction(1, 1000), "metadata": {"title": "x"}}])
        for packet in film.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    with av.open(str(told)) as film:
        assert len(film.streams.data) == 1
    assert video.check_streams(told.with_name("o.mp4"), video.Film(told), True) == []


def test_interlaced_films_are_told(clip, remake):
    remake(clip(options={"x264-params": "interlaced=1"}))
    assert "is interlaced" in "".join(remake.notes)


def test_title_and_chapters_stay(clip, remake, tmp_path):
    chapters = [{"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "first"}}]
    plain, source = clip("a.mkv"), tmp_path / "told.mkv"
    with av.open(str(plain)) as whole, av.open(str(source), "w") as out:
        stream = out.add_stream_from_template(whole.streams.video[0], opaque=True)
        out.metadata["title"] = "A clip"
        out.set_chapters(chapters)
        for packet in whole.demux():
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    for name in ("b.mkv", "b.mp4"):
        with av.open(str(remake(source, name))) as output:
            assert output.metadata["title"] == "A clip"
            (chapter,) = output.chapters()
            assert (chapter["metadata"]["title"], chapter["end"] * chapter["time_base"]) == ("first", Fraction(1, 5))


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_frames_come_at_their_own_times(clip, remake, probe, name):
    source = clip("a.mkv", times=VFR, sound="aac")
    output = remake(source, name)
    found = probe(output, "-select_streams", "v", "-show_entries", "frame=pts_time")["frames"]
    assert [round(1000 * float(frame["pts_time"])) for frame in found] == VFR
    assert packets_of(output, "audio") == packets_of(source, "audio")


def test_the_last_frame_is_shown_as_long(clip, remake, probe):
    """Encoders that hold back frames lose this."""
    source = clip("a.mp4", times=[0, 40, 80, 500], frames=4)
    shown = float(probe(remake(source))["streams"][0]["duration"])
    assert shown == pytest.approx(0.54)


def test_times_over_several_parts(clip, remake, monkeypatch):
    monkeypatch.setattr(parts, "FRAMES", 4)
    source = clip(times=VFR)
    assert times_of(remake(source)) == times_of(source) == [Fraction(time, 1000) for time in VFR]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_portrait_films_are_turned_upright(clip, remake, probe, rotation):
    source = clip(rotation=rotation)
    output = remake(source)
    (stream,) = probe(output)["streams"]
    assert (stream["width"], stream["height"]) == ((64, 48) if rotation == 180 else (48, 64))
    assert "side_data_list" not in stream
    assert np.abs(pictures_of(output).astype(int) - pictures_of(source)).mean() < 3


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_mirrored_films_are_shown_as_players_do(clip, remake, rotation):
    """As those of cameras that face who holds them."""
    plain = pictures_of(clip("plain.mp4", frames=2)).astype(int)
    output = remake(clip(frames=2, rotation=rotation, mirrored=True))
    expected = np.rot90(plain[:, ::-1], -rotation // 90, axes=(1, 2))
    assert np.abs(pictures_of(output).astype(int) - expected).mean() < 3


@pytest.mark.parametrize(("tags", "full"), [(None, False), ((1, 1, 1), False), ((6, 6, 6), True), ((9, 9, 1), False)])
def test_colours_stay_and_are_tagged(clip, remake, probe, tags, full):
    source = clip("a.mkv", tags=tags, full=full)
    output = remake(source, "b.mp4")
    (stream,) = probe(output)["streams"]
    matrix = {1: "bt709", 6: "smpte170m", 9: "bt2020nc"}[tags[0] if tags else 6]
    assert (stream["color_range"], stream["color_space"]) == ("tv", matrix)
    before, after = (pictures_of(path).astype(int) for path in (source, output))
    assert np.abs(before - after).mean() < 2.5
    assert abs((before - after).mean()) < 1


@pytest.mark.parametrize(("matrix", "taken"), [(10, "bt2020nc"), (12, "smpte170m")])
def test_a_matrix_that_is_not_converted(clip, remake, probe, matrix, taken):
    output = remake(tagged(clip, matrix))
    assert probe(output)["streams"][0]["color_space"] == taken
    assert f"has colours of a matrix that is not converted ({matrix}): they are guessed" in "".join(remake.notes)


def test_colours_that_are_not_converted(clip):
    source = tagged(clip, 8)
    with pytest.raises(ValueError, match=r"cannot read film .*: its colours are YCgCo, which is not converted: make a"):
        video.Film(source)


def tagged(clip, matrix: int):
    """A clip in BT.601 whose packets tell of another matrix."""
    plain = clip("plain.ts", frames=30)
    path = plain.with_name("tagged.ts")
    with av.open(str(plain)) as film, av.open(str(path), "w") as out:
        stream = film.streams.video[0]
        copy = out.add_stream_from_template(stream, opaque=True)
        change = BitStreamFilterContext(f"h264_metadata=matrix_coefficients={matrix}", stream)
        for packet in film.demux(stream):
            for changed in change.filter(packet if packet.size else None):
                changed.stream = copy
                out.mux(changed)
    return path


def test_films_of_hd_without_tags_are_bt709(clip, remake, probe):
    source = clip(frames=1, size=(720, 720))
    (stream,) = probe(remake(source))["streams"]
    assert stream["color_space"] == stream["color_primaries"] == "bt709"


@pytest.mark.parametrize(
    ("codec", "name", "form"),
    [(None, "hevc", "yuv420p10le"), ("h264", "h264", "yuv420p10le"), ("av1", "av1", "yuv420p10le")],
)
def test_ten_bits_are_kept(clip, remake, probe, codec, name, form):
    if codec == "av1":
        source = clip("a.mkv", form="yuv420p10le", frames=3, size=(64, 64))
    else:
        source = clip("a.mkv", form="yuv420p10le", frames=3)
    output = remake(source, "b.mp4", codec)
    (stream,) = probe(output)["streams"]
    assert (stream["codec_name"], stream["pix_fmt"]) == (name, form)
    before, after = (pictures_of(path, "rgb48le").astype(int) for path in (source, output))
    assert np.abs(before - after).mean() < 257 * 2.5
    assert len(np.unique(after)) > 256


def test_the_network_gets_all_bits(clip, remake):
    seen = []
    remake(clip(form="yuv420p10le", frames=2), stylize=lambda photo, _: seen.append(photo) or photo)
    assert seen[0].dtype == torch.float32
    assert len(seen[0].unique()) > 256


@pytest.mark.parametrize(
    ("name", "codec", "found"),
    [
        ("o.mp4", "h264", "h264"),
        ("o.mkv", "hevc", "hevc"),
        ("o.mp4", "hevc", "hevc"),
        ("o.mkv", "vp9", "vp9"),
        ("o.webm", None, "vp9"),
        ("o.mov", "prores", "prores"),
        ("o.m4v", None, "h264"),
    ],
)
def test_codecs(clip, remake, probe, name, codec, found):
    source = clip(frames=6)
    output = remake(source, name, codec)
    (stream,) = probe(output)["streams"]
    assert (stream["codec_name"], stream["nb_read_frames"]) == (found, "6")
    if name == "o.mp4" and codec == "hevc":
        assert stream["codec_tag_string"] == "hvc1"
    assert np.abs(pictures_of(output).astype(int) - pictures_of(source)).mean() < 4


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9"])
def test_encoders_do_not_chat(clip, remake, codec, capfd):
    source = clip(frames=2)
    capfd.readouterr()
    remake(source, "o.mkv", codec)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("name", "size"), [("o.mp4", (48, 36)), ("o.webm", (47, 35))])
def test_odd_sizes(clip, remake, probe, name, size):
    source = clip("a.webm", codec="libvpx-vp9", size=(35, 47), frames=3, options={"crf": "4", "b": "0"})
    output = remake(source, name)
    (stream,) = probe(output)["streams"]
    assert (stream["width"], stream["height"]) == size
    inside = pictures_of(output)[:, :35, :47].astype(int)
    assert np.abs(inside - pictures_of(source)).mean() < 4


@pytest.mark.parametrize(
    ("source", "codec", "form", "name"),
    [
        ("a.mov", "prores_ks", "yuva444p10le", "o.mov"),
        ("a.webm", "libvpx-vp9", "yuva420p", "o.webm"),
        ("a.mov", "prores_ks", "yuva444p10le", "o.mkv"),
    ],
)
def test_transparency_is_kept(clip, remake, source, codec, form, name):
    options = {"crf": "4", "b": "0", "auto-alt-ref": "0"} if codec == "libvpx-vp9" else {"profile": "4"}
    path = clip(source, codec=codec, form=form, frames=3, options=options)
    alpha = pictures_of(remake(path, name), "rgba")[..., 3].astype(int)
    assert np.abs(alpha - picture(0, 48, 64, 4)[None, ..., 3]).mean() < 3


def test_transparency_is_laid_on_black_where_it_cannot_be_kept(clip, remake):
    path = clip("a.mov", codec="prores_ks", form="yuva444p10le", frames=2, options={"profile": "4"})
    seen = pictures_of(remake(path, "o.mp4"))
    assert seen[:, :, :3].mean() < 12 < seen[:, :, -6:].mean()


def test_transparency_of_vp9_is_laid_on_black_in_mp4(clip, remake):
    path = clip("a.webm", codec="libvpx-vp9", form="yuva420p", frames=2, options={"crf": "4", "auto-alt-ref": "0"})
    seen = pictures_of(remake(path, "o.mp4", "vp9"))
    assert seen[:, :, :3].mean() < 12 < seen[:, :, -6:].mean()


@pytest.mark.parametrize(("codec", "name"), [("h264", "o.mkv"), ("hevc", "o.mkv"), ("vp9", "o.webm"), ("av1", "o.mp4")])
@pytest.mark.parametrize("rate", [24, 60])
def test_the_codec_tells_the_rate(clip, remake, probe, codec, name, rate):
    size = (64, 64) if codec == "av1" else (48, 64)
    source = clip("a.mp4", frames=6, rate=rate, size=size)
    output = remake(source, name, codec)
    (stream,) = probe(output)["streams"]
    assert stream["r_frame_rate"] == f"{rate}/1"
    assert abs(video.Film(output).rate - rate) < 0.5


@pytest.mark.parametrize(
    ("asked", "told"),
    [(Fraction(30000, 1001), Fraction(30000, 1001)), (Fraction(1, 7), 1), (Fraction(1000), 240), (Fraction(25), 25)],
)
def test_a_rate_that_all_encoders_take(asked, told):
    assert video.nominal_rate(asked) == told


def test_a_part_of_a_film(clip, remake):
    source = clip("a.mkv", frames=25, sound="aac", options={"g": "5"})
    output = remake(source, "b.mkv", wanted=video.Wanted(Fraction(2, 5), Fraction(4, 5)))
    assert times_of(output) == [Fraction(n, 25) for n in range(10)]
    begin, end = pictures_of(output)[[0, -1]].astype(int)
    whole = pictures_of(source)
    assert np.abs(begin - whole[10]).mean() < 3 > np.abs(end - whole[19]).mean()
    sound = packets_of(output, "audio")
    assert 0 < len(sound) < len(packets_of(source, "audio"))
    assert b"".join(sound) in b"".join(packets_of(source, "audio"))


SLIDES = [0, 1000, 2000, 12_000, 13_000]


@pytest.mark.parametrize(
    ("start", "end", "fps", "times", "numbers"),
    [
        (0, 3, None, [0, 1, 2], [0, 1, 2]),
        (0, 3, 10, range(30), [0, 10, 20]),
        (5, 20, None, [0, 7, 8], [2, 3, 4]),
        (3, 11, None, [0], [2]),
        (12, 13, None, [0], [3]),
    ],
)
def test_a_part_of_slides(clip, remake, start, end, fps, times, numbers):
    """What is shown at the start comes first, and the last slide ends with the part."""
    wanted = video.Wanted(Fraction(start), Fraction(end), None if fps is None else Fraction(fps))
    source = clip("a.mkv", frames=5, times=SLIDES, sound="aac")
    film = video.Film(source, wanted)
    frames = list(film.frames())
    assert [frame.time for frame in frames] == [Fraction(time, fps or 1) for time in times]
    assert frames[-1].time + frames[-1].duration == min(end, 14) - start or end == 20
    whole = [frame.pixels for frame in video.Film(source).frames()]
    step = 1 if fps is None else fps
    for frame, number in zip(frames[::step], numbers if fps is None else [0, 1, 2], strict=True):
        assert torch.equal(frame.pixels, whole[number])
    output = remake(source, "o.mkv", wanted=wanted)
    with av.open(str(output)) as container:
        assert container.duration / 1e6 < min(end, 14) - start + 0.2


def test_times_that_go_back(clip, remake, tmp_path):
    one = clip("a.ts", frames=30, sound="aac")
    two = tmp_path / "two.ts"
    two.write_bytes(2 * one.read_bytes())
    output = remake(two)
    assert len(times_of(output)) == 30
    late = "has times that go back: 30 frames, which come too late to be shown, are left out"
    assert [note for note in remake.notes if late in note] == [f"{two} {late}"]


def test_a_dropped_frame_in_the_middle(clip, remake):
    """Recorders write packets without content for these."""
    source = clip("a.mov", frames=6, codec="mjpeg", form="yuvj420p", full=True)
    content = bytearray(source.read_bytes())
    sizes = content.index(b"stsz") + 4 + 12
    before, dropped = struct.unpack_from(">2I", content, sizes + 8)  # the third and the fourth
    struct.pack_into(">2I", content, sizes + 8, before + dropped, 0)
    source.write_bytes(content)
    assert times_of(remake(source)) == [Fraction(n, 25) for n in (0, 1, 2, 4, 5)]
    assert not remake.notes


def test_subtitles_of_one_time_stay(clip, remake, tmp_path):
    """As in karaoke and in signs that are made of several layers."""
    lines = "\n".join(f"{n}\n00:00:00,100 --> 00:00:00,300\nHello {n}\n" for n in range(1, 7))
    (tmp_path / "words.srt").write_text(lines)
    pictures, source = clip("a.mkv", frames=20), tmp_path / "both.mkv"
    with (
        av.open(str(pictures)) as film,
        av.open(str(tmp_path / "words.srt")) as words,
        av.open(str(source), "w") as out,
    ):
        pairs = [(each, out.add_stream_from_template(each.streams[0])) for each in (film, words)]
        for container, stream in pairs:
            for packet in container.demux():
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
    assert len(packets_of(source, "subtitle")) == 6
    assert packets_of(remake(source, "o.mkv"), "subtitle") == packets_of(source, "subtitle")


def test_subtitles_that_are_shown_at_the_start(clip, remake):
    """They are shown from there on, and no longer than the pictures."""
    lines = ("0,100 --> 00:00:00,300", "0,200 --> 00:00:00,500", "0,600 --> 00:00:05,000")
    words = "\n".join(f"{number}\n00:00:0{line}\nHello {number}\n" for number, line in enumerate(lines, start=1))
    source = clip("a.mkv", frames=25, words=words, sound="aac")
    output = remake(source, "o.mkv", wanted=video.Wanted(Fraction(2, 5), Fraction(4, 5)))
    with av.open(str(output)) as film:
        packets = [packet for packet in film.demux(subtitles=0) if packet.size]
        shown = [(packet.pts * packet.time_base, packet.duration * packet.time_base) for packet in packets]
        assert shown == [(0, Fraction(1, 10)), (Fraction(1, 5), Fraction(1, 5))]
        assert film.duration / 1e6 < 0.45


@pytest.mark.parametrize("start", ["1", "1.01", "1.02", "1.03", "1.1111111"])
@pytest.mark.parametrize("name", ["o.mp4", "o.mov", "o.mkv"])
def test_a_start_between_two_frames(clip, remake, start, name):
    """AVI has times of whole frames, of which the start is none."""
    source = clip("a.avi", frames=50, codec="mpeg4", rate=Fraction(30000, 1001))
    times = times_of(remake(source, name, wanted=video.Wanted(Fraction(start))))
    assert times[0] == 0
    assert len(set(times)) == len(times)
    assert abs(len(times) - 18) <= 3


def test_a_rate_that_is_asked_for(clip, remake, probe):
    source = clip(frames=10)
    output = remake(source, wanted=video.Wanted(fps=Fraction(10)))
    assert times_of(output) == [Fraction(n, 10) for n in range(4)]
    fast = remake(source, "fast.mp4", wanted=video.Wanted(fps=Fraction(50)))
    assert times_of(fast) == [Fraction(n, 50) for n in range(20)]
    assert np.abs(pictures_of(fast)[[0, 2, 18]].astype(int) - pictures_of(source)[[0, 1, 9]]).mean() < 3


def test_a_size_that_is_asked_for(clip, remake, probe):
    (stream,) = probe(remake(clip(size=(48, 66)), wanted=video.Wanted(size=33)))["streams"]
    assert (stream["width"], stream["height"]) == (32, 24)


@pytest.mark.parametrize(
    ("source", "codec", "form", "name", "new"),
    [
        ("a.mp4", "libx264", "yuv420p", "o.mp4", "h264"),
        ("a.mp4", "libx264", "yuv420p", "o.mkv", "hevc"),
        ("a.mp4", "libx264", "yuv420p", "o.mp4", "vp9"),
        ("a.mov", "prores_ks", "yuv422p10le", "o.mov", "prores"),
    ],
)
def test_pixels_that_are_not_square_stay_so(clip, remake, probe, tmp_path, source, codec, form, name, new):
    """Also those of ProRes, of which the container alone tells."""
    path = clip(source, codec=codec, form=form, frames=2, aspect=Fraction(4, 3))
    if codec == "prores_ks":
        path = with_aspect(path, tmp_path / "told.mov", Fraction(4, 3))
    assert video.Film(path).aspect == Fraction(4, 3)
    assert probe(remake(path, name, new))["streams"][0]["sample_aspect_ratio"] == "4:3"


def with_aspect(path, copy, aspect: Fraction):
    """Copy the pictures of a film, and have the container tell of their pixels."""
    with av.open(str(path)) as film, av.open(str(copy), "w") as out:
        stream = out.add_stream_from_template(film.streams.video[0], opaque=True)
        stream.codec_context.sample_aspect_ratio = aspect
        for packet in film.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    return copy


@pytest.mark.parametrize(
    ("aspect", "side", "size"),
    [(Fraction(4, 3), None, (48, 86)), (Fraction(3, 4), None, (64, 64)), (Fraction(4, 3), 32, (18, 32))],
)
def test_pixels_become_square(aspect, side, size):
    assert squared((48, 64), aspect, side) == size

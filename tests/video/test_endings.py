"""Files that lack their end."""

from fractions import Fraction

import pytest

pytest.importorskip("av", reason="films need the package av")

from fast_style import video
from fast_style.video.endings import is_cut_off

KINDS = {
    "a.gif": ("gif", "rgb8"),
    "a.apng": ("apng", "rgb24"),
    "a.avi": ("mpeg4", "yuv420p"),
    "a.flv": ("flv1", "yuv420p"),
    "a.mp4": ("libx264", "yuv420p"),
    "a.mkv": ("libx264", "yuv420p"),
    "a.webm": ("libvpx-vp9", "yuv420p"),
    "a.ts": ("mpeg2video", "yuv420p"),
    "a.m2ts": ("mpeg2video", "yuv420p"),
    "a.ogv": ("libvpx", "yuv420p"),
    "a.wmv": ("wmv2", "yuv420p"),
}


@pytest.fixture
def short(clip):
    """Make a clip, and another of the first part of its bytes."""

    def make(name, share=0.9):
        codec, form = KINDS[name]
        whole = clip(name, frames=12, codec=codec, form=form, format="ogg" if name == "a.ogv" else None)
        content, cut = whole.read_bytes(), whole.with_name(f"cut{whole.suffix}")
        cut.write_bytes(content[: round(len(content) * share) // 188 * 188 - 1])
        return whole, cut

    return make


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_that_is_cut_off(short, name, share):
    whole, cut = short(name, share)
    assert [is_cut_off(whole), is_cut_off(cut)] == [False, True]


def test_what_a_camera_appends_is_no_missing_end(short):
    whole, _ = short("a.mp4")
    whole.write_bytes(whole.read_bytes() + b"made by a camera, with a trailer of its own" * 9)
    assert not is_cut_off(whole)


@pytest.mark.parametrize("name", ["a.gif", "a.apng", "a.flv", "a.ts"])
def test_it_is_told_once_it_is_read(short, name):
    whole, cut = short(name)
    told = ", without the end that its format has: it is incomplete"
    for path, end, sentences in ((whole, None, 0), (cut, None, 1), (cut, Fraction(1, 10), 0)):
        film = video.Film(path, video.Wanted(end=end))
        list(film.frames())
        assert sum(told in note for note in film.notes) == sentences  # beside what cannot be decoded


def test_a_part_that_ends_after_what_is_there(short):
    _, cut = short("a.mkv")
    film = video.Film(cut, video.Wanted(end=Fraction(9)))
    list(film.frames())
    assert "s of 0.480 s: it is incomplete" in "".join(film.notes)


def test_what_cannot_be_read_for_lack_of_its_end(short):
    _, cut = short("a.mp4")
    with pytest.raises(ValueError, match=r"cannot read film .*cut\.mp4: .*; its end is missing"):
        video.Film(cut)


@pytest.mark.parametrize(
    "content", [b"", b"GIF", b"RIFF", b"OggS", b"\0\0\0\x18ftyp", b"G" * 188, b"FLV\1\5\0\0\0\x09"]
)
def test_files_of_a_few_bytes(tmp_path, content):
    """Whatever is found, nothing is raised."""
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    assert is_cut_off(path) in (True, False)
    assert not is_cut_off(tmp_path / "gone")

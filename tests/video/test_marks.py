"""Frames that are marked and read again, from anywhere in a film."""

from fractions import Fraction
from itertools import pairwise

import pytest
import torch

from fast_style import video
from fast_style.video import reading
from tests.pictures import noise

VFR = [0, 40, 50, 133, 140, 400, 410, 600, 640, 997, 1000, 1100, 1150, 1160, 1170, 1200, 1300, 1350, 1400, 1500]


def alike(found: video.Frame, wanted: video.Frame) -> bool:
    same = (found.time, found.duration) == (wanted.time, wanted.duration) and torch.equal(found.pixels, wanted.pixels)
    return same and (wanted.alpha is None or torch.equal(found.alpha, wanted.alpha))


def check(film: video.Film | video.FrameFolder, count: int) -> None:
    """Every part of seven frames, read by itself, is as in the whole film."""
    whole, marks = list(film.frames()), list(film.marks())
    assert len(whole) == len(marks) == count
    for first, last in pairwise([*range(0, count, 7), count]):
        found = list(film.marked(marks[first:last]))
        assert len(found) == last - first
        assert all(map(alike, found, whole[first:last]))


@pytest.mark.parametrize(
    ("name", "codec", "form", "options"),
    [
        ("a.mp4", "libx264", "yuv420p", {"g": "10"}),
        ("a.mkv", "libx264", "yuv420p", {"x264-params": "open-gop=1:keyint=10:min-keyint=1:bframes=3:b-adapt=0"}),
        ("a.ts", "libx264", "yuv420p", {"g": "10"}),
        ("a.mkv", "libx264", "yuv420p", {"x264-params": "intra-refresh=1:keyint=10"}),
        ("a.mp4", "libx265", "yuv420p10le", {"x265-params": "log-level=none:keyint=10:open-gop=1"}),
        ("a.webm", "libvpx-vp9", "yuv420p", {"g": "10", "deadline": "realtime"}),
        ("a.avi", "mpeg4", "yuv420p", {"g": "10", "bf": "2"}),
        ("a.mov", "prores_ks", "yuva444p10le", {"profile": "4"}),
        ("a.gif", "gif", "rgb8", {}),
    ],
)
def test_parts_are_read_as_in_the_whole_film(clip, name, codec, form, options):
    check(video.Film(clip(name, 40, codec=codec, form=form, options=options)), 40)


def test_times_that_are_not_even(clip):
    check(video.Film(clip("a.mkv", 20, times=VFR, options={"g": "6"})), 20)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (video.Wanted(Fraction(2, 5), Fraction(8, 5)), 30),
        (video.Wanted(fps=Fraction(60)), 96),
        (video.Wanted(Fraction(1), fps=Fraction(10)), 6),
        (video.Wanted(size=32), 40),
    ],
)
def test_a_part_of_what_is_wanted(clip, wanted, count):
    check(video.Film(clip("a.mkv", 40, options={"g": "10"}), wanted), count)


def test_an_animation_with_a_palette(tmp_path):
    pictures = [noise((32, 24)).convert("RGB") for _ in range(9)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=100)
    check(video.Film(tmp_path / "a.gif"), 9)


def test_frames_in_a_folder(tmp_path, make_frames):
    check(video.FrameFolder(make_frames(16), video.Wanted(Fraction(1, 25))), 15)


def test_frames_in_a_folder_are_counted_once(tmp_path, make_frames, monkeypatch):
    """Whoever shows how far the work is asks with each of them."""
    film = video.FrameFolder(make_frames(9), video.Wanted(Fraction(1, 25), Fraction(8, 25)))
    monkeypatch.setattr(film, "paths", None)
    assert [film.count for _ in film.frames(2)] == [7] * 5


def test_a_part_is_not_read_from_the_beginning(clip, monkeypatch):
    film = video.Film(clip(frames=40, options={"g": "10"}))
    seen, real = [], reading.decoded
    monkeypatch.setattr(reading, "decoded", lambda *given: (seen.append(1) or raw for raw in real(*given)))
    marks = list(film.marks())
    seen.clear()
    list(film.marked(marks[30:40]))
    assert 10 <= len(seen) <= 15


def test_a_place_that_gives_other_frames(clip, monkeypatch):
    """Then all frames are decoded from the beginning."""
    film = video.Film(clip("a.mkv", 40, options={"g": "10"}))
    late = int(Fraction(36, 25) / Fraction(1, 1000))
    monkeypatch.setattr(film, "_place", lambda wanted: late if wanted else None)
    check(film, 40)


def test_a_film_that_has_changed(clip, monkeypatch):
    film = video.Film(clip(frames=20))
    marks = list(film.marks())
    clip(frames=20, draw=lambda number, height, width, _: torch.full((height, width, 3), 9, dtype=torch.uint8).numpy())
    with pytest.raises(ValueError, match=r"clip\.mp4 has another picture at 0\.200 s than when it was read first"):
        list(film.marked(marks[5:10]))


def test_what_is_wrong_with_a_film_is_noted_while_it_is_marked(clip):
    source = clip("a.mp4", frames=60, options={"g": "10"}, container_options={"movflags": "faststart"})
    content = source.read_bytes()
    source.write_bytes(content[: len(content) * 2 // 3])
    film = video.Film(source)
    count = len(list(film.marks()))
    assert 10 < count < 60
    notes = film.notes[:]
    assert any("ends after" in note for note in notes)
    check(video.Film(source), count)


@pytest.fixture
def make_frames(tmp_path):
    """Make a folder of frames."""

    def make(count: int):
        for number in range(count):
            path = tmp_path / "frames" / f"{number:03}.png"
            path.parent.mkdir(exist_ok=True)
            noise((32, 24)).convert("RGB").save(path)
        return path.parent

    return make

"""A film that Ctrl-C has left is marked as partial, whatever comes after it."""

import signal

import PIL.Image
import pytest

pytest.importorskip("av", reason="films need the package av")

from fast_style.inference.stylizer import Stylizer
from fast_style.video import is_partial, parts
from tests.cli.test_film import interrupting
from tests.video.conftest import clip, times_of

__all__ = ["clip"]  # a fixture


def giving_up(monkeypatch):
    """Press Ctrl-C twice while the first new frame is stylized."""

    def stylize(self, batch):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return batch

    monkeypatch.setattr(Stylizer, "stylize", stylize)


@pytest.fixture(params=[3, 13], ids=["no part", "two parts"])
def begun(request, stylize, clip, tmp_path, monkeypatch):
    """A film of which so many of 23 frames are there, in parts of five, and the command."""
    monkeypatch.setattr(parts, "FRAMES", 5)
    command = ("--input", clip("a.mkv", frames=23), "--output", tmp_path / "o.mkv")
    with monkeypatch.context() as patch:
        interrupting(patch, request.param)
        assert stylize(*command).code == 130
    return request.param, command


def test_a_second_ctrl_c(stylize, tmp_path, monkeypatch, begun):
    count, command = begun
    output = tmp_path / "o.mkv"
    for _ in range(2):
        with monkeypatch.context() as patch:
            giving_up(patch)
            result = stylize(*command)
        assert result.code == 130
        if count == 13:
            further = ", and the same command goes on after the first 10"
            assert result.err.endswith(f"interrupted after 10 frames: {output} holds 13 and is as it was{further}\n")
        else:
            assert result.err.endswith(f"before the first frame of {command[1]}: {output} is as it was\n")
        assert is_partial(output)
        assert len(times_of(output)) == count
    assert stylize(*command).code == 0
    assert len(times_of(output)) == 23
    assert not (tmp_path / ".o.mkv.parts").exists()


def test_a_failure(stylize, tmp_path, monkeypatch, begun):
    count, command = begun
    with monkeypatch.context() as patch:
        interrupting(patch, 1, RuntimeError("no kernel"))
        assert stylize(*command).code == 1
    assert is_partial(tmp_path / "o.mkv")
    assert len(times_of(tmp_path / "o.mkv")) == count
    assert stylize(*command).code == 0
    assert len(times_of(tmp_path / "o.mkv")) == 23


def test_nothing_is_left_of_nothing(stylize, clip, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        giving_up(patch)
        result = stylize("--input", clip(frames=5), "--output", tmp_path / "o.mkv")
    assert result.code == 130
    assert "interrupted before the first frame of" in result.err
    assert not (tmp_path / "o.mkv").exists()
    assert not (tmp_path / ".o.mkv.parts").exists()


def test_what_others_have_left_stays_until_a_frame_is_done(stylize, tmp_path, monkeypatch, begun):
    count, command = begun
    with monkeypatch.context() as patch:
        giving_up(patch)
        assert stylize(*command, "--strength", "0.5", "--overwrite").code == 130
    assert is_partial(tmp_path / "o.mkv")
    assert len(times_of(tmp_path / "o.mkv")) == count
    assert stylize(*command).code == 0


@pytest.mark.parametrize("name", ["o.gif", "o.webp", "o.png"])
def test_animations_go_on(stylize, clip, tmp_path, monkeypatch, name):
    source, output = clip(times=[0, 40, 120, 200, 250, 340, 400, 440], frames=8), tmp_path / name
    assert stylize("--input", source, "--output", tmp_path / f"whole-{name}").code == 0
    command = ("--input", source, "--output", output)
    with monkeypatch.context() as patch:
        interrupting(patch, 4)
        result = stylize(*command)
    assert result.code == 130
    assert f"after 4 frames: {output} holds them, and the same command goes on from there" in result.err
    assert frames_of(output) == 4
    with monkeypatch.context() as patch:
        giving_up(patch)
        assert "as it was, and the same command goes on from there" in stylize(*command).err
    with monkeypatch.context() as patch:
        interrupting(patch, 2, RuntimeError("no kernel"))
        assert "what is done is kept" in stylize(*command).err
    again = stylize(*command)
    assert (again.code, f"{output}: 5 frames are there, going on from there\n" in again.err) == (0, True)
    assert output.read_bytes() == (tmp_path / f"whole-{name}").read_bytes()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_animations_that_remember_begin_anew(stylize, clip, tmp_path, monkeypatch):
    command = ("--input", clip(frames=6), "--output", tmp_path / "o.gif", "--smooth", "0.5")
    with monkeypatch.context() as patch:
        interrupting(patch, 4)
        assert "goes on" not in stylize(*command).err
    again = stylize(*command)
    assert (again.code, "are there" in again.err) == (0, False)
    assert frames_of(tmp_path / "o.gif") == 6


def test_frames_go_on_in_their_quality(stylize, clip, tmp_path, monkeypatch, is_misuse):
    command = ("--input", clip(frames=6), "--output", tmp_path / "f" / "%d.jpg")
    with monkeypatch.context() as patch:
        interrupting(patch, 4)
        assert stylize(*command).code == 130
    assert is_misuse(stylize(*command, "--quality", "50"), "0.jpg exists, of another film or made otherwise")
    assert stylize(*command).code == 0


def frames_of(path) -> int:
    with PIL.Image.open(path) as image:
        return image.n_frames

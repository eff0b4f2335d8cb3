"""A film that Ctrl-C has left is marked as partial, whatever comes after it."""

import signal

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
        as_it_was = f"{output} is as it was, and the same command goes on from there\n"
        assert result.err.endswith(f"interrupted before another frame: {as_it_was}")
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

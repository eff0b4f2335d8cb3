"""The folder in which what is done of a film waits."""

import pytest

from fast_style.video.begun import Begun


def test_one_command_at_a_time(tmp_path):
    pytest.importorskip("fcntl", reason="no locks of files here")
    first, second = (Begun(tmp_path / "o.mp4", {"a": 1}) for _ in range(2))
    first.begin()
    first.path(0, ".json").write_text("{}")
    for _ in range(2):
        with pytest.raises(BlockingIOError, match=r"o\.mp4 is being made by another command: wait until it has ended"):
            second.begin()
        second.drop()
        assert first.path(0, ".json").exists()
    first.release()
    third = Begun(tmp_path / "o.mp4", {"a": 1})
    third.begin()
    third.release()


def test_what_a_kill_has_left_is_removed(tmp_path):
    begun = Begun(tmp_path / "o.mp4", {})
    begun.begin()
    begun.release()
    rest = begun.folder / ".00000.mkv.1234.tmp"
    rest.touch()
    again = Begun(tmp_path / "o.mp4", {})
    again.begin()
    again.remove()
    assert not rest.exists()

"""A file is complete, or as it was before."""

import errno
import os
from pathlib import Path

import pytest

from fast_style.checkpoint import find_network
from fast_style.files import as_path, cache_dir, new_folder, replacing


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def path(tmp_path):
    """A file that is there already."""
    path = tmp_path / "step-1.ckpt"
    path.write_bytes(b"before")
    return path


def test_appears_at_the_end(path):
    with replacing(path) as file:
        file.write(b"after")
        file.flush()
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    assert names(path.parent) == [path.name]


def test_makes_folders(tmp_path):
    with replacing(str(tmp_path / "a" / "b" / "file")) as file:
        file.write(b"after")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"after"


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "🎨" * 63])
def test_the_longest_names(tmp_path, name):
    with replacing(tmp_path / name) as file:
        file.write(b"after")
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("error", [KeyboardInterrupt("stop"), ValueError("stop"), RuntimeError("stop")])
def test_failure_in_the_body(path, error):
    def write_half():
        with replacing(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error), match=r"^stop$"):
        write_half()
    assert path.read_bytes() == b"before"
    assert names(path.parent) == [path.name]


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_failure_of_the_disk(path, monkeypatch, function, code):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, function, fail)
    with (
        pytest.raises(OSError, match=rf"^cannot write {path}: {os.strerror(code)}$") as caught,
        replacing(path) as file,
    ):
        file.write(b"after")
    assert caught.value.__cause__.errno == code
    assert path.read_bytes() == b"before"
    assert names(path.parent) == [path.name]


def test_failure_without_a_number(path):
    with pytest.raises(OSError, match=rf"^cannot write {path}: encoder error -2$"), replacing(path):
        raise OSError("encoder error -2")


def test_no_place_for_a_file(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for name, reason in (("file/a", "Not a directory"), ("file/a/b", "Not a directory"), ("folder", "Is a directory")):
        with pytest.raises(OSError, match=rf"^cannot write .*{name}: {reason}$"), replacing(tmp_path / name):
            pass
    assert names(tmp_path) == ["file", "folder"]


def test_what_a_killed_process_leaves_does_not_look_complete(path):
    with replacing(path):
        (remains,) = (name for name in names(path.parent) if name != path.name)
        assert remains.startswith(".step-1.ckpt.")
        assert remains.endswith(".tmp")
        assert list(path.parent.glob("*.ckpt")) == list(path.parent.glob("step-*")) == [path]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"FAST_STYLE_CACHE": "~/mine", "XDG_CACHE_HOME": "/cache"}, "/users/me/mine"),
        ({"XDG_CACHE_HOME": "/cache"}, "/cache/fast_style"),
        ({"FAST_STYLE_CACHE": "", "XDG_CACHE_HOME": ""}, "/users/me/.cache/fast_style"),
        ({}, "/users/me/.cache/fast_style"),
    ],
)
def test_cache_dir(monkeypatch, environment, expected):
    for name in ("FAST_STYLE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (environment | {"HOME": "/users/me"}).items():
        monkeypatch.setenv(name, value)
    assert cache_dir() == Path(expected)


def test_a_folder_appears_at_the_end(tmp_path):
    target = tmp_path / "some" / "out"
    with new_folder(target) as folder:
        (folder / "a").write_bytes(b"whole")
        assert not target.exists()
    assert names(tmp_path / "some") == ["out"]
    assert names(target) == ["a"]
    with pytest.raises(FileExistsError, match="out exists, and is no empty folder"), new_folder(target):
        raise AssertionError
    (tmp_path / "empty").mkdir()
    with new_folder(tmp_path / "empty") as folder:
        (folder / "b").write_bytes(b"")
    assert names(tmp_path / "empty") == ["b"]


def test_nothing_is_left_of_a_folder_that_fails(tmp_path):
    def fail():
        with new_folder(tmp_path / "out") as folder:
            (folder / "a").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(tmp_path) == []


def test_a_folder_that_is_filled_meanwhile_stays(tmp_path):
    with pytest.raises(FileExistsError, match="is no empty folder"), new_folder(tmp_path / "out"):
        (tmp_path / "out").write_bytes(b"another's")
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("text", ["~no.such.user/a.safetensors", "~no.such.user"])
def test_the_home_of_a_user_who_is_not_there_is_a_name_like_others(text):
    assert as_path(text) == Path(text)
    with pytest.raises(FileNotFoundError, match=r"no\.such\.user"):
        find_network(text)

"""A network by its file, its folder, or the name under which it ships."""

import os
import re

import pytest

from fast_style import assets
from fast_style.checkpoint import find_network


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def make(tmp_path):
    """Make empty files, and folders for them."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()

    return make


def test_a_file_is_itself(make, tmp_path):
    make("a.safetensors", "odd")
    for name in ("a.safetensors", "odd"):
        assert find_network(name) == find_network(tmp_path / name).relative_to(tmp_path)


def test_a_folder_with_one_network(make):
    make("nets/waves.safetensors", "nets/waves.png", "nets/.hidden.safetensors", "nets/sub/b.safetensors")
    for name in ("nets", "nets/", "nets/waves", "nets/waves.safetensors"):
        assert find_network(name).as_posix() == "nets/waves.safetensors"


def test_of_files_of_one_name_the_checkpoint_is_meant(make):
    make("nets/waves.onnx", "nets/waves.safetensors", "nets/b/waves.onnx")
    assert find_network("nets").name == find_network("nets/waves").name == "waves.safetensors"
    assert find_network("nets/b/waves").suffix == ".onnx"


def test_a_folder_with_several_needs_a_name(make):
    make("nets/waves.safetensors", "nets/dunes.pth")
    assert find_network("nets/dunes").name == "dunes.pth"
    advice = re.escape(f"nets holds 2 networks, dunes, waves: give {os.path.join('nets', 'dunes')}")  # noqa: PTH118
    with pytest.raises(ValueError, match=advice):
        find_network("nets")


def test_a_folder_without_any(make):
    make("nets/photo.jpg")
    with pytest.raises(ValueError, match=r"nets holds no network \(\.safetensors, "):
        find_network("nets")


@pytest.mark.parametrize("name", sorted(assets.shipped_networks()))
def test_what_ships(name):
    assert find_network(name) == assets.NETWORKS / f"{name}.safetensors"


def test_what_is_there_goes_before_what_ships(make):
    make("gallery/photo.jpg")
    assert find_network("gallery").parent == assets.NETWORKS, "a folder of pictures is no network"
    make("gallery.safetensors")
    assert find_network("gallery").as_posix() == "gallery.safetensors"
    make("starry_night/mine.safetensors")
    assert find_network("starry_night").name == "mine.safetensors"


def test_what_ships_goes_before_its_export(make):
    make("the_scream.onnx")
    assert find_network("the_scream").parent == assets.NETWORKS


def test_home(make, monkeypatch, tmp_path):
    make("a.safetensors")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert find_network("~/a") == tmp_path / "a.safetensors"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "stary_night",
            r"there is no network at stary_night \(did you mean starry_night\?\); those that ship are any, ",
        ),
        ("gibberish", r"there is no network at gibberish; those that ship are any, "),
        ("nets/wave", r"there is no network at nets.wave \(did you mean nets.waves\.safetensors\?\)$"),
        ("nets/wave.safetensors", r"there is no network at nets.wave\.safetensors \(did you mean nets.waves\.safet"),
        ("nowhere/a.safetensors", r"there is no network at nowhere.a\.safetensors$"),
    ],
)
def test_a_wrong_name_suggests_the_nearest(make, name, message):
    make("nets/waves.safetensors")
    with pytest.raises(FileNotFoundError, match=message):
        find_network(name)


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name(name):
    with pytest.raises(ValueError, match="the network is empty: give a file"):
        find_network(name)

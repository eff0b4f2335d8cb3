"""The page as files."""

import json
import re

import pytest

from fast_style.checkpoint import save_network, styles_of
from fast_style.networks import TransformerNetwork
from fast_style.web import alone
from fast_style.web.alone import PAGE, write
from fast_style.web.styles import of_files


@pytest.fixture
def exported(monkeypatch):
    """Networks are not exported but noted."""
    noted = []

    def export(network, path, style):
        noted.append((network.name, style))
        path.write_bytes(b"a network")

    monkeypatch.setattr(alone, "export", export)
    monkeypatch.setattr(alone, "thumbnail", lambda style, path: path.write_bytes(style.id.encode()))
    return noted


def test_everything_that_the_page_asks_is_there(exported, made_up, networks, tmp_path):
    save_network(networks / "my wave #2.safetensors", TransformerNetwork(width=2, blocks=1), {})
    told = []
    styles = write(tmp_path / "out", networks, made_up, lambda *numbers: told.append(numbers))
    assert told == [(number, 4) for number in range(5)]
    assert exported[-2:] == [("pair.safetensors", {"cubist": 1}), ("tiny.safetensors", None)]
    about = json.loads((tmp_path / "out/site.json").read_text("utf-8"))
    assert about["runtime"] == {"version": "0.0.1", "webgpu": False}
    assert [style["id"] for style in about["styles"]] == [style.id for style in styles]
    files = [path for style in about["styles"] for path in (style["network"], style["picture"])]
    assert len(set(files)) == 8
    for path in files:
        assert re.fullmatch(r"(networks|styles)/[\w.-]+", path)
        assert (tmp_path / "out" / path).stat().st_size
    for path in PAGE.rglob("*"):
        if path.is_file() and path.name != "index.html":
            assert (tmp_path / "out" / path.relative_to(PAGE)).read_bytes() == path.read_bytes()
    for name, path in made_up.files.items():
        assert (tmp_path / "out/runtime" / name).read_bytes() == path.read_bytes()
    index = (tmp_path / "out/index.html").read_text("utf-8")
    assert '<html data-alone="site.json" lang="en">' in index
    assert "script-src 'self' 'wasm-unsafe-eval'\">" in index
    assert "frame-ancestors" not in index
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_every_style_that_ships_has_its_small_picture(tmp_path):
    asked = {f"{style.id.replace('/', '-')}.jpg" for style in of_files(tmp_path) if not style.aside}
    assert {path.name for path in (PAGE / "styles").iterdir()} == asked


def test_paintings_for_films_in_a_network_of_several_are_offered_for_films_alone(tmp_path):
    found = {style.id: style for style in of_files(tmp_path)}
    aside = {name for name, style in found.items() if style.aside}
    assert aside == {f"gallery_video/{name}" for name in styles_of("gallery_video") if f"{name}_video" not in found}
    assert "gallery_video/great_wave" in aside
    assert "gallery_video/starry_night" not in found
    assert "gallery/great_wave" not in found
    assert not found["starry_night_video"].aside


def test_an_empty_folder_is_taken_and_another_is_not(exported, made_up, networks, tmp_path):
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", networks, made_up, lambda *_: None)
    with pytest.raises(FileExistsError, match=r"out exists, and is no empty folder: choose another"):
        write(tmp_path / "out", networks, made_up, lambda *_: None)
    with pytest.raises(FileExistsError, match="exists, and is no empty folder"):
        write(tmp_path / "out/index.html", networks, made_up, lambda *_: None)
    with pytest.raises(OSError, match="cannot write"):
        write(tmp_path / "out/index.html/more", networks, made_up, lambda *_: None)


def test_nothing_is_left_of_what_fails(made_up, networks, tmp_path, monkeypatch):
    def export(network, path, style):
        path.write_bytes(b"half")
        raise RuntimeError("cannot export it")

    monkeypatch.setattr(alone, "export", export)
    monkeypatch.setattr(alone, "thumbnail", lambda style, path: path.write_bytes(style.id.encode()))
    before = set(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="cannot export it"):
        write(tmp_path / "out", networks, made_up, lambda *_: None)
    assert set(tmp_path.iterdir()) == before


def test_without_any_network(made_up, networks, tmp_path):
    with pytest.raises(ValueError, match="there is no network to write"):
        write(tmp_path / "out", tmp_path / "nowhere", made_up, lambda *_: None)

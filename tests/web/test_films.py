"""Films in, films out."""

import io
import os
import time
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
from starlette.testclient import TestClient

av = pytest.importorskip("av", reason="films need the package av")

from fast_style.web import films  # noqa: E402 - only where there is av
from fast_style.web.app import Site  # noqa: E402
from fast_style.web.film_job import FilmJob, suffix_of  # noqa: E402
from fast_style.web.jobs import Job  # noqa: E402
from fast_style.web.styles import Style  # noqa: E402
from fast_style.web.stylizing import Wish  # noqa: E402

HOST = "http://127.0.0.1:8000"
KINDS = [("a.webm", "libvpx"), ("a.mkv", "libx264"), ("a.mov", "libx264"), ("a.avi", "mpeg4")]


@pytest.fixture
def clip(tmp_path):
    """Make a clip whose frames become lighter."""

    def make(name="clip.mp4", frames=25, codec="libx264") -> bytes:
        path = tmp_path / name
        with av.open(str(path), "w") as out:
            stream = out.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number in range(frames):
                pixels = np.full((48, 64, 3), 10 * number % 256, np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
            out.mux(stream.encode(None))
        return path.read_bytes()

    return make


@pytest.fixture
def film(client, clip) -> dict:
    """A film that was brought."""
    answer = client.put("/api/films", params={"name": "My clip.mp4"}, content=clip())
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_film_is_brought(film):
    assert (film["width"], film["height"], film["rate"], film["notes"]) == (64, 48, 25, [])
    assert film["seconds"] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_kinds_are_told_by_their_content(client, clip, site, name, codec):
    content = clip(name, 3, codec)
    assert suffix_of(content[:64]) == f".{name[2:]}"
    kept = client.put("/api/films", params={"name": "nonsense.txt"}, content=content).json()
    assert site.shelf.path(site.shelf.get(kept["id"], "film")).suffix == f".{name[2:]}"


@pytest.mark.parametrize(
    ("content", "status", "text"),
    [
        (b"hello, this is no film", 415, "it is not MP4, MOV, MKV, WebM or AVI"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", 415, "it is not MP4"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", 415, "it is not MP4"),
        (b"\0\0\0\x18ftypisom" + bytes(100), 422, "cannot read film a.mp4"),
        (b"", 422, "the file is empty"),
    ],
)
def test_what_is_no_film(client, site, content, status, text):
    answer = client.put("/api/films", params={"name": "a.mp4"}, content=content)
    assert (answer.status_code, text in answer.json()["error"]) == (status, True), answer.text
    assert "uploads" not in answer.text
    assert not list(site.shelf.folder.iterdir())


def test_without_the_extra(client, clip, monkeypatch):
    monkeypatch.setattr(films, "is_installed", lambda: False)
    answer = client.put("/api/films", content=clip())
    assert "pip install 'fast-style[video]'" in answer.json()["error"]


def test_a_giant_film(settings, clip):
    with TestClient(Site(replace(settings, film_bytes=100)).app(), HOST) as client:
        assert client.put("/api/films", content=clip()).status_code == 413


def test_three_frames_are_shown(client, film):
    answer = client.post(f"/api/films/{film['id']}/frames", json={})
    assert answer.status_code == 201, answer.text
    greys = []
    for image in answer.json()["images"]:
        assert (image["width"], image["height"]) == (64, 48)
        small = PIL.Image.open(io.BytesIO(client.get(f"/api/images/{image['id']}/small").content))
        greys.append(small.convert("L").getpixel((5, 5)))
        preview = client.post("/api/stylize", json={"image": image["id"], "style": "file:tiny", "preview": True})
        assert preview.status_code == 200
    assert greys == sorted(greys)
    assert len(set(greys)) == 3
    part = client.post(f"/api/films/{film['id']}/frames", json={"start": 0.5, "end": 0.6}).json()["images"]
    assert len(part) == 3


@pytest.mark.parametrize(
    ("values", "status", "text"),
    [
        ({"film": "0" * 32}, 404, "there is no such film"),
        ({"style": "nonsense"}, 404, "there is no such style"),
        ({"start": 5}, 422, "the film must begin before it ends, at 1 s: it begins at 5 s"),
        ({"start": 0.5, "end": 0.4}, 422, "the film must begin before it ends"),
        ({"smooth": 2}, 422, "smooth must be a number from 0 to 1"),
    ],
)
def test_wrong_values(client, film, site, values, status, text):
    answer = client.post("/api/jobs/film", json={"film": film["id"], "style": "file:tiny"} | values)
    assert (answer.status_code, text in answer.json()["error"]) == (status, True), answer.text
    assert not list(site.jobs.folder.iterdir())


def test_the_command(tmp_path, picture):
    source, folder, wave = tmp_path / "a.avi", tmp_path / "job", tmp_path / "a, b:2" / "wave.png"
    folder.mkdir()
    wave.parent.mkdir()
    source.write_bytes(b"film")
    wave.write_bytes(picture("PNG"))
    own, painting = (
        Style("a", "A", "own", tmp_path / "a.safetensors"),
        Style("p", "P", "painting", tmp_path / "any", str(wave)),
    )
    wish = Wish([(own, 0.75), (painting, 0.25)], 0.5, None, "histogram")
    command = FilmJob.prepare(source, wish, 2560, {"start": 1.5, "end": None, "smooth": 0.7}, folder)
    assert (folder / "source.avi").read_bytes() == b"film"
    said = " ".join(command)
    assert said.startswith("stylize --input source.avi --output film.mp4 --model")
    assert "--mask mask.png --strength 0.5 --stroke-size 2 --preserve-color histogram --start 1.5 --smooth 0.7" in said
    assert (folder / wave.name).is_file()
    assert PIL.Image.open(folder / "mask.png").getpixel((3, 3)) == (64, 64, 64)


def test_how_far_it_is(tmp_path):
    job = Job("0" * 32, "film", "a", {"command": ["--output", "film.mp4"]}, "running")
    assert FilmJob().look(job, tmp_path) == {"progress": None, "seconds_left": None, "files": []}
    lines = ("a note", "stylizing: 5 of 100, 2 frames/s", "stylizing: 20 of 100, 2.5 frames/s, about 1 min left", "")
    (tmp_path / "log.txt").write_text("\n".join(lines))
    told = FilmJob().look(job, tmp_path)
    assert told["progress"] == pytest.approx(0.2, abs=0.02)
    assert told["seconds_left"] == pytest.approx(32, abs=1)
    os.utime(tmp_path / "log.txt", (time.time() - 10,) * 2)
    assert FilmJob().look(job, tmp_path)["progress"] == pytest.approx(0.45, abs=0.02)


@pytest.mark.parametrize(("state", "progress"), [("stopped", 0.2), ("queued", 0.2), ("done", 1.0)])
def test_what_is_not_at_work_gets_no_further(tmp_path, state, progress):
    job = Job("0" * 32, "film", "a", {"command": ["--output", "film.mp4"]}, state)
    (tmp_path / "log.txt").write_text("stylizing: 20 of 100, 2.5 frames/s, about 1 min left\n")
    os.utime(tmp_path / "log.txt", (0, 0))
    assert FilmJob().look(job, tmp_path)["progress"] == progress


@pytest.mark.slow
def test_a_film_is_stylised(client, film, site):
    job = client.post("/api/jobs/film", json={"film": film["id"], "style": "file:tiny", "second": "file:pair/mosaic"})
    assert job.status_code == 201, job.text
    job, end = job.json()["id"], time.monotonic() + 200
    while (told := client.get(f"/api/jobs/{job}").json())["state"] in ("queued", "running"):
        assert time.monotonic() < end
        time.sleep(0.2)
    assert (told["state"], told["files"], told["name"]) == (
        "done",
        ["film.mp4"],
        "My clip-tiny50+mosaic50",
    ), told
    answer = client.get(f"/api/jobs/{job}/files/film.mp4")
    assert answer.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(answer.content)) as made:
        assert len(list(made.decode(video=0))) == 25
    assert client.get(f"/api/jobs/{job}/files/source.mp4").status_code == 404
    site.shelf.remove_old(time.time() + 1e6)
    assert client.get(f"/api/jobs/{job}/files/film.mp4").status_code == 200

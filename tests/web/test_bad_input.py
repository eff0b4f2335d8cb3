"""What is wrong gets one sentence: the table of what can be wrong, line by line."""

import asyncio
import io
import struct
import zlib
from dataclasses import replace

import PIL.Image
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from fast_style.web import table
from fast_style.web.app import Site
from fast_style.web.refusal import RefusedError

HOST = "http://127.0.0.1:8000"


def refused(answer, status: int, text: str) -> None:
    """Check that a request was refused in one sentence, which does not tell where it lies."""
    assert answer.status_code == status, answer.text
    sentence = answer.json()["error"]
    assert text in sentence
    assert "\n" not in sentence
    assert "uploads" not in sentence


def put(client, content: bytes, name: str = "a.jpg"):
    return client.put("/api/images", params={"name": name}, content=content)


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises width × height pixels and holds none."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk, b"IDAT" + zlib.compress(b""), b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts
    )


@pytest.mark.parametrize(
    ("content", "status", "text"),
    [
        (b"hello", 415, "a.jpg: it is not a JPEG, PNG, WebP"),
        (b"", 422, "the file is empty"),
        (b"\0\0\0\x18ftypheic" + bytes(100), 415, "it is not a JPEG, PNG, WebP"),
        (b"\0\0\0\x18ftypisom" + bytes(100), 415, "it is not a JPEG, PNG, WebP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "it is not a JPEG"),
        (png_header(20_000, 20_000), 413, "more than"),
        (png_header(12_000, 12_000), 413, "more than 100 million pixels, which is the limit here"),
        (png_header(30, 30), 422, "a.jpg"),
    ],
)
def test_what_is_no_image(client, site, content, status, text):
    refused(put(client, content), status, text)
    assert not list(site.shelf.folder.iterdir())


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_truncated_image(client, site, picture, form):
    content = picture(form, 200, 200)
    refused(put(client, content[: len(content) // 2]), 422, "a.jpg")
    assert not list(site.shelf.folder.iterdir())


def test_a_giant_file_is_refused_before_it_is_read(settings):
    site = Site(replace(settings, image_bytes=1000))
    with TestClient(site.app(), HOST) as client:
        refused(put(client, bytes(2000)), 413, "larger than 0 MB")
        refused(client.put("/api/images", content=(bytes(600) for _ in range(2))), 413, "larger than")
        assert not list(site.shelf.folder.iterdir())


def test_a_giant_animation(settings, picture):
    site = Site(replace(settings, image_pixels=1000))
    frames = [PIL.Image.new("RGB", (20, 20), (value, 0, 0)) for value in (0, 100, 200)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    with TestClient(site.app(), HOST) as client:
        refused(put(client, file.getvalue()), 413, "more than")


def test_no_room_is_left(settings, picture):
    with TestClient(Site(replace(settings, stored_bytes=10)).app(), HOST) as client:
        refused(put(client, picture()), 507, "no room is left")


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20_000, 10), (3, 500)])
def test_strange_sizes_work(client, bring, picture, width, height):
    photo = bring(picture("PNG", width, height), "a.png")
    answer = client.post("/api/stylize", json={"image": photo["id"], "style": "file:tiny"})
    assert answer.status_code == 200, answer.text
    assert PIL.Image.open(io.BytesIO(answer.content)).size == (width, height)
    preview = client.post("/api/stylize", json={"image": photo["id"], "style": "file:tiny", "preview": True})
    assert preview.status_code == 200, preview.text


@pytest.mark.parametrize(
    ("values", "status", "text"),
    [
        ({"strength": 2}, 422, "strength must be a number from 0 to 1, got 2"),
        ({"strength": "much"}, 422, "strength must be a number"),
        ({"strength": True}, 422, "strength must be a number"),
        ({"stroke_size": 100}, 422, "stroke_size must be a number from 0.125 to 8, got 100"),
        ({"mix": -1}, 422, "mix must be"),
        ({"colours": "mine"}, 422, "colours must be one of luminance, histogram"),
        ({"style": "nonsense"}, 404, "there is no such style"),
        ({"style": "../../etc"}, 404, "there is no such style"),
        ({"style": "file:../networks"}, 404, "there is no such style"),
        ({"style": "painting:" + "0" * 32}, 404, "there is no such image"),
        ({"style": 5}, 422, "style must be a text"),
        ({"second": "nonsense"}, 404, "there is no such style"),
        ({"image": "0" * 32}, 404, "there is no such image"),
        ({"image": "../networks"}, 404, "there is no such image"),
        ({"image": None}, 422, "image is missing"),
        ({"strenght": 1}, 422, "there is no value 'strenght'"),
    ],
)
def test_wrong_values(client, bring, values, status, text):
    asked = {"image": bring()["id"], "style": "file:tiny"} | values
    refused(client.post("/api/stylize", json=asked), status, text)


def test_what_is_no_number(client, bring):
    for value in ("NaN", "Infinity", "1e999", "1" * 400):
        body = f'{{"image": "{bring()["id"]}", "style": "file:tiny", "strength": {value}}}'
        answer = client.post("/api/stylize", content=body, headers={"content-type": "application/json"})
        refused(answer, 422, "strength must be a number from 0 to 1")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b"[" * 60_000, "application/json", 422),
        (b" " * 70_000, "application/json", 413),
        (b"{}", "text/plain", 415),
        (b"image=1", "application/x-www-form-urlencoded", 415),
    ],
)
def test_what_is_no_request(client, body, kind, status):
    refused(client.post("/api/stylize", content=body, headers={"content-type": kind}), status, "")


@pytest.mark.parametrize(("how", "status"), [("slow", 408), ("gone", 400)])
def test_a_request_that_does_not_arrive(monkeypatch, how, status):
    async def receive():
        if how == "slow":
            await asyncio.sleep(5)
        return {"type": "http.disconnect"}

    monkeypatch.setattr(table, "SLOWEST", 0.05)
    request = Request({"type": "http", "headers": [(b"content-type", b"application/json")]}, receive)
    with pytest.raises(RefusedError, match="on its way") as refusal:
        asyncio.run(table.read_json(request, ()))
    assert refusal.value.status == status


def test_an_animation_as_a_painting(client, bring, monkeypatch):
    from fast_style.web import stylizing

    monkeypatch.setattr(stylizing.Studio, "_stylizer", lambda *_: _Same())
    frames = [PIL.Image.new("RGB", (64, 64), (value, 0, 0)) for value in (0, 200)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    painting, photo = bring(file.getvalue(), "waves.gif"), bring()
    asked = {"image": photo["id"], "style": f"painting:{painting['id']}"}
    answer = client.post("/api/stylize", json=asked, headers={"accept": "application/json"}).json()
    assert answer["notes"] == ["waves is an animation: its first picture is the style"]


class _Same:
    @staticmethod
    def stylize(photos):
        return photos


@pytest.mark.parametrize("path", ["/api/images/x", "/api/results/x", "/api/images/x/small", "/api/results/x/small"])
def test_unknown_names(client, path):
    refused(client.get(path), 404, "there is no such")


def test_other_addresses_and_methods(client):
    refused(client.get("/api/nonsense"), 404, "there is nothing at")
    assert client.delete("/api/styles").status_code == 405


def test_a_failure_inside_is_one_sentence_too(site, bring, picture, monkeypatch):
    with TestClient(site.app(), HOST, raise_server_exceptions=False) as client:
        photo = client.put("/api/images", content=picture()).json()
        monkeypatch.setattr(site.studio, "whole", lambda *_: 1 / 0)
        answer = client.post("/api/stylize", json={"image": photo["id"], "style": "file:tiny"})
        refused(answer, 500, "something went wrong in the server")


def test_a_full_disk(site, client, bring, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    photo = bring()
    monkeypatch.setattr(site.studio, "whole", full)
    refused(client.post("/api/stylize", json={"image": photo["id"], "style": "file:tiny"}), 507, "the disk is full")

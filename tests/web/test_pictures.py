"""Photos in, pictures out."""

import io
import time
import zipfile
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms
from starlette.testclient import TestClient

from fast_style.web.app import Site

HOST = "http://127.0.0.1:8000"


def opened(content: bytes) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(content))


def stylize(client, image: str, **more):
    return client.post("/api/stylize", json={"image": image, "style": "file:tiny"} | more)


def test_a_photo_becomes_a_picture(client, bring):
    photo = bring(name="../../Mein Foto.JPEG")
    assert (photo["name"], photo["format"], photo["width"], photo["height"]) == ("Mein Foto.JPEG", "JPEG", 40, 24)
    assert client.get(f"/api/images/{photo['id']}").json() == photo
    answer = stylize(client, photo["id"])
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    assert "Mein%20Foto-tiny.jpg" in answer.headers["content-disposition"]
    assert opened(answer.content).size == (40, 24)
    again = client.get(f"/api/results/{answer.headers['x-result']}")
    assert again.content == answer.content
    assert opened(client.get(f"/api/results/{answer.headers['x-result']}/small").content).size == (40, 24)


def test_told_as_json_where_that_is_accepted(client, bring):
    photo = bring()
    answer = client.post(
        "/api/stylize", json={"image": photo["id"], "style": "file:tiny"}, headers={"accept": "application/json"}
    ).json()
    assert (answer["name"], answer["width"], answer["notes"]) == ("photo-tiny.jpg", 40, [])
    assert client.get(f"/api/results/{answer['id']}").status_code == 200


def test_everything_is_kept(client, bring, picture):
    exif = PIL.Image.Exif()
    exif[315] = "Somebody"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = bring(picture(exif=exif, icc_profile=profile, dpi=(300, 300)))
    with opened(stylize(client, photo["id"]).content) as made:
        assert made.getexif()[315] == "Somebody"
        assert made.info["icc_profile"]
        assert made.info["dpi"] == (300, 300)


def test_transparency_and_depth_are_kept(client, bring, picture):
    photo = bring(picture("PNG", mode="RGBA"), "a.png")
    with opened(stylize(client, photo["id"]).content) as made:
        assert made.mode == "RGBA"
        assert made.getchannel("A").getextrema() == (0, 255)
    small = client.get(f"/api/images/{photo['id']}/small")
    assert small.headers["content-type"] == "image/png"

    tifffile = pytest.importorskip("tifffile")
    deep = io.BytesIO()
    tifffile.imwrite(deep, np.random.default_rng(0).integers(0, 65_536, (24, 40, 3), np.uint16), photometric="rgb")
    photo = bring(deep.getvalue(), "deep.tif")
    made = stylize(client, photo["id"])
    assert tifffile.imread(io.BytesIO(made.content)).dtype == np.uint16


def test_an_animation_stays_one(client, bring, picture):
    frames = [opened(picture("PNG", width=20 + 10 * n)).resize((20, 20)) for n in range(3)]
    photo = bring(picture_of(frames), "a.gif")
    assert photo["frames"] == 3
    assert opened(stylize(client, photo["id"]).content).n_frames == 3


def picture_of(frames) -> bytes:
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=100)
    return file.getvalue()


def test_a_preview_is_small_and_not_kept(client, bring, picture, site):
    photo = bring(picture(width=400, height=200))
    files = len(list(site.shelf.folder.iterdir()))
    answer = stylize(client, photo["id"], preview=True, side=100)
    assert opened(answer.content).size == (100, 50)
    assert "x-result" not in answer.headers
    assert len(list(site.shelf.folder.iterdir())) == files
    thumbnail = client.get(f"/api/images/{photo['id']}/thumbnail", params={"style": "file:tiny"})
    assert opened(thumbnail.content).size == (192, 96)


def test_strength_zero_is_the_photo(client, bring, picture):
    content = picture("PNG")
    photo = bring(content, "a.png")
    made = np.asarray(opened(stylize(client, photo["id"], strength=0).content))
    assert np.abs(made.astype(int) - np.asarray(opened(content))).max() <= 1


def test_two_styles_are_mixed(client, bring, picture):
    photo = bring(picture("PNG"), "a.png")

    def made(**more):
        return np.asarray(opened(stylize(client, photo["id"], **more).content)).astype(float)

    for first, second in (("file:pair/mosaic", "file:pair/cubist"), ("file:tiny", "file:pair/cubist")):
        a, b = made(style=first), made(style=second)
        assert (made(style=first, second=second, mix=0) == a).all()
        assert (made(style=first, second=second, mix=1) == b).all()
        half = made(style=first, second=second, mix=0.5)
        assert not (half == a).all()
        assert not (half == b).all()
        if first == "file:tiny":  # of two networks the pictures are mixed
            assert np.abs(half - (a + b) / 2).max() <= 2


def test_styles_are_listed(client):
    found = {style["id"]: style for style in client.get("/api/styles").json()["styles"]}
    assert found.keys() == {"file:tiny", "file:pair/mosaic", "file:pair/cubist"}
    assert found["file:pair/mosaic"] | {"id": 0} == {
        "id": 0, "name": "Mosaic", "kind": "own", "quick": False, "steady": False, "live": True,
        "aside": False, "painting": False,
    }  # fmt: skip


def test_damaged_networks_and_pickles_are_no_styles(client, networks):
    (networks / "broken.safetensors").write_bytes(b"nothing")
    (networks / "pickle.pth").write_bytes(b"nothing")
    assert len(client.get("/api/styles").json()["styles"]) == 3


def test_several_pictures_come_in_an_archive(client, bring):
    photo = bring()
    ids = [stylize(client, photo["id"]).headers["x-result"] for _ in range(2)]
    answer = client.get("/api/zip", params={"result": [*ids, ids[0]]})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["photo-tiny.jpg", "photo-tiny (2).jpg"]
    assert client.get("/api/zip").status_code == 422
    assert client.get("/api/zip", params={"result": "0" * 32}).status_code == 404


def test_an_archive_that_fails_leaves_nothing(client, bring, site, monkeypatch):
    result = stylize(client, bring()["id"]).headers["x-result"]
    before = set(site.shelf.folder.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "write", full)
    assert client.get("/api/zip", params={"result": result}).status_code == 507
    monkeypatch.undo()
    monkeypatch.setattr(site.shelf, "settings", replace(site.settings, stored_bytes=10))
    assert "no room is left" in client.get("/api/zip", params={"result": result}).json()["error"]
    assert set(site.shelf.folder.iterdir()) == before


def test_files_are_removed_after_a_day(client, bring, site):
    photo = bring()
    result = stylize(client, photo["id"]).headers["x-result"]
    site.shelf.remove_old(time.time() + 23 * 3600)
    assert client.get(f"/api/results/{result}").status_code == 200
    site.shelf.remove_old(time.time() + 25 * 3600)
    assert not list(site.shelf.folder.iterdir())
    assert client.get(f"/api/results/{result}").status_code == 404
    assert stylize(client, photo["id"]).json()["error"].startswith("there is no such image")


def test_a_photo_is_removed_at_once(client, bring, site):
    photo = bring()
    assert client.delete(f"/api/images/{photo['id']}").status_code == 204
    assert not list(site.shelf.folder.iterdir())


def test_only_so_many_wait(settings, picture):
    site = Site(replace(settings, waiting={"preview": 1, "thumbnail": 0, "picture": 0}))
    with TestClient(site.app(), HOST) as client:
        photo = client.put("/api/images", content=picture()).json()
        for answer in (
            stylize(client, photo["id"]),
            client.get(f"/api/images/{photo['id']}/thumbnail", params={"style": "file:tiny"}),
        ):
            assert answer.status_code == 429
            assert answer.headers["retry-after"] == "3"

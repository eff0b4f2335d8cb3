"""Networks that run in a real Chromium: the webcam, and the page without a server."""

import functools
import http.server
import io
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from fast_style import Stylizer
from fast_style.inference.control import Control
from fast_style.web import alone as alone_page
from fast_style.web import exports

pytest.importorskip("onnxscript", reason="networks in the browser need the package onnxscript")
pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAINTS = "document.getElementById('live-pace').textContent"
MADE = "#download:not([hidden])"
SIZES = [(360, 740), (1280, 800), (3840, 2160)]


def until(page, expression: str, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)


def saved(page, button: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.click(button)
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def colours(path: Path) -> np.ndarray:
    with PIL.Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.float32)


@pytest.fixture
def stand_in(monkeypatch):
    """Where a stand-in runs networks, these need not be exported."""

    async def written(network, path, key):
        del network, key
        path.write_bytes(b"a network")

    def stand_in(runtime):
        if runtime.version == "0.0.1":
            monkeypatch.setattr(exports, "_export", written)
            monkeypatch.setattr(alone_page, "export", lambda network, path, style: path.write_bytes(b"a network"))
        sample = (alone_page.PAGE / "sample.jpg").read_bytes()
        monkeypatch.setattr(alone_page, "thumbnail", lambda style, path: path.write_bytes(sample))

    return stand_in


@pytest.fixture
def live(settings, serve, visit, stand_in):
    """Open the webcam of a page that has a runtime."""

    def live(runtime, **options):
        stand_in(runtime)
        url = serve(replace(settings, port=0, runtime=runtime)).url
        page = visit("#live", url, **options)
        page.wait_for_selector("#live-start")
        return page

    return live


def test_a_camera_is_painted_saved_and_recorded(live, runtime, tmp_path):
    page = live(runtime)
    page.focus("#live-start")
    page.keyboard.press("Enter")
    until(page, PAINTS)
    assert page.inner_text("#live-state") == "The camera is on."
    assert page.evaluate("document.activeElement.id") == "live-stop"
    assert page.evaluate("crossOriginIsolated")
    assert "WebAssembly with" in page.inner_text("#live-pace")
    assert page.is_checked("#live-mirror")
    picture = saved(page, "#live-snap", tmp_path)
    assert picture.name == "mosaic.png"
    assert colours(picture).std() > 5
    page.select_option("#live-format", "image/jpeg")
    with PIL.Image.open(saved(page, "#live-snap", tmp_path)) as image:
        assert image.format == "JPEG"
    page.click("#live-record")
    page.wait_for_timeout(1500)
    film = saved(page, "#live-record", tmp_path)
    assert film.suffix in (".mp4", ".webm")
    assert film.stat().st_size > 1000
    assert page.inner_text("#live-state") == f"Saved as {film.name}."
    page.click("#live-stop")
    assert page.evaluate("[document.activeElement.id, document.querySelectorAll('video').length]") == ["live-start", 0]


def test_another_style_size_and_strength_are_chosen_while_it_runs(live, made_up, tmp_path):
    page = live(made_up)
    page.click("#live-start")
    until(page, PAINTS)
    page.select_option("#live-style", "file:pair/cubist")
    page.select_option("#live-size", "192")
    until(page, "document.getElementById('live-picture').width == 192")
    page.fill("#live-strength", "0")
    page.wait_for_timeout(1500)
    photo = colours(saved(page, "#live-snap", tmp_path))
    page.fill("#live-strength", "1")
    page.wait_for_timeout(1500)
    negative = saved(page, "#live-snap", tmp_path)
    assert negative.name == "cubist.png"
    assert photo.shape == (144, 192, 3)
    assert abs(photo.mean() + colours(negative).mean() - 255) < 40  # of 161 without it: the camera's picture moves


def test_the_page_goes_on_and_frames_are_dropped_while_it_paints(live, made_up, tmp_path):
    busy = (
        made_up.files["wasm.js"]
        .read_text()
        .replace(
            "async function run({ photos }) {",
            "async function run({ photos }) { const end = performance.now() + 400; while (performance.now() < end);",
        )
    )
    slow = tmp_path / "slow.mjs"
    slow.write_text(busy)
    taken = "const take = createImageBitmap; window.taken = 0; createImageBitmap = (...all) => (taken++, take(...all));"
    page = live(replace(made_up, files={**made_up.files, "wasm.js": slow}), script=taken)
    page.click("#live-start")
    until(page, PAINTS)
    before = page.evaluate("taken")
    ticks = page.evaluate("""() => new Promise(done => {
        let ticks = 0;
        const timer = setInterval(() => ticks++, 20);
        setTimeout(() => { clearInterval(timer); done(ticks); }, 4000);
    })""")
    assert page.evaluate("taken") - before <= 11  # of some 80 frames of the camera
    assert ticks > 60  # of 200, were nothing else going on


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("NotAllowedError", "The browser may not use the camera"),
        ("NotFoundError", "There is no camera"),
        ("NotReadableError", "The camera does not answer"),
        ("AbortError", "The camera cannot be used"),
    ],
)
def test_without_a_camera_a_photo_is_taken(live, made_up, picture, tmp_path, error, sentence):
    refuse = f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '{error}'));"
    page = live(made_up, script=refuse)
    page.click("#live-start")
    page.wait_for_selector(f"#live-reason >> text={sentence}")
    assert page.get_attribute("#live-reason", "role") == "alert"
    photo = picture("PNG", 300, 200)
    page.set_input_files("#live-file", {"name": "a.png", "mimeType": "image/png", "buffer": photo})
    until(page, PAINTS)
    assert page.is_hidden("#live-record")
    assert not page.is_checked("#live-mirror")
    original = np.asarray(PIL.Image.open(io.BytesIO(photo)), np.float32)
    assert np.abs(colours(saved(page, "#live-snap", tmp_path)) - (255 - original)).max() <= 1
    page.check("#live-mirror")
    page.wait_for_timeout(300)
    assert np.abs(colours(saved(page, "#live-snap", tmp_path)) - (255 - original)[:, ::-1]).max() <= 1


def test_what_is_neither_photo_nor_film_is_told(live, made_up):
    page = live(made_up)
    for name, kind in (("notes.txt", "text/plain"), ("broken.png", "image/png"), ("broken.mp4", "video/mp4")):
        page.set_input_files("#live-file", {"name": name, "mimeType": kind, "buffer": b"nothing"})
        page.wait_for_selector(f"#live-reason >> text={name} cannot be read by this browser")


def test_a_film_is_painted(live, made_up, tmp_path):
    av = pytest.importorskip("av", reason="films need the package av")
    with av.open(str(tmp_path / "clip.webm"), "w") as out:
        stream = out.add_stream("libvpx", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 4 * number, np.uint8))
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    page = live(made_up)
    page.set_input_files("#live-file", tmp_path / "clip.webm")
    page.wait_for_selector("#live-state >> text=The film runs.")
    until(page, PAINTS)
    assert "96 × 64 pixels" in page.inner_text("#live-pace")


def test_the_camera_goes_out_when_another_section_is_looked_at(live, made_up):
    page = live(made_up)
    page.click("#live-start")
    until(page, PAINTS)
    page.evaluate("window.track = document.querySelector('video').srcObject.getVideoTracks()[0]")
    page.click("nav a[href='#stylise']")
    until(page, "track.readyState == 'ended' && !document.querySelector('video')")
    page.click("nav a[href='#live']")
    page.click("#live-start")
    until(page, PAINTS)


def test_the_camera_goes_out_however_early_the_section_is_left(live, made_up):
    page = live(made_up)
    page.evaluate("""() => {
        const [media, late] = [navigator.mediaDevices, new Promise((done) => (window.go = done))];
        const { getUserMedia, enumerateDevices } = media;
        media.getUserMedia = async (wanted) => (window.stream = await getUserMedia.call(media, wanted));
        media.enumerateDevices = () => late.then(() => enumerateDevices.call(media));
    }""")
    page.click("#live-start")
    until(page, "Boolean(window.stream)")
    page.click("nav a[href='#stylise']")
    page.evaluate("go()")
    until(page, "stream.getTracks()[0].readyState == 'ended' && !document.querySelector('video')")


def test_a_runtime_that_does_not_load_is_told(live, made_up, tmp_path, visit):
    broken = tmp_path / "broken.mjs"
    broken.write_text("nonsense(")
    page = live(replace(made_up, files={**made_up.files, "wasm.js": broken}))
    page.click("#live-start")
    page.wait_for_selector("#alert >> text=This device cannot paint it (")
    assert page.is_visible("#live-start")
    visit.complaints.clear()


@pytest.mark.parametrize(("locale", "sentence"), [("en-GB", "get it with “npm install"), ("zh-CN", "请执行“npm")])
def test_without_a_runtime_it_is_told_how_to_get_it(visit, locale, sentence):
    page = visit("#live", locale=locale)
    page.wait_for_selector("#live-lack")
    assert sentence in page.inner_text("#live-lack")
    assert "--runtime node_modules/onnxruntime-web" in page.inner_text("#live-lack")
    assert page.is_hidden("#live-start")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_nothing_is_cut_off(live, made_up, size, locale):
    page = live(made_up, viewport={"width": size[0], "height": size[1]}, locale=locale)
    page.click("#live-start")
    until(page, PAINTS)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    nameless = page.evaluate("""() => [...document.querySelectorAll("#live :is(button, input, select, canvas)")]
        .filter(element => !element.getAttribute("aria-label") && !element.textContent.trim()
            && ![...element.labels ?? []].some(label => label.textContent.trim())).map(element => element.id)""")
    assert not nameless


@pytest.fixture
def host(tmp_path):
    """Serve a folder under a path, without any headers, as hosts of static files do."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path / "host"))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/some/place/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def alone(tmp_path, networks, visit, host, stand_in):
    """Open the page where there is no server."""

    def alone(runtime, place="", **options):
        stand_in(runtime)
        alone_page.write(tmp_path / "host/some/place", networks, runtime, lambda *_: None)
        return visit(place, host, **options)

    return alone


def test_a_photo_is_stylised_without_a_server(alone, installed, networks, picture, tmp_path):
    page = alone(installed)
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture("PNG", 300, 201))
    page.click(".tile >> text=Cubist")
    page.set_input_files("#photos", photo)
    page.wait_for_selector(MADE)
    assert "Done: 300 × 201 pixels, PNG" in page.inner_text("#state")
    made = saved(page, "#download", tmp_path)
    assert made.name == "photo-cubist.png"
    stylizer = Stylizer.from_checkpoint(
        networks / "pair.safetensors", style={"cubist": 1}, device="cpu", precision="fp32", backend="torch"
    )
    right = np.asarray(stylizer(photo), np.float32)
    assert np.abs(colours(made) - right).max() <= 1
    page.fill("#strength", "0.5")
    half = (right + colours(photo)) / 2
    assert np.abs(colours(saved(page, "#download", tmp_path)) - half).max() <= 1
    page.click(".tile >> text=Tiny")
    until(page, "document.getElementById('download').hidden")
    page.wait_for_selector(MADE)
    assert saved(page, "#download", tmp_path).name == "photo-tiny.png"


def test_a_large_photo_has_the_strokes_of_the_server(alone, installed, networks, tmp_path):
    (networks / "tiny.safetensors").unlink()
    page = alone(installed)
    y, x = np.mgrid[0:1200, 0:1920]
    waves = np.stack([np.sin(x / 60), np.cos(y / 45), np.sin((x + y) / 80)], 2)
    PIL.Image.fromarray((127 + 120 * waves).astype(np.uint8)).save(tmp_path / "wide.png")
    page.click(".tile >> text=Cubist")
    page.set_input_files("#photos", tmp_path / "wide.png")
    page.wait_for_selector(MADE)
    made = colours(saved(page, "#download", tmp_path))
    stylizer = Stylizer.from_checkpoint(
        networks / "pair.safetensors", style={"cubist": 1}, device="cpu", precision="fp32", backend="torch"
    )
    photo = torch.from_numpy(colours(tmp_path / "wide.png")).permute(2, 0, 1)[None] / 255
    right = Control(stroke_size=1920 / 1280).apply([stylizer.stylize], photo)[0].permute(1, 2, 0).numpy() * 255
    assert made.shape == right.shape
    assert np.abs(made - right).mean() < 3


def test_a_webcam_without_a_server_has_one_thread(alone, installed, networks):
    (networks / "tiny.safetensors").unlink()
    page = alone(installed, "#live")
    page.click("#live-start")
    until(page, PAINTS)
    assert not page.evaluate("crossOriginIsolated")
    assert "WebAssembly with one thread" in page.inner_text("#live-pace")


def test_the_latest_of_what_is_chosen_is_made(alone, made_up, tmp_path):
    page = alone(made_up)
    page.click("#sample")
    for name in ("Cubist", "Mosaic", "Tiny", "Cubist"):
        page.click(f".tile >> text={name}")
    page.wait_for_selector(MADE)
    page.wait_for_timeout(500)
    made = saved(page, "#download", tmp_path)
    assert made.name == "example-cubist.jpg"
    page.set_input_files("#photos", {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"})
    page.wait_for_selector("#alert >> text=notes.txt is no photo that this browser reads")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_the_page_alone_shows_what_it_can(alone, made_up, size, locale):
    page = alone(made_up, viewport={"width": size[0], "height": size[1]}, locale=locale)
    page.click("#sample")
    page.wait_for_selector(MADE)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.evaluate("[...document.querySelectorAll('nav a')].map(link => link.hash)") == ["#stylise", "#live"]
    fields = page.evaluate("[...document.querySelectorAll('#look :is(input, select)')].map(({ id }) => id)")
    assert fields == ["strength"]
    until(page, "[...document.querySelectorAll('.tile img')].every(image => image.complete && image.naturalWidth)")

"""A page with one small network, photos to bring, and a browser."""

import io
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

pytest.importorskip("starlette", reason="the page needs the package starlette")
pytest.importorskip("httpx2", reason="the tests of the page need the package httpx2")

import uvicorn
from starlette.testclient import TestClient

from fast_style.checkpoint import save_network
from fast_style.networks import SlimNetwork, TransformerNetwork
from fast_style.web import server as web
from fast_style.web import styles
from fast_style.web.app import Site
from fast_style.web.runtime import NEEDED, Runtime, find_runtime
from fast_style.web.settings import Settings

HOST = "http://127.0.0.1:8000"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
ARGUMENTS += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
WAIT = 180_000  # milliseconds, also on a busy machine
# Stands for onnxruntime-web where that cannot be had: of every network it makes the negative of the photo.
NEGATIVE = """
export const env = { wasm: {} };
export class Tensor {
  constructor(kind, data, dims) { Object.assign(this, { data, dims }); }
  async getData() { return this.data; }
  dispose() {}
}
export const InferenceSession = {
  async create() {
    return { release() {}, run };
  },
};
async function run({ photos }) {
  return { stylized: new Tensor("float32", photos.data.map((value) => 1 - value)) };
}
"""


@pytest.fixture
def networks(tmp_path, monkeypatch) -> Path:
    """Networks of a few weights: `tiny`, and `pair` of two styles; none ships."""
    folder = tmp_path / "networks"
    save_network(folder / "tiny.safetensors", TransformerNetwork(width=2, blocks=1), {})
    pair = SlimNetwork(8, 1, norm="conditional", styles=["mosaic", "cubist"])
    for parameter in pair.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    save_network(folder / "pair.safetensors", pair, {})
    monkeypatch.setattr(styles, "shipped_networks", dict)
    return folder


@pytest.fixture
def settings(tmp_path, networks) -> Settings:
    """Settings of a page in a folder of its own."""
    engine = {"device": "cpu", "precision": "fp32", "backend": "torch"}
    return Settings(tmp_path / "page", networks, engine=engine)


@pytest.fixture
def site(settings) -> Site:
    """The page."""
    return Site(settings)


@pytest.fixture
def client(site) -> Iterator[TestClient]:
    """What asks it."""
    with TestClient(site.app(), HOST) as client:
        yield client


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Make the file of a smooth picture: format, width, height, and what Pillow is to be told."""

    def make(form: str = "JPEG", width: int = 40, height: int = 24, mode: str = "RGB", **options: object) -> bytes:
        y, x = np.mgrid[0:height, 0:width]
        channels = [x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x + y) % 256]
        array = np.stack(channels, axis=2).astype(np.uint8)
        image = PIL.Image.fromarray(array)
        if mode == "RGBA":
            image.putalpha(PIL.Image.fromarray(channels[0].astype(np.uint8)))
        file = io.BytesIO()
        image.save(file, form, **options)
        return file.getvalue()

    return make


@pytest.fixture
def bring(client, picture) -> Callable[..., dict]:
    """Bring a picture and return what is told of it."""

    def bring(content: bytes | None = None, name: str = "photo.jpg") -> dict:
        answer = client.put("/api/images", params={"name": name}, content=content or picture())
        assert answer.status_code == 201, answer.text
        return answer.json()

    return bring


class Server:
    """A page that is served from a thread of this process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.start()

    def start(self) -> None:
        self.listener = web._listening("127.0.0.1", self.settings.port)
        self.settings = replace(self.settings, port=self.listener.getsockname()[1])
        self.site = Site(self.settings)
        config = uvicorn.Config(self.site.app(), log_level="error", timeout_graceful_shutdown=3)
        self.server = web.Server(config, self.site)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})
        self.thread.start()

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(60)
        self.listener.close()
        for child in self.site.jobs._children.values():
            child.wait(60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}/"


@pytest.fixture
def serve() -> Iterator[Callable[[Settings], Server]]:
    """Serve pages until the test ends."""
    servers: list[Server] = []

    def serve(settings: Settings) -> Server:
        servers.append(Server(settings))
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()


@pytest.fixture
def server(settings, serve) -> Server:
    """A page that is served."""
    return serve(replace(settings, port=0))


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    """A browser whose camera shows a made-up picture."""
    driver = pytest.importorskip("playwright.sync_api", reason="the tests of the browser need the package playwright")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with driver.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, server) -> Iterator[Callable]:
    """Open a page; at the end, check that it asked nobody else and complained of nothing."""
    contexts, asked, complaints, homes = [], [], [], ["blob:", "data:"]

    def visit(place: str = "", url: str | None = None, script: str = "", **options: object) -> object:
        url = url or server.url
        homes.append(url)
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, "locale": "en-GB"} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        if script:
            page.add_init_script(script)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.goto(url + place)
        page.wait_for_selector(".tile", state="attached")
        return page

    visit.complaints = complaints
    yield visit
    for context in contexts:
        context.close()
    assert not [url for url in asked if not url.startswith(tuple(homes))]
    assert not complaints


@pytest.fixture(scope="session")
def made_up(tmp_path_factory) -> Runtime:
    """A stand-in for onnxruntime-web."""
    folder = tmp_path_factory.mktemp("made_up") / "onnxruntime-web"
    (folder / "dist").mkdir(parents=True)
    (folder / "package.json").write_text('{"version": "0.0.1"}')
    for name in NEEDED.values():
        (folder / "dist" / name).write_text("")
    (folder / "dist" / NEEDED["wasm.js"]).write_text(NEGATIVE)
    return find_runtime(folder)


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Runtime:
    """onnxruntime-web, from the folder $ONNXRUNTIME_WEB, else as npm installs it."""
    if given := os.environ.get("ONNXRUNTIME_WEB"):
        return find_runtime(Path(given))
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm, and no folder of onnxruntime-web in $ONNXRUNTIME_WEB")
    folder = tmp_path_factory.mktemp("npm")
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "onnxruntime-web@1.30"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm does not reach its registry")
    if done.returncode:
        pytest.skip(f"npm cannot install onnxruntime-web: {done.stderr.strip()[-200:]}")
    return find_runtime(folder)


@pytest.fixture(params=["made_up", "installed"])
def runtime(request) -> Runtime:
    """What runs networks in the browser: a stand-in, and onnxruntime-web itself."""
    return request.getfixturevalue(request.param)

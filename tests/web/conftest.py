"""A page with one small network, and photos to bring."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

pytest.importorskip("starlette", reason="the page needs the package starlette")
pytest.importorskip("httpx2", reason="the tests of the page need the package httpx2")

from starlette.testclient import TestClient

from fast_style.checkpoint import save_network
from fast_style.networks import SlimNetwork, TransformerNetwork
from fast_style.web import styles
from fast_style.web.app import Site
from fast_style.web.settings import Settings

HOST = "http://127.0.0.1:8000"


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

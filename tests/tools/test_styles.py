"""The style images of the package are what their scripts paint."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {
    path.stem: path for path in (ROOT / "tools/styles").glob("*.py") if "\ndef paint(" in path.read_text("utf-8")
}
PICTURES = {path.stem: path for path in (ROOT / "fast_style/assets/styles").iterdir()}


@pytest.fixture
def paint(monkeypatch):
    """Run a script and paint its picture with `size` pixels at the short side."""
    monkeypatch.syspath_prepend(ROOT / "tools/styles")
    return lambda name, size: runpy.run_path(str(SCRIPTS[name]))["paint"](size)


@pytest.mark.parametrize("name", ["cubist", "mosaic", "starry_night"])  # in each of the manners
def test_painting_is_a_function_of_its_size(paint, name):
    picture = paint(name, 96)
    assert picture.dtype == np.uint8
    assert picture.shape[2:] == (3,)
    assert min(picture.shape[:2]) == 96
    assert np.array_equal(picture, paint(name, 96))


def test_every_script_has_its_picture_and_every_picture_its_script():
    assert SCRIPTS.keys() == PICTURES.keys()


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_picture_is_large_and_covered(name):
    with Image.open(PICTURES[name]) as image:
        assert image.format == "JPEG"
        assert image.mode == "RGB"
        assert min(image.size) >= 512
        pixels = np.asarray(image, np.float32)
    h, w = (side // 64 * 64 for side in pixels.shape[:2])
    patches = pixels[:h, :w].reshape(h // 64, 64, w // 64, 64, 3)  # (rows, 64, columns, 64, 3)
    assert patches.std((1, 3)).max(-1).min() > 2  # no patch is flat
    assert PICTURES[name].stat().st_size <= 450_000


def test_shipped_starry_night_is_what_the_script_paints(paint):
    painted = paint("starry_night", 768).astype(np.float32)
    with Image.open(PICTURES["starry_night"]) as image:
        shipped = np.asarray(image, np.float32)
    assert shipped.shape == painted.shape
    assert np.abs(shipped - painted).mean() < 6

import numpy as np
import pytest
from PIL import Image

from fast_style.data import load_style
from fast_style.images import SUFFIXES, write


def test_load_style_keeps_the_aspect(style_folder):
    style = load_style("waves", dir=style_folder, size=24)
    assert style.shape == (1, 3, 24, 32)
    original = np.asarray(Image.open(style_folder / "waves.png")) / 255
    assert style.mean().item() == pytest.approx(original.mean(), abs=0.01)


def test_load_style_refuses_paths(style_folder):
    with pytest.raises(ValueError, match="must not be a path"):
        load_style("../waves", dir=style_folder)
    with pytest.raises(FileNotFoundError, match="no image for style 'dots'"):
        load_style("dots", dir=style_folder)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_load_style_finds_every_kind_of_image(tmp_path, photo, suffix):
    write(tmp_path / f"dots{suffix}", photo(0, 20, 24).float() / 255)
    assert load_style("dots", dir=tmp_path, size=16).shape == (1, 3, 16, 19)


@pytest.mark.parametrize("name", ["starry_night", "the_scream", "composition_vii"])
def test_real_paintings(shared, name):
    style = load_style(name, dir=shared / "data" / "styles", size=256)
    assert min(style.shape[2:]) == 256
    assert 0.1 < style.mean() < 0.9


def test_load_style_refuses_tiny_sizes(style_folder):
    with pytest.raises(ValueError, match=r"style\.size must be at least 16 pixels, got 3"):
        load_style("waves", dir=style_folder, size=3)

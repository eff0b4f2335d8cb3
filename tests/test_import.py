"""What `import fast_style` brings with it: little, so that a page or a script starts at once."""

import subprocess
import sys

import pytest

import fast_style
import fast_style.data

HEAVY = ("lightning", "hydra", "omegaconf", "fsspec", "tensorboard", "torchvision", "rich", "matplotlib")


def imported(code: str) -> set[str]:
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_stylizer_brings_no_training():
    alone = imported("import torch, PIL.Image")
    assert not (imported("from fast_style import Stylizer") - alone) & set(HEAVY)


def test_a_style_image_brings_no_training():
    code = """
from fast_style import Stylizer, assets
Stylizer.from_checkpoint("any", device="cpu", style={str(assets.STYLES / "mosaic.jpg"): 1.0})
"""
    compiler = "sympy"  # belongs to it, and takes more than a second
    assert not imported(code) & {"lightning", "hydra", "omegaconf", "fsspec", "tensorboard", compiler}


def test_the_stylizing_commands_and_films_bring_no_lightning():
    commands = "import fast_style.cli.stylize, fast_style.cli.film, fast_style.inference.moving"
    assert "lightning" not in imported(commands)
    assert "lightning" in imported("from fast_style.data import PhotoDataModule")


def test_the_package_brings_not_even_torch():
    assert "torch" not in imported("import fast_style, fast_style.assets")


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="module 'fast_style' has no attribute 'Styliser'"):
        _ = fast_style.Styliser
    with pytest.raises(AttributeError, match=r"module 'fast_style\.data' has no attribute 'Photos'"):
        _ = fast_style.data.Photos


def test_pictures_need_no_film_libraries():
    assert not imported("import fast_style.cli.stylize") & {"av", "cv2"}

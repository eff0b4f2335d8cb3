"""What `import fast_style` brings with it: little, so that a page or a script starts at once."""

import subprocess
import sys

import pytest

import fast_style

HEAVY = ("lightning", "hydra", "omegaconf", "fsspec", "tensorboard", "torchvision", "rich", "matplotlib")


def imported(code: str) -> set[str]:
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_stylizer_brings_no_training():
    alone = imported("import torch, PIL.Image")
    assert not (imported("from fast_style import Stylizer") - alone) & set(HEAVY)


def test_the_package_brings_not_even_torch():
    assert "torch" not in imported("import fast_style, fast_style.assets")


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="module 'fast_style' has no attribute 'Styliser'"):
        _ = fast_style.Styliser


def test_pictures_need_no_film_libraries():
    assert not imported("import fast_style.cli.stylize") & {"av", "cv2"}

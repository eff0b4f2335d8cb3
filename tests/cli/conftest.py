"""Fixtures of the tests of the commands."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import PIL.Image
import pytest

from fast_style.__main__ import run
from fast_style.checkpoint import save_network
from fast_style.networks import TransformerNetwork
from tests.pictures import noise

ON_CPU = ("--device", "cpu", "--precision", "fp32", "--backend", "torch")


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys) -> Callable[..., Result]:
    """Run a command in this process."""

    def run_here(name: str, *arguments: str | Path) -> Result:
        code = 0
        try:
            run(name, list(map(str, arguments)))
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Result(code, *capsys.readouterr())

    return run_here


@pytest.fixture
def model(tmp_path) -> Path:
    """A network of a few weights."""
    path = tmp_path / "models" / "mosaic.safetensors"
    save_network(path, TransformerNetwork(width=2, blocks=1), {})
    return path


@pytest.fixture
def stylize(model, command) -> Callable[..., Result]:
    """Stylize with this network; later options win over those given here."""
    return lambda *arguments: command("stylize", "--model", model, *ON_CPU, *arguments)


@pytest.fixture
def photos(tmp_path, make) -> Path:
    """One JPEG, one PNG with an odd size, one WebP two folders down."""
    folder = tmp_path / "photos"
    make(folder / "a.jpg", (20, 12))
    make(folder / "b.PNG", (9, 13))
    make(folder / "sub" / "deep" / "c.webp", (1, 1))
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def make() -> Callable[..., Path]:
    """Make an image file of a size (width, height)."""

    def make(path: Path, size: tuple[int, int] = (10, 8)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(size).convert("RGB").save(path)
        return path

    return make


@pytest.fixture
def tree() -> Callable[[Path], list[str]]:
    """List the files below a folder."""
    return lambda folder: sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def size() -> Callable[[Path], tuple[int, int]]:
    """Tell width and height of an image file."""

    def size(path: Path) -> tuple[int, int]:
        with PIL.Image.open(path) as image:
            return image.size

    return size


@pytest.fixture
def tally() -> Callable[..., str]:
    """Say what the command says at its end: how many images were stylized, skipped and failed, and where they are."""

    def tally(stylized: int, skipped: int, failed: int, where: str = "") -> str:
        there = f": {where}" if where else ""
        return f"stylized {stylized}, skipped {skipped}, failed {failed}, with torch fp32 on cpu{there}\n"

    return tally


@pytest.fixture
def is_misuse() -> Callable[[Result, str], bool]:
    """Tell whether a command refused something in one line that holds a text."""
    return lambda result, text: (
        result.code == 2 and text in result.err and result.err.count("\n") == 1 and not result.out
    )

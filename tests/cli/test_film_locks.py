"""Two commands at once for one film, or for the same frames."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("av", reason="films need the package av")
pytest.importorskip("fcntl", reason="no locks of files here")

from tests.cli.conftest import ON_CPU
from tests.video.conftest import clip, times_of

__all__ = ["clip"]  # a fixture
HOLDING = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
WAITING = """
import sys, time
from pathlib import Path
from fast_style.inference.stylizer import Stylizer
real, done = Stylizer.stylize, []

def stylize(self, photos):
    while done and not Path(sys.argv[1]).exists():
        time.sleep(0.01)
    done.append(1)
    return real(self, photos)

Stylizer.stylize = stylize
from fast_style.__main__ import run
run("stylize", sys.argv[2:])
"""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Have another process hold a lock, as a command does that is at work."""
    path.parent.mkdir()
    command = [sys.executable, "-c", HOLDING, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield
        process.stdin.close()


@pytest.mark.parametrize(
    ("name", "lock"),
    [("o.mp4", ".o.mp4.parts/lock"), ("o.gif", ".o.gif.parts/lock"), ("out/%02d.png", "out/.%02d.png.lock")],
)
def test_what_another_process_makes(stylize, clip, tmp_path, tree, name, lock):
    command = ("--input", clip(frames=2), "--output", tmp_path / name)
    with held(tmp_path / lock):
        before = tree(tmp_path)
        result = stylize(*command)
        told = f"error: {tmp_path / name} is being made by another command: wait until it has ended\n"
        assert (result.code, result.out, result.err) == (1, "", told)
        assert tree(tmp_path) == before
    assert stylize(*command).code == 0
    assert not (tmp_path / lock).exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["o.mp4", "out/%02d.png"])
def test_two_processes(stylize, clip, tmp_path, tree, model, name):
    """The second is refused after the first frame of the first, which then goes on."""
    source, output, go = clip(frames=5), tmp_path / name, tmp_path / "go"
    arguments = [*ON_CPU, "--model", model, "--input", source, "--output", output]
    with subprocess.Popen([sys.executable, "-c", WAITING, go, *arguments], stderr=subprocess.PIPE, text=True) as first:
        wait = time.monotonic() + 100
        while not any(file.endswith("lock") for file in tree(tmp_path)) and time.monotonic() < wait:
            time.sleep(0.01)
        second = stylize(*arguments)
        go.touch()
        _, said = first.communicate()
    assert (first.returncode, second.code) == (0, 1), (said, second.err)
    assert "is being made by another command" in second.err
    assert len(times_of(output) if name == "o.mp4" else tree(tmp_path / "out")) == 5

"""What goes wrong while a film is shown, and how it is ended."""

import signal
import socket
import sys
import threading
import time
import types
import urllib.request

import numpy as np
import pytest

pytest.importorskip("av", reason="films need the package av")

from fast_style import images
from fast_style.cli import preview as module
from fast_style.inference.stylizer import Stylizer
from fast_style.video import Latest
from fast_style.video.page import serving
from tests.video.conftest import clip

__all__ = ["clip"]  # a fixture


@pytest.fixture
def preview(stylize, monkeypatch):
    """Show a film that somebody watches from another thread."""
    addresses, real = [], module.Page.__init__

    def noted(self, *arguments):
        real(self, *arguments)
        addresses.append(self.url)

    def look():
        until = time.monotonic() + 10
        while not addresses and time.monotonic() < until:
            time.sleep(0.01)
        with urllib.request.urlopen(f"{addresses[0]}film.mjpg", timeout=10) as answer:
            answer.read()

    def run(*arguments):
        viewer = threading.Thread(target=look, daemon=True)
        viewer.start()
        result = stylize(*arguments, "--preview")
        viewer.join(10)
        return result

    monkeypatch.setattr(module.Page, "__init__", noted)
    monkeypatch.setitem(sys.modules, "pyvirtualcam", sys.modules.get("pyvirtualcam"))
    return run


def told(result) -> list[str]:
    """What is said on stderr after the address."""
    first, *more = result.err.splitlines()
    assert first.startswith("watch http://127.0.0.1:")
    return more


class Device:
    """A device of pyvirtualcam."""

    device = "/dev/video7"

    def __init__(self, width, height, fps):
        if height > 100:
            raise RuntimeError("'v4l2loopback' backend: no such device")
        self.width, self.height, self.fps, self.sent = width, height, fps, []
        made.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sent.append("closed")

    def send(self, frame):
        assert frame.dtype == np.uint8
        self.sent.append(frame.shape)


made: list[Device] = []


@pytest.fixture
def pyvirtualcam(monkeypatch):
    """A stand-in, and the devices that were opened."""
    made.clear()
    monkeypatch.setitem(sys.modules, "pyvirtualcam", types.SimpleNamespace(Camera=Device))
    return made


def test_a_virtual_camera_where_there_is_one(stylize, clip, pyvirtualcam):
    source = clip("a.webm", codec="libvpx-vp9", size=(35, 47), frames=3)
    result = stylize("--input", source, "--preview")
    assert (result.code, result.err) == (0, "watch the camera /dev/video7 (Ctrl-C ends it)\n")
    (device,) = pyvirtualcam
    assert (device.width, device.height, device.fps) == (46, 34, 25.0)
    *shown, last = device.sent
    assert 1 <= len(shown) <= 3
    assert set(shown) == {(34, 46, 3)}
    assert last == "closed"


def test_a_page_where_there_is_no_device(preview, clip, pyvirtualcam):
    result = preview("--input", clip(size=(120, 64), frames=3))
    assert (result.code, told(result), pyvirtualcam) == (0, [], [])


def test_a_film_is_shown(preview, clip):
    result = preview("--input", clip(frames=3))
    assert (result.code, told(result)) == (0, [])
    assert "of 3 frames" in result.out


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, OSError])
def test_a_network_that_fails(preview, clip, monkeypatch, kind):
    def fail(self, batch):
        raise kind("no kernel")

    monkeypatch.setattr(Stylizer, "stylize", fail)
    result = preview("--input", clip(frames=3))
    assert (result.code, told(result), result.out) == (1, ["error: no kernel"], "")


def test_a_film_that_cannot_be_read_any_more(preview, tmp_path, make, monkeypatch):
    for number in range(3):
        make(tmp_path / "frames" / f"{number}.png", (20, 12))
    real, lost = images.open_picture, tmp_path / "frames" / "2.png"

    def open_picture(path):
        if path == lost:
            raise OSError(f"cannot read {path}: the disk is gone")
        return real(path)

    monkeypatch.setattr(images, "open_picture", open_picture)
    result = preview("--input", tmp_path / "frames", "--fps", "50")
    assert result.code == 1
    assert told(result) == [f"error: cannot read {lost}: the disk is gone"]


def test_ctrl_c(preview, clip, monkeypatch):
    monkeypatch.setattr(Stylizer, "stylize", lambda self, batch: signal.raise_signal(signal.SIGINT))
    result = preview("--input", clip(frames=5))
    assert result.code == 130
    (sentence,) = told(result)
    assert sentence.startswith("interrupted: showed 0 of ")


def test_ctrl_c_before_anybody_watches(stylize, clip, monkeypatch):
    real = module._wait_for

    def wait(page):
        page.seen.wait = lambda seconds: signal.raise_signal(signal.SIGINT)
        real(page)

    monkeypatch.setattr(module, "_wait_for", wait)
    result = stylize("--input", clip(frames=5), "--preview")
    assert (result.code, told(result)) == (130, ["interrupted before anybody watched"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--crf", "20"), "--preview writes no film: leave out --crf"),
        (("--audio", "none"), "--preview writes no film: leave out --audio"),
        (("--quality", "80"), "--preview writes no film: leave out --quality"),
        (("--batch-size", "2"), "--batch-size is of pictures, frames of films are stylized one by one: leave it out"),
    ],
)
def test_options_of_files(stylize, clip, is_misuse, arguments, text):
    assert is_misuse(stylize("--input", clip(frames=2), "--preview", *arguments), text)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_ports_that_there_are_not(stylize, clip, is_misuse, port):
    told = f"the port of --preview must be 0 (any that is free) to 65535, got {port}"
    assert is_misuse(stylize("--input", clip(frames=2), f"--preview={port}"), told)


def test_films_by_a_glob(preview, stylize, clip, tmp_path, is_misuse):
    clip("a.mkv", frames=3)
    assert "of 3 frames" in preview("--input", tmp_path / "*.mkv").out
    clip("b.mkv", frames=3)
    assert is_misuse(stylize("--input", tmp_path / "*.mkv", "--preview"), "--preview shows one film or camera, got 2")


@pytest.mark.parametrize("name", ["gone", "gone.png", "*.mkv"])
def test_what_is_not_there(stylize, tmp_path, is_misuse, name):
    told = "matches no file" if "*" in name else "does not exist"
    for option in (("--preview",), ("--start", "1", "--output", tmp_path / "out")):
        assert is_misuse(stylize("--input", tmp_path / name, *option), f"error: input '{tmp_path / name}' {told}")


def test_cameras_have_no_beginning(stylize, is_misuse):
    result = stylize("--input", "camera", "--preview", "--start", "2")
    assert is_misuse(result, "--start and --end are of films, and a camera has neither: leave them out")


def test_viewers_who_go_are_not_told(capsys):
    """What a browser leaves half read is no error."""
    with serving(Latest[bytes]()) as page:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", page.server.server_port)) as viewer:
                viewer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                viewer.sendall(b"GET / HTTP/1.1\r\n")
        time.sleep(0.2)
    assert not capsys.readouterr().err

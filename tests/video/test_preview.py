"""The page that shows a film as it is stylized."""

import re
import socket
import threading
import time
import urllib.error
import urllib.request
from fractions import Fraction
from io import BytesIO

import PIL.Image
import pytest
import torch

pytest.importorskip("av", reason="films need the package av")

from fast_style.cli import preview
from fast_style.video import Camera, Frame, Jpegs, Latest, Wanted, live, playing
from fast_style.video.page import BOUNDARY, serving


class Frames:
    """Ten frames a second, each lighter than the one before."""

    def __init__(self, count: int = 10):
        self.count = count

    def frames(self, skip=0):
        for number in range(skip, self.count):
            pixels = torch.full((3, 16, 24), 20 * number, dtype=torch.uint8)
            yield Frame(pixels, None, Fraction(number, 50), Fraction(1, 50))


@pytest.fixture
def port() -> int:
    """A port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url: str, **headers: str):
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10)


def test_only_the_latest_is_taken():
    latest = Latest[int]()
    for number in range(5):
        latest.put(number)
    assert latest.after(0) == (5, 4)
    latest.end()
    assert latest.after(5) == (5, None)


def test_no_frame_of_a_camera_waits_for_the_next(clip, monkeypatch):
    source, decoded, real = clip("a.mkv", frames=4), [], live.decoded

    def counting(*arguments):
        for raw in real(*arguments):
            decoded.append(raw)
            yield raw

    monkeypatch.setattr(Camera, "_address", lambda _: (str(source), None))
    monkeypatch.setattr(live, "decoded", counting)
    for number, frame in enumerate(Camera("camera", Wanted()).frames(), start=1):
        assert (len(decoded), frame.time) == (number, Fraction(number - 1, 25))
    assert len(decoded) == 4
    assert Camera("camera", Wanted()).times() == []  # it is not read through, which would never end


def test_a_camera_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(Camera, "_address", lambda _: (str(tmp_path / "gone"), None))
    with pytest.raises(
        OSError, match=r"^there is no camera that can be opened \(/\S+/gone: no such file or directory\)$"
    ):
        Camera("camera", Wanted())


def test_frames_come_when_they_are_due():
    latest, began = Latest[Frame](), time.monotonic()
    playing(Frames(), latest, threading.Event())
    assert time.monotonic() - began >= 9 / 50
    assert (latest.number, latest.ended) == (10, True)


def test_pictures_are_jpeg_files():
    jpeg = Jpegs()
    for value in (30, 200):
        with PIL.Image.open(BytesIO(jpeg(torch.full((3, 16, 24), value, dtype=torch.uint8)))) as image:
            assert (image.format, image.size) == ("JPEG", (24, 16))
            assert image.convert("RGB").getpixel((5, 5)) == pytest.approx((value,) * 3, abs=4)


def test_the_page_is_for_this_machine_alone():
    with serving(Latest[bytes]()) as page:
        assert page.url.startswith("http://127.0.0.1:")
        with fetch(page.url) as answer:
            assert b"film.mjpg" in answer.read()
        for url, headers, code in ((page.url, {"Host": "evil.example"}, 403), (page.url + "etc", {}, 404)):
            with pytest.raises(urllib.error.HTTPError, match=str(code)):
                fetch(url, **headers)


def test_a_port_that_is_taken():
    told = r"cannot show a page on port \d+ \(address already in use\): give another, or --preview alone"
    with serving(Latest[bytes]()) as page, pytest.raises(OSError, match=told):
        serving(Latest[bytes](), page.server.server_port).__enter__()


def test_a_film_is_shown_and_late_frames_are_dropped(port, capsys):
    def slow(photos, _time):
        time.sleep(0.05)
        return 255 - photos

    work = threading.Thread(target=preview.show, args=(Frames(), slow, port, "torch"))
    work.start()
    wait = time.monotonic() + 10
    while time.monotonic() < wait:
        try:
            with fetch(f"http://127.0.0.1:{port}/film.mjpg") as answer:
                content = answer.read()
            break
        except OSError:
            time.sleep(0.02)
    work.join(10)
    pictures = content.split(b"--" + BOUNDARY)[1:]
    assert 2 <= len(pictures) < 8
    with PIL.Image.open(BytesIO(pictures[-1].split(b"\r\n\r\n", 1)[1])) as image:
        assert image.convert("RGB").getpixel((5, 5)) == pytest.approx((75,) * 3, abs=12)
    told = re.search(r"showed (\d+) of 10 frames", capsys.readouterr().out)
    assert told is not None
    assert len(pictures) <= int(told[1]) < 10  # a visitor on a busy machine may miss some that were shown

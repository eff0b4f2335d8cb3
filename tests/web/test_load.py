"""Many clients at once, not all of them honest, and a server that is killed."""

import contextlib
import json
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import uvicorn

from fast_style.web import processes
from fast_style.web.app import Site
from fast_style.web.server import Server, _listening

pytestmark = pytest.mark.slow
CLIENTS = 20


def ask(url: str, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
    """Ask as a patient client does: again, where too many do."""
    for _ in range(100):
        request = urllib.request.Request(f"{url}/api/{path}", body, {"content-type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                if refusal.code != 429:
                    raise
                time.sleep(0.2)
    raise AssertionError("it was never granted")


def honest(url: str, photo: bytes) -> int:
    image = json.loads(ask(url, "PUT", "images?name=a.jpg", photo, "image/jpeg"))["id"]
    wish = {"image": image, "style": "file:tiny"}
    made = 0
    for strength in (0.5, 1.0):
        for preview in (True, False):
            body = json.dumps(wish | {"strength": strength, "preview": preview}).encode()
            made += ask(url, "POST", "stylize", body)[:2] == b"\xff\xd8"
    return made


def dishonest(port: int, number: int) -> None:
    """Promise a giant file, break off in the middle, or stand still."""
    size = (10**12, 10**6, 10**5)[number % 3]
    head = f"PUT /api/images HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {size}\r\n\r\n"
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(head.encode() + bytes(5000))
        if number % 3 == 2:
            time.sleep(3)


def test_honest_clients_are_served_beside_others(settings, picture):
    with _listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        rooms = {"preview": 3, "thumbnail": 3, "picture": 3}
        site = Site(replace(settings, port=port, patience=1.0, waiting=rooms, uploads=40))
        server = Server(uvicorn.Config(site.app(), log_level="critical"), site)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            photo = picture(width=200, height=150)
            with ThreadPoolExecutor(2 * CLIENTS) as clients:
                others = [clients.submit(dishonest, port, number) for number in range(CLIENTS)]
                made = [clients.submit(honest, f"http://127.0.0.1:{port}", photo) for _ in range(CLIENTS)]
                assert [each.result() for each in made] == [4] * CLIENTS
                for each in others:
                    each.result()
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB
            until(lambda: not list(site.shelf.folder.glob("*.part")))
        finally:
            server.should_exit = True
            thread.join(30)


def until(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def page(tmp_path):
    """The folder of a page, whose programs are ended even if the test fails."""
    yield tmp_path / "page"
    for path in (tmp_path / "page").glob("jobs/*/job.json"):
        processes.tell(json.loads(path.read_text())["pid"], signal.SIGKILL)


@contextlib.contextmanager
def serving(folder, training):
    command = [
        sys.executable,
        "-m",
        "fast_style",
        "serve",
        "--port",
        "0",
        "--folder",
        str(folder),
        "--train",
        *training,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            yield server, server.stdout.readline().split()[1].rstrip("/")
        finally:
            server.kill()


def test_a_training_outlives_a_server_that_is_killed(tiny, page, picture):
    own = ("style", "hydra", "output", "overwrite", "callbacks")
    training = [f"{key}={value}" for key, value in tiny.items() if not key.startswith(own)]
    training += ["style.size=32", "callbacks.live.every=0.2", "trainer.max_steps=-1"]

    def told(url, job):
        return json.loads(ask(url, "GET", f"jobs/{job}"))

    with serving(page, training) as (server, url):
        image = json.loads(ask(url, "PUT", "images", picture("PNG", 100, 100)))["id"]
        body = json.dumps({"image": image, "minutes": 10}).encode()
        job = json.loads(ask(url, "POST", "jobs/training", body))["id"]
        until(lambda: (told(url, job)["step"] or 0) > 2)
        server.send_signal(signal.SIGKILL)
        server.wait(10)
    with serving(page, training) as (server, url):
        found = told(url, job)
        assert found["state"] == "running"
        until(lambda: told(url, job)["step"] > found["step"])
        ask(url, "POST", f"jobs/{job}/stop", b"")
        until(lambda: told(url, job)["state"] == "stopped")
        assert "network.safetensors" in told(url, job)["files"]

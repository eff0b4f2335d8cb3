"""A web server on this machine."""

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, apart from paths with an answer of their own."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["User-Agent"]))
        self.server.answers.get(self.path, http.server.SimpleHTTPRequestHandler.do_GET)(self)

    def answer(self, status: int, body: bytes = b"", **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.requests: list[tuple[str, str]] = []
        self.answers: dict[str, Callable[[Handler], object]] = {}


@pytest.fixture
def server(tmp_path: Path, monkeypatch) -> Iterator[Server]:
    """Serves the folder `server.folder` under `server.url`, and what `server.answers` says."""
    monkeypatch.setenv("no_proxy", "*")
    folder = tmp_path / "served"
    folder.mkdir()
    with Server(folder) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()

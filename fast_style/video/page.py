"""A page on 127.0.0.1 that shows pictures as they come."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fast_style.video.live import Latest

HOST = "127.0.0.1"
PAGE = b"""<!doctype html><meta charset="utf-8"><title>fast_style</title>
<style>body{margin:0;background:#111}img{display:block;margin:auto;max-width:100%;max-height:100vh}</style>
<img src="film.mjpg" alt="">"""
BOUNDARY = b"fast-style-picture"


class Page:
    """Where pictures are shown.

    Attributes:
        url: its address.
        seen: set once somebody watches.
    """

    def __init__(self, pictures: Latest[bytes], port: int) -> None:
        self.seen = threading.Event()
        self.server = _Server((HOST, port), _handler(pictures, self.seen))
        self.url = f"http://{HOST}:{self.server.server_port}/"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell nothing of viewers who have gone."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def serving(pictures: Latest[bytes], port: int = 0) -> Iterator[Page]:
    """Show pictures meanwhile, to this machine alone.

    Args:
        pictures: JPEG files; a viewer who is slower than they come misses some.
        port: of the page; 0: any that is free.

    Raises:
        OSError: if the port is taken.
    """
    try:
        page = Page(pictures, port)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OSError(f"cannot show a page on port {port} ({reason}): give another, or --preview alone") from error
    thread = threading.Thread(target=page.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield page
    finally:
        page.server.shutdown()
        page.server.server_close()
        thread.join()


def _handler(pictures: Latest[bytes], seen: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            port = self.connection.getsockname()[1]
            if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
                self.send_error(403)  # a page of elsewhere whose name was led here
            elif self.path == "/":
                self._begin("text/html; charset=utf-8")
                self.wfile.write(PAGE)
            elif self.path == "/film.mjpg":
                self._begin(f"multipart/x-mixed-replace; boundary={BOUNDARY.decode()}")
                seen.set()
                self._show()
            else:
                self.send_error(404)

        def _begin(self, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Cache-Control", "no-store")
            self.end_headers()

        def _show(self) -> None:
            number = 0
            try:
                while True:
                    number, picture = pictures.after(number)
                    if picture is None:
                        return
                    head = b"--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
                    self.wfile.write(head % (BOUNDARY, len(picture)) + picture + b"\r\n")
            except OSError:  # the viewer has gone
                return

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - as the base class calls it
            """Nothing is told of requests."""

    return Handler

"""The server of the page."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import uvicorn

from fast_style.web import processes
from fast_style.web.app import Site
from fast_style.web.settings import Settings


class Server(uvicorn.Server):
    """A server that lets go of those who listen to events when it ends.

    Args:
        config: of uvicorn.
        site: what is served.
    """

    def __init__(self, config: uvicorn.Config, site: Site) -> None:
        super().__init__(config)
        self.site = site

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        self.site.work.closing = True
        await super().shutdown(sockets)


def serve(settings: Settings) -> None:
    """Serve the page until Ctrl-C.

    Args:
        settings: of the page; port 0 is any that is free.

    Raises:
        OSError: if the address or the port cannot be had, or the folder cannot be written.
        RuntimeError: if another server has the folder.
    """
    with _listening(settings.host, settings.port) as listener, _alone(settings.folder):
        settings = replace(settings, port=listener.getsockname()[1])
        site = Site(settings)
        config = uvicorn.Config(
            site.app(),
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=256,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=3,
        )
        print(f"open {address(settings)} in a browser (Ctrl-C ends it)", flush=True)
        print(f"what you bring and learn lies in {settings.folder}", file=sys.stderr, flush=True)
        try:
            Server(config, site).run(sockets=[listener])
        except KeyboardInterrupt:  # which uvicorn passes on once all is closed
            print("stopped", file=sys.stderr)


def address(settings: Settings) -> str:
    """Write the address to open, with the token in it, if there is one."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    host = {"0.0.0.0": socket.gethostname(), "[::]": socket.gethostname()}.get(host, host)  # noqa: S104 - is recognised
    return f"http://{host}:{settings.port}/" + ("" if settings.token is None else f"?token={settings.token}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other servers from a folder, which would begin the same jobs; RuntimeError if one has it already."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / processes.LOCK).open("wb") as lock:
        if not processes.take(lock):
            raise RuntimeError(f"another server keeps its files in {folder}: end it first, or give another --folder")
        yield


def _listening(host: str, port: int) -> socket.socket:
    """Listen at an address; OSError if that is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        sentence = f"cannot serve at {host}, port {port} ({reason.lower()}): give another --host or --port"
        raise OSError(sentence) from error
    return listener

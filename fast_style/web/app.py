"""What answers the requests of the page."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from fast_style import images
from fast_style.version import __version__
from fast_style.web.alone import PAGE
from fast_style.web.board import find_board
from fast_style.web.exports import Exports
from fast_style.web.film_job import FilmJob
from fast_style.web.films import Films, is_installed
from fast_style.web.jobs import Jobs, Kind
from fast_style.web.lanes import Lane
from fast_style.web.networks import Networks
from fast_style.web.openapi import document
from fast_style.web.pictures import Pictures
from fast_style.web.refusal import RefusedError, of_disk
from fast_style.web.security import LOOPBACK, Guard
from fast_style.web.settings import Settings
from fast_style.web.styles import Styles
from fast_style.web.stylizing import Studio
from fast_style.web.table import Endpoint
from fast_style.web.trainings import Training
from fast_style.web.uploads import Shelf
from fast_style.web.work import Work

CLEANING = 600.0  # seconds between two searches for what is old
LOOKING = 0.5  # seconds between two looks at the jobs
log = logging.getLogger(__name__)


class Site:
    """The page and its interface.

    Args:
        settings: limits, and where everything is kept.

    Raises:
        OSError: if the folder cannot be written.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.shelf = Shelf(settings)
        kinds: dict[str, Kind] = {
            "training": Training(settings.training),
            "film": FilmJob(settings.engine.get("device", "auto")),
        }
        self.jobs = Jobs(settings.folder / "jobs", kinds, settings.jobs)
        decoding = Lane(settings.waiting["preview"])
        exports = Exports(settings.folder / "onnx")
        self.work = Work(self.jobs, self.shelf, decoding, exports)
        self.styles = Styles(self.shelf, settings.networks, self.work.learned)
        self.studio = Studio(self.shelf, settings)
        self.pictures = Pictures(settings, self.shelf, self.styles, self.studio, decoding)
        self.films = Films(settings, self.shelf, self.pictures, self.jobs)
        self.networks = Networks(settings.runtime, self.styles, exports)

    def endpoints(self) -> Sequence[Endpoint]:
        """List everything that is answered beside the page's own files."""
        return (
            *self.pictures.endpoints(),
            *self.films.endpoints(),
            *self.work.endpoints(),
            *self.networks.endpoints(),
            Endpoint("GET", "/api/info", self.info, "What this server takes", "version, formats, limits"),
            Endpoint("GET", "/api/openapi.json", self.describe, "This document", "OpenAPI 3.1"),
        )

    async def info(self, request: Request) -> Response:
        """Tell what this server takes."""
        del request
        near = self.settings.host in LOOPBACK  # visitors on other machines would not reach it
        return JSONResponse(
            {
                "tensorboard": await find_board() if near else None,
                "version": __version__,
                "formats": sorted(images.SUFFIXES),
                "image_bytes": self.settings.image_bytes,
                "image_pixels": self.settings.image_pixels,
                "film_bytes": self.settings.film_bytes,
                "films": is_installed(),
                "onnx": find_spec("onnxscript") is not None,
                "runtime": None if (runtime := self.settings.runtime) is None else runtime.told(),
            }
        )

    async def describe(self, request: Request) -> Response:
        """Send the OpenAPI document."""
        del request
        return JSONResponse(document(self.endpoints(), __version__))

    def app(self) -> Guard:
        """Make the application."""
        routes = [Route(line.path, line.handler, methods=[line.method]) for line in self.endpoints()]
        handlers = {RefusedError: _refused, HTTPException: _not_found, OSError: _disk, Exception: _failed}
        app = Starlette(
            routes=[*routes, Mount("/", StaticFiles(directory=PAGE, html=True))],
            exception_handlers=handlers,
            lifespan=self._living,
        )
        wasm = self.settings.runtime is not None
        return Guard(app, self.settings.port, self.settings.token, self.settings.host, wasm)

    @asynccontextmanager
    async def _living(self, app: Starlette) -> AsyncIterator[None]:
        del app
        tasks = [asyncio.create_task(self._clean()), asyncio.create_task(self._look_after())]
        try:
            yield
        finally:
            try:
                for task in tasks:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
            finally:
                self.jobs.close()

    async def _clean(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.shelf.remove_old)
            except Exception as error:  # whatever it is, the next time may be better
                log.warning("%r", error)
            await asyncio.sleep(CLEANING)

    async def _look_after(self) -> None:
        while True:
            try:
                self.jobs.tick()
            except Exception as error:  # such as of the disk, which may have room again
                log.warning("%r", error)
            await asyncio.sleep(LOOKING)


def _answer(error: RefusedError) -> Response:
    headers = {} if error.retry is None else {"retry-after": str(error.retry)}
    return JSONResponse({"error": error.sentence}, error.status, headers)


async def _refused(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, RefusedError)  # noqa: S101 - it is called for nothing else
    return _answer(error)


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is called for nothing else
    sentences = {404: f"there is nothing at {request.url.path}", 405: f"{request.method} is not answered here"}
    return JSONResponse({"error": sentences.get(error.status_code, error.detail)}, error.status_code, error.headers)


async def _disk(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, OSError)  # noqa: S101 - it is called for nothing else
    log.error("%s", error)
    return _answer(of_disk(error))


async def _failed(request: Request, error: Exception) -> Response:
    del request, error
    return JSONResponse({"error": "something went wrong in the server: its terminal tells what"}, 500)

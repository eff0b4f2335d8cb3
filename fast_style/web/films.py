"""What the page asks about films."""

import asyncio
import time
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fast_style import images, video
from fast_style.web.film_job import FilmJob, suffix_of
from fast_style.web.jobs import Jobs
from fast_style.web.pictures import LOOK, NAME, Pictures, told
from fast_style.web.refusal import RefusedError
from fast_style.web.settings import Settings
from fast_style.web.stylizing import file_name
from fast_style.web.table import Endpoint, Field, read_fields, read_json
from fast_style.web.uploads import Kept, Shelf, new_id, plain_name

STILLS = (1 / 6, 1 / 2, 5 / 6)  # where in a film frames are shown
LONGEST = 1e6  # seconds
RANGE = (
    Field("start", "number", "seconds at which it begins", None, 0, LONGEST),
    Field("end", "number", "seconds at which it ends; null: with the film", None, 0, LONGEST),
)
JOB = (
    Field("film", "string", "id of the film"),
    *LOOK,
    *RANGE,
    Field("smooth", "number", "0 (none) to 1: blends each picture with the one before, against flicker", None, 0, 1),
)
READ = "MP4, MOV, MKV, WebM or AVI"


def is_installed() -> bool:
    """Tell whether the extra `video` is there."""
    return find_spec("av") is not None


class Films:
    """Answers what is asked about films.

    Args:
        settings: limits.
        shelf: where files are kept.
        pictures: whose styles and lanes are used.
        jobs: the queue.
    """

    def __init__(self, settings: Settings, shelf: Shelf, pictures: Pictures, jobs: Jobs) -> None:
        self.settings, self.shelf, self.pictures, self.jobs = settings, shelf, pictures, jobs

    def endpoints(self) -> Sequence[Endpoint]:
        """List what is answered."""
        return (
            Endpoint("PUT", "/api/films", self.bring, "Bring a film", "id, name, width, height, seconds, rate, notes",
                     query=(NAME,), file=True, status=201, refusals=(400, 408, 413, 415, 422, 429, 507)),
            Endpoint("POST", "/api/films/{id}/frames", self.frames, "Take three frames out of a film",
                     "images: as of /api/images, to be stylized as a preview", fields=RANGE, status=201,
                     refusals=(404, 415, 422, 429, 507)),
            Endpoint("POST", "/api/jobs/film", self.stylize, "Stylize a film", "the job", fields=JOB, status=201,
                     refusals=(404, 415, 422, 429, 507)),
        )  # fmt: skip

    async def bring(self, request: Request) -> Response:
        """Take a film."""
        name = plain_name(read_fields(dict(request.query_params), (NAME,))["name"], "film")
        if not is_installed():
            raise RefusedError(422, "films need the package av: pip install 'fast-style[video]', then start again")
        path = await self.shelf.receive(request, self.settings.film_bytes)
        try:
            return JSONResponse(told(await self.pictures.decoding.run(partial(self._admit, path, name))), 201)
        finally:
            path.unlink(missing_ok=True)

    def _admit(self, path: Path, name: str) -> Kept:
        """Keep a film that has arrived, if it is one."""
        with path.open("rb") as file:
            suffix = suffix_of(file.read(64))
        if suffix is None:
            raise RefusedError(415, f"cannot read film {name}: it is not {READ}")
        film = self._opened(path, name)
        height, width = film.size
        if height * width > self.settings.image_pixels:
            raise RefusedError(413, f"the pictures of {name} have too many pixels")
        about: dict[str, Any] = {
            "width": width,
            "height": height,
            "seconds": float(film.length),
            "rate": float(film.rate),
        }
        about |= {"notes": [self.shelf.named(note, name) for note in film.notes]}
        return self.shelf.add(path, Kept(new_id(), "film", name, suffix, time.time(), about))

    def _opened(self, path: Path, name: str, wanted: video.Wanted | None = None) -> video.Film:
        try:
            return video.Film(path, wanted or video.Wanted())
        except (ValueError, OSError, RuntimeError) as error:
            raise RefusedError(422, self.shelf.named(str(error), name)) from error

    async def frames(self, request: Request) -> Response:
        """Take some frames out of a film."""
        asked = await read_json(request, RANGE)
        film = self.shelf.get(request.path_params["id"], "film")
        start, end = self._range(film, asked)
        self.shelf.check_room()
        places = [start + (end - start) * part for part in STILLS]
        kept = await self.pictures.decoding.run(partial(self._stills, film, places), request.is_disconnected)
        return JSONResponse({"images": [told(each) for each in kept]}, 201)

    def _stills(self, film: Kept, places: Sequence[float]) -> list[Kept]:
        """Keep the frames that are shown at some times as images."""
        kept = []
        for place in places:
            opened = self._opened(self.shelf.path(film), film.name, video.Wanted(start=Fraction(round(place, 3))))
            try:
                frame = next(opened.frames(), None)
            except (ValueError, OSError) as error:
                raise RefusedError(422, self.shelf.named(str(error), film.name)) from error
            if frame is not None:
                path = self.shelf.folder / f"{new_id()}.jpg"
                images.write(path, images.to_float(frame.pixels))
                kept.append(self.pictures.admit(path, f"{film.stem} {place:.1f} s.jpg"))
        return kept

    async def stylize(self, request: Request) -> Response:
        """Ask for a film."""
        asked = await read_json(request, JOB)
        film, wish = self.shelf.get(asked["film"], "film"), self.pictures.wish(asked)
        options = {name: asked[name] for name in ("start", "end", "smooth")}
        self._range(film, asked)
        self.shelf.check_room()
        side = max(film.about["width"], film.about["height"])
        with self.jobs.preparing("film", f"{film.stem}-{file_name(wish.styles)}", {}) as (job, folder):
            prepare = partial(FilmJob.prepare, self.shelf.path(film), wish, side, options, folder)
            job.asked["command"] = await asyncio.to_thread(prepare)
        return JSONResponse(self.jobs.tell(job), 201)

    @staticmethod
    def _range(film: Kept, asked: dict[str, Any]) -> tuple[float, float]:
        """Return start and end in seconds; RefusedError with 422 if there is nothing between them."""
        length = film.about["seconds"] or LONGEST
        start, end = asked["start"] or 0.0, min(length, length if asked["end"] is None else asked["end"])
        if start >= end:
            raise RefusedError(422, f"the film must begin before it ends, at {end:.6g} s: it begins at {start:g} s")
        return start, end

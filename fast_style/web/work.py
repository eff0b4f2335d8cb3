"""What the page asks about jobs."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from fast_style.web import trainings
from fast_style.web.exports import Exports
from fast_style.web.jobs import Job, Jobs
from fast_style.web.lanes import Lane
from fast_style.web.refusal import RefusedError
from fast_style.web.table import Endpoint, read_json
from fast_style.web.trainings import LIVE, NETWORK, ONNX, PAINTING, RUN, Training
from fast_style.web.uploads import Shelf, plain_title

EVERY = 1.0  # seconds between two looks at the jobs
HEARTBEAT = 15  # looks without news after which a word is sent all the same, so that nothing on the way hangs up


class Work:
    """Answers what is asked about jobs.

    Args:
        jobs: the queue.
        shelf: where paintings were brought.
        decoding: the lane in which they are decoded.
        exports: writes networks as ONNX files.

    Attributes:
        closing: set when the server ends, so that nobody is told more.
    """

    def __init__(self, jobs: Jobs, shelf: Shelf, decoding: Lane, exports: Exports) -> None:
        self.jobs, self.shelf, self.decoding, self.exports = jobs, shelf, decoding, exports
        self.closing = False
        self._moment, self._news = (-1.0, 0), ""

    def endpoints(self) -> Sequence[Endpoint]:
        """List what is answered."""
        states = "queued, running, stopping, done or stopped"
        job = f"id, kind, name, state ({states}), since (seconds since 1970), position, progress, files"
        return (
            Endpoint("POST", "/api/jobs/training", self.learn, "Learn a painting", job, fields=trainings.FIELDS,
                     status=201, refusals=(404, 415, 422, 429, 507)),
            Endpoint("GET", "/api/jobs", self.list_jobs, "All jobs, the newest first", f"jobs: {job}"),
            Endpoint("GET", "/api/jobs/events", self.events, "The same whenever it changes", "server-sent events",
                     "text/event-stream"),
            Endpoint("GET", "/api/jobs/{id}", self.about, "A job", job, refusals=(404,)),
            Endpoint("DELETE", "/api/jobs/{id}", self.delete, "Remove a job and all that it made", "nothing",
                     status=204, refusals=(404, 409)),
            Endpoint("POST", "/api/jobs/{id}/stop", self.stop, "Stop a job, which keeps what it has done", job,
                     refusals=(404, 409)),
            Endpoint("POST", "/api/jobs/{id}/continue", self.go_on, "Go on with a job that has stopped", job,
                     refusals=(404, 409, 429)),
            Endpoint("GET", "/api/jobs/{id}/painting", self.painting, "The painting that is learned", "the picture",
                     "image/png", refusals=(404,)),
            Endpoint("GET", "/api/jobs/{id}/picture", self.picture, "A photo, and how it is stylized by now",
                     "both side by side", "image/jpeg", refusals=(404,)),
            Endpoint("GET", "/api/jobs/{id}/files/{file}", self.file, "A file of a job, one of its files",
                     "the file", "application/octet-stream", refusals=(404, 422)),
        )  # fmt: skip

    async def learn(self, request: Request) -> Response:
        """Ask for a training."""
        asked = await read_json(request, trainings.FIELDS)
        image = self.shelf.get(asked.pop("image"), "image")
        self.shelf.check_room()
        name = plain_title(asked.pop("name"), image.stem)
        with self.jobs.preparing("training", name, {"minutes": asked["minutes"]}) as (job, folder):
            await self.decoding.run(partial(Training.prepare, self.shelf.path(image), asked["crop"], folder))
        return JSONResponse(self.jobs.tell(job), 201)

    def learned(self) -> list[tuple[str, str, Path]]:
        """List the networks that were learned: id, name and file, the newest first."""
        found = [job for job in self.jobs.jobs.values() if job.kind == "training"]
        found.sort(key=lambda job: -job.created)
        return [(job.id, job.name, self.jobs.path(job) / NETWORK) for job in found]

    async def list_jobs(self, request: Request) -> Response:
        """Tell about all jobs."""
        del request
        return JSONResponse({"jobs": self.jobs.told()})

    async def events(self, request: Request) -> Response:
        """Tell about all jobs whenever something changes."""

        async def news() -> AsyncIterator[str]:
            last, silent = "", 0
            while not (self.closing or await request.is_disconnected()):
                text = self._told()
                silent = silent + 1 if text == last else 0
                if text != last:
                    yield f"data: {text}\n\n"
                elif silent % HEARTBEAT == 0:
                    yield ": still here\n\n"
                last = text
                await asyncio.sleep(EVERY - time.monotonic() % EVERY)  # all who listen look at the same time

        return StreamingResponse(news(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    def _told(self) -> str:
        """Tell about all jobs as it was when somebody listening first asked in this second, or since one changed."""
        moment = (time.monotonic() // EVERY, self.jobs.changes)
        if moment != self._moment:
            self._moment, self._news = moment, json.dumps({"jobs": self.jobs.told()})
        return self._news

    async def about(self, request: Request) -> Response:
        """Tell about a job."""
        return JSONResponse(self.jobs.tell(self._job(request)))

    async def stop(self, request: Request) -> Response:
        """Stop a job."""
        self.jobs.stop(job := self._job(request))
        return JSONResponse(self.jobs.tell(job))

    async def go_on(self, request: Request) -> Response:
        """Go on with a job."""
        self.jobs.go_on(job := self._job(request))
        return JSONResponse(self.jobs.tell(job))

    async def delete(self, request: Request) -> Response:
        """Remove a job."""
        self.jobs.delete(self._job(request))
        return Response(status_code=204)

    async def painting(self, request: Request) -> Response:
        """Send the painting that is learned."""
        return self._file(self.jobs.path(self._job(request)) / PAINTING, "image/png")

    async def picture(self, request: Request) -> Response:
        """Send how a photo is stylized by now."""
        return self._file(self.jobs.path(self._job(request)) / RUN / LIVE, "image/jpeg")

    async def file(self, request: Request) -> Response:
        """Send a file of a job; the ONNX file is made when it is first asked for."""
        job, name = self._job(request), request.path_params["file"]
        path = self.jobs.path(job) / name
        files = self.jobs.kinds[job.kind].files(job, self.jobs.path(job))
        if name not in files:
            raise RefusedError(404, f"this file is not there: there are {', '.join(files) or 'none yet'}")
        if name == ONNX:
            await self.exports.renew(path.with_name(NETWORK), path)
        called = re.sub(r"[^\w .()-]", "_", job.name) + Path(name).suffix
        return self._file(path, files[name], called)

    def _job(self, request: Request) -> Job:
        return self.jobs.get(request.path_params["id"])

    @staticmethod
    def _file(path: Path, kind: str, called: str | None = None) -> Response:
        if not path.is_file():
            raise RefusedError(404, "this file is not there yet")
        return FileResponse(path, media_type=kind, filename=called)

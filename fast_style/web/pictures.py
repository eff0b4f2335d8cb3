"""What the page asks about photos, styles and pictures."""

import time
import zipfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from fast_style import images
from fast_style.inference.control import COLOURS, STROKES
from fast_style.web.lanes import Lane
from fast_style.web.refusal import RefusedError
from fast_style.web.settings import Settings
from fast_style.web.styles import PAINTING, Styles, mixture
from fast_style.web.stylizing import SMALL, STEPS, Studio, Wish
from fast_style.web.table import Endpoint, Field, read_fields, read_json
from fast_style.web.uploads import Kept, Shelf, new_id, plain_name

MEDIA = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".avif": "image/avif"}
MEDIA |= {".tif": "image/tiff", ".gif": "image/gif"}
THUMBNAIL = 192  # pixels
FINEST = 0.75  # strokes of thumbnails, beside those of training: closer to what the whole picture has
MOST_RESULTS = 200  # in an archive
LOOK = (
    Field("style", "string", "id of a style, see /api/styles, or painting:ID of an image", most=200),
    Field("second", "string", "id of a second style to mix in", None, most=200),
    Field("mix", "number", "share of the second style", 0.5, 0, 1),
    Field("strength", "number", "0 (the photo) to 1 (the stylized picture)", 1.0, 0, 1),
    Field("stroke_size", "number", "how many times as large strokes are; null: to suit the photo", None, *STROKES),
    Field(
        "colours", "string", "keeps the photo's own, everywhere or its palette; null: neither", None, choices=COLOURS
    ),
)
NAME = Field("name", "string", "what the file is called, to be shown", "", most=300)


class Pictures:
    """Answers what is asked about photos, styles and pictures.

    Args:
        settings: limits.
        shelf: where files are kept.
        styles: those that are offered.
        studio: makes pictures.
        decoding: the lane in which files that were brought are decoded.
    """

    def __init__(self, settings: Settings, shelf: Shelf, styles: Styles, studio: Studio, decoding: Lane) -> None:
        self.settings, self.shelf, self.styles, self.studio, self.decoding = settings, shelf, styles, studio, decoding
        rooms = settings.waiting
        self.lanes = {name: Lane(rooms[name]) for name in ("preview", "picture")}
        self.lanes["thumbnail"] = Lane(rooms["thumbnail"], after=tuple(self.lanes.values()))

    def endpoints(self) -> Sequence[Endpoint]:
        """List what is answered."""
        stylize = (
            Field("image", "string", "id of the photo"),
            *LOOK,
            Field(
                "preview", "boolean", "whether a small picture is enough, which is quick and not kept", default=False
            ),
            Field("side", "number", "long side of a preview in pixels", 512, 16, SMALL),
        )
        style = Field("style", "string", "id of a style", most=200)
        some = "JPEG, or PNG of what is transparent"
        about = "id, name, format, width, height, frames, notes"
        return (
            Endpoint("PUT", "/api/images", self.bring, "Bring a photo or a painting", about, query=(NAME,), file=True,
                     status=201, refusals=(400, 408, 413, 415, 422, 429, 507)),
            Endpoint("GET", "/api/images/{id}", self.about, "What is known of an image", about, refusals=(404,)),
            Endpoint("DELETE", "/api/images/{id}", self.remove, "Remove an image at once", "nothing", status=204,
                     refusals=(404,)),
            Endpoint("GET", "/api/images/{id}/small", self.small, f"An image, at most {SMALL} pixels on a side", some,
                     "image/*", refusals=(404,)),
            Endpoint("GET", "/api/images/{id}/thumbnail", self.thumbnail, "A small picture of a photo in a style", some,
                     "image/*", query=(style,), refusals=(404, 422, 429)),
            Endpoint("GET", "/api/styles", self.list_styles, "The styles to choose from",
                     "styles: id, name, kind (shipped or own), quick, steady (in films), live (whether a browser may "
                     "run it picture after picture), aside (whether it is for films alone), painting (whether its "
                     "picture is here)"),
            Endpoint("GET", "/api/painting", self.painting, "The picture that a style was learned from", "the picture",
                     "image/*", query=(style,), refusals=(404,)),
            Endpoint("POST", "/api/stylize", self.stylize, "Stylize a photo",
                     "the picture in the photo's format, its id as X-Result; if JSON is accepted, what is told of it",
                     "image/*", fields=stylize, refusals=(404, 413, 415, 422, 429, 507)),
            Endpoint("GET", "/api/results/{id}", self.result, "A picture that was made", "the file", "image/*",
                     refusals=(404,)),
            Endpoint("GET", "/api/results/{id}/small", self.small_result, "The same, small enough for a page", some,
                     "image/*", refusals=(404,)),
            Endpoint("GET", "/api/zip", self.archive, "Several pictures that were made", "an archive",
                     "application/zip",
                     query=(Field("result", "string", f"id of a picture; given up to {MOST_RESULTS} times"),),
                     refusals=(404, 422, 429, 507)),
        )  # fmt: skip

    async def bring(self, request: Request) -> Response:
        """Take a photo or a painting."""
        name = plain_name(read_fields(dict(request.query_params), (NAME,))["name"], "photo")
        path = await self.shelf.receive(request, self.settings.image_bytes)
        try:
            kept = await self.decoding.run(partial(self.admit, path, name))
        finally:
            path.unlink(missing_ok=True)
        return JSONResponse(told(kept), 201)

    def admit(self, path: Path, name: str) -> Kept:
        """Keep an image that has arrived, if it is one; its size is looked at before anything is decoded.

        Raises:
            RefusedError: with 413 if it has too many pixels, 415 if it is no image, 422 if it is damaged.
        """
        try:
            header = images.read_header(path)
            if header.pixels > self.settings.image_pixels:
                limit = f"{self.settings.image_pixels / 1e6:.0f} million pixels"
                raise RefusedError(413, f"{name} has more than {limit}, which is the limit here: make it smaller first")
            about: dict[str, Any] = {"format": header.format, "frames": header.frames}
            about |= {"height": header.size[0], "width": header.size[1]}
            kept = Kept(new_id(), "image", name, header.suffix, time.time(), about)
            return self._decoded(path, kept)
        except ValueError as error:
            kinds = {images.UnknownImageError: 415, images.LargeImageError: 413}
            raise RefusedError(kinds.get(type(error), 422), self.shelf.named(str(error), name)) from error

    def _decoded(self, path: Path, kept: Kept) -> Kept:
        """Keep a file if it can be decoded, and what is seen of it first."""
        path.replace(self.shelf.path(kept))
        try:
            self.studio.make_small(kept)
            self.shelf.note(kept)
        except BaseException:
            self.shelf.remove(kept)
            raise
        return kept

    async def about(self, request: Request) -> Response:
        """Tell what is known of an image."""
        return JSONResponse(told(self.shelf.get(request.path_params["id"], "image")))

    async def remove(self, request: Request) -> Response:
        """Remove an image."""
        self.shelf.remove(self.shelf.get(request.path_params["id"], "image"))
        return Response(status_code=204)

    async def small(self, request: Request) -> Response:
        """Send a small picture of an image."""
        return self._picture(self.studio.small(self.shelf.get(request.path_params["id"], "image")))

    async def small_result(self, request: Request) -> Response:
        """Send a small picture of one that was made."""
        return self._picture(self.studio.small(self.shelf.get(request.path_params["id"], "result")))

    async def result(self, request: Request) -> Response:
        """Send a picture that was made, to be saved."""
        kept = self.shelf.get(request.path_params["id"], "result")
        return FileResponse(self.shelf.path(kept), media_type=MEDIA[kept.suffix], filename=kept.name)

    async def list_styles(self, request: Request) -> Response:
        """List the styles."""
        del request
        found = [style.told() | {"painting": self.styles.painting(style) is not None} for style in self.styles.all()]
        return JSONResponse({"styles": found})

    async def painting(self, request: Request) -> Response:
        """Send the picture that a style was learned from."""
        style = self.styles.get(request.query_params.get("style"))
        if style.kind == "painting":
            return self._picture(self.studio.small(self.shelf.get(style.id.removeprefix(PAINTING), "image")))
        path = self.styles.painting(style)
        if path is None:
            raise RefusedError(404, "the picture of this style is not here")
        return self._picture(path)

    async def thumbnail(self, request: Request) -> Response:
        """Make a photo's thumbnail in a style."""
        photo = self.shelf.get(request.path_params["id"], "image")
        wish = Wish([(self.styles.get(request.query_params.get("style")), 1.0)])
        work = partial(self.studio.quick, photo, wish, THUMBNAIL, FINEST)
        return self._once(await self.lanes["thumbnail"].run(work, request.is_disconnected))

    async def stylize(self, request: Request) -> Response:
        """Make a picture."""
        fields = next(line.fields for line in self.endpoints() if line.path == "/api/stylize")
        asked = await read_json(request, fields)
        photo, wish = self.shelf.get(asked["image"], "image"), self.wish(asked)
        if asked["preview"]:
            work = partial(self.studio.quick, photo, wish, int(asked["side"]))
            return self._once(await self.lanes["preview"].run(work, request.is_disconnected))
        self.shelf.check_room()
        result = await self.lanes["picture"].run(partial(self.studio.whole, photo, wish), request.is_disconnected)
        if request.headers.get("accept", "").startswith("application/json"):
            return JSONResponse(told(result))
        headers = {"x-result": result.id}
        return FileResponse(self.shelf.path(result), 200, headers, MEDIA[result.suffix], filename=result.name)

    def wish(self, asked: dict[str, Any]) -> Wish:
        """Make a wish of the values of `LOOK`; RefusedError with 404 if there is no such style."""
        first = self.styles.get(asked["style"])
        second = None if asked["second"] is None else self.styles.get(asked["second"])
        styles = mixture(first, second, round(asked["mix"] * STEPS) / STEPS)
        return Wish(styles, asked["strength"], asked["stroke_size"], asked["colours"])

    async def archive(self, request: Request) -> Response:
        """Send several pictures in one file."""
        names = list(dict.fromkeys(request.query_params.getlist("result")))
        if not 1 <= len(names) <= MOST_RESULTS:
            raise RefusedError(422, f"an archive holds 1 to {MOST_RESULTS} pictures, got {len(names)}")
        results = [self.shelf.get(name, "result") for name in names]
        self.shelf.check_room(sum(self.shelf.path(result).stat().st_size for result in results))
        target = self.shelf.folder / f"{new_id()}.zip"
        await self.decoding.run(partial(self._pack, results, target))
        removal = BackgroundTask(target.unlink, missing_ok=True)
        return FileResponse(target, media_type="application/zip", filename="fast_style.zip", background=removal)

    def _pack(self, results: Sequence[Kept], target: Path) -> None:
        """Write an archive in which no two pictures have one name."""
        taken: Counter[str] = Counter()
        try:
            with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
                for result in results:
                    taken[result.name] += 1
                    name, number = PurePath(result.name), taken[result.name]
                    called = name if number == 1 else f"{name.stem} ({number}){name.suffix}"
                    archive.write(self.shelf.path(result), called)
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    @staticmethod
    def _picture(path: Path) -> Response:
        headers = {"cache-control": "private, max-age=86400"}
        return FileResponse(path, media_type=MEDIA[path.suffix], headers=headers)

    @staticmethod
    def _once(path: Path) -> Response:
        """Send a picture that nobody asks for again, and remove it."""
        content = path.read_bytes()
        path.unlink()
        return Response(content, media_type=MEDIA[path.suffix])


def told(kept: Kept) -> dict[str, Any]:
    """Tell about a file."""
    return {"id": kept.id, "name": kept.name} | kept.about

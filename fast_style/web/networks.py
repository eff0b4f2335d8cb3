"""What the page asks to run networks in the browser: their ONNX files, and the program that runs them."""

from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles

from fast_style.web.exports import Exports
from fast_style.web.refusal import RefusedError
from fast_style.web.runtime import MEDIA, Runtime
from fast_style.web.styles import Styles
from fast_style.web.table import Endpoint, Field

KEPT = {"cache-control": "private, no-cache"}  # by the browser, which asks whether it is still the same


class Networks:
    """Answers what is asked to run networks in the browser.

    Args:
        runtime: files of onnxruntime-web; None: there are none.
        styles: those that are offered.
        exports: writes networks as ONNX files.
    """

    def __init__(self, runtime: Runtime | None, styles: Styles, exports: Exports) -> None:
        self.runtime, self.styles, self.exports = runtime, styles, exports

    def endpoints(self) -> Sequence[Endpoint]:
        """List what is answered."""
        style = Field("style", "string", "id of a style", most=200)
        return (
            Endpoint("GET", "/api/network", self.network, "The network of a style as ONNX, made when it is first asked "
                     "for", "the file", "application/octet-stream", query=(style,), refusals=(404, 422, 507)),
            Endpoint("GET", "/runtime/{file}", self.file, "A file of onnxruntime-web, which runs networks",
                     "the file", "*/*", refusals=(404,)),
        )  # fmt: skip

    async def network(self, request: Request) -> Response:
        """Send the network of a style as ONNX."""
        path = await self.exports.of(self.styles.get(request.query_params.get("style")))
        return _sent(request, path, "application/octet-stream")

    async def file(self, request: Request) -> Response:
        """Send a file of onnxruntime-web."""
        files = {} if self.runtime is None else self.runtime.files
        path = files.get(request.path_params["file"])
        if path is None or not path.is_file():
            raise RefusedError(404, "this file is not there: start the server with --runtime FOLDER")
        return _sent(request, path, MEDIA[path.suffix])


def _sent(request: Request, path: Path, kind: str) -> Response:
    """Send a file, or say that it is still the one that the browser has."""
    answer = FileResponse(path, headers=KEPT, media_type=kind, stat_result=path.stat())
    if StaticFiles().is_not_modified(answer.headers, request.headers):
        return NotModifiedResponse(answer.headers)
    return answer

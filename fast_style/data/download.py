"""Files from the web, kept once they are complete."""

from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from math import inf
from pathlib import Path
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import quote

from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn

from fast_style.files import replacing
from fast_style.terminal import console

CHUNK = 1 << 18
# All of urllib's handlers but those of file:, ftp: and data:, to which a server might redirect.
HANDLERS: tuple[Callable[[], request.BaseHandler], ...] = (
    request.ProxyHandler,
    request.HTTPHandler,
    request.HTTPSHandler,
    request.HTTPDefaultErrorHandler,
    request.HTTPRedirectHandler,
    request.HTTPErrorProcessor,
    request.UnknownHandler,
)


def download(
    url: str,
    path: str | Path,
    check: Callable[[Path], object],
    max_bytes: float = inf,
    timeout: float = 30,
    headers: Mapping[str, str] | None = None,
) -> Path:
    """Download a file unless it is there; shows its progress. Under its name it appears whole and checked.

    Args:
        url: `http://…` or `https://…`, redirected to no other scheme.
        path: the file to keep; missing folders are made.
        check: called with the finished download, under a temporary name; what it raises refuses the file.
        max_bytes: refuse more than this, before the download where the server tells the size.
        timeout: seconds to wait for the server, each time.
        headers: more to tell the server, such as who is asking; not told to another one to which it redirects.

    Returns:
        The path.

    Raises:
        ValueError: if the URL has another scheme, or the file is larger than `max_bytes`.
        RuntimeError: if the download fails or ends early.
        OSError: if the file cannot be written.
    """
    path = Path(path)
    if path.is_file():
        return path
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError(f"cannot download {url}: the URL must start with http:// or https://")
    with replacing(path) as file:
        for chunk in _receive(url, max_bytes, timeout, headers or {}):
            file.write(chunk)
        file.flush()
        check(Path(file.name))
    return path


def _receive(url: str, max_bytes: float, timeout: float, headers: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the file in pieces; apart from the writing, whose OSErrors are not the network's."""
    opener = request.OpenerDirector()
    for handler in HANDLERS:
        opener.add_handler(handler())
    # Blanks and letters beyond ASCII are encoded as browsers do.
    address = quote(url, safe="%/:=&?~#+!$,;'@()*[]")
    try:
        query = request.Request(address, headers={"User-Agent": "fast_style"})  # noqa: S310 - the scheme is checked
        for name, value in headers.items():
            query.add_unredirected_header(name, value)
        with opener.open(query, timeout=timeout) as response, _progress() as progress:
            task = progress.add_task(Path(url.partition("?")[0]).name, total=response.length)
            received, size = 0, response.length or 0
            while size <= max_bytes and (chunk := response.read(CHUNK)):
                received += len(chunk)
                size = max(size, received)
                progress.advance(task, len(chunk))
                yield chunk
            missing = size - received
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, HTTPError):  # holds the connection
            error.close()
        reason = error.reason if type(error) is URLError else error
        raise RuntimeError(f"could not download {url} ({reason})") from error
    if size > max_bytes:
        limit = f"{max_bytes / 1e6:g} MB"
        raise ValueError(f"cannot download {url}: it is larger than {limit}; fetch it yourself and give the file")
    if missing:
        raise RuntimeError(f"could not download {url} (it ended after {received} of {size} bytes)")


def _progress() -> Progress:
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), DownloadColumn()
    return Progress(*columns, console=console())

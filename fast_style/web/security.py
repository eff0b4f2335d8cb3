"""Who may ask: this machine, or whoever knows the token; and what a browser may do with the answers."""

import ipaddress
import secrets
import socket
from collections.abc import Collection
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "fast_style_token"
# What the page may load: from itself alone, and what it made in the browser.
SOURCES = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'"
)
WASM = "; script-src 'self' 'wasm-unsafe-eval'"  # where the page runs networks by WebAssembly
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    "content-security-policy": f"{SOURCES}; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), interest-cohort=()",
}


class Guard:
    """Lets requests through that come from the page itself, or from no browser, and adds `HEADERS` to every answer.

    Refused with 403 are: a `Host` that is not this server (a name that was led here, DNS rebinding), an `Origin` or
    `Sec-Fetch-Site` of another page (cross-site requests), unless it is a link to the page itself. With
    a token, refused with 401 is who does not know it: it comes as `Authorization: Bearer TOKEN`, or once as
    `?token=TOKEN`, after which the browser keeps it as a cookie.

    Args:
        app: what answers.
        port: of this server.
        token: None: nobody needs one, and only names of this machine itself are let through.
        name: one more name of this server, with a token.
        wasm: whether the page may run WebAssembly.
    """

    def __init__(
        self, app: ASGIApp, port: int, token: str | None = None, name: str = LOOPBACK[0], wasm: bool = False
    ) -> None:
        self.app, self.port, self.token = app, port, token
        policy = HEADERS["content-security-policy"] + (WASM if wasm else "")
        self.headers = HEADERS | {"content-security-policy": policy}
        self.names = set(LOOPBACK)
        if token is not None:
            own = socket.gethostname().lower()
            self.names |= {own, f"{own}.local", socket.getfqdn().lower(), name.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is None and self.token is not None and not self._knows(headers):
            await self._ask(scope, receive, guarded)
        elif refusal is not None:
            await JSONResponse({"error": refusal}, 403)(scope, receive, guarded)
        else:
            await self.app(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if not is_own(host, self.port, self.names, addresses=self.token is not None):
            return "this server is not called that: open the address that it printed"
        origin = headers.get("origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return "the request comes from another page"
        visit = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
        if visit and scope["method"] == "GET" and scope["path"] == "/":
            return None  # a link to the page
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "the request comes from another page"
        return None

    def _knows(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        cookies = cookie_parser(headers.get("cookie", ""))
        tokens = [given] if kind.lower() == "bearer" else []
        tokens += [cookies[COOKIE]] if COOKIE in cookies else []
        return any(self._is_token(token) for token in tokens)

    def _is_token(self, text: str) -> bool:
        return secrets.compare_digest(text.encode(), (self.token or "").encode())

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the token from the address of a visit, and have the browser keep it."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["method"] == "GET" and scope["path"] == "/" and self._is_token(given):
            visit = RedirectResponse("/", 303)
            visit.set_cookie(COOKIE, given, httponly=True, samesite="strict", max_age=30 * 24 * 3600)
            await visit(scope, receive, send)
            return
        sentence = "this page needs a token: open the whole address that the server printed, with ?token=…"
        answer = JSONResponse({"error": sentence}, 401, {"www-authenticate": "Bearer"})
        await answer(scope, receive, send)


def is_own(host: str, port: int, names: Collection[str], addresses: bool) -> bool:
    """Tell whether the `Host` of a request is this server.

    Args:
        host: such as `127.0.0.1:8000` or `[::1]:8000`.
        port: of this server; behind a port of its own, 80 and 443 may be left out.
        names: those that are this server.
        addresses: whether every address is as well; a name that was led here from elsewhere is never an address.
    """
    name, _, number = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    if number != str(port) and not (number == "" and port in (80, 443)):
        return False
    name = name.strip("[]").lower()
    return name in names or (addresses and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

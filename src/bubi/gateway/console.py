"""The console's files, with headers that let a page load nothing from elsewhere.

A path without a file is a page of the console: it gets `index.html`. Files below `files/` carry a
hash of their content in their names and are cached for ever.
"""

import gzip
import mimetypes
import secrets
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bubi.gateway.problems import ProblemError

BUILT = Path(__file__).parent / "static"
"""Where the built console lies in the installed package."""
NONCE = b"{{nonce}}"
"""What stands in `index.html` where the nonce of the answer belongs."""
HASHED = "files"
COMPRESSED = {
    "application/javascript",
    "application/json",
    "image/svg+xml",
    "text/css",
    "text/javascript",
}
"""Kinds of files that are sent compressed to who takes it."""
FOREVER = "public, max-age=31536000, immutable"
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def policy(nonce: str = "") -> str:
    """The content security policy of an answer.

    Scripts come from this origin only. Style elements need the nonce; style attributes are let
    through, because charts write them into their hints, and an attribute can load nothing.
    """
    style = f"'self' 'nonce-{nonce}'" if nonce else "'self'"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval'",
            f"style-src {style}",
            "style-src-attr 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class SecureHeaders:
    """Puts the headers on every answer; a page that brings its own policy keeps it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                wanted = {**HEADERS, "Content-Security-Policy": policy()}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.lower().encode(), value.encode())
                        for name, value in wanted.items()
                        if name.lower().encode() not in present
                    ),
                ]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


def route(folder: Path) -> Route:
    """The route of everything that is not the API."""
    root = folder.resolve()

    async def serve(request: Request) -> Response:
        name = request.path_params["path"]
        # A slash that was sent as %2F is in the name of an object, not of a file.
        found = (root / name.replace("\0", "")).resolve()
        if (
            name
            and "\0" not in name
            and found.is_relative_to(root)
            and found.is_file()
            and found.name != "index.html"
        ):
            kind = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
            return _file(request, found, kind)
        if name.startswith(("api/", f"{HASHED}/")):
            raise ProblemError("route_unknown")
        return _page(root / "index.html")

    return Route("/{path:path}", serve, methods=["GET"])


def _file(request: Request, found: Path, kind: str) -> Response:
    if found.parent.name != HASHED:
        return FileResponse(found, media_type=kind, headers={"Cache-Control": "no-cache"})
    headers = {"Cache-Control": FOREVER}
    if kind not in COMPRESSED:
        return FileResponse(found, media_type=kind, headers=headers)
    headers["Vary"] = "Accept-Encoding"
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return FileResponse(found, media_type=kind, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(_compressed(found), media_type=kind, headers=headers)


@lru_cache(maxsize=256)
def _compressed(found: Path) -> bytes:
    # The name carries the hash of the content: what was compressed once stays right.
    return gzip.compress(found.read_bytes(), mtime=0)


def _page(index: Path) -> Response:
    try:
        text = index.read_bytes()
    except OSError:
        detail = "the console is not built; the interface for programs is /api/v1/openapi.json"
        raise ProblemError("route_unknown", detail) from None
    nonce = secrets.token_urlsafe(18)
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy(nonce)}
    content = text.replace(NONCE, nonce.encode())
    return Response(content, headers=headers, media_type="text/html")

"""Keeps a slash that was sent as %2F inside its path segment.

Record keys are free text. Servers decode the path before it is routed; here such a slash reaches
the handler as NUL (`answers.SLASH`), which no key can hold.
"""

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from bubi.gateway.problems import ProblemError, problem_response


class EncodedSlashes:
    """Rewrites the path of a request that needs it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses a path that is not UTF-8 or holds NUL."""
        raw = scope.get("raw_path", b"") if scope["type"] == "http" else b""
        if b"%" in raw:
            text = raw.partition(b"?")[0].decode("ascii", "replace")
            kept = re.sub("%2f", "%00", text, flags=re.IGNORECASE)
            try:
                path = unquote(kept, errors="strict")
            except UnicodeDecodeError:
                path = ""
            if "%00" in text or not path:
                problem = ProblemError("parameter_invalid", "a path must be UTF-8 without NUL")
                await problem_response(problem)(scope, receive, send)
                return
            scope = {**scope, "path": path}
        await self.app(scope, receive, send)

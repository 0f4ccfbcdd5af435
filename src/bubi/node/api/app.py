"""Puts the API together: hot routes first, reading routes, one mapping of errors."""

import logging
import re
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bubi import core
from bubi.network.addresses import IpRules, as_ip
from bubi.node.api import governing, openapi, reading, transactions
from bubi.node.api.problems import ProblemError, problem_response
from bubi.node.api.services import Services
from bubi.node.metrics import DoorMetrics
from bubi.node.monitoring.requests import Metered, note_outside
from bubi.node.monitoring.stages import DOOR, LoopClock

log = logging.getLogger("bubi.api")


class WholePath(Route):
    """A route that owns its path: other methods are 405 here, not a hash of a later route."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """A match of the path is enough; the handling checks the method."""
        match, found = super().matches(scope)
        return (Match.FULL if match is Match.PARTIAL else match), found


HOT_ROUTES = [
    Route("/v1/transactions", transactions.submit, methods=["POST"]),
    WholePath("/v1/transactions/bulk", transactions.submit_bulk, methods=["POST"]),
    WholePath("/v1/transactions/encode", transactions.encode, methods=["POST"]),
    WholePath("/v1/transactions/decode", transactions.decode, methods=["POST"]),
    WholePath("/v1/transactions/simulate", transactions.simulate, methods=["POST"]),
    Route("/v1/transactions/{hash}", transactions.show, methods=["GET"]),
]


def build(services: Services) -> FastAPI:
    """The application of one node."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    app.router.routes.extend(HOT_ROUTES)
    app.include_router(reading.router)
    app.include_router(governing.router)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(core.CoreError, _core_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _defect)
    if services:
        # First, so that it is the innermost: it sees the route that was found.
        app.add_middleware(Metered, metrics=services.metrics.door, routes=app.router.routes)
    app.add_middleware(EncodedSlashes)
    rules = IpRules(services.settings.allow, services.settings.deny) if services else IpRules()
    if rules != IpRules():
        app.add_middleware(IpFilter, rules=rules, metrics=services.metrics.door)
    schema: dict[str, Any] = {}

    async def describe(request: Request) -> Response:
        del request
        if not schema:
            schema.update(openapi.document(app))
        return JSONResponse(schema)

    app.router.routes.append(Route("/v1/openapi.json", describe, methods=["GET"]))
    if services:
        app.add_middleware(OnTheClock, clock=services.metrics.stages)
    return app


class OnTheClock:
    """Counts the processor time of requests for the door."""

    def __init__(self, app: ASGIApp, clock: LoopClock) -> None:
        self.app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        await self._clock.run(DOOR, self._pass_on(scope, receive, send))

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class IpFilter:
    """Lets only addresses in that the configuration permits."""

    def __init__(self, app: ASGIApp, rules: IpRules, metrics: DoorMetrics) -> None:
        self.app = app
        self.rules = rules
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or refuses it."""
        client = scope.get("client")
        address = as_ip(client[0]) if client else None
        if scope["type"] == "http" and (address is None or not self.rules.permits(address)):
            refusal = problem_response(ProblemError("ip_denied"))
            note_outside(self._metrics, scope, refusal.status_code, "ip_denied")
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send)


class EncodedSlashes:
    """Keeps a slash that was sent as %2F inside its path segment.

    Record keys, item identifiers and data names are free text. Servers decode the path before
    it is routed; here such a slash reaches the handler as NUL (`requests.SLASH`), which no name
    can hold.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrites the path of a request that needs it."""
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


async def _problem(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, ProblemError)
    return problem_response(error)


async def _core_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, core.CoreError)
    return problem_response(ProblemError.from_core(error))


async def _invalid(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return problem_response(ProblemError("parameter_invalid", f"{place}: {first['msg']}"))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem_response(ProblemError("route_unknown"))
    if error.status_code == 405:
        allowed = _allowed_methods(request)
        return problem_response(ProblemError("method_not_allowed", headers={"Allow": allowed}))
    return problem_response(ProblemError("parameter_invalid", str(error.detail)))


def _allowed_methods(request: Request) -> str:
    """All methods of all routes with this path; Starlette names those of the first only."""
    routes = [
        route
        for route in (*HOT_ROUTES, *reading.router.routes, *governing.router.routes)
        if isinstance(route, Route) and route.path_regex.match(request.url.path)
    ]
    literal = [route for route in routes if route.path == request.url.path]
    methods = {method for route in literal or routes for method in route.methods or ()}
    return ", ".join(sorted(methods))


async def _gone(request: Request, error: Exception) -> Response:
    del request, error
    # Nobody reads this answer.
    return Response(status_code=400)


async def _defect(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_response(ProblemError("internal"))

"""Puts the interface together: routers, one mapping of errors, the console's files."""

import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bubi import core
from bubi.gateway import console, explorer
from bubi.gateway.accounts import oidc
from bubi.gateway.accounts import routes as accounts
from bubi.gateway.alarms import routes as alarms
from bubi.gateway.monitoring import routes as monitoring
from bubi.gateway.paths import EncodedSlashes
from bubi.gateway.problems import ProblemError, problem_response
from bubi.gateway.service import Gateway, gateway_of

log = logging.getLogger("bubi.gateway")

PREFIX = "/api/v1"
ROUTERS: tuple[APIRouter, ...] = (
    explorer.router,
    accounts.router,
    oidc.router,
    monitoring.router,
    alarms.router,
)
"""Routers of every gateway. A package that brings routes adds its router here."""


def build(gateway: Gateway, more: Sequence[APIRouter] = ()) -> FastAPI:
    """The application of one gateway; `more` routers are those that its configuration asks for."""
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.gateway = gateway
    for router in (*ROUTERS, *more):
        app.include_router(router, prefix=PREFIX)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _defect)
    schema: dict[str, Any] = {}

    async def describe(request: Request) -> Response:
        del request
        if not schema:
            schema.update(document(app))
        return JSONResponse(schema)

    app.router.routes.append(Route("/health", _health, methods=["GET"]))
    app.router.routes.append(Route(f"{PREFIX}/openapi.json", describe, methods=["GET"]))
    app.router.routes.append(console.route(gateway.config.gateway.console or console.BUILT))
    app.add_middleware(EncodedSlashes)
    app.add_middleware(console.SecureHeaders)
    return app


async def _health(request: Request) -> Response:
    """Whether the gateway answers questions: the node was reached and the index is readable."""
    gateway = gateway_of(request)
    state = gateway.follower.state if gateway.follower is not None else None
    ready = gateway.reader is not None and state is not None and state.begun
    answer = {
        "schema": 1,
        "status": "ready" if ready else "unavailable",
        "height": str(state.height if state else 0),
        "lag": str(state.lag if state else 0),
        "reason": state.reason if state else None,
    }
    return JSONResponse(answer, 200 if ready else 503, headers={"Cache-Control": "no-store"})


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Runs the parts of the gateway as long as it serves."""
    gateway: Gateway = app.state.gateway
    async with gateway.working():
        yield


def document(app: FastAPI) -> dict[str, Any]:
    """The description of the whole interface for programs."""
    result = get_openapi(
        title="Bubi gateway",
        version=core.version(),
        openapi_version="3.1.0",
        description="Explorer, monitoring and administration of one organisation.",
        routes=app.routes,
    )
    for operations in result["paths"].values():
        for operation in operations.values():
            # Parameters that FastAPI refuses are answered as problems with status 400.
            operation["responses"].pop("422", None)
            if any(one["name"] == "format" for one in operation.get("parameters", ())):
                content = operation["responses"]["200"]["content"]
                content["text/csv"] = {"schema": {"type": "string"}}
    schemas = result.get("components", {}).get("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for schema in schemas.values():
        if "properties" in schema:
            # Objects have the members that are named, and no others.
            schema.setdefault("additionalProperties", False)
    return result


async def _problem(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, ProblemError)
    return problem_response(error)


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
        allowed = dict(error.headers or {}).get("Allow", "GET")
        return problem_response(ProblemError("method_not_allowed", headers={"Allow": allowed}))
    del request
    return problem_response(ProblemError("parameter_invalid", str(error.detail)))


async def _gone(request: Request, error: Exception) -> Response:
    del request, error
    # Nobody reads this answer.
    return Response(status_code=400)


async def _defect(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_response(ProblemError("internal"))

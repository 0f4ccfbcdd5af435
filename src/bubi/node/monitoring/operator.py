"""The operator listener: this machine's figures and log, for the node's own organisation.

It is apart from the API, so that applications that may submit transactions see nothing of the
machine. On loopback it trusts whoever reaches it; elsewhere it demands a client certificate.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bubi.node.api.problems import ProblemError, problem_response
from bubi.node.api.services import Services
from bubi.node.config import OperatorSection
from bubi.node.files import FileError
from bubi.node.metrics import CONTENT_TYPE
from bubi.node.monitoring.gauges import render
from bubi.node.monitoring.host import HostMeter
from bubi.node.monitoring.logbook import LEVELS, Filter, Logbook

LINES_DEFAULT = 100
LINES_MAX = 1_000
FILTER_CHARACTERS_MAX = 200
BACKLOG = 64
DRAIN_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Desk:
    """What the operator's routes need."""

    services: Services
    meter: HostMeter
    logbook: Logbook
    name: str
    organisation: str


def build(desk: Desk) -> Starlette:
    """The application."""
    app = Starlette(
        routes=[
            Route("/v1/host", _host),
            Route("/v1/logs", _logs),
            Route("/v1/queues", _queues),
            Route("/metrics", _metrics),
        ],
        exception_handlers={ProblemError: _problem},
    )
    app.state.desk = desk
    return app


async def _problem(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, ProblemError)
    return problem_response(error)


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


async def _host(request: Request) -> Response:
    desk = _desk(request)
    document = desk.meter.figures.document()
    head = {"schema": 1, "name": desk.name, "organisation": desk.organisation}
    return JSONResponse({**head, **document})


async def _logs(request: Request) -> Response:
    wanted, limit = _wanted(request)
    lines = _desk(request).logbook.tail(wanted, limit)
    following = str(lines[-1].number) if len(lines) == limit else None
    items = [line.document() for line in lines]
    return JSONResponse({"schema": 1, "items": items, "next": following})


def _wanted(request: Request) -> tuple[Filter, int]:
    query = request.query_params
    unknown = set(query) - {"level", "part", "contains", "before", "after", "limit"}
    if unknown:
        raise ProblemError("parameter_invalid", f"unknown parameter {min(unknown)!r}")
    level = query.get("level", "debug")
    if level not in LEVELS:
        raise ProblemError("parameter_invalid", f"level must be one of {', '.join(LEVELS)}")
    part, contains = query.get("part", ""), query.get("contains", "")
    if max(len(part), len(contains)) > FILTER_CHARACTERS_MAX:
        raise ProblemError("parameter_invalid", "part and contains have at most 200 characters")
    before, after = _number(request, "before"), _number(request, "after")
    limit = _number(request, "limit")
    limit = LINES_DEFAULT if limit is None else limit
    if not 1 <= limit <= LINES_MAX:
        raise ProblemError("parameter_invalid", f"limit must be from 1 to {LINES_MAX}")
    return Filter(level, part, contains, before, after), limit


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ProblemError("parameter_invalid", f"{name} must be decimal digits")
    return int(text)


async def _queues(request: Request) -> Response:
    items = [
        {
            "name": one["name"],
            "organisation": one["organisation"],
            "state": one["state"],
            "rtt_ms": one.get("rtt_ms"),
            "queued_bytes": str(one.get("queued_bytes") or 0),
            "unfinished_bytes": str(one.get("unfinished_bytes") or 0),
            "queues": {
                priority: {"messages": messages, "bytes": str(size)}
                for priority, (messages, size) in (one.get("queues") or {}).items()
            },
            "dropped": str(one.get("dropped") or 0),
            "reason": one["reason"],
        }
        for one in _desk(request).services.explainer.peers()
    ]
    return JSONResponse({"schema": 1, "items": items})


async def _metrics(request: Request) -> Response:
    return Response(render(_desk(request).services, host=True), media_type=CONTENT_TYPE)


class _Server(uvicorn.Server):
    """The HTTP server; the node handles the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


@contextlib.asynccontextmanager
async def listening(section: OperatorSection, desk: Desk) -> AsyncIterator[None]:
    """Serves the operator, and measures, as long as the block runs; nothing without a port.

    Raises:
        FileError: the address cannot be listened on, or the files for TLS cannot be used.
    """
    if section.port is None:
        yield
        return
    listener = _listen(section)
    try:
        server = _Server(_server_config(section, desk))
    except OSError as error:
        listener.close()
        msg = f"the operator's files for TLS cannot be used ({error}): check [operator]"
        raise FileError(msg) from error
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener])),
        asyncio.create_task(desk.meter.run()),
    ]
    try:
        yield
    finally:
        server.should_exit = True
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        listener.close()


def _listen(section: OperatorSection) -> socket.socket:
    family = socket.AF_INET6 if ":" in section.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((section.host, section.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        place = f"{section.host} port {section.port}"
        msg = f"cannot listen on {place} ({error.strerror}): set another operator.port"
        raise FileError(msg) from error
    listener.setblocking(False)
    return listener


def _server_config(section: OperatorSection, desk: Desk) -> uvicorn.Config:
    authority = section.client_authority
    result = uvicorn.Config(
        build(desk),
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ssl_certfile=str(section.tls_certificate) if section.tls_certificate else None,
        ssl_keyfile=str(section.tls_key) if section.tls_key else None,
        ssl_ca_certs=str(authority) if authority else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if authority else ssl.CERT_NONE,
    )
    result.load()
    if result.ssl is not None:
        result.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    return result

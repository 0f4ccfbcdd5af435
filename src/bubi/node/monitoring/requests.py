"""Counts and times the requests of an API by route and by client."""

import time
from collections.abc import Callable, Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bubi.node.metrics import DoorMetrics

UNKNOWN = "unknown"
SUBMISSIONS = frozenset(("/v1/transactions", "/v1/transactions/bulk"))
"""Paths whose POST hands transactions in."""


class Metered:
    """Sits directly around the routes. An answer's time is that until it begins."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: DoorMetrics,
        routes: Sequence[BaseRoute],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.app = app
        self._metrics = metrics
        self._routes = routes
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on and notes how it fared."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = self._clock()
        answered = False

        async def noted(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start" and not answered:
                answered = True
                self._note(scope, message["status"], self._clock() - started)
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception:
            if not answered:
                self._note(scope, 500, self._clock() - started)
            raise

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = self._route(scope)
        method = _method(scope)
        client = self._metrics.names.label(scope)
        self._metrics.requests.labels(route, method, str(status)).inc()
        self._metrics.latency.labels(route, method).observe(seconds)
        self._metrics.clients.labels(client, f"{status // 100}xx").inc()
        self._metrics.client_latency.labels(client).observe(seconds)

    def _route(self, scope: Scope) -> str:
        known = scope.get("route")
        path = getattr(known, "path", None)
        if isinstance(path, str):
            return path
        for route in self._routes:
            found, _ = route.matches(scope)
            if found is not Match.NONE:
                return str(getattr(route, "path", UNKNOWN))
        return UNKNOWN


def note_outside(metrics: DoorMetrics, scope: Scope, status: int, code: str) -> None:
    """Counts a request that the rules keep outside: no route and no door sees it.

    By its whole status, so that it is told apart from what a client did that was let in.
    """
    method = _method(scope)
    client = metrics.names.label(scope, outside=True)
    metrics.requests.labels(UNKNOWN, method, str(status)).inc()
    metrics.clients.labels(client, str(status)).inc()
    if method == "POST" and scope["path"] in SUBMISSIONS:
        metrics.refused([(client, code)])


def _method(scope: Scope) -> str:
    """A method is free text of the client: only known ones become a label."""
    method: str = scope["method"]
    return method if method in {"GET", "POST", "HEAD"} else "other"

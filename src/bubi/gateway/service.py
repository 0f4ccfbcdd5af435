"""What the routes need: configuration, the node, the index, sessions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from starlette.requests import Request

from bubi.gateway.problems import ProblemError
from bubi.gateway.rates import Buckets

if TYPE_CHECKING:
    from bubi.gateway.access import Sessions
    from bubi.gateway.config import Config
    from bubi.gateway.index.follower import Follower
    from bubi.gateway.index.reader import Reader
    from bubi.gateway.monitoring.service import Monitor
    from bubi.gateway.node import Node
    from bubi.gateway.sandbox import Sandbox
    from bubi.gateway.stream import News

DELAYS = 20
EXPORTS_MAX = 2
"""Whole lists that are read and sent at a time."""
log = logging.getLogger("bubi.gateway")


class Part(Protocol):
    """Something that works beside the routes: the index, the alarms, the series."""

    async def run(self) -> None:
        """Works until it is cancelled; an error ends the gateway."""


@dataclass(slots=True)
class Gateway:
    """One per process; routes reach it through the application's state."""

    config: Config
    node: Node
    news: News
    follower: Follower | None = None
    reader: Reader | None = None
    sandbox: Sandbox | None = None
    sessions: Sessions | None = None
    monitor: Monitor | None = None
    parts: list[Part] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    failure: BaseException | None = None
    streams: int = 0
    exports: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(EXPORTS_MAX))
    delays: deque[int] = field(default_factory=lambda: deque(maxlen=DELAYS))
    """From the time of a block to its sight here (ms), for the newest blocks."""
    clock: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000
    """For limits of requests (ms)."""
    visitors: Buckets = field(init=False)
    """Requests of those who have no session."""
    faucet: Buckets = field(init=False)
    """Requests to the faucet."""

    def __post_init__(self) -> None:
        self.visitors = Buckets(self.config.explorer.requests)
        self.faucet = Buckets(self.config.sandbox.requests)

    def admit(self, buckets: Buckets, request: Request) -> None:
        """Counts a request.

        Raises:
            ProblemError: there were too many from its address.
        """
        address = request.client.host if request.client is not None else ""
        wait = buckets.take(address, self.clock())
        if wait:
            seconds = str(-(-wait // 1_000))
            raise ProblemError("too_many_requests", headers={"Retry-After": seconds})

    def finality_ms(self) -> str | None:
        """Median time from a block's proposal to its sight here; None before the first.

        It holds the difference of the proposer's clock from ours, and the way to us.
        """
        return str(int(statistics.median(self.delays))) if self.delays else None

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Runs all parts meanwhile; if one fails, the gateway stops."""
        tasks = [asyncio.create_task(part.run()) for part in self.parts]
        for task in tasks:
            task.add_done_callback(self._ended)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.node.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self.failure is None:
            log.error("a part of the gateway failed", exc_info=error)
            self.failure = error
            self.stopping.set()


def gateway_of(request: Request) -> Gateway:
    """The gateway behind this request."""
    return cast("Gateway", request.app.state.gateway)

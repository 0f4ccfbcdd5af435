"""Server-sent events.

`block` when the index has one, `status` when the node's health changes, and what other parts
announce (`alarm`).
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Set
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse

from bubi.gateway.problems import ProblemError
from bubi.gateway.service import Gateway

HEARTBEAT_SECONDS = 10.0
LOOK_SECONDS = 2.0
"""How often a stream looks whether it may go on."""
WAITING_MAX = 256
MEDIA = "text/event-stream"
Lasts = Callable[[], bool]
NOT_PUBLIC = frozenset({"alarm"})
"""Kinds that only somebody who is logged in hears."""


class News:
    """Hands announcements to everybody who listens; whoever is too slow is cut off."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[tuple[str, str] | None]] = set()
        self._latest: dict[str, str] = {}

    def tell(self, kind: str, document: dict[str, Any], *, keep: bool = False) -> None:
        """Announces something. With `keep`, listeners that come later hear the newest, too."""
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        if keep:
            self._latest[kind] = text
        for queue in self._listeners:
            if queue.full():
                # Its list cannot be whole any more: it ends, and the reader comes back.
                _drain(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait((kind, text))

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Queue[tuple[str, str] | None]]:
        """A queue of announcements; None says that some were lost."""
        queue: asyncio.Queue[tuple[str, str] | None] = asyncio.Queue(WAITING_MAX)
        for kind, text in self._latest.items():
            queue.put_nowait((kind, text))
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)


def always() -> bool:
    """Of streams that everybody may read."""
    return True


def _drain(queue: asyncio.Queue[Any]) -> None:
    while not queue.empty():
        queue.get_nowait()


def answer(
    request: Request, gateway: Gateway, hidden: Set[str], lasts: Lasts
) -> StreamingResponse:
    """An answer without the kinds that are hidden, and without end as long as `lasts` says so.

    Raises:
        ProblemError: too many are open.
    """
    if gateway.streams >= gateway.config.gateway.streams_max:
        raise ProblemError("too_many_streams")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    events = _events(request, gateway, hidden, lasts)
    return StreamingResponse(events, media_type=MEDIA, headers=headers)


async def _events(
    request: Request, gateway: Gateway, hidden: Set[str], lasts: Lasts
) -> AsyncIterator[str]:
    gateway.streams += 1
    silent = 0.0
    try:
        with gateway.news.listening() as queue:
            yield ": open\n\n"
            while not gateway.stopping.is_set() and not await request.is_disconnected():
                try:
                    said = await asyncio.wait_for(queue.get(), LOOK_SECONDS)
                except TimeoutError:
                    said = ("", "")
                if said is None or not lasts():
                    return
                silent = 0.0 if said[0] else silent + LOOK_SECONDS
                if silent >= HEARTBEAT_SECONDS:
                    silent = 0.0
                    yield ": still here\n\n"
                if not said[0]:
                    continue
                kind, text = said
                if kind not in hidden:
                    yield f"event: {kind}\ndata: {text}\n\n"
    finally:
        gateway.streams -= 1


class Health:
    """Announces the node's health when it changes."""

    def __init__(self, gateway: Gateway, seconds: float = 1.0) -> None:
        self._gateway = gateway
        self._seconds = seconds

    async def run(self) -> None:
        """Looks until it is cancelled."""
        last: dict[str, Any] | None = None
        while True:
            found = await self.look()
            if found != last:
                self._gateway.news.tell("status", found, keep=True)
                last = found
            await asyncio.sleep(self._seconds)

    async def look(self) -> dict[str, Any]:
        """Whether the node works, why not, and whether the index keeps up."""
        follower = self._gateway.follower
        index = follower.state.reason if follower is not None else None
        try:
            health = await self._gateway.node.health()
        except ProblemError as problem:
            reasons = [{"code": problem.code, "text": problem.detail}]
            return {"status": "unreachable", "reasons": reasons, "missing": [], "index": index}
        return {
            "status": health.get("status"),
            "reasons": health.get("reasons", []),
            "missing": health.get("missing", []),
            "index": index,
        }

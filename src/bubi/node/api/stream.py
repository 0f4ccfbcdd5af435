"""Server-sent events: a reader walks through the blocks at its own pace, nothing is buffered.

An event's id is `height:index`; a reader that comes back with `Last-Event-ID` (or `?after=`)
misses nothing. A reader that does not take its bytes for a while is cut off.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from bubi.node.api.problems import ProblemError, problem_response
from bubi.node.api.services import Services, Subscription

HEARTBEAT_SECONDS = 15.0
STALLED_SECONDS = 30.0
CONTENT_TYPE = "text/event-stream"

_POSITION = re.compile(r"([0-9]{1,19})(?::([0-9]{1,10}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `index` is its place within its block."""

    index: int
    kind: str
    data: str


ReadBlock = Callable[[int], list[Event]]
"""Events of one height, ascending by index; runs in a reader thread."""


def wanted(request: Request) -> bool:
    """Whether the caller asks for an event stream."""
    return CONTENT_TYPE in request.headers.get("accept", "")


def position(request: Request) -> tuple[int, int] | None:
    """The last event that the caller has; None to start with what comes next.

    Raises:
        ProblemError: it is not `height` or `height:index`.
    """
    text = request.headers.get("last-event-id") or request.query_params.get("after")
    if text is None:
        return None
    match = _POSITION.fullmatch(text)
    if match is None:
        raise ProblemError("parameter_invalid", "after must be height or height:index")
    # Without an index the whole block counts as read.
    return int(match[1]), int(match[2]) if match[2] else 2**32


def stream(request: Request, node: Services, read: ReadBlock) -> StreamingResponse:
    """An endless answer with the events of all blocks after the caller's position."""
    start = position(request)
    known = node.heights.height if start is None else start[0]
    client = node.metrics.door.names.label(request.scope)
    subscription = Subscription(client, known)
    return EventStream(node, subscription, _events(node, read, subscription, start))


class EventStream(StreamingResponse):
    """A stream that ends when its reader stalls; refused if too many are open."""

    def __init__(
        self, node: Services, subscription: Subscription, events: AsyncIterator[str]
    ) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type=CONTENT_TYPE, headers=headers)
        self._node = node
        self._subscription = subscription

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the stream; counted from before its first byte until its end."""
        node = self._node
        if node.streams >= node.settings.streams_max:
            await problem_response(ProblemError("too_many_streams"))(scope, receive, send)
            return
        node.streams += 1
        node.subscriptions.append(self._subscription)
        try:
            await super().__call__(scope, receive, send)
        finally:
            node.streams -= 1
            node.subscriptions.remove(self._subscription)
            # Who ended is not behind; the next look counts what else the client has open.
            node.metrics.door.subscription_lag.labels(self._subscription.client).set(0)

    async def stream_response(self, send: Send) -> None:
        """Sends the events, each within a time."""

        async def in_time(message: Message) -> None:
            await asyncio.wait_for(send(message), STALLED_SECONDS)

        try:
            await super().stream_response(in_time)
        except TimeoutError:
            # The answer stays incomplete, which makes the server close the connection.
            return


async def _events(
    node: Services,
    read: ReadBlock,
    subscription: Subscription,
    start: tuple[int, int] | None,
) -> AsyncIterator[str]:
    height, index = start if start is not None else (node.heights.height, 2**32)
    yield f": height {node.heights.height}\n\n"
    while not node.stopping.is_set():
        if height > 0 and index < 2**32 and height <= node.heights.height:
            yield await _block(node, read, height, index)
        index = 2**32
        while height < node.heights.height and not node.stopping.is_set():
            height += 1
            yield await _block(node, read, height, -1)
            # The reader has taken it when it asks for the next.
            subscription.height = height
        if not await node.heights.beyond(max(height, node.heights.height), HEARTBEAT_SECONDS):
            yield f": height {node.heights.height}\n\n"


async def _block(node: Services, read: ReadBlock, height: int, after: int) -> str:
    events = await node.threads.read(partial(read, height))
    return "".join(
        f"id: {height}:{event.index}\nevent: {event.kind}\ndata: {event.data}\n\n"
        for event in events
        if event.index > after
    )


def block_events(node: Services, height: int) -> list[Event]:
    """A block as one event."""
    text = node.chain.block_json(height, False)
    return [] if text is None else [Event(0, "block", text.decode())]


def transaction_events(node: Services, height: int) -> list[Event]:
    """Each receipt of a block as one event."""
    text = node.chain.block_json(height, True)
    if text is None:
        return []
    receipts = json.loads(text)["transactions"]
    return [
        Event(receipt["index"], "transaction", compact({"height": str(height), **receipt}))
        for receipt in receipts
    ]


def account_events(node: Services, address: str, height: int) -> list[Event]:
    """What a block holds for one account, each ledger event as one event of the stream."""
    entries = json.loads(node.chain.account_events_json(address, height))
    return [Event(place, "account", compact(entry)) for place, entry in enumerate(entries)]


def compact(document: object) -> str:
    """JSON on one line."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))

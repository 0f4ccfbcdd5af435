"""How far the event streams of clients are behind, as the metrics say it."""

import asyncio
from types import SimpleNamespace
from typing import Any

from bubi.gateway.monitoring.figures import parse
from bubi.node.api.services import Subscription
from bubi.node.api.stream import Event, EventStream, _events
from bubi.node.metrics import Metrics
from bubi.node.monitoring.gauges import fill_subscriptions

HEIGHT = 5


def services() -> Any:
    """As much of a node as event streams need, at a height."""

    async def read(work: Any) -> Any:
        return work()

    async def beyond(_height: int, _seconds: float) -> bool:
        await asyncio.Event().wait()
        return False

    return SimpleNamespace(
        heights=SimpleNamespace(height=HEIGHT, beyond=beyond),
        threads=SimpleNamespace(read=read),
        stopping=asyncio.Event(),
        settings=SimpleNamespace(streams_max=8),
        metrics=Metrics(),
        streams=0,
        subscriptions=[],
    )


def lag(node: Any, client: str) -> float | None:
    fill_subscriptions(node)
    text = node.metrics.render(dict).decode()
    return parse(text, 0).value("bubi_subscription_lag_blocks", client=client)


def events(height: int) -> list[Event]:
    return [Event(0, "block", f"{height}")]


def test_a_stream_is_behind_by_the_blocks_that_its_reader_did_not_take() -> None:
    async def work() -> None:
        node = services()
        slow, fast = Subscription("Shop/till", 1), Subscription("Shop/till", HEIGHT)
        node.subscriptions += [slow, fast]
        assert lag(node, "Shop/till") == 4
        stream = _events(node, events, slow, (1, 2**32))
        await anext(stream)
        for expected in (4, 3, 2, 1):
            # What was handed out counts as taken when the next is asked for.
            await anext(stream)
            assert lag(node, "Shop/till") == expected
        asking = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        assert lag(node, "Shop/till") == 0
        node.heights.height = HEIGHT + 3
        assert lag(node, "Shop/till") == 3
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(work())


def test_a_stream_counts_from_its_first_byte_to_its_end() -> None:
    async def work() -> None:
        node = services()
        subscription = Subscription("10.0.0.1", 2)
        during: list[float | None] = []

        async def some() -> Any:
            during.append(lag(node, "10.0.0.1"))
            yield ""

        async def send(_message: Any) -> None:
            pass

        async def receive() -> Any:
            await asyncio.Event().wait()

        scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
        await EventStream(node, subscription, some())(scope, receive, send)
        assert during == [3]
        assert node.subscriptions == []
        assert lag(node, "10.0.0.1") == 0

    asyncio.run(work())


def test_whoever_is_ahead_is_not_behind() -> None:
    node = services()
    node.subscriptions.append(Subscription("a", HEIGHT + 10))
    assert lag(node, "a") == 0

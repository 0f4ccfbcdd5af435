"""The door counts what is on its way in; the API counts before it lets in."""

import asyncio
import functools
import ipaddress
from collections.abc import Awaitable, Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from bubi import core
from bubi.mempool import Limits, Mempool, Recent
from bubi.node.api import app as api
from bubi.node.api.stream import CONTENT_TYPE
from bubi.node.door import Door, DoorError, GroupLimits
from bubi.node.health import Health
from bubi.node.metrics import Metrics
from bubi.node.shares import Origin, ShareLimits

POOL_BYTES = 1_000
CLIENT = "192.0.2.9"


def in_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    @functools.wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


class HeldThreads:
    """Checks nothing before it is let go, and then refuses everything."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def admit(self, work: Callable[[], Any]) -> Any:
        await self.go.wait()
        raise core.CoreError("not_canonical", "a test")


def make_door(threads: HeldThreads) -> Door:
    chain = SimpleNamespace(time=0, admit=len)
    clock = SimpleNamespace(now_ms=lambda: 1)
    pool: Mempool[core.Admission] = Mempool(Limits(100, POOL_BYTES))
    health = Health()
    health.clear("starting")
    door = Door(
        chain,
        threads,
        clock,
        pool,
        Recent(10, 10),
        health,
        Metrics(),
        0,
        ShareLimits(100, 100, 100),
    )
    door.group_limits = GroupLimits(100, POOL_BYTES)
    return door


async def until(condition: Callable[[], bool]) -> None:
    """Lets the others go on until a condition holds, and what follows from it."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what it waits for knows no event
            await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)


async def refusal(request: Awaitable[Any]) -> str:
    """The code with which a request is refused, at once."""
    with pytest.raises(DoorError) as refused:
        await asyncio.wait_for(request, 60)
    return refused.value.code


@in_a_loop
async def test_singles_that_wait_for_their_check_count_as_bytes_of_the_pool() -> None:
    threads = HeldThreads()
    door = make_door(threads)
    first = [asyncio.create_task(door.single(bytes(400), Origin("a"))) for _ in range(2)]
    await until(lambda: True)
    assert await refusal(door.single(bytes(400), Origin("a"))) == "pool_full"
    assert await refusal(door.bulk(bytes(400), Origin("a"))) == "pool_full"
    # One of the callers goes away; its bytes are still in the queue.
    first[0].cancel()
    await asyncio.sleep(0)
    assert await refusal(door.single(bytes(400), Origin("a"))) == "pool_full"
    threads.go.set()
    assert await refusal(first[1]) == "not_canonical"
    # Once checked they are gone, and there is room again.
    assert await refusal(door.single(bytes(POOL_BYTES - 100), Origin("a"))) == "not_canonical"


class Admitted:
    """One admitted transaction, as the core gives it."""

    refused = 0
    bytes = 100
    sources = (1).to_bytes(8, "little")

    def __len__(self) -> int:
        return 1


class LateThreads(HeldThreads):
    """Lets a check end when told to, and admits."""

    async def admit(self, work: Callable[[], Any]) -> Any:
        await self.go.wait()
        return Admitted()


@in_a_loop
async def test_a_check_that_ends_after_the_door_closed_is_refused() -> None:
    threads = LateThreads()
    door = make_door(threads)
    under_way = asyncio.create_task(door.bulk(bytes(100), Origin("a")))
    await until(lambda: True)
    door.close()
    threads.go.set()
    # Without it the request would wait for a block of a process that decides none.
    assert await refusal(under_way) == "stopping"


class World:
    """What the routes under test need from a node, with room for one of each."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.decided = asyncio.Event()
        self.submitted = 0
        self.settings = SimpleNamespace(waiting_max=1, streams_max=1, allow=(), deny=())
        self.waiting = self.streams = 0
        self.subscriptions: list[Any] = []
        self.heights = SimpleNamespace(height=0, beyond=self.beyond)
        self.door = SimpleNamespace(single=self.single)
        self.chain = SimpleNamespace(chain_id=bytes(32))
        self.health = SimpleNamespace(ready=True)
        self.metrics = Metrics()

    async def beyond(self, height: int, seconds: float) -> bool:
        await asyncio.wait_for(self.stopping.wait(), seconds)
        return True

    async def single(self, transaction: bytes, origin: str) -> Any:
        self.submitted += 1
        await self.decided.wait()
        raise DoorError("stopping", "a test")

    async def ask(self, method: str, path: str, accept: str, query: str = "") -> int:
        """The status that a request got."""
        status = 0

        async def receive() -> Any:
            if method == "POST":
                return {"type": "http.request", "body": b"transaction", "more_body": False}
            await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)

        headers = [(b"accept", accept.encode())]
        headers.append((b"content-type", b"application/vnd.bubi.transaction"))
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
            "http_version": "1.1",
            "scheme": "http",
            "server": ("127.0.0.1", 80),
            "client": (CLIENT, 1),
        }
        await self.app(scope, receive, send)
        return status

    @property
    def app(self) -> Any:
        return api.build(self)  # type: ignore[arg-type]


@in_a_loop
async def test_waiting_requests_are_counted_before_they_are_let_in() -> None:
    world = World()
    asked = [
        asyncio.create_task(world.ask("POST", "/v1/transactions", "*/*", "wait=final"))
        for _ in range(3)
    ]
    await until(lambda: world.submitted > 0)
    assert (world.waiting, world.submitted) == (1, 1)
    world.decided.set()
    assert sorted(await asyncio.gather(*asked)) == [429, 429, 503]
    assert world.waiting == 0
    # Whoever is turned away before anything was read is counted like those behind.
    assert refusals(world.metrics) == {(CLIENT, "too_many_waiting"): 2, (CLIENT, "stopping"): 1}


@in_a_loop
async def test_who_is_kept_outside_is_counted_as_a_client() -> None:
    world = World()
    world.settings.deny = (ipaddress.ip_network("192.0.2.0/24"),)
    for path in ("/v1/transactions", "/v1/transactions/bulk", "/v1/transactions/simulate"):
        assert await world.ask("POST", path, "*/*") == 403
    assert await world.ask("GET", "/v1/transactions", "*/*") == 403
    assert refusals(world.metrics) == {(CLIENT, "ip_denied"): 2}
    (family,) = world.metrics.door.clients.collect()
    (total,) = [one for one in family.samples if one.name.endswith("_total")]
    assert (total.labels, total.value) == ({"client": CLIENT, "status": "403"}, 4)


def refusals(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Refusals by client and code."""
    (family,) = metrics.door.client_transactions.collect()
    return {
        (one.labels["client"], one.labels["code"]): one.value
        for one in family.samples
        if one.name.endswith("_total") and one.labels["result"] == "refused"
    }


@in_a_loop
async def test_streams_are_counted_before_they_are_let_in() -> None:
    world = World()
    asked = [asyncio.create_task(world.ask("GET", "/v1/blocks", CONTENT_TYPE)) for _ in range(3)]
    await until(lambda: world.streams > 0)
    assert world.streams == len(world.subscriptions) == 1
    world.stopping.set()
    assert sorted(await asyncio.gather(*asked)) == [200, 429, 429]
    assert world.streams == len(world.subscriptions) == 0

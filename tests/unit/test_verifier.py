"""Batches that arrive together are verified together, and nobody waits for company."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from types import SimpleNamespace
from typing import Any, cast

from bubi import core
from bubi.node import verifier
from bubi.node.verifier import Verifier
from bubi.replica.events import BatchChecked, CheckBatch

PATIENCE = 60


def in_a_loop(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        async def bounded() -> None:
            async with asyncio.timeout(PATIENCE):
                await test()

        asyncio.run(bounded())

    return run


class World:
    """A verifier whose calls of the core end when told to."""

    def __init__(self) -> None:
        self.calls: list[list[bytes]] = []
        self.answers: list[BatchChecked[Any]] = []
        self.called, self.go = asyncio.Semaphore(0), asyncio.Semaphore(0)
        self.tasks: list[asyncio.Task[None]] = []
        chain = cast(Any, SimpleNamespace(decode_batches=self.decode))
        self.verifier = Verifier(chain, cast(Any, self), self.answers.append)

    def decode(self, batches: list[tuple[bytes, bytes]]) -> list[Any]:
        return [
            core.CoreError("batch_invalid", "refused")
            if header == b"bad"
            else SimpleNamespace(digest=header)
            for header, _ in batches
        ]

    async def admit(self, work: Any) -> Any:
        self.calls.append([header for header, _ in work.args[0]])
        self.called.release()
        await self.go.acquire()
        return work()

    def put(self, *headers: bytes, body: bytes = b"body") -> None:
        for header in headers:
            if self.verifier.put(CheckBatch(header, header, body)):
                self.tasks.append(asyncio.create_task(self.verifier.run()))

    async def next_call(self) -> list[bytes]:
        await self.called.acquire()
        return self.calls[-1]

    async def end(self) -> None:
        for _ in range(100):
            self.go.release()
        await asyncio.gather(*self.tasks)

    @property
    def answered(self) -> list[bytes]:
        return [answer.digest for answer in self.answers]


@in_a_loop
async def test_what_waits_when_a_call_ends_goes_into_the_next_one_together() -> None:
    world = World()
    world.put(b"1")
    # The first waits for nobody; those that come meanwhile wait for it.
    assert await world.next_call() == [b"1"]
    world.put(b"2", b"3")
    world.put(b"4")
    assert world.calls == [[b"1"]]
    world.go.release()
    assert await world.next_call() == [b"2", b"3", b"4"]
    assert world.answered == [b"1"]
    await world.end()
    assert world.answered == [b"1", b"2", b"3", b"4"]
    # Idle again: the next one starts at once.
    world.put(b"5")
    assert await world.next_call() == [b"5"]
    await world.end()
    assert world.answered[-1] == b"5"


@in_a_loop
async def test_one_call_takes_no_more_bytes_than_it_may() -> None:
    world = World()
    body = bytes(verifier.TOGETHER_BYTES_MAX // 2)
    world.put(b"1", b"2", b"3", b"4", b"5", body=body)
    world.put(b"6", body=bytes(2 * verifier.TOGETHER_BYTES_MAX))
    await world.end()
    assert world.calls == [[b"1", b"2"], [b"3", b"4"], [b"5"], [b"6"]]
    assert len(world.answers) == 6


@in_a_loop
async def test_each_batch_gets_its_own_verdict() -> None:
    world = World()
    world.put(b"good", b"bad")
    world.verifier.put(CheckBatch(b"another", b"digest", b"body"))
    await world.end()
    good, bad, another = world.answers
    assert good.batch is not None
    assert (bad.batch, bad.reason) == (None, "batch_invalid: refused")
    assert (another.batch, another.reason) == (None, "its digest is another one")


@in_a_loop
async def test_a_failure_of_the_core_reaches_whoever_runs_it_and_leaves_it_usable() -> None:
    world = World()

    def fails(_: object) -> list[Any]:
        raise core.Damaged("damaged", "the state")

    world.verifier._chain = cast(Any, SimpleNamespace(decode_batches=fails))
    world.put(b"1")
    world.go.release()
    (failed,) = await asyncio.gather(*world.tasks, return_exceptions=True)
    assert isinstance(failed, core.Damaged)
    world.tasks.clear()
    world.verifier._chain = cast(Any, SimpleNamespace(decode_batches=world.decode))
    world.put(b"2")
    await world.end()
    assert world.answered == [b"2"]

"""The door: one origin cannot take the pool from the others."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bubi.mempool import Limits, Mempool, Recent
from bubi.node.door import Door, DoorError
from bubi.node.health import Health
from bubi.node.metrics import Metrics
from bubi.node.ports import SystemClock, Threads
from bubi.replica.events import Limits as BlockLimits

SHARE = 3


class Admission:
    """So many admitted transactions."""

    refused = 0
    bytes = 1

    def __init__(self, count: int) -> None:
        self.count = count
        self.hashes = bytes(32 * count)
        self.expiries = (1).to_bytes(8, "little") * count
        self.operations = bytes(count)

    def __len__(self) -> int:
        return self.count


def admit(body: bytes, now: int) -> Admission:
    """A bulk body says in its first byte how many there are, as canonical lists do."""
    del now
    return Admission(body[0])


def make_door(threads: Threads) -> Door:
    health = Health()
    health.clear("starting")
    chain = SimpleNamespace(admit=admit, time=0)
    pool: Mempool[Any] = Mempool(Limits(100, 100))
    door = Door(
        cast(Any, chain), threads, SystemClock(), pool, Recent(100, 1), health, Metrics(), 0, SHARE
    )
    door.set_block_limits(BlockLimits(100, 100, 100, 100, 600_000))
    return door


def test_a_bulk_that_no_batch_can_hold_is_refused() -> None:
    async def work(door: Door) -> None:
        # With four validators and more, one author fills half of a block at most.
        door.set_block_limits(BlockLimits(4, 100, 2, 50, 600_000))
        with pytest.raises(DoorError, match="too_large"):
            await door.bulk(bytes([3]), "a")
        _, ticket = await door.bulk(bytes([2]), "a")
        assert ticket is not None

    threads = Threads(1)
    try:
        asyncio.run(work(make_door(threads)))
    finally:
        threads.close()


def test_an_origin_gets_its_share_and_no_more() -> None:
    async def work(door: Door) -> None:
        _, ticket = await door.bulk(bytes([2]), "a")
        assert ticket is not None
        assert (await door.single(b"x", "a")).ticket is not None
        with pytest.raises(DoorError, match="pool_full"):
            await door.single(b"x", "a")
        with pytest.raises(DoorError, match="pool_full"):
            await door.bulk(bytes([4]), "b")
        await door.bulk(bytes([3]), "b")
        # What was decided counts no more.
        door.pool.select(100, 100)
        door.decided([ticket.entry], 1, [bytes(4)])
        await door.bulk(bytes([2]), "a")

    threads = Threads(1)
    try:
        asyncio.run(work(make_door(threads)))
    finally:
        threads.close()

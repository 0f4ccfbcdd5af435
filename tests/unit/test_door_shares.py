"""The door: one origin cannot take the pool from the others."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bubi import core
from bubi.mempool import Limits, Mempool, Recent
from bubi.node.door import Door, DoorError
from bubi.node.health import Health
from bubi.node.metrics import Metrics
from bubi.node.ports import SystemClock, Threads
from bubi.node.shares import Origin, ShareLimits
from bubi.replica.events import Limits as BlockLimits

SHARE = 3
A, B = Origin("a"), Origin("b")
LIMITS = ShareLimits(SHARE, 100, 100)


class Admission:
    """Transactions of these accounts; 0 stands for a refused one."""

    bytes = 1

    def __init__(self, accounts: Sequence[int], code: str = "bad") -> None:
        self.accounts = accounts
        self.count = sum(1 for one in accounts if one)
        self.refused = self.received = len(accounts) - self.count
        self.verdicts = ["" if one else code for one in accounts]
        self.hashes = bytes(32 * len(accounts))
        self.expiries = b"".join(bool(one).to_bytes(8, "little") for one in accounts)
        self.operations = bytes(len(accounts))
        self.sources = b"".join(one.to_bytes(8, "little") for one in accounts)

    def __len__(self) -> int:
        return self.count

    def without(self, places: set[int]) -> "Admission":
        kept = [0 if place in places else one for place, one in enumerate(self.accounts)]
        return Admission(kept, "pool_full")


def admit(body: bytes, now: int) -> Admission:
    """A bulk body says in its first byte how many there are, as canonical lists do.

    Of a bulk the second byte names the account of all; singles are of the account they begin with.
    """
    del now
    if len(body) > 1 and body[0] * 2 == len(body) - 1:
        # One byte of length before each transaction of one byte.
        return Admission(body[2::2])
    return Admission([body[1] if len(body) > 1 else 200 + place for place in range(body[0])])


def make_door(threads: Threads, limits: ShareLimits = LIMITS) -> Door:
    health = Health()
    health.clear("starting")
    chain = SimpleNamespace(admit=admit, time=0)
    pool: Mempool[Any] = Mempool(Limits(100, 100))
    door = Door(
        cast(Any, chain),
        threads,
        SystemClock(),
        pool,
        Recent(100, 1),
        health,
        Metrics(),
        0,
        limits,
    )
    door.set_block_limits(BlockLimits(100, 100, 100, 100, 600_000))
    return door


def test_a_bulk_that_no_batch_can_hold_is_refused() -> None:
    async def work(door: Door) -> None:
        # With four validators and more, one author fills half of a block at most.
        door.set_block_limits(BlockLimits(4, 100, 2, 50, 600_000))
        with pytest.raises(DoorError, match="too_large"):
            await door.bulk(bytes([3]), A)
        _, ticket = await door.bulk(bytes([2]), A)
        assert ticket is not None

    threads = Threads(1)
    try:
        asyncio.run(work(make_door(threads)))
    finally:
        threads.close()


def test_an_origin_gets_its_share_and_no_more() -> None:
    async def work(door: Door) -> None:
        _, ticket = await door.bulk(bytes([2]), A)
        assert ticket is not None
        assert (await door.single(b"x", A)).ticket is not None
        with pytest.raises(DoorError, match="pool_full"):
            await door.single(b"x", A)
        with pytest.raises(DoorError, match="pool_full"):
            await door.bulk(bytes([4]), B)
        await door.bulk(bytes([3]), B)
        # What was decided counts no more.
        door.pool.select(100, 100)
        door.decided([ticket.entry], 1, [bytes(4)])
        await door.bulk(bytes([2]), A)

    run(work)


def run(work: Callable[[Door], Awaitable[None]], limits: ShareLimits = LIMITS) -> None:
    async def main() -> None:
        await work(make_door(threads, limits))

    threads = Threads(1)
    try:
        asyncio.run(main())
    finally:
        threads.close()


def test_an_organisation_has_one_share_for_all_its_addresses() -> None:
    async def work(door: Door) -> None:
        await door.bulk(bytes([2]), Origin("a", "Beta"))
        await door.bulk(bytes([2]), Origin("b", "Beta"))
        with pytest.raises(DoorError, match="clients of Beta have 4"):
            await door.bulk(bytes([1]), Origin("c", "Beta"))
        with pytest.raises(DoorError, match="clients of Beta"):
            await door.single(b"x", Origin("c", "Beta"))
        # Others, and clients without a certificate, have their own.
        await door.bulk(bytes([3]), Origin("d", "Gamma"))
        await door.bulk(bytes([3]), Origin("c"))

    run(work, ShareLimits(3, 4, 100))


def test_an_account_has_one_share_whoever_sends_it_and_the_rest_of_a_bulk_goes_on() -> None:
    async def work(door: Door) -> None:
        full, ticket = await door.bulk(bytes([3, 7]), A)
        assert ticket is not None
        assert (len(full), full.verdicts) == (2, ["", "", "pool_full"])
        again, none = await door.bulk(bytes([2, 7]), B)
        assert (len(again), none) == (0, None)
        other, _ = await door.bulk(bytes([2, 8]), A)
        assert len(other) == 2
        # Decided transactions count no more; nothing is left behind of them.
        door.pool.select(2, 100)
        door.decided([ticket.entry], 1, [bytes(4)])
        assert len((await door.bulk(bytes([2, 7]), B))[0]) == 2

    run(work, ShareLimits(100, 100, 2))


def test_singles_of_a_greedy_account_are_refused_alone() -> None:
    async def work(door: Door) -> None:
        sent = [door.single(bytes([account]), A) for account in (7, 9, 7, 7, 8)]
        answers = await asyncio.gather(*sent)
        assert [one.verdict for one in answers] == ["", "", "", "pool_full", ""]
        assert [one.ticket is None for one in answers] == [False, False, False, True, False]
        assert [one.place for one in answers if not one.verdict] == [0, 1, 2, 3]

    run(work, ShareLimits(100, 100, 2))


def test_singles_that_are_checked_together_share_what_their_sender_has_left() -> None:
    async def work(door: Door) -> None:
        sent = [door.single(bytes([1 + place]), A) for place in range(5)]
        answers = await asyncio.gather(*sent)
        assert [one.verdict for one in answers].count("pool_full") == 2

    run(work, ShareLimits(3, 100, 100))


def counted(door: Door) -> dict[tuple[str, str, str], float]:
    """Transactions by client, result and code."""
    (family,) = door._metrics.door.client_transactions.collect()
    return {
        (one.labels["client"], one.labels["result"], one.labels["code"]): one.value
        for one in family.samples
        if one.name.endswith("_total")
    }


def test_transactions_are_counted_by_client_and_what_became_of_them() -> None:
    shop, bank = Origin("a", client="Shop/till"), Origin("b", "Beta", client="10.0.0.1")
    rejected = next(number for number, _ in core.result_codes() if number)
    name = core.code_names()[rejected]

    async def work(door: Door) -> None:
        _, bulk = await door.bulk(bytes([3, 7]), shop)
        assert bulk is not None
        codes = [0, rejected, core.SKIPPED]
        door.pool.select(100, 100)
        door.decided([bulk.entry], 1, [b"".join(one.to_bytes(2, "little") for one in codes)])
        expected: dict[tuple[str, str, str], float] = {
            ("Shop/till", "admitted", ""): 3,
            ("Shop/till", "final", ""): 1,
            ("Shop/till", "rejected", name): 1,
            ("Shop/till", "skipped", ""): 1,
        }
        assert counted(door) == expected
        # Singles of several clients that are checked together; one of them is refused.
        sent = [door.single(bytes([1 + at]), one) for at, one in enumerate((shop, bank, shop))]
        sent.append(door.single(bytes([0]), bank))
        answers = await asyncio.gather(*sent)
        assert [one.verdict for one in answers] == ["", "", "", "bad"]
        (ticket,) = {id(one.ticket): one.ticket for one in answers if one.ticket}.values()
        door.pool.select(100, 100)
        codes = [0, rejected, 0]
        door.decided([ticket.entry], 2, [b"".join(one.to_bytes(2, "little") for one in codes)])
        expected |= {
            ("Shop/till", "admitted", ""): 5,
            ("Shop/till", "final", ""): 3,
            ("10.0.0.1", "admitted", ""): 1,
            ("10.0.0.1", "refused", "bad"): 1,
            ("10.0.0.1", "rejected", name): 1,
        }
        assert counted(door) == expected
        # What comes from no client, such as the node itself, is nobody's.
        _, own = await door.bulk(bytes([2]), A)
        assert own is not None
        door.pool.select(100, 100)
        door.decided([own.entry], 3, [bytes(4)])
        assert counted(door) == expected

    run(work, ShareLimits(100, 100, 100))

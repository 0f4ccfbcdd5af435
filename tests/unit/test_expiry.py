"""Expiry of transactions without a receipt: told truly, and without reading many receipts."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bubi.mempool import Recent
from bubi.node.api.transactions import _look_up
from bubi.node.expiries import EXPIRED_LOOKED_UP_MAX, Expiries
from bubi.node.ports import Threads

HASH = bytes(range(32))


class Ledger:
    """A chain at time 100 whose every transaction has a receipt, or none."""

    def __init__(self, *, decided: bool) -> None:
        self.time = 100
        self.decided = decided
        self.asked = 0

    def status_json(self, _transaction: bytes, _proof: bool) -> bytes | None:
        self.asked += 1
        return b"{}" if self.decided else None


@pytest.mark.parametrize(
    ("expired", "decided", "due", "most"),
    [
        (1, True, False, 1),
        (EXPIRED_LOOKED_UP_MAX, True, False, EXPIRED_LOOKED_UP_MAX),
        (EXPIRED_LOOKED_UP_MAX, False, True, 1),
        (50_000, True, True, 0),
    ],
)
def test_few_receipts_are_read_before_a_block_for_the_expired(
    expired: int, decided: bool, due: bool, most: int
) -> None:
    ledger = Ledger(decided=decided)
    threads = Threads(1)
    expiries = Expiries(cast(Any, ledger), threads, lambda _number: True)
    expiries._skipped = [(150, HASH)] * expired
    try:
        assert asyncio.run(expiries.due(200)) == (150 if due else None)
    finally:
        threads.close()
    assert ledger.asked <= most
    assert expiries.next_at is None


@pytest.mark.parametrize(("blocks", "status"), [(0, "pending"), (100, "pending")])
def test_blocks_decided_during_the_search_do_not_make_a_transaction_expired(
    blocks: int, status: str
) -> None:
    ledger = Ledger(decided=False)

    async def read(work: Callable[[], bytes | None]) -> bytes | None:
        found = work()
        # Meanwhile one block takes the transaction and the next one is later than valid_until.
        ledger.time += blocks
        return found

    recent = Recent(10, 1_000)
    recent.add(HASH, (150).to_bytes(8, "little"))
    node = SimpleNamespace(
        chain=ledger, threads=SimpleNamespace(read=read), door=SimpleNamespace(recent=recent)
    )
    document = asyncio.run(_look_up(cast(Any, node), HASH, False))
    assert document is not None
    assert document["status"] == status
    ledger.time = 151
    document = asyncio.run(_look_up(cast(Any, node), HASH, False))
    assert document is not None
    assert document["status"] == "expired"

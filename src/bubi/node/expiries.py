"""Transactions whose time may run out before a block holds them.

A transaction is expired when a decided block is later than its `valid_until` and there is no
receipt. An idle network makes no such block by itself, so the node watches what it admitted:
groups that wait, and transactions that a block passed over.
"""

import heapq
from collections.abc import Callable, Sequence

from bubi import core
from bubi.mempool import Entry
from bubi.node.ports import Threads

EXPIRING_MAX = 100_000
"""Transactions without a receipt whose expiry is watched."""
EXPIRED_LOOKED_UP_MAX = 16
"""Expired transactions whose receipts are looked up before a block is made for them."""


class Expiries:
    """See the module. `waits` says whether a group has no outcome yet."""

    def __init__(self, chain: core.Chain, threads: Threads, waits: Callable[[int], bool]) -> None:
        self._chain = chain
        self._threads = threads
        self._waits = waits
        self._groups: list[tuple[int, int]] = []
        self._skipped: list[tuple[int, bytes]] = []

    def watch_group(self, entry: Entry[core.Admission]) -> None:
        """A group was admitted."""
        heapq.heappush(self._groups, (entry.latest_expiry, entry.number))

    def watch_skipped(self, entries: Sequence[Entry[core.Admission]], codes: list[bytes]) -> None:
        """A block holds these groups; what it passed over in them has no receipt."""
        for entry, group_codes in zip(entries, codes, strict=True):
            numbers = memoryview(group_codes).cast("H")
            if core.SKIPPED not in numbers:
                continue
            hashes = entry.group.hashes
            expiries = memoryview(entry.group.expiries).cast("Q")
            admitted = [index for index, expiry in enumerate(expiries) if expiry]
            for place, number in zip(admitted, numbers, strict=True):
                if number == core.SKIPPED and len(self._skipped) < EXPIRING_MAX:
                    digest = hashes[32 * place : 32 * place + 32]
                    heapq.heappush(self._skipped, (expiries[place], digest))

    @property
    def next_at(self) -> int | None:
        """Time (ms) at which `due` may find something."""
        first = [heap[0][0] + 1 for heap in (self._groups, self._skipped) if heap]
        return min(first, default=None)

    async def due(self, now: int) -> int | None:
        """A block later than this time (ms) is needed; None: none is. Each is told once."""
        groups = self._due_groups(now)
        skipped = await self._due_skipped(now)
        return max((one for one in (groups, skipped) if one is not None), default=None)

    def _due_groups(self, now: int) -> int | None:
        latest = None
        while self._groups and self._groups[0][0] < now:
            expiry, number = heapq.heappop(self._groups)
            if self._waits(number) and expiry >= self._chain.time:
                latest = expiry
        return latest

    async def _due_skipped(self, now: int) -> int | None:
        due: list[bytes] = []
        latest = None
        while self._skipped and self._skipped[0][0] < now:
            expiry, digest = heapq.heappop(self._skipped)
            if expiry >= self._chain.time:
                due.append(digest)
                latest = expiry
        # An empty block costs less than reading so many receipts, which would hold it up.
        if not due or len(due) > EXPIRED_LOOKED_UP_MAX:
            return latest

        def lacks_receipt() -> bool:
            return any(self._chain.status_json(digest, False) is None for digest in due)

        return latest if await self._threads.read(lacks_receipt) else None

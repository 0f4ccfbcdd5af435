"""Pool of admitted transactions that wait for a block. Pure.

It holds whole groups: what one call of the core admitted together. No Python object exists per
transaction. A group enters a block whole, in the order of arrival, and leaves the pool when it is
decided or when all of it has expired. `Recent` remembers for a while which transactions passed
through here, so that "expired" can be told from "unknown".
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

HASH_BYTES = 32
EXPIRY_BYTES = 8


class Group(Protocol):
    """What the pool needs to know of an admission."""

    def __len__(self) -> int:
        """How many transactions were admitted."""
        ...

    @property
    def bytes(self) -> int:
        """Their size."""
        ...


G = TypeVar("G", bound=Group)


class PoolFullError(Exception):
    """The pool has no room; nothing was taken. The code at the door is `pool_full`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Most transactions and bytes in the pool."""

    transactions: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Entry(Generic[G]):
    """A group in the pool.

    `latest_expiry` is the block time (ms) after which all of it is void.
    """

    number: int
    group: G
    latest_expiry: int


class Mempool(Generic[G]):
    """Groups in the order of arrival, within limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: OrderedDict[int, Entry[G]] = OrderedDict()
        self._in_flight: OrderedDict[int, Entry[G]] = OrderedDict()
        self._transactions = 0
        self._bytes = 0
        self._waiting_transactions = 0
        self._waiting_bytes = 0
        self._numbers = 0

    @property
    def transactions(self) -> int:
        """Transactions held, those in flight included."""
        return self._transactions

    @property
    def bytes(self) -> int:
        """Bytes held, those in flight included."""
        return self._bytes

    @property
    def waiting(self) -> int:
        """Groups that no proposal holds yet."""
        return len(self._waiting)

    def has_room(self, transactions: int, size: int) -> bool:
        """Whether so much would be taken."""
        limits = self._limits
        return (
            self._transactions + transactions <= limits.transactions
            and self._bytes + size <= limits.bytes
        )

    def add(self, group: G, latest_expiry: int) -> Entry[G]:
        """Takes a group.

        Raises:
            PoolFullError: it does not fit.
        """
        if not self.has_room(len(group), group.bytes):
            msg = f"the pool holds {self._transactions} transactions, {self._bytes} bytes"
            raise PoolFullError(msg)
        self._numbers += 1
        entry = Entry(self._numbers, group, latest_expiry)
        self._waiting[entry.number] = entry
        self._transactions += len(group)
        self._bytes += group.bytes
        self._wait(entry, 1)
        return entry

    def select(self, transactions: int, size: int) -> list[Entry[G]]:
        """Moves the oldest groups that fit a batch with this room into flight.

        One that is too large for all of the room is passed over and expires: the door takes none,
        but the limits of a block may have fallen since.
        """
        selected: list[Entry[G]] = []
        most = (transactions, size)
        for entry in self._waiting.values():
            if len(entry.group) > most[0] or entry.group.bytes > most[1]:
                continue
            transactions -= len(entry.group)
            size -= entry.group.bytes
            if transactions < 0 or size < 0:
                break
            selected.append(entry)
        for entry in selected:
            del self._waiting[entry.number]
            self._wait(entry, -1)
            self._in_flight[entry.number] = entry
        return selected

    def waits_for(self, transactions: int, size: int) -> bool:
        """Whether the waiting groups reach so many transactions or bytes."""
        return self._waiting_transactions >= transactions or self._waiting_bytes >= size

    def holds(self, entry: Entry[G]) -> bool:
        """Whether a group is still here, waiting or in flight."""
        return entry.number in self._waiting or entry.number in self._in_flight

    def decided(self, entries: Iterable[Entry[G]]) -> None:
        """Forgets groups that a block holds."""
        for entry in entries:
            if self._in_flight.pop(entry.number, None) is not None:
                self._shrink(entry)

    def give_back(self, entries: Iterable[Entry[G]]) -> None:
        """Puts groups of a proposal that was not decided back in front, in their old order."""
        for entry in reversed(list(entries)):
            if self._in_flight.pop(entry.number, None) is not None:
                self._waiting[entry.number] = entry
                self._waiting.move_to_end(entry.number, last=False)
                self._wait(entry, 1)

    def drop_expired(self, time: int) -> list[Entry[G]]:
        """Removes waiting groups of which every transaction is void at this block time."""
        dropped = [entry for entry in self._waiting.values() if entry.latest_expiry < time]
        for entry in dropped:
            del self._waiting[entry.number]
            self._wait(entry, -1)
            self._shrink(entry)
        return dropped

    def _wait(self, entry: Entry[G], sign: int) -> None:
        self._waiting_transactions += sign * len(entry.group)
        self._waiting_bytes += sign * entry.group.bytes

    def _shrink(self, entry: Entry[G]) -> None:
        self._transactions -= len(entry.group)
        self._bytes -= entry.group.bytes
        assert self._transactions >= 0
        assert self._bytes >= 0


@dataclass(frozen=True, slots=True)
class _Chunk:
    hashes: bytes
    expiries: bytes
    latest_expiry: int


class Recent:
    """Hashes and expiries of transactions that were admitted here, in chunks of bytes; bounded.

    Chunks stand by number, oldest first, and once more in a heap by their latest expiry, so that
    a block costs no more than the chunks that it forgets.
    """

    def __init__(self, transactions_max: int, retention_ms: int) -> None:
        self._transactions_max = transactions_max
        self._retention_ms = retention_ms
        self._chunks: OrderedDict[int, _Chunk] = OrderedDict()
        self._by_expiry: list[tuple[int, int]] = []
        self._numbers = 0
        self._transactions = 0

    @property
    def transactions(self) -> int:
        """How many are remembered."""
        return self._transactions

    def add(self, hashes: bytes, expiries: bytes) -> int:
        """Remembers a group and returns its latest expiry; expiry 0 marks a refused transaction.

        Raises:
            ValueError: the two lists have different lengths.
        """
        count = len(hashes) // HASH_BYTES
        if len(hashes) != count * HASH_BYTES or len(expiries) != count * EXPIRY_BYTES:
            msg = "hashes and expiries must be lists of the same length"
            raise ValueError(msg)
        latest = max(_numbers(expiries), default=0)
        self._numbers += 1
        self._chunks[self._numbers] = _Chunk(hashes, expiries, latest)
        heapq.heappush(self._by_expiry, (latest, self._numbers))
        self._transactions += count
        while self._transactions > self._transactions_max:
            self._drop(next(iter(self._chunks)))
        self._tidy()
        return latest

    def find(self, transaction: bytes) -> int | None:
        """Expiry of a transaction that was admitted here; None if it is not remembered."""
        for chunk in reversed(self._chunks.values()):
            at = chunk.hashes.find(transaction)
            while at >= 0:
                if at % HASH_BYTES == 0:
                    start = at // HASH_BYTES * EXPIRY_BYTES
                    expiry = int.from_bytes(chunk.expiries[start : start + EXPIRY_BYTES], "little")
                    if expiry:
                        return expiry
                at = chunk.hashes.find(transaction, at + 1)
        return None

    def forget(self, time: int) -> None:
        """Drops chunks of which everything expired longer ago than the retention."""
        while self._by_expiry and self._by_expiry[0][0] + self._retention_ms < time:
            self._drop(heapq.heappop(self._by_expiry)[1])

    def _drop(self, number: int) -> None:
        chunk = self._chunks.pop(number, None)
        if chunk is not None:
            self._transactions -= len(chunk.hashes) // HASH_BYTES

    def _tidy(self) -> None:
        """Rids the heap of chunks that went for want of room, once they are the larger part."""
        if len(self._by_expiry) > 2 * len(self._chunks) + 64:
            self._by_expiry = [
                (chunk.latest_expiry, number) for number, chunk in self._chunks.items()
            ]
            heapq.heapify(self._by_expiry)


def _numbers(expiries: bytes) -> Iterable[int]:
    return memoryview(expiries).cast("Q") if expiries else ()

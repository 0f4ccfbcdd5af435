"""The door: transactions come in, are checked in groups, and wait for their block.

Bulk bodies are groups of their own. Single transactions that arrive within a few milliseconds
become one group, so that checking them costs one call of the core. A group carries one future,
which the block loop resolves.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bubi import core
from bubi.mempool import Entry, Mempool, PoolFullError, Recent
from bubi.node.health import Health
from bubi.node.metrics import Metrics
from bubi.node.ports import Clock, Threads
from bubi.node.shares import Charge, Origin, ShareLimits, Shares
from bubi.replica.events import Limits

SINGLES_MAX = 4_096
"""Most single transactions in one group."""
SINGLES_BYTES_MAX = 8_388_608
"""Most bytes of single transactions in one group."""
QUEUE_MAX = 50_000
"""Most single transactions waiting to be checked."""


class DoorError(Exception):
    """A refusal of a whole request; `code` is one of the codes of spec/api.md."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a group: one code (u16, little-endian) per admitted transaction.

    `first_receipt` is the place in the block of the receipt of the group's first transaction.
    """

    height: int
    codes: bytes
    first_receipt: int


@dataclass(slots=True)
class Ticket:
    """A group in the pool and the promise of its decision.

    `body` is what was received, kept where it has to be forwarded. `charge` is what it takes of
    the shares of the pool. `since` is when it was admitted (monotonic, s). `clients` is the label
    of the client of all its transactions, or one per transaction.
    """

    entry: Entry[core.Admission]
    decision: asyncio.Future[Decision]
    body: bytes | None
    charge: Charge
    since: float
    clients: str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Single:
    """How one transaction fared at the door.

    `place` is its place among the admitted of its group.
    """

    hash: bytes
    verdict: str
    valid_until: int
    operations: int
    place: int
    ticket: Ticket | None


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A single transaction before its check."""

    transaction: bytes
    future: asyncio.Future[Single]
    origin: Origin


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """What one group of transactions can hold."""

    transactions: int
    bytes: int


class Door:
    """See the module. All methods belong to the event loop's thread."""

    def __init__(  # noqa: PLR0913, PLR0917 - the composition root hands over every part
        self,
        chain: core.Chain,
        threads: Threads,
        clock: Clock,
        pool: Mempool[core.Admission],
        recent: Recent,
        health: Health,
        metrics: Metrics,
        linger_ms: int,
        shares: ShareLimits,
    ) -> None:
        self._chain = chain
        self._threads = threads
        self._clock = clock
        self.pool = pool
        self.recent = recent
        self._health = health
        self._metrics = metrics
        self._linger = linger_ms / 1000
        self._shares = Shares(shares)
        self._queue: list[_Waiting] = []
        self._flush: asyncio.Task[None] | None = None
        self._tickets: dict[int, Ticket] = {}
        # Bytes that are being checked, or wait for it: not in the pool yet, but on their way.
        self._checking = 0
        self._closed = False
        self.group_limits = GroupLimits(0, 0)
        self.forwards = False
        """Whether groups go to another node, which makes the batches: this one has no vote."""
        self.on_admitted: Callable[[Entry[core.Admission]], None] = lambda _entry: None

    def set_block_limits(self, block: Limits) -> None:
        """Takes the limits of a block: a group must fit one batch, an author's share of it."""
        batch = core.limits()
        self.group_limits = GroupLimits(
            min(block.author_transactions, batch["BATCH_TRANSACTIONS_MAX"]),
            min(block.author_bytes, batch["BATCH_BYTES_MAX"]),
        )

    async def bulk(self, body: bytes, origin: Origin) -> tuple[core.Admission, Ticket | None]:
        """Checks a bulk body; the ticket is None if nothing in it was admitted.

        What exceeds its account's share is refused alone, as `pool_full`.

        Raises:
            DoorError: the request as a whole is refused.
        """
        self._refuse_if_blocked(len(body), origin)
        self._checking += len(body)
        try:
            admission = await self._checked(body)
        except core.CoreError as error:
            raise DoorError(core.error_code(error), core.error_detail(error)) from None
        finally:
            self._checking -= len(body)
        limits = self.group_limits
        if len(admission) > limits.transactions or admission.bytes > limits.bytes:
            raise DoorError(
                "too_large",
                f"a bulk must fit one batch: at most {limits.transactions} transactions "
                f"and {limits.bytes} bytes",
            )
        admission = _without(admission, self._shares.beyond(admission))
        self._refuse_if_greedy(origin, len(admission))
        return admission, self._take(admission, body, origin)

    async def single(self, transaction: bytes, origin: Origin) -> Single:
        """Checks one encoded transaction, together with others that arrive at the same time.

        Raises:
            DoorError: the request is refused for a reason outside the transaction.
        """
        self._refuse_if_blocked(len(transaction), origin)
        if len(self._queue) >= QUEUE_MAX:
            raise DoorError("pool_full", "too many transactions wait to be checked")
        future: asyncio.Future[Single] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(transaction, future, origin))
        # Until its group is checked; also if the caller gives up, for the bytes stay in the queue.
        self._checking += len(transaction)
        if self._flush is None:
            self._flush = asyncio.create_task(self._check_queue())
        return await future

    def body(self, number: int) -> bytes | None:
        """A waiting group as it was received, where this node forwards groups."""
        ticket = self._tickets.get(number)
        return None if ticket is None else ticket.body

    def waiting(self) -> list[Entry[core.Admission]]:
        """Groups without an outcome, oldest first."""
        return [ticket.entry for ticket in self._tickets.values()]

    @property
    def backlog(self) -> int:
        """Single transactions that wait to be checked."""
        return len(self._queue)

    @property
    def backlog_bytes(self) -> int:
        """Bytes of transactions that wait to be checked, or are being checked."""
        return self._checking

    def oldest_seconds(self) -> float:
        """How long the oldest group waits for its block; 0: none waits."""
        oldest = next(iter(self._tickets.values()), None)
        return 0.0 if oldest is None else time.monotonic() - oldest.since

    def waits(self, number: int) -> bool:
        """Whether a group has no outcome yet."""
        return number in self._tickets

    def decided(
        self,
        entries: Sequence[Entry[core.Admission]],
        height: int,
        codes: Sequence[bytes],
        first_receipt: int = 0,
    ) -> None:
        """Resolves the groups of one batch, in its order; `codes` has one string per group.

        `first_receipt` is the place in the block of the batch's first receipt.
        """
        self.pool.decided(entries)
        receipts = first_receipt
        for entry, group_codes in zip(entries, codes, strict=True):
            ticket = self._tickets.pop(entry.number, None)
            if ticket is not None:
                self._shares.give_back(ticket.charge)
                self._metrics.door.time_to_final.observe(time.monotonic() - ticket.since)
                self._metrics.door.decided(ticket.clients, group_codes)
            if ticket is not None and not ticket.decision.done():
                ticket.decision.set_result(Decision(height, group_codes, receipts))
            numbers = memoryview(group_codes).cast("H")
            receipts += len(entry.group)
            if core.SKIPPED in numbers:
                receipts -= sum(1 for number in numbers if number == core.SKIPPED)

    def close(self) -> None:
        """Tells those who wait, or are being checked, that this process decides nothing more."""
        self._closed = True
        for ticket in self._tickets.values():
            if not ticket.decision.done():
                ticket.decision.set_exception(DoorError("stopping", "the node is stopping"))
                # Nobody may be waiting; that is no defect.
                ticket.decision.exception()
        self._tickets.clear()

    async def _check_queue(self) -> None:
        try:
            while self._queue:
                await asyncio.sleep(self._linger)
                await self._check_singles(self._cut_queue())
        finally:
            self._flush = None

    def _cut_queue(self) -> list[_Waiting]:
        limits = self.group_limits
        most, room = min(SINGLES_MAX, limits.transactions), min(SINGLES_BYTES_MAX, limits.bytes)
        count = 0
        for one in self._queue[:most]:
            room -= len(one.transaction)
            if room < 0 and count:
                break
            count += 1
        taken, self._queue = self._queue[:count], self._queue[count:]
        return taken

    async def _check_singles(self, taken: list[_Waiting]) -> None:
        body = core.bulk_body([one.transaction for one in taken])
        try:
            try:
                admission = await self._checked(body)
            finally:
                self._checking -= sum(len(one.transaction) for one in taken)
            origins = [one.origin for one in taken]
            admission = _without(admission, self._shares.beyond(admission, origins))
            ticket = self._take(admission, body, origins)
        except core.CoreError as error:
            self._fail(taken, DoorError(core.error_code(error), core.error_detail(error)))
        except DoorError as error:
            self._fail(taken, error)
        except BaseException as error:
            self._fail(taken, DoorError("internal", "the check of this transaction failed"))
            raise error from None
        else:
            self._answer(taken, admission, ticket)

    def _answer(
        self,
        taken: list[_Waiting],
        admission: core.Admission,
        ticket: Ticket | None,
    ) -> None:
        hashes = admission.hashes
        expiries = memoryview(admission.expiries).cast("Q")
        verdicts = admission.verdicts if admission.refused else [""] * len(taken)
        operations = admission.operations
        place = 0
        for index, one in enumerate(taken):
            future, verdict = one.future, verdicts[index]
            if not future.done():
                own = None if verdict else ticket
                digest = hashes[32 * index : 32 * index + 32]
                single = Single(digest, verdict, expiries[index], operations[index], place, own)
                future.set_result(single)
            place += not verdict

    @staticmethod
    def _fail(taken: list[_Waiting], error: DoorError) -> None:
        for one in taken:
            if not one.future.done():
                one.future.set_exception(DoorError(error.code, error.detail))

    def _take(
        self, admission: core.Admission, body: bytes, origins: Origin | Sequence[Origin]
    ) -> Ticket | None:
        self._count_refused(admission, origins)
        if not len(admission):
            return None
        if self._closed:
            # It began before the node stopped: nobody would resolve its ticket any more.
            raise DoorError("stopping", "the node is stopping")
        latest = max(memoryview(admission.expiries).cast("Q"))
        try:
            entry = self.pool.add(admission, latest)
        except PoolFullError as error:
            raise DoorError("pool_full", str(error)) from None
        self.recent.add(admission.hashes, admission.expiries)
        self._metrics.admitted.inc(len(admission))
        kept = None
        if self.forwards:
            # What was refused here must not reach a validator that might take it.
            kept = admission.body if admission.refused else body
        decision = asyncio.get_running_loop().create_future()
        charge = self._shares.charge(admission, origins)
        clients = _clients(admission, origins)
        ticket = Ticket(entry, decision, kept, charge, time.monotonic(), clients)
        counts = Counter({clients: len(admission)} if isinstance(clients, str) else clients)
        self._metrics.door.admitted(counts)
        self._shares.take(charge)
        self._tickets[entry.number] = ticket
        self.on_admitted(entry)
        return ticket

    def _count_refused(
        self, admission: core.Admission, origins: Origin | Sequence[Origin]
    ) -> None:
        if not admission.refused:
            return
        verdicts = list(admission.verdicts)
        for verdict in verdicts:
            if verdict:
                self._metrics.refused.labels(verdict).inc()
        each = [origins] * len(verdicts) if isinstance(origins, Origin) else origins
        refused = zip(each, verdicts, strict=True)
        self._metrics.door.refused((one.client, code) for one, code in refused if code)

    async def _checked(self, body: bytes) -> core.Admission:
        started = time.monotonic()
        admission = await self._threads.admit(partial(self._chain.admit, body, self._now()))
        self._metrics.door.verification.observe(time.monotonic() - started)
        return admission

    def _refuse_if_greedy(self, origin: Origin, count: int) -> None:
        reason = self._shares.refusal(origin, count)
        if reason is not None:
            raise DoorError("pool_full", reason)

    def _refuse_if_blocked(self, size: int, origin: Origin) -> None:
        reason = self._health.blocking()
        if reason is not None:
            raise DoorError(reason.code, reason.text)
        if not self.pool.has_room(1, size + self._checking):
            raise DoorError("pool_full", "the pool is full: wait for the next blocks, then retry")
        self._refuse_if_greedy(origin, 1)

    def _now(self) -> int:
        return max(self._clock.now_ms(), self._chain.time + 1)


def _clients(
    admission: core.Admission, origins: Origin | Sequence[Origin]
) -> str | tuple[str, ...]:
    """Labels of the clients of what was admitted: one for all if they are the same."""
    if isinstance(origins, Origin):
        return origins.client
    verdicts = admission.verdicts if admission.refused else [""] * len(origins)
    admitted = zip(origins, verdicts, strict=True)
    labels = tuple(origin.client for origin, verdict in admitted if not verdict)
    return labels[0] if len(set(labels)) == 1 else labels


def _without(admission: core.Admission, places: set[int]) -> core.Admission:
    """An admission without the transactions that find no room."""
    return admission.without(places) if places else admission

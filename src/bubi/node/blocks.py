"""The block loop: hosts the consensus driver and performs its actions on the ledger.

When idle, the first transaction cuts a block at once. While a block executes and syncs, new groups
gather in the pool and form the next one. Empty blocks are made only so that waiting transactions
expire, or at the configured heartbeat.
"""

import asyncio
import contextlib
import heapq
import logging
import os
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, TypeVar

from bubi import core
from bubi.consensus import Engine, driver, guard
from bubi.consensus.driver import Alarm, Append, Begin, Committed, MirrorGuard, Sync, Synchronised
from bubi.consensus.engine import (
    CancelTimer,
    Configuration,
    Decide,
    Execute,
    Executed,
    Member,
    PayloadReady,
    RequestPayload,
    SetTimer,
    SignVote,
    TimerElapsed,
    VoteSigned,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.mempool import Entry
from bubi.node.door import Door
from bubi.node.files import ALGORITHMS
from bubi.node.health import Health
from bubi.node.metrics import Metrics
from bubi.node.ports import Clock, Threads
from bubi.node.trust import set_quorum

log = logging.getLogger("bubi.blocks")

FULL_RETRY_SECONDS = 1.0
EXPIRING_MAX = 100_000
"""Transactions without a receipt whose expiry is watched."""
EXPIRED_LOOKED_UP_MAX = 16
"""Expired transactions whose receipts are looked up before a block is made for them."""
FATAL_EXIT = 1

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Payload:
    """A proposal of this node with what it was made from."""

    proposal: bytes
    batches: list[core.Batch]
    groups: list[list[Entry[core.Admission]]]
    """Groups of each batch, in order."""


class Heights:
    """Lets readers wait for the next block."""

    def __init__(self, height: int) -> None:
        self.height = height
        self._advanced = asyncio.Event()

    def publish(self, height: int) -> None:
        """A block became visible, or those who wait shall look up because the node stops."""
        self.height = height
        self._advanced.set()
        self._advanced = asyncio.Event()

    async def beyond(self, height: int, seconds: float) -> bool:
        """Waits until the newest height is above `height`; False when the time is up."""
        if self.height > height:
            return True
        try:
            await asyncio.wait_for(self._advanced.wait(), seconds)
        except TimeoutError:
            return False
        return True


class BlockLoop:
    """See the module.

    Lives on the event loop's thread; every call that writes goes through the writer thread.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the composition root hands over every part
        self,
        chain: core.Chain,
        engine: Engine[Any],
        key: core.SigningKey | None,
        threads: Threads,
        clock: Clock,
        door: Door,
        health: Health,
        metrics: Metrics,
        heartbeat_ms: int = 0,
    ) -> None:
        self._chain = chain
        self._engine = engine
        self._key = key
        self._threads = threads
        self._clock = clock
        self._door = door
        self._health = health
        self._metrics = metrics
        self._heartbeat_ms = heartbeat_ms
        self.heights = Heights(chain.height)
        self.configuration = self._read_configuration()
        self._set_block_limits()
        # None asks to stop, an error says that a task failed.
        self._inputs: asyncio.Queue[driver.HostInput | RuntimeError | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._write_order = asyncio.Lock()
        self._appends: list[Append] = []
        self._payloads: dict[bytes, Payload] = {}
        self._executions: dict[bytes, core.Execution] = {}
        self._timers: dict[object, asyncio.TimerHandle] = {}
        self._work = asyncio.Event()
        self._expired: list[Entry[core.Admission]] = []
        self._expiring: list[tuple[int, bytes]] = []
        self._last_block = time.monotonic()
        self._stopping = False
        door.on_admitted = self._work.set

    async def run(self) -> None:
        """Decides heights until `stop`; the height in work is finished first.

        Raises:
            RuntimeError: something failed that a person must look at.
        """
        height = self._chain.height
        records = [data for _, data in self._chain.log_records(core.RecordKind.GUARD, height)]
        restored = guard.restore(records, self._chain.guard_read(), height)
        if restored.silent is not None:
            self._alarm("guard_silent", restored.silent)
            self._health.raise_reason("guard_silent", restored.silent)
        state = driver.initial(self._engine, restored)
        event: driver.HostInput | None = Begin(height + 1, self.configuration)
        while event is not None:
            state, actions = driver.step(self._engine, state, event)
            for action in actions:
                self._perform(action)
            event = await self._next_input()
        for handle in self._timers.values():
            handle.cancel()
        for task in self._tasks:
            task.cancel()

    def stop(self) -> None:
        """Ends the loop after the height in work."""
        self._stopping = True
        self._work.set()
        self._inputs.put_nowait(None)

    # --- actions -------------------------------------------------------------------------

    def _perform(self, action: driver.Action) -> None:
        work = self._background(action)
        if work is not None:
            self._start(work)
            return
        match action:
            case Append():
                self._appends.append(action)
            case SetTimer():
                self._set_timer(action)
            case CancelTimer():
                handle = self._timers.pop(action.timer, None)
                if handle is not None:
                    handle.cancel()
            case Alarm():
                self._alarm(action.code, action.text)
                self._health.raise_reason(action.code, action.text)
            case _:
                # Only an engine with peers asks for these, and a node without a network runs none.
                self._fail(f"{type(action).__name__} needs a network, which this node has not")

    def _background(  # noqa: PLR0911 - one line per action
        self, action: driver.Action
    ) -> Coroutine[Any, Any, None] | None:
        """The work of an action that takes time, if it is one."""
        match action:
            case RequestPayload():
                return self._make_payload(action)
            case Execute():
                return self._execute(action)
            case SignVote():
                return self._sign(action.request)
            case Sync():
                return self._sync(action)
            case MirrorGuard():
                return self._mirror(action)
            case Decide():
                return self._commit(action)
            case _:
                return None

    async def _make_payload(self, request: RequestPayload) -> None:
        entries = await self._wait_for_work()
        if entries is None:
            return
        started = time.monotonic()
        groups = _batches(entries)
        numbered = [
            (
                [entry.group for entry in group],
                request.height << 32 | request.round << 16 | index,
            )
            for index, group in enumerate(groups)
        ]
        key, chain = self._key, self._chain
        assert key is not None
        block_time = self._next_time()

        def propose() -> tuple[list[core.Batch], bytes, bytes]:
            batches = [chain.batch(admissions, number, key) for admissions, number in numbered]
            proposal = chain.propose(block_time, _parent_round(chain), batches)
            return batches, proposal, chain.proposal_digest(proposal)

        batches, proposal, digest = await self._write(propose)
        self._payloads[digest] = Payload(proposal, batches, groups)
        self._metrics.phase.labels("propose").observe(time.monotonic() - started)
        self._inputs.put_nowait(PayloadReady(request.height, request.round, digest, proposal))

    async def _execute(self, action: Execute) -> None:
        payload = self._payloads[action.digest]
        started = time.monotonic()
        bodies = [partial(self._chain.append_bodies, action.height, payload.batches)]

        def execute() -> core.Execution:
            while bodies:
                bodies[0]()
                bodies.pop()
            return self._chain.execute(action.proposal, payload.batches)

        execution = await self._write(execute)
        self._executions[action.digest] = execution
        self._metrics.phase.labels("execute").observe(time.monotonic() - started)
        self._inputs.put_nowait(Executed(action.height, action.digest, execution.outcome_hash))

    async def _sign(self, request: VoteRequest) -> None:
        chain_id = self._chain.chain_id
        if request.phase is Phase.COMMIT:
            message = core.commit_message(
                chain_id,
                request.epoch,
                request.engine,
                request.height,
                request.round,
                request.digest,
                request.outcome,
            )
        else:
            message = core.vote_message(
                chain_id,
                request.epoch,
                request.engine,
                request.height,
                request.round,
                int(request.phase),
                request.digest,
            )
        assert self._key is not None
        self._inputs.put_nowait(VoteSigned(request, self._key.sign(message)))

    async def _sync(self, action: Sync) -> None:
        await self._write(self._chain.sync)
        self._inputs.put_nowait(Synchronised(action.number))

    async def _mirror(self, action: MirrorGuard) -> None:
        await self._write(partial(self._chain.guard_write, action.record))

    async def _commit(self, decision: Decide) -> None:
        started = time.monotonic()
        certificate = core.certificate(
            decision.epoch,
            decision.engine,
            decision.height,
            decision.round,
            decision.digest,
            decision.outcome,
            list(decision.votes),
        )
        execution = self._executions[decision.digest]
        await self._write(partial(self._chain.commit, execution, certificate))
        self._metrics.phase.labels("commit").observe(time.monotonic() - started)
        self._publish(decision, execution, self._payloads[decision.digest])
        self._payloads.clear()
        self._executions.clear()
        self.configuration = self._read_configuration()
        self._set_block_limits()
        self._inputs.put_nowait(Committed(decision.height, self.configuration))

    def _publish(self, decision: Decide, execution: core.Execution, payload: Payload) -> None:
        final, rejected, skipped = execution.counts
        self._metrics.blocks.inc()
        for outcome, count in (("final", final), ("rejected", rejected), ("skipped", skipped)):
            self._metrics.transactions.labels(outcome).inc(count)
        for text in execution.alarms:
            self._alarm("internal", text)
        self._last_block = time.monotonic()
        entries: list[Entry[core.Admission]] = []
        codes: list[bytes] = []
        for index, groups in enumerate(payload.groups):
            entries += groups
            codes += _split(execution.codes(index), groups)
        if skipped:
            self._watch_expiries(entries, codes)
        self.heights.publish(decision.height)
        self._door.decided(entries, decision.height, codes)
        self._resolve_expired(decision.height)
        self._door.recent.forget(self._chain.time)
        self._payloads.pop(decision.digest)

    # --- when to make a block ------------------------------------------------------------

    async def _wait_for_work(self) -> list[Entry[core.Admission]] | None:
        """Groups for the next block (none: an empty block); None when the node stops."""
        while not self._stopping:
            self._work.clear()
            now = self._next_time()
            dropped = self._door.pool.drop_expired(now)
            self._expired += dropped
            entries = self._door.pool.select(
                self._door.block_limits.transactions, self._door.block_limits.bytes
            )
            if entries or dropped or await self._expiry_is_due(now):
                return entries
            delay = self._until_heartbeat()
            if delay is not None and delay <= 0:
                return []
            if self._expiring:
                until = max(0.0, (self._expiring[0][0] + 1 - now) / 1000)
                delay = until if delay is None else min(delay, until)
            try:
                await asyncio.wait_for(self._work.wait(), delay)
            except TimeoutError:
                continue
        return None

    def _until_heartbeat(self) -> float | None:
        if not self._heartbeat_ms:
            return None
        return self._last_block + self._heartbeat_ms / 1000 - time.monotonic()

    async def _expiry_is_due(self, now: int) -> bool:
        """Whether a transaction without a receipt is past its time, with no block to say so."""
        due = []
        while self._expiring and self._expiring[0][0] < now:
            expiry, digest = heapq.heappop(self._expiring)
            if expiry >= self._chain.time:
                due.append(digest)
        if not due:
            return False
        if len(due) > EXPIRED_LOOKED_UP_MAX:
            # An empty block costs less than reading so many receipts, which would hold it up.
            return True

        def lacks_receipt() -> bool:
            return any(self._chain.status_json(digest, False) is None for digest in due)

        return await self._threads.read(lacks_receipt)

    def _watch_expiries(self, entries: list[Entry[core.Admission]], codes: list[bytes]) -> None:
        for entry, group_codes in zip(entries, codes, strict=True):
            numbers = memoryview(group_codes).cast("H")
            if core.SKIPPED not in numbers:
                continue
            hashes = entry.group.hashes
            expiries = memoryview(entry.group.expiries).cast("Q")
            admitted = [index for index, expiry in enumerate(expiries) if expiry]
            for place, number in zip(admitted, numbers, strict=True):
                if number == core.SKIPPED and len(self._expiring) < EXPIRING_MAX:
                    digest = hashes[32 * place : 32 * place + 32]
                    heapq.heappush(self._expiring, (expiries[place], digest))

    def _resolve_expired(self, height: int) -> None:
        dropped, self._expired = self._expired, []
        codes = [core.SKIPPED.to_bytes(2, "little") * len(entry.group) for entry in dropped]
        self._door.decided(dropped, height, codes)

    # --- plumbing ------------------------------------------------------------------------

    async def _write(self, work: Callable[[], Result]) -> Result:
        """Runs work in the writer thread after the buffered appends; waits out a full disk.

        The log keeps in memory what it could not write, so that trying again is enough.
        """

        def all_of_it() -> Result:
            while self._appends:
                first = self._appends[0]
                self._chain.append(first.kind, first.height, first.data)
                self._appends.pop(0)
            return work()

        async with self._write_order:
            while True:
                try:
                    result = await self._threads.write(all_of_it)
                except core.StorageFull as error:
                    self._pause(error)
                    await asyncio.sleep(FULL_RETRY_SECONDS)
                except (core.StorageFatal, core.Damaged) as error:
                    exit_at_once(error)
                else:
                    self._health.clear("storage_full")
                    return result

    def _pause(self, error: core.StorageFull) -> None:
        text = core.error_detail(error)
        if all(reason.code != "storage_full" for reason in self._health.reasons):
            self._alarm("storage_full", text)
        self._health.raise_reason("storage_full", text)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            error = task.exception()
            log.critical("the block loop failed", exc_info=error)
            self._fail(f"the block loop failed: {error}")

    def _fail(self, text: str) -> None:
        self._health.raise_reason("failed", text)
        self._inputs.put_nowait(RuntimeError(text))

    async def _next_input(self) -> driver.HostInput | None:
        """The next input; None when the node stops, which it does between two heights."""
        event = await self._inputs.get()
        if isinstance(event, RuntimeError):
            raise event
        if event is None or isinstance(event, Committed):
            paused = any(reason.code == "storage_full" for reason in self._health.reasons)
            if self._stopping and (paused or not self._payloads):
                return None
        if event is None:
            return await self._next_input()
        return event

    def _set_timer(self, action: SetTimer) -> None:
        def elapsed() -> None:
            self._timers.pop(action.timer, None)
            self._inputs.put_nowait(TimerElapsed(action.timer))

        loop = asyncio.get_running_loop()
        self._timers[action.timer] = loop.call_later(action.delay_ms / 1000, elapsed)

    def _alarm(self, code: str, text: str) -> None:
        self._metrics.alarms.labels(code).inc()
        log.error("%s: %s", code, text)

    def _next_time(self) -> int:
        return max(self._chain.time + 1, self._clock.now_ms())

    def _read_configuration(self) -> Configuration:
        fields = core.decode_json(core.validator_set_to_json(self._chain.validator_set))["v1"]
        members = tuple(
            Member(
                index,
                validator["name"],
                validator["organisation"],
                key_bytes(validator["key"]),
                int(validator["weight"]),
            )
            for index, validator in enumerate(fields["validators"])
        )
        own = self._key.public_key if self._key is not None else None
        index = next((member.index for member in members if member.key == own), None)
        return Configuration(
            int(fields["epoch"]), fields["engine"], members, set_quorum(fields), index
        )

    def _set_block_limits(self) -> None:
        self._door.set_block_limits(core.decode_json(self._chain.parameters_json()))


def key_bytes(key: dict[str, str]) -> bytes:
    """Tagged bytes of a public key given as JSON."""
    ((name, digits),) = key.items()
    return bytes([ALGORITHMS[name]]) + bytes.fromhex(digits)


WHAT_FAILED = {"storage_failed": "the disk failed", "damaged": "the ledger is damaged"}


def exit_at_once(error: core.StorageFatal | core.Damaged) -> NoReturn:
    """Ends the process.

    After a failed write or sync nothing in memory may be trusted to reach the disk.
    """
    what = WHAT_FAILED.get(core.error_code(error), "the node found a contradiction")
    text = (
        f"bubi: {what}: {core.error_detail(error)}. The node stopped at once. Check the "
        "disk, run `bubi node check`, then start again.\n"
    )
    # The message may go to a file on the same disk.
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()
    os._exit(FATAL_EXIT)


def _parent_round(chain: core.Chain) -> int:
    """Round of the certificate of the newest block."""
    certificate = chain.tip_certificate()
    return 0 if certificate is None else core.certificate_fields(certificate)[3]


def _batches(entries: list[Entry[core.Admission]]) -> list[list[Entry[core.Admission]]]:
    """Groups cut into batches that keep the limits of one batch."""
    limits = core.limits()
    batches: list[list[Entry[core.Admission]]] = []
    count = size = 0
    for entry in entries:
        count += len(entry.group)
        size += entry.group.bytes
        full = count > limits["BATCH_TRANSACTIONS_MAX"] or size > limits["BATCH_BYTES_MAX"]
        if not batches or full:
            batches.append([])
            count, size = len(entry.group), entry.group.bytes
        batches[-1].append(entry)
    return batches


def _split(codes: bytes, groups: list[Entry[core.Admission]]) -> list[bytes]:
    """Codes of a batch cut into those of its groups."""
    parts = []
    start = 0
    for entry in groups:
        end = start + 2 * len(entry.group)
        parts.append(codes[start:end])
        start = end
    assert start == len(codes)
    return parts

"""The host of a node where CometBFT decides: takes the replica's place behind the same door.

Own groups become batches, which go to the mempool of the node's CometBFT process until a block
holds them or they have expired. What CometBFT decides comes back through the application
(`bubi.comet`). A light block of the height behind makes each of our blocks provable.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from bubi import core
from bubi.comet import payload
from bubi.comet.application import (
    Application,
    Decided,
    DivergedError,
    Rules,
)
from bubi.comet.rpc import Refused, Rpc, RpcError, address
from bubi.comet.server import Server
from bubi.ledger import LedgerView, barrier
from bubi.mempool import Entry
from bubi.node.config import CometSection
from bubi.node.door import Door
from bubi.node.expiries import Expiries
from bubi.node.health import Health
from bubi.node.heights import Heights
from bubi.node.metrics import Metrics
from bubi.node.ports import Clock, Result, Threads
from bubi.node.receipts import first_receipts, split_codes
from bubi.node.writer import Writer

log = logging.getLogger("bubi.comet")

OUTSTANDING_MAX: Final = 4
"""Own batches that no block holds yet; further groups wait and fill the next one."""
SUBMIT_AGAIN_SECONDS: Final = 3.0
"""A batch is given to CometBFT again after so long: it may have lost its mempool."""
PROOF_SECONDS: Final = 0.2
"""Pause before a light block is asked for again."""
ENGINE_DOWN: Final = "engine_down"

Group = Entry[core.Admission]


@dataclass(slots=True)
class _Own:
    """An own batch on its way."""

    transaction: bytes
    entries: Sequence[Group]
    latest_expiry: int
    sent: float


class CometHost:
    """See the module. Lives on the event loop's thread."""

    def __init__(  # noqa: PLR0913, PLR0917 - the composition root hands over every part
        self,
        chain: core.Chain,
        ledger: LedgerView,
        key: core.SigningKey | None,
        threads: Threads,
        clock: Clock,
        door: Door,
        health: Health,
        metrics: Metrics,
        settings: CometSection,
        heartbeat_ms: int = 0,
    ) -> None:
        assert settings.abci is not None
        self._chain = chain
        self._ledger = ledger
        self._key = key
        self._threads = threads
        self._clock = clock
        self._door = door
        self._health = health
        self._metrics = metrics
        self._heartbeat = heartbeat_ms / 1000
        self._writer = Writer(chain, threads, self._storage)
        self._expiries = Expiries(chain, threads, door.waits)
        self._own: dict[bytes, _Own] = {}
        self._numbers = clock.now_ms()
        self._changed = asyncio.Event()
        self._watched = asyncio.Event()
        self._committed = asyncio.Event()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last_block = time.monotonic()
        self._record_file = settings.record
        members = ledger.configuration().members
        self._addresses = [address(member.key) for member in members]
        self.heights = Heights(chain.height)
        self.on_block: Callable[[], None] = lambda: None
        self.rpc = Rpc(f"http://{settings.rpc}")
        rules = Rules(
            clock.now_ms,
            ledger.limits,
            lambda: ledger.clock_tolerance_ms,
            lambda: [(one.key, one.weight) for one in ledger.configuration().members],
        )
        self.application = Application(chain, self, rules, self._on_committed, self._record)
        self.server = Server(settings.abci, self.application.handle, self._failed)
        door.on_admitted = self._on_admitted
        door.set_block_limits(ledger.limits())

    async def run(self) -> None:
        """Works until `stop`.

        Raises:
            RuntimeError: something failed that a person must look at.
        """
        self._health.clear("starting")
        self._health.raise_reason(ENGINE_DOWN, "CometBFT has not connected yet", blocking=False)
        await self.server.start()
        work: list[Coroutine[Any, Any, None]] = [self._seal(), self._watch(), self._prove()]
        tasks = [asyncio.create_task(one) for one in work]
        for task in tasks:
            task.add_done_callback(self._finished)
        try:
            await self._ended
        finally:
            for task in tasks:
                task.cancel()
            await self.server.stop()
            await self.rpc.close()

    def stop(self) -> None:
        """Ends `run`. A block under way is decided again after the next start."""
        if not self._ended.done():
            self._ended.set_result(None)

    @property
    def work_waiting(self) -> bool:
        """Whether a group has no outcome yet."""
        return bool(self._own) or bool(self._door.pool.waiting)

    # --- threads of the application ---

    async def admit(self, work: Callable[[], Result]) -> Result:
        """Verifies batches."""
        return await self._threads.admit(work)

    async def execute(self, work: Callable[[], Result]) -> Result:
        """Proposes, checks and executes."""
        started = time.monotonic()
        result = await self._threads.execute(work)
        self._metrics.phase.labels("execute").observe(time.monotonic() - started)
        return result

    async def write(self, step: Callable[[], Result]) -> Result:
        """Changes the ledger; waits out a full disk."""
        return await self._writer.write(step)

    # --- own batches ---

    def _on_admitted(self, entry: Group) -> None:
        self._expiries.watch_group(entry)
        self._watched.set()
        self._changed.set()

    async def _seal(self) -> None:
        """Makes batches of waiting groups and sees to it that CometBFT has them."""
        while True:
            self._changed.clear()
            while self._key is not None and len(self._own) < OUTSTANDING_MAX:
                made = await self._make(self._key)
                if made is None:
                    break
            await self._submit_due()
            due = min((one.sent for one in self._own.values()), default=None)
            pause = None if due is None else max(0.05, due + SUBMIT_AGAIN_SECONDS - _now())
            try:
                await asyncio.wait_for(self._changed.wait(), pause)
            except TimeoutError:
                continue

    async def _make(self, key: core.SigningKey) -> core.Batch | None:
        limits, batch_limits = self._ledger.limits(), core.limits()
        entries = self._door.pool.select(
            min(limits.author_transactions, batch_limits["BATCH_TRANSACTIONS_MAX"]),
            min(limits.author_bytes, batch_limits["BATCH_BYTES_MAX"]),
        )
        if not entries:
            return None
        self._numbers += 1
        groups = [entry.group for entry in entries]
        make = partial(self._chain.batch, groups, self._numbers, key)
        batch = await self._threads.admit(make)
        transaction = payload.encode_batch(batch.header, batch.body)
        self.application.remember(transaction, batch)
        self._own[batch.digest] = _Own(transaction, entries, batch.latest_expiry, 0.0)
        return batch

    async def _submit_due(self) -> None:
        for digest, one in list(self._own.items()):
            if digest in self._own and one.sent + SUBMIT_AGAIN_SECONDS <= _now():
                one.sent = _now()
                await self._submit(digest, one)

    async def _submit(self, digest: bytes, one: _Own) -> None:
        try:
            await self.rpc.submit(one.transaction)
        except Refused as error:
            # Decided or expired meanwhile, which the blocks tell; anything else is a defect.
            if error.code == 1 and digest in self._own:
                self.alarm("internal", f"CometBFT's check refuses an own batch: {error}")
        except RpcError as error:
            log.info("a batch waits: %s", error)

    # --- decisions ---

    def _on_committed(self, decided: Decided) -> None:
        self._health.clear(ENGINE_DOWN)
        execution = decided.execution
        self._committed.set()
        if execution is None:
            return
        final, rejected, skipped = execution.counts
        self._metrics.blocks.inc()
        for outcome, count in (("final", final), ("rejected", rejected), ("skipped", skipped)):
            self._metrics.transactions.labels(outcome).inc(count)
        for text in execution.alarms:
            self.alarm("internal", text)
        self._last_block = time.monotonic()
        self._door.set_block_limits(self._ledger.limits())
        self.heights.publish(execution.height)
        self._resolve(decided, execution)
        self.on_block()
        self._door.recent.forget(self._chain.time)
        self._watched.set()
        self._changed.set()

    def _resolve(self, decided: Decided, execution: core.Execution) -> None:
        """Tells those who wait for a group of an own batch."""
        places = [
            place for place, batch in enumerate(decided.batches) if batch.digest in self._own
        ]
        starts = first_receipts(execution, places)
        for place, start in zip(places, starts, strict=True):
            own = self._own.pop(decided.batches[place].digest)
            codes = split_codes(execution.codes(place), own.entries)
            self._expiries.watch_skipped(own.entries, codes)
            self._door.decided(own.entries, execution.height, codes, start)
        now = self._chain.time
        for digest, own in list(self._own.items()):
            if own.latest_expiry < now:
                del self._own[digest]
                self._drop(own.entries)
        dropped = self._door.pool.drop_expired(now)
        if dropped:
            self._drop(dropped)

    def _drop(self, entries: Sequence[Group]) -> None:
        codes = [core.SKIPPED.to_bytes(2, "little") * len(entry.group) for entry in entries]
        self._door.decided(entries, self._chain.height, codes)

    # --- blocks without batches ---

    async def _watch(self) -> None:
        """Asks for a block when a transaction expires or the idle interval ends."""
        while True:
            due = await self._expiries.due(self._clock.now_ms())
            if due is None and self._nears_an_epoch():
                due = self._chain.time
            beat = None
            if self._heartbeat:
                beat = self._last_block + self._heartbeat - time.monotonic()
            if due is not None or (beat is not None and beat <= 0):
                self._last_block = time.monotonic()
                await self._wake(self._chain.time if due is None else due)
                continue
            delays = [] if beat is None else [beat]
            if self._expiries.next_at is not None:
                delays.append(max(0.01, (self._expiries.next_at - self._clock.now_ms()) / 1000))
            self._watched.clear()
            try:
                await asyncio.wait_for(self._watched.wait(), min(delays, default=None))
            except TimeoutError:
                continue

    def _nears_an_epoch(self) -> bool:
        """Whether blocks are missing until a change that was voted comes into force."""
        pending = self._ledger.governance["pending"]
        activation = None if pending is None else pending["activation"]
        return self._chain.height < barrier(self._chain.height, activation)

    async def _wake(self, after: int) -> None:
        """Asks for a block later than a time, until there is one."""
        while self._key is not None and self._chain.time <= after:
            try:
                wake = payload.encode_wake(self._chain.chain_id, after, self._key)
                await self.rpc.submit(wake)
            except RpcError as error:
                log.info("a block is asked for again: %s", error)
            self._committed.clear()
            if self._chain.time > after:
                return
            try:
                await asyncio.wait_for(self._committed.wait(), SUBMIT_AGAIN_SECONDS)
            except TimeoutError:
                continue

    # --- proofs ---

    async def _prove(self) -> None:
        """Fetches and stores the light block of each height, in order."""
        chain = self._chain
        while True:
            self._committed.clear()
            height = await self._threads.read(lambda: chain.provable) + 1
            if height > chain.height:
                await self._committed.wait()
                continue
            parts = await self._threads.read(partial(chain.block_parts, height))
            assert parts is not None
            decided, _ = core.comet_certificate_fields(parts[1])
            try:
                light = await self.rpc.light_block(decided + 1, self._addresses)
                await self._writer.write(partial(chain.add_light_block, height, light))
            except RpcError:
                await asyncio.sleep(PROOF_SECONDS)
            except core.CoreError as error:
                text = f"CometBFT's header {decided + 1} does not prove height {height}: "
                self.alarm("proof", text + core.error_detail(error))
                await asyncio.sleep(SUBMIT_AGAIN_SECONDS)

    # --- plumbing ---

    def _failed(self, error: Exception) -> None:
        """The application refused to go on: CometBFT stops, this node serves reads."""
        code = "diverged" if isinstance(error, DivergedError) else "engine_refused"
        text = core.error_detail(error) if isinstance(error, core.CoreError) else str(error)
        self.alarm(code, text)
        self._health.raise_reason(code, text)

    def _finished(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._ended.done():
            return
        error = task.exception()
        log.critical("the node failed", exc_info=error)
        self._health.raise_reason("failed", repr(error))
        self._ended.set_exception(RuntimeError(f"the node failed: {error!r}"))

    def _storage(self, error: core.StorageFull | None) -> None:
        if error is None:
            self._health.clear("storage_full")
            return
        self.alarm("storage_full", core.error_detail(error))
        self._health.raise_reason("storage_full", core.error_detail(error))

    def alarm(self, code: str, text: str) -> None:
        """Counts something that a person must look at, and logs it."""
        self._metrics.alarms.labels(code).inc()
        log.error("%s: %s", code, text)

    def _record(self, call: str, height: int) -> None:
        if self._record_file is not None:
            _append(self._record_file, f"{call} {height}\n")


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="ascii") as file:
        file.write(line)


def _now() -> float:
    return time.monotonic()

"""The host of a replica: performs its actions with threads, disk and sockets.

The replica (`bubi.replica`) decides, this module acts: one queue of inputs, one queue of writes
in their order (`writer.py`), everything else side by side. Execution runs while votes travel.
When the ledger contradicts a certificate the node stops deciding, keeps its state and serves on.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from bubi import core
from bubi.applying import Applying
from bubi.consensus.engine import Certificate, ReportEvidence, TimerId
from bubi.consensus.guard import VoteRequest
from bubi.declarations import is_divergence
from bubi.ledger import (
    LedgerView,
    encode_certificate,
    status_bytes,
    vote_bytes,
)
from bubi.mempool import Entry
from bubi.messages import (
    BatchBody,
    BatchHave,
    BatchWant,
    BlockParts,
    Link,
    PeerMessage,
    Transactions,
)
from bubi.node.door import Door, DoorError
from bubi.node.expiries import Expiries
from bubi.node.health import Health
from bubi.node.heights import Heights
from bubi.node.metrics import Metrics
from bubi.node.misdeeds import kind_of
from bubi.node.monitoring import stages
from bubi.node.ports import Clock, Threads
from bubi.node.receipts import first_receipts, split_codes
from bubi.node.shares import Origin
from bubi.node.verifier import Verifier
from bubi.node.writer import Writer
from bubi.replica.events import (
    Action,
    Alarm,
    Append,
    ApplyBlock,
    ApplyFailed,
    BatchChecked,
    BlockNeeded,
    BlocksRead,
    CancelTimer,
    CheckBatch,
    CheckProposal,
    Commit,
    Committed,
    Decided,
    Dropped,
    Elapsed,
    ExecuteProposal,
    Forwarded,
    Halt,
    LogSynced,
    MakeProposal,
    MirrorGuard,
    Opened,
    Peer,
    PenalisePeer,
    PoolChanged,
    ProposalChecked,
    ProposalExecuted,
    Proposed,
    ReadBlocks,
    Received,
    ReplicaInput,
    SealBatch,
    Sealed,
    SendTo,
    SendTransactions,
    SetTimer,
    Sign,
    Signed,
    SignStatus,
    StatusSigned,
    SyncLog,
    Tip,
)

log = logging.getLogger("bubi.host")

STOP_SECONDS = 3.0
"""Longest wait for the block in work when the node stops."""
HELD_SECONDS_MAX = 60.0
"""Longest wait for the clock to reach a proposal's time."""
NO_BULK_BODY = frozenset({"not_canonical", "too_large"})
"""Refusals of forwarded transactions that are the peer's fault, not a client's."""
EVIDENCE_KEPT = 64
OF_BATCHES = (BatchBody, BatchHave, BatchWant)
"""Messages about batches: their handling is told apart from that of consensus in the metrics."""


Queued = tuple[ReplicaInput, Callable[[], None] | None]


class Replica(Protocol):
    """What decides; see `bubi.replica`."""

    def handle(self, event: ReplicaInput) -> Sequence[Action]:
        """Takes an input and says what must happen, in order."""
        ...


class PeerLinks(Protocol):
    """Connections to other nodes."""

    def send(self, peers: Sequence[Peer], message: PeerMessage) -> None:
        """Queues a message for connected peers."""
        ...

    def penalise(self, peer: Peer, reason: str, ban: bool) -> None:
        """Counts a misdeed of a peer; a ban closes its connection."""
        ...

    def links(self) -> tuple[Link, ...]:
        """Connected peers with their round-trip times."""
        ...

    def organisation(self, peer: Peer) -> str | None:
        """Organisation of a connected peer, by its certificate."""
        ...

    @property
    def certificate_days(self) -> int:
        """Days that this node's certificate is still valid."""
        ...


class NoPeers:
    """A node without a network."""

    certificate_days = 0

    def send(self, peers: Sequence[Peer], message: PeerMessage) -> None:
        """There is no one to send to."""

    def penalise(self, peer: Peer, reason: str, ban: bool) -> None:
        """There is no one to blame."""

    def links(self) -> tuple[Link, ...]:
        """None."""
        return ()

    def organisation(self, peer: Peer) -> str | None:
        """There is no one."""


class ReplicaHost:
    """See the module. Lives on the event loop's thread."""

    def __init__(  # noqa: PLR0913, PLR0917 - the composition root hands over every part
        self,
        chain: core.Chain,
        replica: Replica,
        ledger: LedgerView,
        key: core.SigningKey | None,
        threads: Threads,
        clock: Clock,
        door: Door,
        health: Health,
        metrics: Metrics,
        heartbeat_ms: int = 0,
    ) -> None:
        self._chain = chain
        self._replica = replica
        self._ledger = ledger
        self._key = key
        self._threads = threads
        self._clock = clock
        self._door = door
        self._health = health
        self._metrics = metrics
        self._heartbeat_ms = heartbeat_ms
        self._peers: PeerLinks = NoPeers()
        self._writer = Writer(chain, threads, self._storage)
        self._verifier = Verifier(chain, threads, self.put)
        self._expiries = Expiries(chain, threads, door.waits)
        self.heights = Heights(chain.height)
        self.evidence: list[ReportEvidence] = []
        self.on_evidence: Callable[[ReportEvidence], None] = lambda _evidence: None
        self.on_block: Callable[[], None] = lambda: None
        """Called after each block, before the replica hears of it."""
        self.last_decision_ms = clock.now_ms()
        # None asks to stop, an error says that a task failed.
        self._inputs: deque[Queued | RuntimeError | None] = deque()
        self._more: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[TimerId, asyncio.TimerHandle] = {}
        self._executions: dict[bytes, core.Execution] = {}
        self._batches: dict[bytes, int] = {}
        self._decided: dict[int, core.Execution] = {}
        self._expired: list[Entry[core.Admission]] = []
        self._sooner = asyncio.Event()
        self._watches_at: int | None = None
        self._last_block = self._decided_at = time.monotonic()
        self._newest: VoteRequest | None = None
        self._configuration = ledger.configuration()
        self._in_work = 0
        self._halted = False
        self._stopping = False
        self._stop_looks = 0
        self._looking: asyncio.Task[None] | None = None
        door.on_admitted = self._on_admitted
        door.set_block_limits(ledger.limits())

    def connect(self, peers: PeerLinks) -> None:
        """Gives the host its network; before `run`."""
        self._peers = peers

    def put(self, event: ReplicaInput, done: Callable[[], None] | None = None) -> None:
        """An input for the replica; `done` is called once it was taken."""
        self._queue((event, done))

    @property
    def backlog(self) -> int:
        """Inputs that wait."""
        return len(self._inputs)

    async def run(self) -> None:
        """Works until `stop`.

        Raises:
            RuntimeError: something failed that a person must look at.
        """
        self._health.clear("starting")
        self._start(self._writer.run())
        self._start(self._watch())
        self._handle(self._opened())
        try:
            while True:
                if not self._inputs:
                    await self._next()
                queued = self._inputs.popleft()
                if isinstance(queued, RuntimeError):
                    raise queued
                event, done = queued or (None, None)
                if self._stopping and self._ends(event):
                    return
                if event is not None:
                    self._handle(event)
                if done is not None:
                    done()
        finally:
            for handle in self._timers.values():
                handle.cancel()
            for task in self._tasks:
                task.cancel()

    def stop(self) -> None:
        """Ends `run`; a block that is being executed is finished first."""
        self._stopping = True
        self._queue(None)
        asyncio.get_running_loop().call_later(STOP_SECONDS, self._queue, None)

    def _queue(self, item: Queued | RuntimeError | None) -> None:
        """Adds to the inputs. A queue of the library would cost a coroutine per item."""
        self._inputs.append(item)
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    async def _next(self) -> None:
        """Waits until there is an input."""
        self._more = asyncio.get_running_loop().create_future()
        try:
            await self._more
        finally:
            self._more = None

    def _ends(self, event: ReplicaInput | None) -> bool:
        """Whether nothing more is to be done; a decision that just came is still told."""
        if isinstance(event, Committed):
            for action in self._replica.handle(event):
                if isinstance(action, Decided | Dropped):
                    self._perform(action)
            return True
        if event is not None:
            return False
        self._stop_looks += 1
        return self._stop_looks > 1 or not self._in_work or self._writer.full

    # --- inputs --------------------------------------------------------------------------

    def _handle(self, event: ReplicaInput) -> None:
        clock = self._metrics.stages
        before = clock.enter(_stage_of(event))
        for action in self._replica.handle(event):
            self._perform(action)
        clock.leave(before)

    def _opened(self) -> Opened[core.Batch]:
        chain, above = self._chain, self._chain.height + 1
        kinds = (core.RecordKind.PROPOSAL, core.RecordKind.PREPARED)
        records = [
            (int(kind), data) for kind in kinds for _, data in chain.log_records(kind, above)
        ]
        tip: Tip = self._ledger.tip()
        self._newest = None if tip.certificate is None else tip.certificate.request
        self._configuration = self._ledger.configuration()
        return Opened(
            tip,
            self._configuration,
            self._ledger.limits(),
            tuple(records),
            tuple(chain.pending_bodies()),
            tuple(digest for _, digest in chain.ordered_batches()),
        )

    def _on_admitted(self, entry: Entry[core.Admission]) -> None:
        self._expiries.watch_group(entry)
        self._look_again()
        self.put(PoolChanged())

    def _look_again(self) -> None:
        """Wakes the watch if something may expire before it would look by itself."""
        expiry = self._expiries.next_at
        if expiry is not None and (self._watches_at is None or expiry < self._watches_at):
            self._sooner.set()

    async def _watch(self) -> None:
        """Asks for a block when a transaction expires or the idle interval ends."""
        while True:
            now = self._clock.now_ms()
            due = await self._expiries.due(now)
            if due is not None:
                self.put(BlockNeeded(due))
            beat = self._until_heartbeat()
            if beat is not None and beat <= 0:
                self._last_block = time.monotonic()
                self.put(BlockNeeded(self._chain.time))
                continue
            self._watches_at = expiry = self._expiries.next_at
            delays = [beat] if beat is not None else []
            if expiry is not None:
                delays.append(max(0.01, (expiry - self._clock.now_ms()) / 1000))
            self._sooner.clear()
            try:
                await asyncio.wait_for(self._sooner.wait(), min(delays, default=None))
            except TimeoutError:
                continue

    def _until_heartbeat(self) -> float | None:
        if not self._heartbeat_ms:
            return None
        return self._last_block + self._heartbeat_ms / 1000 - time.monotonic()

    # --- actions -------------------------------------------------------------------------

    def _perform(self, action: Action) -> None:
        """Starts an action; what takes time goes on beside the loop."""
        match action:
            case SendTo():
                self._peers.send(action.peers, action.message)
            case SetTimer():
                self._set_timer(action)
            case CancelTimer():
                self._cancel_timer(action.timer)
            case Append():
                self._writer.append(action.kind, action.height, action.data)
            case Sign():
                self._sign(action.request)
            case SignStatus():
                self._sign_status(action)
            case SyncLog() | MirrorGuard() | Commit() | ApplyBlock():
                if not self._halted:
                    self._writer.put(partial(self._written, action))
            case CheckProposal():
                self._in_work = action.height
                self._start(self._check_proposal(action))
            case _:
                self._perform_beside(action)

    def _perform_beside(self, action: Action) -> None:
        match action:
            case SendTransactions():
                self._send_transactions(action)
            case SealBatch():
                self._start(self._seal(action), stages.BATCHES)
            case CheckBatch():
                if self._verifier.put(action):
                    self._start(self._verifier.run(), stages.BATCHES)
            case MakeProposal():
                self._start(self._propose(action))
            case ExecuteProposal():
                self._start(self._execute(action))
            case ReadBlocks():
                self._start(self._read_blocks(action))
            case Forwarded():
                self._start(self._forwarded(action))
            case _:
                self._tell(action)

    def _tell(self, action: Action) -> None:
        match action:
            case Decided():
                self._tell_decided(action)
            case Dropped():
                self._expired += action.entries
                self._resolve_expired()
            case PenalisePeer():
                self._metrics.penalties.labels(kind_of(action.reason)).inc()
                self._peers.penalise(action.peer, action.reason, action.ban)
            case ReportEvidence():
                self._report(action)
            case Alarm():
                self.alarm(action.code, action.text)
                if action.code == "guard_silent":
                    self._health.raise_reason(action.code, action.text)
            case Halt():
                self._halted = True
                self.alarm(action.code, action.text)
                self._health.raise_reason(action.code, action.text)
            case _:
                self._fail(f"the host does not know {type(action).__name__}")

    async def _written(self, action: Action) -> None:
        """One piece of work of the writer's queue."""
        match action:
            case SyncLog():
                await self._writer.write(self._sync)
                self.put(LogSynced(action.number))
            case MirrorGuard():
                await self._writer.write(partial(self._chain.guard_write, action.record))
            case Commit():
                await self._commit(action.certificate)
            case ApplyBlock():
                await self._apply(action)

    def _sync(self) -> None:
        started = time.perf_counter()
        self._chain.sync()
        self._metrics.host.fsync.labels("log").observe(time.perf_counter() - started)

    # --- batches -------------------------------------------------------------------------

    async def _seal(self, action: SealBatch[core.Admission]) -> None:
        key = self._key
        assert key is not None
        groups = [entry.group for entry in action.entries]
        batch = await self._threads.admit(partial(self._chain.batch, groups, action.number, key))
        self.put(Sealed(action.number, batch))

    def _send_transactions(self, action: SendTransactions[core.Admission]) -> None:
        for entry in action.entries:
            body = self._door.body(entry.number)
            if body is None and self._door.waits(entry.number):
                # It was admitted when this node had a vote, and was not kept as it came.
                body = entry.group.body
            if body is not None:
                self._peers.send((action.peer,), Transactions(body))

    async def _forwarded(self, action: Forwarded) -> None:
        try:
            organisation = self._peers.organisation(action.peer)
            origin = Origin(f"peer {action.peer.hex()[:16]}", organisation)
            await self._door.bulk(action.body, origin)
        except DoorError as error:
            log.info("transactions of an observer were refused: %s", error.detail)
            if error.code in NO_BULK_BODY:
                self._peers.penalise(action.peer, "transactions that are no bulk body", False)

    # --- proposals -----------------------------------------------------------------------

    async def _propose(self, action: MakeProposal[core.Batch]) -> None:
        chain, batches = self._chain, list(action.batches)
        started = time.monotonic()

        def propose() -> tuple[bytes, bytes]:
            block_time = max(chain.time + 1, self._clock.now_ms())
            proposal = chain.propose(block_time, action.parent_round, batches)
            return proposal, chain.proposal_digest(proposal)

        try:
            proposal, digest = await self._threads.execute(propose)
        except core.CoreError as error:
            self._log_stale("propose", action.height, error)
            return
        self._metrics.phase.labels("propose").observe(time.monotonic() - started)
        payload = tuple(batch.digest for batch in batches)
        self.put(Proposed(action.height, action.round, digest, proposal, payload))

    async def _check_proposal(self, action: CheckProposal[core.Batch]) -> None:
        """Judges the time by the clock, the rest in the writer's queue, which keeps its order."""
        if action.parent_round is not None and await self._judge_time(action):
            return
        self._writer.put(partial(self._check_and_append, action))

    async def _judge_time(self, action: CheckProposal[core.Batch]) -> bool:
        """Waits while a proposal is ahead of the clock; whether it is refused as too old."""
        try:
            block_time = self._chain.proposal_fields(action.proposal)[1]
        except core.CoreError as error:
            self._answer_check(action, _sentence(error))
            return True
        tolerance = self._ledger.clock_tolerance_ms
        if block_time < self._clock.now_ms() - tolerance:
            self._answer_check(action, "its time is behind this node's clock", untimely=True)
            return True
        waited = 0.0
        while (ahead := block_time - tolerance - self._clock.now_ms()) > 0:
            if waited > HELD_SECONDS_MAX or action.height <= self._chain.height:
                self._answer_check(action, "its time is ahead of this node's clock", untimely=True)
                return True
            await asyncio.sleep(min(1.0, ahead / 1000))
            waited += min(1.0, ahead / 1000)
        return False

    async def _check_and_append(self, action: CheckProposal[core.Batch]) -> None:
        batches = list(action.batches)
        check = partial(
            self._chain.check_proposal,
            action.proposal,
            action.digest,
            batches,
            action.parent_round,
        )
        started = time.monotonic()
        try:
            await self._threads.execute(check)
        except core.CoreError as error:
            self._answer_check(action, _sentence(error))
            return
        await self._writer.write(partial(self._chain.append_bodies, action.height, batches))
        self._metrics.phase.labels("check").observe(time.monotonic() - started)
        self._answer_check(action)

    def _answer_check(
        self, action: CheckProposal[core.Batch], reason: str = "", *, untimely: bool = False
    ) -> None:
        if reason and action.height > self._chain.height:
            # One that comes late, after its height was decided, is nobody's fault.
            log.warning("the proposal of height %d is refused: %s", action.height, reason)
        self.put(ProposalChecked(action.height, action.digest, not reason, untimely, reason))

    async def _execute(self, action: ExecuteProposal[core.Batch]) -> None:
        started = time.monotonic()
        work = partial(self._chain.execute, action.proposal, list(action.batches))
        try:
            execution = await self._threads.execute(work)
        except core.StorageFull as error:
            self.put(ProposalExecuted(action.height, action.digest, None, _sentence(error)))
            return
        except core.CoreError as error:
            self._log_stale("execute", action.height, error)
            self.put(ProposalExecuted(action.height, action.digest, None, _sentence(error)))
            return
        self._metrics.phase.labels("execute").observe(time.monotonic() - started)
        if action.height == self._chain.height + 1:
            self._executions[action.digest] = execution
            self._batches[action.digest] = len(action.batches)
        outcome = execution.outcome_hash
        self.put(ProposalExecuted(action.height, action.digest, outcome))

    def _log_stale(self, what: str, height: int, error: core.CoreError) -> None:
        if height == self._chain.height + 1:
            self.alarm("internal", f"cannot {what} height {height}: {_sentence(error)}")

    # --- signatures ----------------------------------------------------------------------

    def _sign(self, request: VoteRequest) -> None:
        if self._halted:
            return
        assert self._key is not None
        signature = self._key.sign(vote_bytes(self._chain.chain_id, request))
        self.put(Signed(request, signature))

    def _sign_status(self, action: SignStatus) -> None:
        status = replace(
            action.status,
            time=self._clock.now_ms(),
            pool=self._door.pool.transactions,
            certificate_days=max(0, self._peers.certificate_days),
            links=self._peers.links(),
            signature=b"",
        )
        if status.validator is not None and self._key is not None:
            message = status_bytes(self._chain.chain_id, status)
            status = replace(status, signature=self._key.sign(message))
        self.put(StatusSigned(status))

    # --- decisions -----------------------------------------------------------------------

    async def _commit(self, certificate: Certificate) -> None:
        request = certificate.request
        if request.height != self._chain.height + 1:
            return  # it came by sync meanwhile
        started = time.monotonic()
        execution = self._executions[request.digest]
        data = encode_certificate(certificate)
        await self._writer.write(partial(self._chain.commit, execution, data))
        self._metrics.phase.labels("commit").observe(time.monotonic() - started)
        self._publish(execution)

    async def _apply(self, action: ApplyBlock) -> None:
        """Verifies, executes and commits a block that others decided."""
        parts = action.parts
        if parts.height != self._chain.height + 1:
            self.put(ApplyFailed(parts.height, "another height is due"))
            return
        started = time.monotonic()
        block = Applying(self._chain, parts, self._executions, action.known)
        try:
            await self._writer.write(block.run)
        except core.CoreError as error:
            self.put(ApplyFailed(parts.height, _sentence(error)))
            return
        execution = block.execution
        if block.diverges:
            expected, here = block.expected.hex(), execution.outcome_hash.hex()
            text = f"the block has outcome {expected}, here {here}"
            self.put(ApplyFailed(parts.height, text, diverged=True))
            return
        self._batches[execution.digest] = len(block.batches)
        self._metrics.phase.labels("apply").observe(time.monotonic() - started)
        self._publish(execution)

    def _publish(self, execution: core.Execution) -> None:
        final, rejected, skipped = execution.counts
        self._metrics.blocks.inc()
        for outcome, count in (("final", final), ("rejected", rejected), ("skipped", skipped)):
            self._metrics.transactions.labels(outcome).inc(count)
        self._count_codes(execution)
        for text in execution.alarms:
            self.alarm("internal", text)
        if self._chain.height > 1:
            interval = time.monotonic() - self._decided_at
            self._metrics.consensus.interval.observe(interval)
        self._last_block = self._decided_at = time.monotonic()
        self.last_decision_ms = self._clock.now_ms()
        self._executions.clear()
        self._decided = {execution.height: execution}
        self._in_work = 0
        self._door.set_block_limits(self._ledger.limits())
        self.on_block()
        tip: Tip = self._ledger.tip()
        if tip.certificate is not None:
            decided = tip.certificate.request
            left = self._configuration.views_left(self._newest, decided)
            self._metrics.consensus.view_changes.inc(left)
            self._newest = decided
        self._configuration = self._ledger.configuration()
        self.put(Committed(tip, self._configuration, self._ledger.limits()))

    def _count_codes(self, execution: core.Execution) -> None:
        codes: Counter[int] = Counter()
        for place in range(self._batches.get(execution.digest, 0)):
            codes.update(memoryview(execution.codes(place)).cast("H"))
        self._batches.clear()
        names = core.code_names()
        for number, count in codes.items():
            name = "skipped" if number == core.SKIPPED else names[number]
            self._metrics.consensus.outcomes.labels(name).inc(count)

    def _tell_decided(self, action: Decided) -> None:
        """Resolves the groups of this node's batches in a block."""
        execution = self._decided[action.height]
        self.heights.publish(action.height)
        starts = first_receipts(execution, [place for place, _ in action.own])
        for (place, entries), start in zip(action.own, starts, strict=True):
            codes = split_codes(execution.codes(place), entries)
            self._expiries.watch_skipped(entries, codes)
            self._door.decided(entries, action.height, codes, start)
        self._decided.clear()
        if self._door.forwards and self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._find_forwarded())
            self._tasks.add(self._looking)
            self._looking.add_done_callback(self._finished)
        self._resolve_expired()
        self._door.recent.forget(self._chain.time)
        self._look_again()

    async def _find_forwarded(self) -> None:
        """Ends groups that another node put into a block, or that expired."""
        for entry in self._door.waiting():
            work = partial(_receipts_of, self._chain, entry.group)
            found = await self._threads.read(work)
            if found is not None:
                codes, at, first = found
                self._door.decided([entry], at, [codes], first)
            elif entry.latest_expiry < self._chain.time:
                self._expired.append(entry)
        self._looking = None
        self._resolve_expired()

    def _resolve_expired(self) -> None:
        """Ends groups that no block holds, once a block is later than their time."""
        now = self._chain.time
        over = [entry for entry in self._expired if entry.latest_expiry < now]
        if over:
            self._expired = [entry for entry in self._expired if entry.latest_expiry >= now]
            codes = [core.SKIPPED.to_bytes(2, "little") * len(entry.group) for entry in over]
            self._door.decided(over, self._chain.height, codes)

    async def _read_blocks(self, action: ReadBlocks) -> None:
        work = partial(_parts_of, self._chain, action.first, action.last, action.bytes_max)
        blocks = await self._threads.read(work)
        self.put(BlocksRead(action.peer, action.number, blocks))

    # --- plumbing ------------------------------------------------------------------------

    def _storage(self, error: core.StorageFull | None) -> None:
        if error is None:
            self._health.clear("storage_full")
            return
        text = core.error_detail(error)
        if all(reason.code != "storage_full" for reason in self._health.reasons):
            self.alarm("storage_full", text)
        self._health.raise_reason("storage_full", text)

    def _report(self, evidence: ReportEvidence) -> None:
        first = evidence.first.request
        if is_divergence(evidence):
            # Nobody has lied: another version or damage is at work there.
            self.alarm(
                "divergence",
                f"validator {evidence.first.validator} signed two outcomes of one proposal of "
                f"height {first.height}",
            )
            return
        self.evidence = [*self.evidence, evidence][-EVIDENCE_KEPT:]
        self._metrics.consensus.evidence.inc()
        self.alarm(
            "evidence",
            f"validator {evidence.first.validator} signed two statements for height "
            f"{first.height}, round {first.round}, phase {first.phase.name}",
        )
        self.on_evidence(evidence)

    def _start(self, work: Coroutine[Any, Any, None], stage: str = stages.ENGINE) -> None:
        timed = self._metrics.stages.run(stage, work)
        task = asyncio.get_running_loop().create_task(timed)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            error = task.exception()
            log.critical("the node failed", exc_info=error)
            self._fail(f"the node failed: {error!r}")

    def _fail(self, text: str) -> None:
        self._health.raise_reason("failed", text)
        self._queue(RuntimeError(text))

    def _set_timer(self, action: SetTimer) -> None:
        self._cancel_timer(action.timer)

        def elapsed() -> None:
            self._timers.pop(action.timer, None)
            self.put(Elapsed(action.timer))

        loop = asyncio.get_running_loop()
        self._timers[action.timer] = loop.call_later(action.delay_ms / 1000, elapsed)

    def _cancel_timer(self, timer: TimerId) -> None:
        handle = self._timers.pop(timer, None)
        if handle is not None:
            handle.cancel()

    def alarm(self, code: str, text: str) -> None:
        """Something that a person must look at."""
        self._metrics.alarms.labels(code).inc()
        log.error("%s: %s", code, text)


def _stage_of(event: ReplicaInput) -> str:
    match event:
        case Received(message=message) if isinstance(message, OF_BATCHES):
            return stages.BATCHES
        case Sealed() | BatchChecked() | PoolChanged():
            return stages.BATCHES
        case _:
            return stages.ENGINE


def _sentence(error: core.CoreError) -> str:
    return f"{core.error_code(error)}: {core.error_detail(error)}"


def _parts_of(chain: core.Chain, first: int, last: int, bytes_max: int) -> tuple[BlockParts, ...]:
    blocks: list[BlockParts] = []
    size = 0
    for height in range(first, last + 1):
        parts = chain.block_parts(height)
        if parts is None:
            break
        proposal, certificate, headers, bodies = parts
        size += len(proposal) + len(certificate) + sum(map(len, headers)) + sum(map(len, bodies))
        if blocks and size > bytes_max:
            break
        blocks.append(BlockParts(height, proposal, certificate, tuple(headers), tuple(bodies)))
    return tuple(blocks)


def _receipts_of(chain: core.Chain, group: core.Admission) -> tuple[bytes, int, int] | None:
    """Codes of a group's transactions, their height, and the place of the first receipt.

    None as long as its first transaction has no receipt: a group enters a block whole.
    """
    hashes = group.hashes
    expiries = memoryview(group.expiries).cast("Q")
    admitted = [hashes[32 * place : 32 * place + 32] for place, end in enumerate(expiries) if end]
    first = chain.status_json(admitted[0], False)
    if first is None:
        return None
    fields = core.decode_json(first)
    numbers = {name: number for number, name in core.code_names().items()}
    codes = [numbers[str(fields["code"])]]
    for digest in admitted[1:]:
        text = chain.status_json(digest, False)
        code = None if text is None else core.decode_json(text)["code"]
        codes.append(core.SKIPPED if code is None else numbers[str(code)])
    encoded = b"".join(code.to_bytes(2, "little") for code in codes)
    return encoded, int(fields["height"]), int(fields["index"])

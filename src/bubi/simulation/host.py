"""One incarnation of a node: the production replica with virtual disk, clock and network.

It performs every action of `replica.events` with delays of its own. Writes run one after another,
as on the writer thread of a node; the rest overlaps.
"""

import contextlib
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from zlib import crc32

from bubi import core, messages
from bubi.consensus import guard
from bubi.consensus.engine import ReportEvidence, TimerId
from bubi.ledger import vote_bytes
from bubi.mempool import Entry, Mempool
from bubi.mempool import Limits as PoolLimits
from bubi.replica import events
from bubi.replica.replica import Replica
from bubi.simulation.declaring import Declaring
from bubi.simulation.ledger import GUARD_RECORD, PREPARED_RECORD, Key, Ledger
from bubi.simulation.scheduler import MILLISECOND, SECOND
from bubi.simulation.trace import KINDS, SUBMITTED, event_print, message_print, sent_print

if TYPE_CHECKING:
    from bubi.simulation.byzantine import Behaviour
    from bubi.simulation.cluster import Cluster

EPOCH_MS = 1_800_000_000_000
"""Time of day (ms) at which every simulation starts."""
FULL_RETRY = SECOND
CHECK_BATCH = 200
SEAL_BATCH = 100
EXECUTE = 1 * MILLISECOND
POOL = PoolLimits(10_000, 16 << 20)
HEARTBEAT = 1_500 * MILLISECOND
REFUSALS_MAX = 200
"""Wrong blocks of one height that a node may be given: each costs its giver the connection."""


@dataclass(slots=True)
class Clock:
    """A clock that is off by `offset_ms` and runs `rate` times as fast as it should."""

    offset_ms: int = 0
    rate: float = 1.0

    def now(self, time_us: int) -> int:
        """Time of day in ms."""
        return EPOCH_MS + self.offset_ms + int(time_us * self.rate) // MILLISECOND


class Place:
    """A node over its whole life. `host` is its running incarnation, None while it is down.

    `index` numbers machines, `member` is the validator whose key it holds: a twin has a number of
    its own and the member of another.
    """

    def __init__(self, index: int, member: int, key: Key, disk: core.SimulatedDisk) -> None:
        self.index = index
        self.member = member
        self.key = key
        self.disk = disk
        self.peer = core.hash(0, b"node %d" % index)
        self.name = f"node-{index + 1}"
        self.organisation = f"organisation-{index + 1}"
        self.clock = Clock()
        self.host: Host | None = None
        self.behaviour: Behaviour | None = None
        self.faulty = False
        self.twin = False
        """Whether it is a second machine with the key of another one."""
        self.armed: set[str] = set()
        """Faults of its disk that its next write or sync meets."""
        self.slow = 1
        self.crash_in_write: str | None = None
        self.halted = False
        """Stopped for good: damage that it must not repair alone, or divergence."""
        self.incarnations = 0


class Host:
    """See the module."""

    def __init__(self, cluster: "Cluster", place: Place) -> None:
        """Opens the ledger and the replica.

        Raises:
            CoreError: the ledger cannot be opened.
        """
        self.cluster = cluster
        self.place = place
        self.dead = False
        self.ledger = Ledger(place.disk, cluster.genesis, place.key)
        self.pool: Mempool[core.Admission] = Mempool(POOL)
        self.peers: dict[bytes, int] = {}
        self.restored = self.ledger.restored_guard()
        self.replica: Replica = cluster.make_replica(place, self.restored, self.pool)
        self.configuration = self.ledger.configuration()
        purpose = f"declarations {place.index} {place.incarnations}"
        self.declaring = Declaring(self, self.ledger.view, cluster.random(purpose))
        self.applying = False
        self._perform: dict[type, Callable[[Any], None]] = {
            events.SendTo: self._send,
            events.SendTransactions: self._send_transactions,
            events.SetTimer: self._set_timer,
            events.CancelTimer: self._cancel_timer,
            events.SealBatch: self._later(SEAL_BATCH, self._seal),
            events.CheckBatch: self._later(CHECK_BATCH, self._check_batch),
            events.MakeProposal: self._later(SEAL_BATCH, self._propose),
            events.CheckProposal: self._check_proposal,
            events.ExecuteProposal: self._later(EXECUTE, self._execute),
            events.Append: self._append,
            events.SyncLog: self._sync,
            events.MirrorGuard: self._mirror,
            events.Sign: self._sign,
            events.SignStatus: self._sign_status,
            events.Commit: self._commit,
            events.ApplyBlock: self._apply,
            events.ReadBlocks: self._later(EXECUTE, self._read_blocks),
            events.Forwarded: self._forwarded,
            events.PenalisePeer: self._penalise,
            ReportEvidence: self._evidence,
            events.Alarm: self._alarm,
            events.Halt: self._halt,
            events.Decided: self._decided,
            events.Dropped: self._dropped,
        }
        self._events: deque[Any] = deque()
        self._handling = False
        self._timers: dict[TimerId, int] = {}
        self._timer_number = 0
        self._writes: deque[tuple[int, Callable[[Any], None], Any]] = deque()
        self._writing = False
        # Opening the log made durable what it held.
        self._unsynced: list[bytes] = [guard.encode(entry) for entry in self.restored.entries]
        self._unsynced_kinds = [
            (kind, self.ledger.height + 1) for kind, _ in self.ledger.records()
        ]
        self._bodies: dict[bytes, bytes] = {}
        self._on_their_way: dict[int, Entry[core.Admission]] = {}
        self._proposed = b""
        self._refused: Counter[int] = Counter()
        self._busy_until = 0
        self._beat = 0

    def start(self) -> None:
        """Says to the replica what was found."""
        ledger = self.ledger
        records = ledger.records()
        if any(kind == PREPARED_RECORD for kind, _ in records):
            self.cluster.marks["restart_with_prepared_certificate"] += 1
        elif records:
            self.cluster.marks["restart_with_accepted_proposal"] += 1
        if self.restored.silent is not None:
            self.cluster.checkers.guard_silent(self.place, self.restored.silent)
        self.cluster.follow(self)
        self.cluster.checkers.opened(self.place, ledger, self.restored)
        self._durable()
        self.feed(
            events.Opened(
                ledger.tip(),
                self.configuration,
                ledger.limits(),
                records,
                ledger.bodies(),
                ledger.ordered(),
            )
        )
        self._schedule_heartbeat()

    # --- inputs ------------------------------------------------------------------------------

    def feed(self, event: Any) -> None:
        """Gives an input to the replica and performs what it asks."""
        if self.dead:
            return
        self._take(event, event_print(event))

    def receive(self, received: events.Received, print_: int) -> None:
        """A message arrived; a slow node gets to it later."""
        if self.dead or received.peer not in self.peers:
            return
        if self.place.slow == 1:
            self._take(received, print_)
            return
        scheduler = self.cluster.scheduler
        self._busy_until = max(self._busy_until, scheduler.now) + 500 * self.place.slow
        scheduler.at(self._busy_until, self._receive_late, (received, print_))

    def _receive_late(self, late: tuple[events.Received, int]) -> None:
        if not self.dead and late[0].peer in self.peers:
            self._take(*late)

    def _take(self, event: Any, print_: int) -> None:
        self._events.append((event, print_))
        if self._handling:
            return
        self._handling = True
        cluster, place = self.cluster, self.place
        trace, scheduler = cluster.trace, cluster.scheduler
        queue, handle, perform = self._events, self.replica.handle, self._perform
        try:
            while queue and not self.dead:
                event, print_ = queue.popleft()
                trace.add(scheduler.now, place.index, KINDS[type(event)], print_)
                if trace.say is not None:
                    cluster.tell(place, event)
                for action in handle(event):
                    if self.dead:
                        # An action may have ended this host.
                        return  # type: ignore[unreachable]
                    if trace.say is not None:
                        cluster.tell(place, action)
                    kind = type(action)
                    if kind is not events.SendTo:
                        trace.add(scheduler.now, place.index, KINDS[kind], event_print(action))
                    perform[kind](action)
        except Exception as error:
            cluster.checkers.raised(place, error)
        finally:
            self._handling = False

    def _later(self, delay: int, call: Callable[[Any], None]) -> Callable[[Any], None]:
        """Performs an action after its work took some time."""

        def done(action: Any) -> None:
            if not self.dead:
                call(action)

        def plan(action: Any) -> None:
            self.cluster.scheduler.after(delay * self.place.slow, done, action)

        return plan

    @property
    def time(self) -> int:
        """Time of day by this node's clock (ms)."""
        return self.place.clock.now(self.cluster.scheduler.now)

    # --- network and timers ------------------------------------------------------------------

    def _send(self, action: events.SendTo) -> None:
        message = action.message
        cluster, place = self.cluster, self.place
        print_ = message_print(message)
        sent = sent_print(action.peers, print_)
        cluster.trace.add(cluster.scheduler.now, place.index, KINDS[events.SendTo], sent)
        if type(message) is messages.Consensus:
            signed = message.message.signed
            cluster.checkers.sent(place, message.message, signed)
        if cluster.plan.encoded:
            message = messages.decode(messages.encode(message))
        if place.behaviour is not None:
            place.behaviour.send(self, action.peers, message)
            return
        self.transmit(action.peers, message, print_)

    def transmit(
        self, peers: tuple[bytes, ...], message: messages.PeerMessage, print_: int | None = None
    ) -> None:
        """Puts a message on the links to these peers."""
        print_ = message_print(message) if print_ is None else print_
        envelope = (events.Received(self.place.peer, message), print_)
        send, index, known = self.cluster.network.send, self.place.index, self.peers
        for peer in peers:
            target = known.get(peer)
            if target is not None:
                send(index, target, envelope)

    def peer_up(self, other: Place) -> None:
        """A connection to another node is open."""
        self.peers[other.peer] = other.index
        observer = other.host is not None and other.host.configuration.own is None
        self.feed(events.PeerUp(other.peer, other.name, other.organisation, observer))

    def peer_down(self, other: Place) -> None:
        """The connection to another node ended."""
        if self.peers.pop(other.peer, None) is not None:
            self.feed(events.PeerDown(other.peer))

    def need_block(self, time: int) -> None:
        """A client waits for a block later than this time."""
        self.feed(events.BlockNeeded(time))

    def _send_transactions(self, action: events.SendTransactions[core.Admission]) -> None:
        for entry in action.entries:
            body = self._bodies.get(entry.group.hashes)
            if body is not None:
                self._on_their_way[entry.number] = entry
                self.transmit((action.peer,), messages.Transactions(body))

    def _set_timer(self, action: events.SetTimer) -> None:
        self._timer_number += 1
        self._timers[action.timer] = self._timer_number
        delay = int(action.delay_ms * MILLISECOND / self.place.clock.rate)
        self.cluster.scheduler.after(delay, self._elapsed, (action.timer, self._timer_number))

    def _cancel_timer(self, action: events.CancelTimer) -> None:
        self._timers.pop(action.timer, None)

    def _elapsed(self, timer: tuple[TimerId, int]) -> None:
        if not self.dead and self._timers.get(timer[0]) == timer[1]:
            del self._timers[timer[0]]
            self.feed(events.Elapsed(timer[0]))

    # --- the ledger --------------------------------------------------------------------------

    def _seal(self, action: events.SealBatch[core.Admission]) -> None:
        self.feed(events.Sealed(action.number, self.ledger.seal(action.entries, action.number)))

    def _check_batch(self, action: events.CheckBatch) -> None:
        try:
            batch = self.ledger.check_batch(action.header, action.body)
        except core.CoreError as error:
            self.feed(events.BatchChecked(action.digest, None, core.error_detail(error)))
            return
        wrong = batch.digest != action.digest
        self.feed(
            events.BatchChecked(action.digest, None if wrong else batch, "digest" if wrong else "")
        )

    def _propose(self, action: events.MakeProposal[core.Batch]) -> None:
        behaviour = self.place.behaviour
        delay = behaviour.delay if behaviour is not None else 0
        if delay:
            self.cluster.scheduler.after(delay, self._propose_late, action)
        else:
            self._propose_now(action, action.batches)

    def _propose_late(self, action: events.MakeProposal[core.Batch]) -> None:
        """A liar chooses what it names, as late as it may."""
        behaviour = self.place.behaviour
        if not self.dead and behaviour is not None and self.ledger.height + 1 == action.height:
            self._propose_now(action, behaviour.choose(action.round, action.batches))

    def _propose_now(
        self, action: events.MakeProposal[core.Batch], batches: tuple[core.Batch, ...]
    ) -> None:
        ledger = self.ledger
        if ledger.height + 1 != action.height:
            return
        time = max(self.time, ledger.time + 1)
        try:
            proposal, digest = ledger.propose(time, action.parent_round, batches)
        except core.CoreError as error:
            reason = core.error_detail(error)
            self.cluster.checkers.refused_own(self.place, action.height, reason)
            return
        payload = tuple(batch.digest for batch in batches)
        self._proposed = digest
        self.feed(events.Proposed(action.height, action.round, digest, proposal, payload))

    def _check_proposal(self, action: events.CheckProposal[core.Batch]) -> None:
        ledger = self.ledger
        try:
            _, time, _, _ = ledger.proposal_fields(action.proposal)
        except core.CoreError as error:
            self._refuse_proposal(action, core.error_detail(error))
            return
        if action.parent_round is not None:
            ahead = time - self.time
            tolerance = ledger.clock_tolerance_ms
            if ahead < -tolerance:
                self._refuse_proposal(action, "its time is behind the clock", untimely=True)
                return
            if ahead > tolerance:
                # The answer waits until the time has come.
                delay = (ahead - tolerance) * MILLISECOND
                self.cluster.marks["proposal_ahead_of_the_clock"] += 1
                self.cluster.scheduler.after(delay, self._append_proposal, action)
                return
        self._append_proposal(action)

    def _append_proposal(self, action: events.CheckProposal[core.Batch]) -> None:
        if not self.dead:
            self._write(0, self._append_bodies, action)

    def _append_bodies(self, action: events.CheckProposal[core.Batch]) -> None:
        ledger = self.ledger
        try:
            ledger.check_proposal(
                action.proposal, action.digest, action.batches, action.parent_round
            )
        except core.CoreError as error:
            reason = core.error_detail(error)
            if action.digest == self._proposed and action.height == ledger.height + 1:
                self.cluster.checkers.refused_own(self.place, action.height, reason)
            self._refuse_proposal(action, reason)
            return
        ledger.append_bodies(action.height, action.batches)
        self.feed(events.ProposalChecked(action.height, action.digest, True))

    def _refuse_proposal(
        self, action: events.CheckProposal[core.Batch], reason: str, *, untimely: bool = False
    ) -> None:
        self.feed(events.ProposalChecked(action.height, action.digest, False, untimely, reason))

    def _execute(self, action: events.ExecuteProposal[core.Batch]) -> None:
        outcome, reason = None, ""
        try:
            outcome = self.ledger.execute(action.proposal, action.digest, action.batches)
        except core.CoreError as error:
            reason = core.error_detail(error)
        self.feed(events.ProposalExecuted(action.height, action.digest, outcome, reason))

    # --- the writer --------------------------------------------------------------------------

    def _write(self, cost: int, call: Callable[[Any], None], argument: Any) -> None:
        self._writes.append((cost, call, argument))
        if not self._writing:
            self._next_write()

    def _next_write(self) -> None:
        writes = self._writes
        while writes and not self.dead:
            cost = writes[0][0]
            if cost:
                self._writing = True
                cost *= self.place.slow
                self.cluster.scheduler.after(cost, self._finish_write, None)
                mode, self.place.crash_in_write = self.place.crash_in_write, None
                if mode is not None:
                    self.cluster.crash_within(self, mode, cost)
                return
            self._run_write()
            if self._writing:
                # It found no space and is tried again later.
                return

    def _finish_write(self, _: None) -> None:
        if self.dead:
            return
        self._writing = False
        self._run_write()
        if not self._writing:
            self._next_write()

    def _run_write(self) -> None:
        _, call, argument = self._writes[0]
        self._writing = True
        try:
            call(argument)
        except core.StorageFull:
            # The same write is tried again until there is space; whatever follows waits.
            self.cluster.marks["write_refused_for_space"] += 1
            self.cluster.nemesis.met(self.place, "disk_full")
            self.cluster.scheduler.after(FULL_RETRY, self._finish_write, None)
            return
        except core.StorageFatal:
            self.cluster.nemesis.met(self.place, "sync_error")
            self.cluster.exit_process(self)
            return
        except Exception as error:
            self.cluster.checkers.raised(self.place, error)
            return
        self._writes.popleft()
        self._writing = False

    def die_in_write(self) -> None:
        """The machine dies while the write at the head of the queue is synced."""
        self.place.disk.die_in_next_sync()
        _, call, argument = self._writes[0]
        with contextlib.suppress(core.StorageFatal, core.StorageFull):
            call(argument)

    def _append(self, action: events.Append) -> None:
        self._write(0, self._do_append, action)

    def _do_append(self, action: events.Append) -> None:
        self.ledger.append(action.kind, action.height, action.data)
        if action.kind == GUARD_RECORD:
            self._unsynced.append(action.data)
        else:
            self._unsynced_kinds.append((action.kind, action.height))

    def _durable(self) -> None:
        if self._unsynced or self._unsynced_kinds:
            self.cluster.checkers.durable(self.place, self._unsynced, self._unsynced_kinds)
            self._unsynced = []
            self._unsynced_kinds = []

    def _sync(self, action: events.SyncLog) -> None:
        self._write(self.cluster.plan.disk_us, self._do_sync, action)

    def _do_sync(self, action: events.SyncLog) -> None:
        self.ledger.sync()
        self._durable()
        self.feed(events.LogSynced(action.number))

    def _mirror(self, action: events.MirrorGuard) -> None:
        self._write(self.cluster.plan.disk_us, self._do_mirror, action)

    def _do_mirror(self, action: events.MirrorGuard) -> None:
        self.ledger.mirror(action.record)

    def _commit(self, action: events.Commit) -> None:
        self._write(self.cluster.plan.disk_us, self._do_commit, action)

    def _do_commit(self, action: events.Commit) -> None:
        self.ledger.commit(action.certificate)
        self._durable()
        self._committed()

    def _apply(self, action: events.ApplyBlock) -> None:
        self._write(self.cluster.plan.disk_us, self._do_apply, action)

    def _do_apply(self, action: events.ApplyBlock) -> None:
        reason = self.ledger.apply(action.parts)
        if reason is None:
            self._durable()
            self.cluster.marks["block_by_sync"] += 1
            self.applying = True
            self._committed()
            self.applying = False
            return
        self.cluster.marks["sync_block_refused"] += 1
        self._refused[action.parts.height] += 1
        if self._refused[action.parts.height] == REFUSALS_MAX:
            self.cluster.checkers.repeats(self.place, action.parts.height, REFUSALS_MAX)
        diverged = reason == "diverged"
        self.feed(events.ApplyFailed(action.parts.height, reason, diverged))

    def _committed(self) -> None:
        ledger = self.ledger
        tip = ledger.tip()
        self.cluster.committed(self, tip)
        self.configuration = ledger.configuration()
        self.cluster.follow(self)
        self._schedule_heartbeat()
        for entry in list(self._on_their_way.values()):
            # Another node put them into a block.
            if ledger.outcome(entry.group.hashes[:32]) is not None:
                del self._on_their_way[entry.number]
                self.pool.decided([entry])
        self.feed(events.Committed(tip, self.configuration, ledger.limits()))
        if not self.dead:
            self.declaring.committed()

    def _read_blocks(self, action: events.ReadBlocks) -> None:
        blocks = self.ledger.read_blocks(action.first, action.last, action.bytes_max)
        self.feed(events.BlocksRead(action.peer, action.number, blocks))

    # --- keys --------------------------------------------------------------------------------

    def _sign(self, action: events.Sign) -> None:
        delay = self.cluster.nemesis.key_delay()
        if delay:
            self.cluster.scheduler.after(delay, self._sign_late, action)
        else:
            self._use_key(action)

    def _sign_late(self, action: events.Sign) -> None:
        if not self.dead:
            self._use_key(action)

    def _use_key(self, action: events.Sign) -> None:
        assert self.place.key is not None
        request = action.request
        signature = self.place.key.sign(vote_bytes(self.ledger.chain_id, request))
        self.cluster.checkers.signed(self.place, request)
        if self.place.twin:
            self.cluster.injected["twin_key"] += 1
        self.feed(events.Signed(request, signature))

    def _sign_status(self, action: events.SignStatus) -> None:
        links = tuple(messages.Link(peer, self.cluster.plan.latency_us * 2) for peer in self.peers)
        status = replace(
            action.status,
            time=self.time,
            pool=self.pool.transactions,
            certificate_days=365,
            links=links,
        )
        self.feed(events.StatusSigned(self.cluster.sign_status(self.place, status)))

    # --- what the node tells -----------------------------------------------------------------

    def submit(self, body: bytes) -> core.Admission | None:
        """A client's bulk request; None if nothing was admitted."""
        now, index = self.cluster.scheduler.now, self.place.index
        self.cluster.trace.add(now, index, SUBMITTED, crc32(body))
        admission = self.ledger.admit(body, self.time)
        if admission.refused == admission.received or not self.pool.has_room(
            len(admission), admission.bytes
        ):
            return None
        expiries = memoryview(admission.expiries).cast("Q")
        self.pool.add(admission, max(expiries))
        self._bodies[admission.hashes] = body
        self.feed(events.PoolChanged())
        return admission

    def _forwarded(self, action: events.Forwarded) -> None:
        self.submit(action.body)

    def _penalise(self, action: events.PenalisePeer) -> None:
        self.cluster.penalised(self, action)

    def _evidence(self, action: ReportEvidence) -> None:
        self.cluster.checkers.evidence(self.place, action)
        self.declaring.evidence(action)

    def _alarm(self, action: events.Alarm) -> None:
        self.cluster.marks[f"alarm_{action.code}"] += 1
        if action.code == "guard_refused":
            self.cluster.checkers.refused(self.place, action.text)

    def _halt(self, action: events.Halt) -> None:
        self.cluster.checkers.halted(self.place, f"{action.code}: {action.text}")

    def _decided(self, action: events.Decided) -> None:
        if action.synced:
            self.cluster.marks["decided_by_sync"] += 1
        for _, entries in action.own:
            for entry in entries:
                hashes = entry.group.hashes
                for at in range(0, len(hashes), 32):
                    self.cluster.workload.resolved(self, hashes[at : at + 32])

    def _dropped(self, action: events.Dropped) -> None:
        self.cluster.marks["groups_dropped_as_expired"] += len(action.entries)

    def _schedule_heartbeat(self) -> None:
        self._beat += 1
        self.cluster.scheduler.after(HEARTBEAT, self._heartbeat, self._beat)

    def _heartbeat(self, beat: int) -> None:
        if not self.dead and beat == self._beat:
            self.feed(events.BlockNeeded(self.ledger.time))
            self._schedule_heartbeat()

"""A replica: one node's part of the protocol, from input to actions. Pure and deterministic.

`Replica.handle(input)` returns what the host must do, in order. It reads no clock and draws no
random number; what looks random comes from the node's id. Its parts: the driver with the engine
and the signer guard (consensus), `dissemination` (batches), `sync` (blocks that others decided),
`status` and `relay`. This module joins them: it decides when a block is asked for, what reaches
the engine, and that one block at a time is committed.
"""

import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bubi.consensus import driver, guard
from bubi.consensus import engine as engines
from bubi.consensus.driver import Begin, Synchronised
from bubi.consensus.engine import Certificate, Configuration, Engine, TimerId
from bubi.consensus.quorum import catch_up_weight
from bubi.dissemination import (
    FETCH_TIMER,
    HAVE_TIMER,
    RIPE_TIMER,
    SEAL_TIMER,
    BatchLimits,
    Dissemination,
)
from bubi.mempool import Mempool
from bubi.messages import (
    LINKS_MAX,
    BatchBody,
    BatchHave,
    BatchWant,
    Blocks,
    BlocksRequest,
    BlockWanted,
    Consensus,
    Status,
    Transactions,
)
from bubi.replica import events
from bubi.replica.events import (
    Action,
    Alarm,
    ApplyFailed,
    BatchChecked,
    BatchHandle,
    BlockNeeded,
    BlocksRead,
    Commit,
    Committed,
    Decided,
    Dropped,
    Elapsed,
    Forwarded,
    Halt,
    Limits,
    LogSynced,
    MakeProposal,
    Opened,
    Peer,
    PeerDown,
    PeerUp,
    PenalisePeer,
    PoolChanged,
    ProposalChecked,
    ProposalExecuted,
    Proposed,
    Received,
    ReplicaInput,
    Sealed,
    SendTo,
    SetTimer,
    Sign,
    Signed,
    StatusSigned,
    SyncLog,
    Tip,
)
from bubi.replica.forwarding import Forwarding
from bubi.replica.intake import Intake
from bubi.replica.links import (
    BATCHES_PER_SECOND,
    BLOCKS_PER_SECOND,
    DIGESTS_PER_SECOND,
    STATUSES_PER_SECOND,
    TRANSACTIONS_PER_SECOND,
    WISHES_PER_SECOND,
    Link,
    Links,
)
from bubi.replica.proposals import Proposals
from bubi.replica.settings import Checks, ReplicaSettings
from bubi.replica.status import OwnStatus, Statuses
from bubi.replica.view import MemberView, PeerView, ReplicaView
from bubi.sync import SYNC_TIMER, Sync

TICK_MS = 1_000
JITTER_MS = 250
PACE_MS = 150
"""Under load, least time from one proposal of this node to its next: the votes and syncs of a
block cost the same however few transactions it holds. Below a quarter of a second, or others would
take the leader for a slow one (`consensus.pbft`)."""
PACE_LIGHT_MS = 40
"""The same under a light load: about what a block takes, so that transactions which come one by
one do not make the nodes work on nothing but votes (ADR 0016)."""
PACE_ALONE_MS = 50
"""For a validator that asks nobody: a block costs it a sync and some Python. Under a light load
it waits for nothing."""
PACED_TRANSACTIONS = 250
"""After a block with fewer transactions load is light: then latency counts."""
FULL_SHARE = 4
"""Nor is one that would fill a quarter of a block."""
OBSERVER_STATUS_MS = 250
"""Least time between statuses that only tell observers of new blocks."""
EVIDENCE_MAX = 4_096
"""Contradictions remembered so that each is reported once."""

TICK_TIMER = TimerId(0, 0, "tick")
STATUS_TIMER = TimerId(0, 0, "status")
OBSERVERS_TIMER = TimerId(0, 0, "observers")
PACE_TIMER = TimerId(0, 0, "pace")


class Replica:
    """See the module.

    `restored` is the guard as its records left it, `pool` that of the door, `node` this node's id.
    Whether it is a validator stands in the configuration that its host gives it.
    """

    def __init__(
        self,
        engine: Engine[Any],
        checks: Checks,
        settings: ReplicaSettings,
        restored: guard.GuardState,
        pool: Mempool[Any],
        node: bytes,
    ) -> None:
        self._engine = engine
        self._checks = checks
        self._settings = settings
        self._pool = pool
        self._node = node
        self._driver: driver.DriverState[Any] = driver.initial(engine, restored)
        self._out: list[Action] = []
        batch_limits = BatchLimits(settings.batch_transactions_max, settings.batch_bytes_max)
        self._batches = Dissemination(self._out, pool, batch_limits, settings.first_number << 16)
        self._sync = Sync(self._out, self._batches.waiting)
        self._statuses = Statuses(checks)
        self._links = Links(self._out)
        self._proposals = Proposals(self._out, self._batches)
        self._intake = Intake(
            self._out,
            checks,
            self._links,
            self._statuses,
            self._peer_is_behind,
            self._peer_is_ahead,
        )
        self._tip = Tip(0, 0, b"", b"", None)
        self._configuration: Configuration | None = None
        self._limits = Limits(0, 0, 0, 0, 0)
        self._height = 0
        self._request: engines.RequestPayload | None = None
        self._making: tuple[int, int] | None = None
        self._made: tuple[int, int] | None = None
        self._paced = False
        self._committing: Certificate | None = None
        self._decided: Certificate | None = None
        self._work_said = 0
        self._needed = -1
        self._wished = -1
        self._halted: str | None = None
        self._ticks = 0
        self._tip_tick = 0
        self._own_status = OwnStatus(self._out, settings.first_number, self._draft_status)
        self._forwarding = Forwarding(self._out, pool, node)
        self._observers_timer = False
        self._evidence: OrderedDict[tuple[int, int, int, int], None] = OrderedDict()
        self._was_behind = False
        self._inputs: dict[type[Any], Callable[[Any], None]] = {
            Received: self._received,
            Elapsed: self._elapsed,
            Opened: self._opened,
            PeerUp: self._peer_up,
            PeerDown: self._peer_down,
            PoolChanged: self._pool_changed,
            BlockNeeded: self._block_needed,
            Sealed: self._sealed,
            BatchChecked: self._batch_checked,
            Proposed: self._proposed,
            ProposalChecked: self._proposal_checked,
            ProposalExecuted: self._proposal_executed,
            Signed: self._signed,
            StatusSigned: self._status_signed,
            LogSynced: self._log_synced,
            Committed: self._committed,
            ApplyFailed: self._apply_failed,
            BlocksRead: self._sync.read,
        }
        self._messages: dict[type[Any], Callable[[Peer, Link, Any], None]] = {
            Consensus: self._on_consensus,
            BatchBody: self._on_batch_body,
            BatchHave: self._on_batch_have,
            BatchWant: self._on_batch_want,
            BlockWanted: self._on_block_wanted,
            Transactions: self._on_transactions,
            Status: self._on_status,
            BlocksRequest: self._on_blocks_request,
            Blocks: self._on_blocks,
        }
        self._effects: dict[type[Any], Callable[[Any], None]] = {
            engines.Send: self._send,
            driver.Append: self._append,
            driver.Sync: self._sync_log,
            driver.MirrorGuard: self._mirror,
            driver.Alarm: self._alarm,
            engines.SetTimer: self._set_timer,
            engines.CancelTimer: self._cancel_timer,
            engines.RequestPayload: self._request_payload,
            engines.Validate: self._validate,
            engines.Execute: self._execute,
            engines.SignVote: self._sign,
            engines.Decide: self._decide,
            engines.Diverged: self._diverged,
            engines.ReportEvidence: self._report,
            engines.RequestSync: self._request_sync,
            engines.Penalise: self._penalise_member,
        }
        self._timers: dict[str, Callable[[], None]] = {
            TICK_TIMER.kind: self._tick,
            STATUS_TIMER.kind: self._status_elapsed,
            OBSERVERS_TIMER.kind: self._observers_elapsed,
            PACE_TIMER.kind: self._pace_elapsed,
            SEAL_TIMER.kind: self._seal_elapsed,
            HAVE_TIMER.kind: self._have_elapsed,
            RIPE_TIMER.kind: self._ripe_elapsed,
            FETCH_TIMER.kind: self._fetch_elapsed,
            SYNC_TIMER.kind: self._sync.elapsed,
        }

    def handle(self, event: ReplicaInput) -> list[Action]:
        """Takes one input; what the host must do, in order."""
        out = self._out
        self._inputs[type(event)](event)
        actions = out.copy()
        out.clear()
        return actions

    def view(self) -> ReplicaView:
        """What this replica shows of itself now."""
        configuration = self._configuration
        progress = self._engine.progress(self._driver.engine) if configuration else None
        believed = {peer: (height, fine) for peer, height, fine in self._sync.heights()}
        statuses = self._statuses
        members = tuple(
            MemberView(
                member.index,
                member.name,
                member.organisation,
                member.weight,
                member.index == configuration.own,
                statuses.peer(member.index) is not None,
                statuses.of_member(member.key),
            )
            for member in (configuration.members if configuration is not None else ())
            if configuration is not None
        )
        peers = tuple(
            PeerView(
                peer,
                link.name,
                link.organisation,
                link.observer,
                statuses.member(peer),
                *believed.get(peer, (-1, True)),
            )
            for peer, link in self._links.items()
        )
        return ReplicaView(
            height=self._height,
            tip=self._tip.height,
            round=progress.round if progress else 0,
            leader=progress.leader if progress else None,
            phase=progress.phase if progress else "opening",
            progress=progress,
            members=members,
            quorum=configuration.quorum if configuration is not None else 0,
            peers=peers,
            observers=statuses.observers(),
            unordered=self._batches.unordered,
            own_unordered=self._batches.own_unordered,
            missing=self._batches.missing,
            work=self._has_work(),
            in_sync=not self._sync.active,
            target=self._credible_target(),
            counters=replace(self._sync.counters),
            quiet_seconds=self._ticks - self._tip_tick,
            silent=self._driver.guard.silent,
            halted=self._halted,
            node=self._node,
        )

    def find_batch(self, digest: bytes) -> BatchHandle | None:
        """A verified batch that no block holds, or one of the newest block."""
        return self._batches.find(digest)

    def charged(self) -> dict[Peer, int]:
        """Batches that are kept or asked for here because of each peer."""
        return self._batches.charged()

    def _credible_target(self) -> int:
        """The height that others have, as far as it does not hang on one of them.

        Sync follows every claim, because a wrong one costs little. People are shown what enough
        members signed that one of them is correct or, before so many were heard, the middle one
        of what connected peers claim.
        """
        least = max(self._tip.height, self._sync.shown_by_consensus)
        configuration = self._configuration
        if configuration is None:
            return least
        heard = [
            (found.status.height, member.weight)
            for member in configuration.members
            if member.index != configuration.own
            and (found := self._statuses.of_member(member.key)) is not None
        ]
        enough = catch_up_weight(configuration.total, configuration.quorum)
        for height, weight in sorted(heard, reverse=True):
            enough -= weight
            if enough <= 0:
                return max(least, height)
        claims = sorted(height for _, height, believed in self._sync.heights() if believed)
        return max(least, claims[(len(claims) - 1) // 2]) if claims else least

    # --- start, peers, pool ------------------------------------------------------------------

    def _opened(self, event: Opened[Any]) -> None:
        self._tip = event.tip
        self._height = event.tip.height + 1
        self._configure(event.configuration, event.limits)
        self._intake.start(self._height, event.configuration)
        self._batches.restore(event.tip.time, event.ordered, event.batches)
        self._sync.opened(event.tip.height)
        jitter = zlib.crc32(self._node) % JITTER_MS
        self._out.append(SetTimer(TICK_TIMER, TICK_MS + jitter))
        self._out.append(SetTimer(STATUS_TIMER, self._settings.status_ms + jitter))
        certificate = event.tip.certificate
        self._drive(Begin(self._height, event.configuration, certificate, event.records))
        self._batches.seal()
        self._forward_groups()
        self._look_for_work()

    def _configure(self, configuration: Configuration, limits: Limits) -> bool:
        """Takes the settings of the next height; whether it is the first one of an epoch."""
        before = self._configuration
        self._configuration = configuration
        self._limits = limits
        self._batches.configure(configuration, limits, self._statuses.member)
        self._sync.eager = configuration.own is None
        changed = before is not None and before.epoch != configuration.epoch
        if before is None or changed:
            self._begin_epoch(configuration)
        known = self._settings.engines
        if known is not None and configuration.engine not in known:
            self._halt(
                "engine_unknown",
                f"height {self._height} is decided by the engine {configuration.engine}, which "
                f"this version does not run (it runs {', '.join(sorted(known))})",
            )
        return changed

    def _begin_epoch(self, configuration: Configuration) -> None:
        """Finds out again which connected nodes are members."""
        statuses = self._statuses
        were = {peer for peer, _ in self._links.items() if statuses.member(peer) is not None}
        statuses.configure(configuration)
        for peer, link in self._links.items():
            member = statuses.member(peer)
            if link.observer and member is not None:
                self._links.joined(link)
            elif member is None and peer in were:
                self._links.left(link)
        self._intake.links_changed()

    def _epoch_began(self) -> None:
        """After the last block of the epoch before was taken out of what waits."""
        self._batches.epoch_changed()
        if not self._is_observer():
            self._forwarding.stop()
        self._own_status.tell_all()

    def _peer_up(self, event: PeerUp) -> None:
        if event.peer in self._links:
            self._peer_down(PeerDown(event.peer))
        self._links.up(event)
        self._sync.peer_up(event.peer)
        self._intake.links_changed()
        if self._configuration is None:
            return
        if not event.observer:
            self._batches.peer_up(event.peer)
            self._forward_groups()
        self._own_status.tell(event.peer, self._tip.height)

    def _peer_down(self, event: PeerDown) -> None:
        if event.peer not in self._links:
            return
        self._links.down(event.peer)
        self._statuses.peer_down(event.peer)
        self._intake.links_changed()
        self._batches.peer_down(event.peer)
        self._sync.peer_down(event.peer)

    def _pool_changed(self, _event: PoolChanged) -> None:
        if self._configuration is None or self._halted is not None:
            return
        self._batches.seal()
        self._forward_groups()

    def _block_needed(self, event: BlockNeeded) -> None:
        if event.time <= self._needed:
            return
        self._needed = event.time
        if self._needed >= self._tip.time:
            if self._links.validators:
                self._out.append(SendTo(self._links.validators, BlockWanted(event.time)))
            self._look_for_work()

    # --- what waits to be decided ------------------------------------------------------------

    def _is_block_wanted(self) -> bool:
        if self._height <= self._tip.barrier:
            return True
        return max(self._needed, self._wished) >= self._tip.time

    def _has_work(self) -> bool:
        return self._is_block_wanted() or self._batches.has_work()

    def _look_for_work(self) -> None:
        """Tells the engine once per height that something waits, and answers a parked request."""
        if self._configuration is None or self._halted is not None:
            return
        if self._work_said < self._height and self._has_work():
            self._work_said = self._height
            self._drive(engines.WorkWaiting(self._height))
        self._answer_request()

    def _answer_request(self) -> None:
        """Makes the proposal that the engine asked for as soon as there is a reason for one."""
        request = self._request
        if request is None or request.height != self._height:
            return
        place = (request.height, request.round)
        if place in {self._making, self._made}:
            return
        if not (request.urgent or self._is_block_wanted() or self._is_time_for_batches()):
            return
        batches = self._batches.select(urgent=request.urgent)
        self._batches.pin(batch.digest for batch in batches)
        self._making = place
        self._pace(sum(map(len, batches)))
        self._out.append(
            MakeProposal(request.height, request.round, request.parent_round, batches)
        )

    def _is_time_for_batches(self) -> bool:
        if not self._batches.is_ready():
            return False
        return not self._paced or self._batches.fills(self._limits.transactions // FULL_SHARE)

    def _pace(self, transactions: int) -> None:
        """After a proposal of so many: the next one waits for more to gather."""
        distance = self._least_distance(transactions)
        if distance and not self._paced:
            self._paced = True
            self._out.append(SetTimer(PACE_TIMER, distance))

    def _least_distance(self, transactions: int) -> int:
        """Milliseconds from a proposal of so many to the next one."""
        if not transactions:
            return 0
        is_light = transactions < PACED_TRANSACTIONS
        if self._configuration is None or len(self._configuration.members) == 1:
            return 0 if is_light else PACE_ALONE_MS
        return PACE_LIGHT_MS if is_light else PACE_MS

    def _pace_elapsed(self) -> None:
        self._paced = False
        self._look_for_work()

    def _request_payload(self, effect: engines.RequestPayload) -> None:
        self._request = effect
        self._made = None
        if self._making != (effect.height, effect.round):
            self._making = None
        self._answer_request()

    def _proposed(self, event: Proposed) -> None:
        place = (event.height, event.round)
        if place != self._making or event.height != self._height:
            return
        self._making = None
        self._made = place
        self._proposals.made(event.digest, event.payload)
        self._drive(
            engines.PayloadReady(
                event.height, event.round, event.digest, event.proposal, event.payload
            )
        )

    # --- batches -----------------------------------------------------------------------------

    def _sealed(self, event: Sealed[Any]) -> None:
        self._batches.sealed(event.number, event.batch, self._links.validators)
        self._look_for_work()

    def _batch_checked(self, event: BatchChecked[Any]) -> None:
        held = self._batches.checked(
            event.digest, event.batch, event.reason, self._links.validators
        )
        if held:
            self._proposals.batch_came()
            self._look_for_work()

    # --- effects of the engine ---------------------------------------------------------------

    def _drive(self, event: driver.HostInput) -> None:
        """Gives an input to the driver and hands on what it asks."""
        if self._halted is not None:
            return
        self._driver, actions = driver.step(self._engine, self._driver, event)
        effects = self._effects
        for action in actions:
            effects[type(action)](action)

    def _send(self, effect: engines.Send) -> None:
        peers = self._links.validators
        if effect.to is not None:
            peer = self._statuses.peer(effect.to)
            if peer is not None:
                peers = (peer,)
        if peers:
            self._out.append(SendTo(peers, Consensus(effect.message)))

    def _append(self, effect: driver.Append) -> None:
        self._out.append(events.Append(effect.kind, effect.height, effect.data))

    def _sync_log(self, effect: driver.Sync) -> None:
        self._out.append(SyncLog(effect.number))

    def _mirror(self, effect: driver.MirrorGuard) -> None:
        self._out.append(events.MirrorGuard(effect.record))

    def _alarm(self, effect: driver.Alarm) -> None:
        self._out.append(Alarm(effect.code, effect.text))

    def _set_timer(self, effect: engines.SetTimer) -> None:
        self._out.append(SetTimer(effect.timer, effect.delay_ms))

    def _cancel_timer(self, effect: engines.CancelTimer) -> None:
        self._out.append(events.CancelTimer(effect.timer))

    def _sign(self, effect: engines.SignVote) -> None:
        self._out.append(Sign(effect.request))

    def _validate(self, effect: engines.Validate) -> None:
        assert self._configuration is not None
        proposer = self._statuses.peer(self._configuration.leader(effect.round))
        sources = (proposer,) if proposer is not None else ()
        answer = self._proposals.validate(effect, sources)
        if answer is not None:
            self._drive(answer)

    def _proposal_checked(self, event: ProposalChecked) -> None:
        answer = self._proposals.checked(event)
        if answer is not None:
            self._drive(answer)

    def _execute(self, effect: engines.Execute) -> None:
        answer = self._proposals.execute(effect)
        if answer is not None:
            self._drive(answer)

    def _proposal_executed(self, event: ProposalExecuted) -> None:
        self._drive(engines.Executed(event.height, event.digest, event.outcome, event.reason))

    def _signed(self, event: Signed) -> None:
        self._drive(engines.VoteSigned(event.request, event.signature))

    def _log_synced(self, event: LogSynced) -> None:
        self._drive(Synchronised(event.number))

    def _request_sync(self, effect: engines.RequestSync) -> None:
        self._sync.wanted(effect.last)

    def _report(self, effect: engines.ReportEvidence) -> None:
        request = effect.first.request
        # A height belongs to one epoch, so that this names one statement of one member.
        key = (effect.first.validator, request.height, request.round, int(request.phase))
        if key in self._evidence:
            return
        self._evidence[key] = None
        while len(self._evidence) > EVIDENCE_MAX:
            self._evidence.popitem(last=False)
        assert self._configuration is not None
        member = self._configuration.members[effect.first.validator]
        self._out.append(effect)
        self._out.append(
            Alarm(
                "equivocation",
                f"validator {member.name} of {member.organisation} signed two statements for "
                f"height {request.height}, round {request.round}, {request.phase.name.lower()}",
            )
        )

    def _penalise_member(self, effect: engines.Penalise) -> None:
        peer = self._statuses.peer(effect.member)
        if peer is not None:
            self._out.append(PenalisePeer(peer, effect.reason))

    # --- deciding ----------------------------------------------------------------------------

    def _decide(self, effect: engines.Decide) -> None:
        """Commits what consensus decided, unless a peer's copy of it is being applied."""
        self._decided = effect.certificate
        if self._sync.applying is None:
            self._commit()

    def _commit(self) -> None:
        assert self._decided is not None
        assert self._committing is None
        self._committing, self._decided = self._decided, None
        self._sync.block(blocked=True)
        self._out.append(Commit(self._committing))

    def _diverged(self, effect: engines.Diverged) -> None:
        request = effect.certificate.request
        self._halt(
            "diverged",
            f"a quorum signed outcome {request.outcome.hex()[:16]} for height {request.height}; "
            f"this node computed {effect.outcome.hex()[:16]}",
        )

    def _halt(self, code: str, text: str) -> None:
        if self._halted is not None:
            return
        self._halted = f"{code}: {text}"
        self._sync.stop()
        self._out.append(Halt(code, text))

    def _apply_failed(self, event: ApplyFailed) -> None:
        if event.diverged:
            self._halt("diverged", event.reason)
            return
        self._sync.failed(event.height, event.reason)
        if self._decided is not None and self._sync.applying is None:
            self._commit()

    def _committed(self, event: Committed) -> None:
        """A block is part of the ledger, by consensus or by sync: everything moves on."""
        tip = event.tip
        certificate = tip.certificate
        assert tip.height == self._tip.height + 1
        assert certificate is not None
        synced = self._committing is None
        self._committing = self._decided = None
        configuration = self._configuration
        assert configuration is not None
        suspicion = None
        leader = -1
        round_ = certificate.request.round
        if not synced and self._proposals.is_chosen(tip.digest, round_):
            leader = configuration.leader(round_)
            if leader != configuration.own:
                suspicion = self._batches.overtaken(leader, tip.batches)
        self._tip = tip
        self._tip_tick = self._ticks
        self._height = tip.height + 1
        epoch_began = self._configure(event.configuration, event.limits)
        own = self._batches.decided(tip.time, tip.batches)
        self._out.append(Decided(tip.height, own, synced))
        if epoch_began:
            self._epoch_began()
            suspicion = None
        self._batches.release()
        self._batches.expire()
        self._proposals.clear()
        self._request = self._making = self._made = None
        self._wished = -1
        self._intake.start(self._height, event.configuration)
        self._drive(driver.Committed(tip.height, certificate, event.configuration, applied=synced))
        self._sync.tip_moved(tip.height)
        self._sync.block(blocked=False)
        self._batches.seal()
        self._forward_groups()
        self._look_for_work()
        if suspicion is not None:
            self._suspect(leader, suspicion)
        self._after_sync()
        self._status_for_observers()

    def _suspect(self, leader: int, reason: str) -> None:
        assert self._configuration is not None
        progress = self._engine.progress(self._driver.engine)
        if progress.height == self._height and progress.leader == leader:
            self._drive(engines.Suspect(self._height, progress.round, reason))

    def _after_sync(self) -> None:
        """Tells the others as soon as this node has caught up."""
        behind = self._sync.active
        if self._was_behind and not behind:
            self._own_status.tell_all()
        self._was_behind = behind
        self._batches.behind = behind

    # --- messages of peers -------------------------------------------------------------------

    def _received(self, event: Received) -> None:
        link = self._links.get(event.peer)
        if link is None or self._configuration is None:
            return
        self._messages[type(event.message)](event.peer, link, event.message)

    def _on_consensus(self, peer: Peer, link: Link, envelope: Consensus) -> None:
        message = self._intake.take(peer, link, envelope, self._driver.guard)
        if message is not None:
            self._drive(message)

    def _peer_is_behind(self, peer: Peer) -> None:
        self._own_status.tell(peer, self._tip.height)

    def _peer_is_ahead(self, peer: Peer, height: int) -> None:
        if height > self._sync.target:
            self._sync.shown(peer, height)

    def _on_batch_body(self, peer: Peer, link: Link, message: BatchBody) -> None:
        if self._may_send_batches(peer, link):
            self._batches.received_body(peer, message)

    def _on_batch_have(self, peer: Peer, link: Link, message: BatchHave) -> None:
        link.digests += len(message.digests)
        if link.digests > DIGESTS_PER_SECOND:
            self._links.flood(peer, link, "announcements of batches")
        elif self._may_send_batches(peer, link) and self._batches.received_have(peer, message):
            self._look_for_work()

    def _on_batch_want(self, peer: Peer, link: Link, message: BatchWant) -> None:
        if self._may_send_batches(peer, link):
            self._batches.received_want(peer, message)

    def _may_send_batches(self, peer: Peer, link: Link) -> bool:
        link.batches += 1
        if link.batches > BATCHES_PER_SECOND:
            self._links.flood(peer, link, "batches")
            return False
        return not link.observer

    def _on_block_wanted(self, peer: Peer, link: Link, message: BlockWanted) -> None:
        """A wish counts until the next block, so that a liar gets one block of it at most."""
        link.wishes += 1
        if link.wishes > WISHES_PER_SECOND:
            self._links.flood(peer, link, "wishes for blocks")
            return
        if message.time < self._tip.time or message.time <= self._wished:
            return
        if not link.grants:
            return
        link.grants -= 1
        self._wished = message.time
        others = tuple(other for other in self._links.validators if other != peer)
        if others:
            self._out.append(SendTo(others, message))
        self._look_for_work()

    def _on_transactions(self, peer: Peer, link: Link, message: Transactions) -> None:
        link.transactions += 1
        if link.transactions > TRANSACTIONS_PER_SECOND:
            self._links.flood(peer, link, "transactions")
            return
        # No matter whether the peer has a vote: who lost it may know before this node does.
        assert self._configuration is not None
        if self._configuration.own is not None:
            self._out.append(Forwarded(peer, message.body))

    def _on_status(self, peer: Peer, link: Link, message: Status) -> None:
        link.statuses += 1
        if link.statuses > STATUSES_PER_SECOND:
            self._links.flood(peer, link, "statuses")
            return
        if len(message.links) > LINKS_MAX:
            self._out.append(PenalisePeer(peer, "a status with too many links"))
            return
        if message.node == self._node or not self._statuses.accept(peer, message):
            return
        if link.observer and self._statuses.member(peer) is not None:
            # It joined the set since the connection was made.
            self._links.joined(link)
        self._intake.links_changed()
        if message.node == peer:
            self._sync.claimed(peer, message.height)
            self._after_sync()
        if message.validator is not None:
            others = tuple(
                other
                for other in self._links.peers
                if other not in {peer, message.node} and not self._is_linked(other, message.node)
            )
            if others:
                self._out.append(SendTo(others, message))

    def _is_linked(self, peer: Peer, node: bytes) -> bool:
        links = self._statuses.links(peer)
        return links is not None and node in links

    def _on_blocks_request(self, peer: Peer, link: Link, message: BlocksRequest) -> None:
        link.blocks += 1
        if link.blocks > BLOCKS_PER_SECOND:
            self._links.flood(peer, link, "requests for blocks")
            return
        self._sync.requested(peer, message)

    def _on_blocks(self, peer: Peer, _link: Link, message: Blocks) -> None:
        self._sync.received(peer, message)

    # --- own status --------------------------------------------------------------------------

    def _draft_status(self, sequence: int) -> Status:
        assert self._configuration is not None
        return Status(
            node=self._node,
            name=self._settings.name,
            organisation=self._settings.organisation,
            validator=self._configuration.own,
            sequence=sequence,
            time=0,
            height=self._tip.height,
            digest=self._tip.digest,
            state_root=self._tip.state_root,
            round=self._engine.progress(self._driver.engine).round,
            pool=0,
            certificate_days=0,
            links=(),
        )

    def _status_signed(self, event: StatusSigned) -> None:
        self._own_status.signed(event.status, self._links.peers)

    def _status_elapsed(self) -> None:
        self._out.append(SetTimer(STATUS_TIMER, self._settings.status_ms))
        self._own_status.tell_all()

    def _status_for_observers(self) -> None:
        """Observers follow by sync: they hear of new blocks a few times a second."""
        if self._links.observers and not self._observers_timer:
            self._observers_timer = True
            self._out.append(SetTimer(OBSERVERS_TIMER, OBSERVER_STATUS_MS))

    def _observers_elapsed(self) -> None:
        self._observers_timer = False
        for peer in self._links.observers:
            self._own_status.tell(peer, self._tip.height)

    # --- an observer's transactions ----------------------------------------------------------

    def _is_observer(self) -> bool:
        return self._configuration is not None and self._configuration.own is None

    def _known_validators(self) -> tuple[Peer, ...]:
        known = tuple(
            peer for peer in self._links.validators if self._statuses.member(peer) is not None
        )
        return known or self._links.validators

    def _forward_groups(self) -> None:
        if self._is_observer():
            self._forwarding.send(self._known_validators())

    def _forward_again(self) -> None:
        if self._is_observer():
            expired = self._forwarding.tick(self._known_validators(), self._tip.time)
            if expired:
                self._out.append(Dropped(expired))
            self._forward_groups()

    # --- time --------------------------------------------------------------------------------

    def _elapsed(self, event: Elapsed) -> None:
        own = self._timers.get(event.timer.kind) if event.timer.height == 0 else None
        if own is not None:
            own()
        else:
            self._drive(engines.TimerElapsed(event.timer))

    def _tick(self) -> None:
        """Once a second: allowances start again, announcements and wishes are repeated."""
        self._out.append(SetTimer(TICK_TIMER, TICK_MS))
        self._ticks += 1
        self._links.tick()
        self._statuses.tick()
        self._intake.tick(quiet=self._ticks - self._tip_tick > 0)
        self._batches.tick(self._links.validators)
        if self._links.validators and self._needed >= self._tip.time:
            self._out.append(SendTo(self._links.validators, BlockWanted(self._needed)))
        self._sync.tick()
        self._after_sync()
        self._forward_again()

    def _seal_elapsed(self) -> None:
        self._batches.seal_elapsed()

    def _have_elapsed(self) -> None:
        self._batches.have_elapsed(self._links.validators)

    def _ripe_elapsed(self) -> None:
        if self._batches.ripe_elapsed():
            self._look_for_work()

    def _fetch_elapsed(self) -> None:
        self._batches.fetch_elapsed(self._links.validators)

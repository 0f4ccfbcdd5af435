"""A tiny network in memory: driver, guard and an engine over a virtual clock, a network and logs.

It stands in for node and simulator where a test wants to see every message. Signatures are ideal
(a hash that names key and statement), the ledger is a hash chain.
"""

import hashlib
import heapq
import itertools
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from bubi.consensus import driver, engine_named, guard
from bubi.consensus.driver import (
    Action,
    Alarm,
    Append,
    Begin,
    Committed,
    DriverState,
    HostInput,
    MirrorGuard,
    Sync,
    Synchronised,
)
from bubi.consensus.engine import (
    CancelTimer,
    Certificate,
    Configuration,
    ConsensusMessage,
    Decide,
    Diverged,
    EngineMessage,
    Execute,
    Executed,
    Member,
    Message,
    PayloadReady,
    Penalise,
    ProposalMessage,
    ReportEvidence,
    RequestPayload,
    RequestSync,
    Send,
    SetTimer,
    SignVote,
    TimerElapsed,
    TimerId,
    Validate,
    Validated,
    VoteMessage,
    VoteSigned,
    WorkWaiting,
    commit_vote,
    first_vote,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.height_state import HeightState
from bubi.consensus.parts import EpochStart, Fresh, change_vote, signed_bytes
from bubi.consensus.paxos_bytes import (
    NEXT,
    PHASE_1A,
    Evidence,
    Phase1,
    Promise,
    Shown,
    encode_shown,
    promise_vote,
)
from bubi.consensus.paxos_bytes import Claim as Voted
from bubi.consensus.paxos_bytes import (
    encode_claim as encode_voted,
)
from bubi.consensus.paxos_bytes import (
    encode_proof as encode_safe,
)
from bubi.consensus.pbft_bytes import (
    VIEW_CHANGE,
    Justification,
    NewView,
    SignedChange,
    encode_change,
    encode_justification,
)
from bubi.consensus.quorum import quorum
from bubi.consensus.raft_bytes import (
    REQUEST_VOTE,
    Appended,
    Ballot,
    Claim,
    Election,
    High,
    Proof,
    encode_claim,
    encode_proof,
)

GENESIS = b"\0" * 32
EARLY_MS = 1_000


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"|".join(parts)).digest()


def digest_of(proposal: bytes, payload: tuple[bytes, ...]) -> bytes:
    return sha(b"proposal", proposal, *payload)


def sign(key: bytes, request: VoteRequest) -> bytes:
    return sha(key, repr(request).encode()) * 2


class IdealSignatures:
    """Every signature is checkable by everybody and made by its owner only."""

    def __init__(self) -> None:
        self.checks = 0

    def verify(self, configuration: Configuration, vote: VoteMessage) -> bool:
        self.checks += 1
        return vote.signature == sign(configuration.members[vote.validator].key, vote.request)

    def hash(self, data: bytes) -> bytes:
        return hashlib.sha256(data).digest()

    def binds(self, digest: bytes, proposal: bytes, payload: tuple[bytes, ...]) -> bool:
        return digest == digest_of(proposal, payload)


SIGNATURES = IdealSignatures()


def members(count: int, weights: tuple[int, ...] = ()) -> tuple[Member, ...]:
    return tuple(
        Member(
            index,
            f"n{index}",
            f"org{index}",
            bytes([index]) * 33,
            (weights or (1,) * count)[index],
        )
        for index in range(count)
    )


def configuration(
    count: int,
    own: int | None,
    *,
    turn_blocks: int = 128,
    needed: int = 0,
    timeout_ms: int = 2_000,
    engine: str = "pbft",
) -> Configuration:
    return Configuration(
        0,
        engine,
        members(count),
        needed or quorum(count),
        own,
        timeout_ms=timeout_ms,
        timeout_ms_max=8_000,
        turn_blocks=turn_blocks,
    )


@dataclass
class Block:
    """A decided block."""

    height: int
    proposal: bytes
    payload: tuple[bytes, ...]
    certificate: Certificate
    time: int


@dataclass
class Disk:
    """What survives a crash: the synced part of the log, and the guard's second place."""

    records: list[tuple[int, int, bytes]] = field(default_factory=list)
    synced: int = 0
    mirror: bytes = b""
    blocks: list[Block] = field(default_factory=list)


@dataclass
class Faults:
    """Probabilities per message, and delays in ms."""

    drop: float = 0.0
    duplicate: float = 0.0
    delay: tuple[int, int] = (10, 10)


class Node:
    """One member's host."""

    def __init__(self, cluster: "Cluster", index: int) -> None:
        self.cluster = cluster
        self.index = index
        self.disk = Disk()
        self.up = False
        self.life = 0
        self.state: DriverState[HeightState[Any]]
        self.timers: dict[TimerId, int] = {}
        self.asked: RequestPayload | None = None
        self.worked = 0
        self.skew = 0
        self.alarms: list[str] = []
        self.applying = False

    @property
    def height(self) -> int:
        return len(self.disk.blocks)

    @property
    def configuration(self) -> Configuration:
        return self.cluster.configuration_of(self.index)

    def begin(self) -> None:
        self.up = True
        self.life += 1
        disk = self.disk
        disk.records = disk.records[: disk.synced]
        votes = [
            data for kind, height, data in disk.records if kind == 3 and height >= self.height
        ]
        restored = guard.restore(votes, disk.mirror, self.height)
        assert restored.silent is None, restored.silent
        # Opening the log made it durable, and the second place is made whole.
        disk.mirror = guard.settled(restored) or disk.mirror
        disk.synced = len(disk.records)
        self.state = driver.initial(self.cluster.engine, restored)
        self.timers = {}
        self.asked = None
        self.applying = False
        recovered = tuple(
            (kind, data)
            for kind, height, data in disk.records
            if height == self.height + 1 and kind != 3
        )
        parent = disk.blocks[-1].certificate if disk.blocks else None
        self.feed(Begin(self.height + 1, self.configuration, parent, recovered))
        self.tell_work()

    def crash(self, keep: int = 0) -> None:
        """Loses what was not synced, but for `keep` records that reached the disk by chance."""
        self.up = False
        self.life += 1
        self.disk.synced = min(len(self.disk.records), self.disk.synced + keep)
        self.cluster.note(self.index, "crash")

    def tell_work(self) -> None:
        if self.up and self.cluster.work > self.height:
            self.feed(WorkWaiting(self.height + 1))
            self.answer_payload()

    def feed(self, event: HostInput) -> None:
        if not self.up:
            return
        before = self.state
        self.state, actions = driver.step(self.cluster.engine, before, event)
        for action in actions:
            self.perform(action)

    def later(self, delay: int, event: HostInput) -> None:
        life = self.life
        self.cluster.at(delay, lambda: self.feed(event) if life == self.life else None)

    def answer_payload(self) -> None:
        request = self.asked
        if request is None or not (request.urgent or self.cluster.work >= request.height):
            return
        self.asked = None
        parent = self.disk.blocks[-1].certificate.request.digest if self.disk.blocks else GENESIS
        now = self.cluster.now + self.skew
        nonce = self.cluster.nonce() if self.cluster.fresh_nonces else self.index
        text = f"{request.height}/{request.round}/{request.parent_round}/{now}/{nonce}/"
        proposal = text.encode() + parent
        payload = (sha(b"batch", proposal),)
        digest = digest_of(proposal, payload)
        self.later(1, PayloadReady(request.height, request.round, digest, proposal, payload))

    def validate(self, action: Validate) -> None:
        height, _, shown, time, rest = action.proposal.split(b"/", 4)
        parent = self.disk.blocks[-1].certificate.request.digest if self.disk.blocks else GENESIS
        good = rest.endswith(b"/" + parent) and int(height) == action.height
        good = good and b"bad" not in rest
        untimely = False
        if action.parent_round is not None:
            good = good and int(shown) == action.parent_round
            untimely = abs(int(time) - self.cluster.now - self.skew) > self.cluster.tolerance
        good = good and not untimely
        self.later(1, Validated(action.height, action.digest, good, good is False and untimely))

    def outcome(self, digest: bytes) -> bytes:
        return sha(b"outcome", digest, self.cluster.salt.get(self.index, b""))

    def commit(self, block: Block, covers: int, *, applied: bool) -> None:
        self.disk.synced = max(self.disk.synced, covers)
        self.disk.blocks.append(block)
        self.cluster.decided(self.index, block)
        event = Committed(block.height, block.certificate, self.configuration, applied)
        self.asked = None
        self.feed(event)
        self.tell_work()

    def decide(self, certificate: Certificate) -> None:
        known = self.state.engine.proposals[certificate.request.digest]
        block = Block(
            certificate.request.height,
            known.proposal,
            known.payload,
            certificate,
            self.cluster.now,
        )
        life, covers = self.life, len(self.disk.records)

        def done() -> None:
            if self.up and life == self.life and self.height == block.height - 1:
                self.commit(block, covers, applied=False)

        self.cluster.at(self.cluster.disk_delay(), done)

    def synchronise(self) -> None:
        """Takes the next block from whoever has it, as the replica's sync does."""
        if not self.up:
            return
        for other in self.cluster.nodes:
            if (
                other.up
                and other.height > self.height
                and self.cluster.linked(other.index, self.index)
            ):
                block = other.disk.blocks[self.height]
                request = block.certificate.request
                if self.outcome(request.digest) == request.outcome:
                    self.commit(block, self.disk.synced, applied=True)
                return

    def perform(self, action: Action) -> None:  # noqa: C901
        cluster = self.cluster
        match action:
            case Send():
                cluster.send(self.index, action.message, action.to)
            case SignVote():
                key = self.configuration.members[self.index].key
                self.later(
                    cluster.disk_delay() if cluster.slow_keys else 0,
                    VoteSigned(action.request, sign(key, action.request)),
                )
            case Append():
                self.disk.records.append((action.kind, action.height, action.data))
            case Sync():
                until, life = len(self.disk.records), self.life

                def synced(number: int = action.number) -> None:
                    if self.life == life:
                        self.disk.synced = max(self.disk.synced, until)
                        self.feed(Synchronised(number))

                cluster.at(cluster.disk_delay(), synced)
            case MirrorGuard():
                self.disk.mirror = action.record
            case SetTimer():
                number = next(cluster.numbers)
                self.timers[action.timer] = number
                life = self.life

                def ring(timer: TimerId = action.timer) -> None:
                    if self.life == life and self.timers.get(timer) == number:
                        del self.timers[timer]
                        cluster.note(self.index, f"timer {timer.kind}")
                        self.feed(TimerElapsed(timer))

                cluster.at(action.delay_ms, ring)
            case CancelTimer():
                self.timers.pop(action.timer, None)
            case RequestPayload():
                self.asked = action
                self.answer_payload()
            case Validate():
                self.validate(action)
            case Execute():
                event = Executed(action.height, action.digest, self.outcome(action.digest))
                self.later(cluster.execution_ms, event)
            case Decide():
                self.decide(action.certificate)
            case RequestSync():
                cluster.note(self.index, f"sync {action.first}")
                life = self.life
                cluster.at(20, lambda: self.synchronise() if life == self.life else None)
            case Alarm() | Diverged() | ReportEvidence() | Penalise():
                cluster.report(self.index, action)


class Cluster:
    """Members, a virtual clock and a network with faults; checks every step."""

    def __init__(
        self, count: int, seed: int = 0, *, engine: str = "pbft", **settings: Any
    ) -> None:
        self.settings = {**settings, "engine": engine}
        self.count = count
        self.random = random.Random(seed)
        self.engine = engine_named(engine, SIGNATURES)
        self.now = 0
        self.work = 0
        self.tolerance = 5_000
        self.execution_ms = 2
        self.faults = Faults()
        self.cut: Callable[[int, int], bool] = lambda _from, _to: False
        self.filter: Callable[[int, int, ConsensusMessage], ConsensusMessage | None] | None = None
        self.queue: list[tuple[int, int, Callable[[], None]]] = []
        self.numbers = itertools.count()
        self.lines: list[str] = []
        self.salt: dict[int, bytes] = {}
        self.reports: list[tuple[int, Action]] = []
        self.signed: dict[tuple[int, int, int, int, Phase], VoteRequest] = {}
        self.byzantine: set[int] = set()
        self.chain: dict[int, VoteRequest] = {}
        self.random_disk = False
        self.slow_keys = False
        self.fresh_nonces = False
        self.nodes = [Node(self, index) for index in range(count)]

    def configuration_of(self, index: int) -> Configuration:
        return configuration(self.count, index, **self.settings)

    def nonce(self) -> int:
        return self.random.randrange(1 << 32)

    def disk_delay(self) -> int:
        return self.random.choice((1, 1, 2, 5, 30)) if self.random_disk else 1

    # --- clock -----------------------------------------------------------------------------

    def at(self, delay: int, work: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (self.now + delay, next(self.numbers), work))

    def run(self, until: Callable[[], bool], limit_ms: int = 60_000) -> bool:
        end = self.now + limit_ms
        while self.queue and not until():
            time, _, work = heapq.heappop(self.queue)
            if time > end:
                heapq.heappush(self.queue, (time, -1, work))
                self.now = end
                return until()
            self.now = time
            work()
        return until()

    def start(self) -> None:
        for node in self.nodes:
            node.begin()
        self.at(500, self.gossip)

    def gossip(self) -> None:
        """Every half second a member that is behind fetches a block, as by status messages."""
        for node in self.nodes:
            if node.up and any(
                other.up and other.height > node.height and self.linked(other.index, node.index)
                for other in self.nodes
            ):
                node.synchronise()
        self.at(500, self.gossip)

    def want(self, height: int) -> None:
        """There is work for the blocks up to this height."""
        self.work = height
        for node in self.nodes:
            if node.up:
                node.tell_work()

    def reach(self, height: int, limit_ms: int = 60_000, who: set[int] | None = None) -> bool:
        self.want(max(height, self.work))
        wanted = [node for node in self.nodes if who is None or node.index in who]
        return self.run(lambda: all(node.height >= height for node in wanted), limit_ms)

    # --- network ---------------------------------------------------------------------------

    def linked(self, from_: int, to: int) -> bool:
        return not self.cut(from_, to)

    def send(self, from_: int, message: ConsensusMessage, to: int | None = None) -> None:
        own = message.signed.validator == from_
        if own:
            self.check_sent(from_, message)
        reader = "all" if to is None else f"n{to}"
        shown = f"shows {reader}: n{message.signed.validator} {show(message)}"
        if own:
            shown = show(message) if to is None else f"{show(message)} to {reader}"
        self.note(from_, shown)
        for node in self.nodes:
            if node.index == from_ or to not in {None, node.index}:
                continue
            passed: ConsensusMessage | None = message
            if self.filter is not None and own:
                passed = self.filter(from_, node.index, message)
            if passed is not None:
                self.transmit(from_, node.index, passed)

    def transmit(self, from_: int, to: int, message: ConsensusMessage) -> None:
        copies = 2 if self.random.random() < self.faults.duplicate else 1
        for _ in range(copies):
            if self.random.random() < self.faults.drop or self.cut(from_, to):
                continue
            node = self.nodes[to]
            delay = self.random.randint(*self.faults.delay)
            self.at(delay, partial(node.feed, Message(message.signed.validator, message)))

    # --- checks ----------------------------------------------------------------------------

    def check_sent(self, from_: int, message: ConsensusMessage) -> None:
        """No correct member signs twice, and what it sends is durable in both places."""
        if from_ in self.byzantine:
            return
        vote = message.signed
        request = vote.request
        key = (from_, request.epoch, request.height, request.round, request.phase)
        assert self.signed.setdefault(key, request) == request, f"double vote of {from_}: {key}"
        disk = self.nodes[from_].disk
        record = guard.encode(guard.GuardRecord(request, vote.signature))
        durable = [data for kind, _, data in disk.records[: disk.synced] if kind == 3]
        assert record in durable, "sent before it was durable"
        assert disk.mirror, "sent before the second place knew"
        mirrored = guard.decode(disk.mirror).request
        assert (mirrored.height, mirrored.round, mirrored.phase) >= (
            request.height,
            request.round,
            request.phase,
        )

    def decided(self, index: int, block: Block) -> None:
        request = block.certificate.request
        self.note(index, f"decided {request.height} in round {request.round}")
        assert block.height == len(self.nodes[index].disk.blocks)
        known = self.chain.setdefault(block.height, request)
        assert (known.digest, known.outcome) == (request.digest, request.outcome), "fork"
        voters = [member for member, _ in block.certificate.votes]
        assert voters == sorted(set(voters))
        own = self.configuration_of(index)
        assert sum(own.members[member].weight for member in voters) >= own.quorum
        for member, signature in block.certificate.votes:
            assert SIGNATURES.verify(own, VoteMessage(member, request, signature))

    def report(self, index: int, action: Action) -> None:
        self.reports.append((index, action))
        match action:
            case ReportEvidence():
                self.note(index, f"evidence against n{action.first.validator}")
                assert action.first.validator in self.byzantine, (
                    "evidence against a correct member"
                )
            case Diverged():
                self.note(index, "diverged")
            case Alarm():
                self.note(index, f"alarm {action.code}")
            case Penalise():
                self.note(index, f"penalise n{action.member}: {action.reason}")
                assert action.member in self.byzantine, action.reason
            case _:
                pass

    def note(self, index: int, text: str) -> None:
        self.lines.append(f"{self.now:>6} n{index} {text}")


def show(message: ConsensusMessage) -> str:
    """A message as one word and its place."""
    request = message.signed.request
    place = f"{request.height}.{request.round}"
    if request.engine == "raft":
        return show_raft(message, place, request.digest.hex()[:4])
    if request.engine == "paxos":
        return show_paxos(message, place, request.digest.hex()[:4])
    if isinstance(message, ProposalMessage):
        kind = {0: "first of the epoch", 1: "fresh", 2: "new view"}[message.justification[0]]
        return f"PROPOSAL {place} {request.digest.hex()[:4]} ({kind})"
    if isinstance(message, EngineMessage):
        return f"VIEW-CHANGE {place} {'with prepared' if len(message.body) > 2 else 'empty'}"
    name = "PREPARE" if request.phase is Phase.FIRST else "COMMIT"
    return f"{name} {place} {request.digest.hex()[:4]}"


def show_raft(message: ConsensusMessage, place: str, digest: str) -> str:
    if isinstance(message, ProposalMessage):
        what = {0: "first of the epoch", 1: "same leader", 2: "elected", 3: "votes of a quorum"}
        entry = digest if message.proposal else f"no entry, {digest}"
        return f"APPEND-ENTRIES {place} {entry} ({what[message.justification[0]]})"
    if isinstance(message, EngineMessage):
        claim = "nothing" if message.body == encode_claim(None) else f"term {message.body[2]}"
        return f"REQUEST-VOTE {place} claims {claim}"
    name = "APPEND-RESPONSE" if message.signed.request.phase is Phase.FIRST else "COMMIT"
    return f"{name} {place} {digest}"


def show_paxos(message: ConsensusMessage, place: str, digest: str) -> str:
    phase = message.signed.request.phase
    if isinstance(message, EngineMessage):
        return f"1A {place}"
    if isinstance(message, ProposalMessage) and phase is Phase.GRANT:
        if not message.proposal:
            return f"1B {place} gave no 2b"
        value = digest_of(message.proposal, message.payload).hex()[:4]
        return f"1B {place} gave a 2b for {value} in ballot {message.justification[2]}"
    if isinstance(message, ProposalMessage):
        why = {0: "first of the epoch", 1: "2b of the parent", 2: "1b of a quorum"}
        return f"1C {place} {digest} ({why[message.justification[0]]})"
    name = {Phase.PROPOSAL: "1C without value", Phase.FIRST: "2AV", Phase.COMMIT: "2B"}[phase]
    return f"{name} {place} {digest}"


def lie(cluster: Cluster, liar: int) -> Callable[[int, int, ConsensusMessage], ConsensusMessage]:
    """A member that tells odd members something else: two proposals, two votes, no lock."""
    key = cluster.configuration_of(liar).members[liar].key
    cluster.byzantine.add(liar)
    seen: list[bytes] = [sha(b"nothing")]

    def again(message: VoteMessage, **changes: Any) -> VoteMessage:
        request = replace(message.request, **changes)
        return VoteMessage(liar, request, sign(key, request))

    def change(from_: int, to: int, message: ConsensusMessage) -> ConsensusMessage:
        if isinstance(message, ProposalMessage):
            seen.append(message.signed.request.digest)
        if from_ != liar or to % 2 == 0:
            return message
        if message.signed.request.phase is Phase.GRANT:
            return without_value(message, again)
        if isinstance(message, ProposalMessage):
            proposal = message.proposal.replace(b"/", b"/0", 1)
            digest = digest_of(proposal, message.payload)
            return ProposalMessage(
                again(message.signed, digest=digest),
                proposal,
                message.payload,
                message.justification,
            )
        if isinstance(message, EngineMessage):
            body = b"\0" if message.kind == PHASE_1A else b"\0\0"
            digest = SIGNATURES.hash(message.kind.encode() + b"\0" + body)
            return EngineMessage(again(message.signed, digest=digest), message.kind, body)
        return again(message, digest=seen[-1 - to % min(3, len(seen))])

    return change


def without_value(
    message: ConsensusMessage, again: Callable[..., VoteMessage]
) -> ConsensusMessage:
    """A 1b that says that no 2b was given."""
    digest = SIGNATURES.hash(signed_bytes("1b", encode_voted(None)))
    return ProposalMessage(again(message.signed, digest=digest), b"", (), encode_shown(None))


def invent(cluster: Cluster, liar: int) -> None:
    """Something that a liar could sign from what it has heard, to some of the members."""
    chance = cluster.random
    node = cluster.nodes[liar]
    state = node.state.engine
    settings = cluster.configuration_of(liar)
    key = settings.members[liar].key
    near = state.round + chance.choice((-1, 0, 0, 0, 1, 1, 2, 5, 100, 2**40))
    round_ = max(0, near)
    height = state.height + chance.choice((0, 0, 0, 1, -1))
    heard = [vote for tally in state.votes.tallies.values() for vote in tally.votes.values()] or [
        None
    ]
    known = chance.choice(heard)
    digest = known.request.digest if known is not None else sha(b"invented")
    outcome = known.request.outcome if known is not None else b""

    def made(request: VoteRequest) -> VoteMessage:
        return VoteMessage(liar, request, sign(key, request))

    message: ConsensusMessage
    if settings.engine == "paxos" and chance.random() < 0.3:
        invent_promise(cluster, liar, height, round_, made)
        return
    match chance.randrange(4):
        case 0:
            message = made(first_vote(settings, height, round_, digest))
        case 1:
            message = made(
                commit_vote(settings, height, round_, digest, outcome or sha(b"outcome", digest))
            )
        case 2:
            kind, body = INVENTED_REQUESTS[settings.engine](chance, state)
            hashed = SIGNATURES.hash(signed_bytes(kind, body))
            message = EngineMessage(
                made(change_vote(settings, height, round_, hashed)), kind, body
            )
        case _:
            parts = [(one.proposal, one.payload) for one in state.proposals.values()]
            proposal, payload = chance.choice(parts) if parts else (b"1/0/0/0/bad/", ())
            if chance.random() < 0.5:
                proposal = proposal.replace(b"/", b"/0", 1)
            request = first_vote(settings, height, round_, digest_of(proposal, payload))
            if settings.engine == "paxos":
                request = replace(request, phase=Phase.PROPOSAL)
            signed = made(request)
            justification = INVENTED_PROOFS[settings.engine](chance, state)
            message = ProposalMessage(signed, proposal, payload, justification)
    for other in range(cluster.count):
        if other != liar and chance.random() < 0.7:
            cluster.transmit(liar, other, message)


def invented_change(chance: random.Random, state: Any) -> tuple[str, bytes]:
    locks = [change.carried for change in state.changes.values()] + [state.prepared, None]
    return VIEW_CHANGE, encode_change(chance.choice(locks))


def invented_claim(chance: random.Random, state: Any) -> tuple[str, bytes]:
    digest = chance.choice([*state.proposals, sha(b"invented")])
    claims = [change.carried for change in state.changes.values()] + [
        Claim(max(0, state.round - chance.randrange(3)), digest),
        Claim(2**40, digest),
        None,
    ]
    return REQUEST_VOTE, encode_claim(chance.choice(claims))


def invented_view(chance: random.Random, state: Any) -> bytes:
    changes = [
        SignedChange(member, change.vote.signature, change.body)
        for member, change in sorted(state.changes.items())
    ]
    parent = state.parent
    justification: Justification = chance.choice(
        (
            NewView(tuple(changes[: chance.randint(0, len(changes))]), parent),
            NewView(tuple(changes), parent),
            Fresh(parent) if parent is not None else EpochStart(),
        )
    )
    return encode_justification(justification)


def invented_proof(chance: random.Random, state: Any) -> bytes:
    ballots = tuple(
        Ballot(member, change.vote.signature, change.carried)
        for member, change in sorted(state.changes.items())
    )
    parent = state.parent
    heard = [
        tuple((member, vote.signature) for member, vote in sorted(tally.votes.items()))
        for (_, phase), tally in state.votes.tallies.items()
        if phase is Phase.FIRST
    ]
    votes = chance.choice([*heard, ()])
    high = chance.choice([None, High(max(0, state.round - 1), votes)])
    if state.high is not None and chance.random() < 0.5:
        high = High(state.high.round, state.high.votes)
    proof: Proof = chance.choice(
        (
            Election(ballots[: chance.randint(0, len(ballots))], high, parent),
            Election(ballots, high, parent),
            Election(ballots, None, parent),
            Appended(votes),
            Fresh(parent) if parent is not None else EpochStart(),
        )
    )
    return encode_proof(proof)


def heard_votes(state: Any) -> list[tuple[tuple[int, bytes], ...]]:
    return [
        tuple((member, vote.signature) for member, vote in sorted(tally.votes.items()))
        for (_, phase), tally in state.votes.tallies.items()
        if phase is Phase.FIRST
    ]


def invent_promise(
    cluster: Cluster,
    liar: int,
    height: int,
    round_: int,
    made: Callable[[VoteRequest], VoteMessage],
) -> None:
    """A 1b with a claim that is made up, or that leaves something out."""
    chance = cluster.random
    state: Any = cluster.nodes[liar].state.engine
    settings = cluster.configuration_of(liar)
    shown: Shown | None = None
    value: tuple[bytes, tuple[bytes, ...]] = (b"", ())
    if state.proposals and chance.random() < 0.7:
        digest, known = chance.choice(list(state.proposals.items()))
        value = known.proposal, known.payload
        ballot = max(0, round_ - chance.randrange(3))
        votes = chance.choice([*heard_votes(state), ()])
        if state.voted is not None and chance.random() < 0.4:
            ballot, digest, votes = state.voted.round, state.voted.digest, state.voted.votes
        shown = Shown(Voted(ballot, digest), votes)
    body = encode_voted(shown.claim if shown is not None else None)
    hashed = SIGNATURES.hash(signed_bytes("1b", body))
    signed = made(promise_vote(settings, height, round_, hashed))
    message = ProposalMessage(signed, *value, encode_shown(shown))
    for other in range(cluster.count):
        if other != liar:
            cluster.transmit(liar, other, message)


def invented_next(_: random.Random, __: Any) -> tuple[str, bytes]:
    return PHASE_1A, NEXT


def invented_safety(chance: random.Random, state: Any) -> bytes:
    promises = tuple(
        Promise(
            member,
            promised.vote.signature,
            Voted(promised.value.round, promised.value.digest) if promised.value else None,
        )
        for member, promised in sorted(state.promises.items())
    )
    evidence = chance.choice(
        [None, Evidence(max(0, state.round - 1), chance.choice([*heard_votes(state), ()]))]
    )
    if state.voted is not None and chance.random() < 0.5:
        evidence = Evidence(state.voted.round, state.voted.votes)
    parent = state.parent
    some = promises[: chance.randint(0, len(promises))]
    return encode_safe(
        chance.choice(
            (
                Phase1(some, evidence, parent),
                Phase1(promises, evidence, parent),
                Phase1(promises, None, parent),
                Fresh(parent) if parent is not None else EpochStart(),
            )
        )
    )


INVENTED_REQUESTS = {"pbft": invented_change, "raft": invented_claim, "paxos": invented_next}
INVENTED_PROOFS = {"pbft": invented_view, "raft": invented_proof, "paxos": invented_safety}


def transcript(cluster: Cluster) -> str:
    """What was said, one line per moment and statement; digests are letters."""
    letters: dict[str, str] = {}
    lines: list[tuple[str, set[str], str]] = []
    for line in cluster.lines:
        time, name, text = line.strip().split(" ", 2)
        if text in {"timer lag", "timer resend"}:
            continue
        for digest in re.findall(r"\b[0-9a-f]{4}\b", text):
            letter = letters.setdefault(digest, chr(ord("A") + len(letters)))
            text = text.replace(digest, letter)
        for earlier in reversed(lines):
            if earlier[0] == time and earlier[2] == text:
                earlier[1].add(name)
                break
        else:
            lines.append((time, {name}, text))
    return "".join(f"{time:>6}  {' '.join(sorted(who))}  {text}\n" for time, who, text in lines)

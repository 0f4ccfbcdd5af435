"""Replicas wired in memory over a scripted network, with a small ledger of their own.

Time is virtual, everything comes from one seed. The ledger knows only what a replica's host must
answer: proposals, outcomes, a log with a durable part, blocks.
"""

import hashlib
import heapq
import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from bubi.consensus import engine as engines
from bubi.consensus import guard
from bubi.consensus.engine import Certificate, Configuration, Engine, Member, VoteMessage
from bubi.consensus.guard import VoteRequest
from bubi.mempool import Entry, Mempool
from bubi.mempool import Limits as PoolLimits
from bubi.messages import BlockParts, Consensus, Link, PeerMessage, Status, Transactions
from bubi.replica import events
from bubi.replica.events import Action, Limits, ReplicaInput, Tip
from bubi.replica.replica import Replica
from bubi.replica.settings import ReplicaSettings

LIMITS = Limits(1_000, 1_000_000, 500, 500_000, 600_000)
START = 1_000_000


def digest_of(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


@dataclass(frozen=True)
class Group:
    ids: tuple[int, ...]
    size: int = 100

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def bytes(self) -> int:
        return self.size * len(self.ids)


@dataclass(frozen=True)
class Batch:
    author: bytes
    number: int
    ids: tuple[int, ...]
    latest_expiry: int
    size: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> bytes:
        return digest_of("batch", self.author, self.number, self.ids, self.latest_expiry)

    @property
    def header(self) -> bytes:
        return pickle.dumps(self)

    @property
    def body(self) -> bytes:
        return repr(self.ids).encode()

    @property
    def bytes(self) -> int:
        return self.size


@dataclass(frozen=True)
class Proposal:
    height: int
    time: int
    parent: bytes
    parent_round: int
    payload: tuple[bytes, ...]

    @property
    def digest(self) -> bytes:
        return digest_of("proposal", self)


def signature(key: bytes, statement: object) -> bytes:
    return digest_of("signature", key, statement) * 2


@dataclass
class Checks:
    verified: int = 0

    def verify(self, configuration: Configuration, vote: VoteMessage) -> bool:
        self.verified += 1
        member = configuration.members[vote.validator]
        return vote.signature == signature(member.key, vote.request)

    def hash(self, data: bytes) -> bytes:
        return hashlib.sha256(data).digest()

    def binds(self, digest: bytes, proposal: bytes, payload: tuple[bytes, ...]) -> bool:
        decoded = pickle.loads(proposal)
        return decoded.digest == digest and decoded.payload == payload

    def verify_status(self, configuration: Configuration, status: Status) -> bool:
        assert status.validator is not None
        member = configuration.members[status.validator]
        return status.signature == signature(member.key, replace(status, signature=b""))


@dataclass
class Block:
    tip: Tip
    proposal: bytes
    batches: tuple[Batch, ...]

    def parts(self) -> BlockParts:
        return BlockParts(
            self.tip.height,
            self.proposal,
            pickle.dumps(self.tip.certificate),
            tuple(batch.header for batch in self.batches),
            tuple(batch.body for batch in self.batches),
        )


def key_of(index: int) -> bytes:
    return bytes([index]) * 33


def node_of(index: int) -> bytes:
    return bytes([100 + index]) * 32


def configuration_of(
    count: int, own: int | None, engine: str, timeout_ms: int = 2_000
) -> Configuration:
    members = tuple(
        Member(index, f"v{index}", f"org{index}", key_of(index), 1) for index in range(count)
    )
    return Configuration(0, engine, members, 2 * count // 3 + 1, own, timeout_ms)


@dataclass
class Disk:
    """What survives a crash: `log` up to `durable`, blocks, the guard's second place."""

    log: list[tuple[int, int, Any]] = field(default_factory=list)
    durable: int = 0
    mirror: bytes = b""
    blocks: list[Block] = field(default_factory=list)


class Host:
    """Performs a replica's actions."""

    def __init__(self, world: "World", index: int, member: bool, disk: Disk) -> None:
        self.world = world
        self.index = index
        self.node = node_of(index)
        self.member = member
        self.disk = disk
        self.pool: Mempool[Group] = Mempool(PoolLimits(100_000, 100_000_000))
        self.peers: list[bytes] = []
        self.timers: dict[engines.TimerId, int] = {}
        self.write_free = 0
        self.actions: list[Action] = []
        self.decided: dict[int, events.Decided] = {}
        self.penalties: list[events.PenalisePeer] = []
        self.alarms: list[events.Alarm] = []
        self.halts: list[events.Halt] = []
        self.dropped: list[int] = []
        self.watched: list[Entry[Group]] = []
        self.outcomes: dict[bytes, Proposal] = {}
        self.batches: dict[bytes, tuple[Batch, ...]] = {}
        self.alive = True
        self.broken_outcome = False
        self.deciding = False
        height = len(disk.blocks)
        del disk.log[disk.durable :]
        records = [data for kind, _, data in disk.log if kind == 3]
        restored = guard.restore(records, disk.mirror, height)
        self.replica = Replica(
            world.engine,
            world.checks,
            ReplicaSettings(
                f"v{index}", f"org{index}", world.starts * 1_000_000, engines=world.engines_run
            ),
            restored,
            self.pool,
            self.node,
        )

    @property
    def tip(self) -> Tip:
        if self.disk.blocks:
            return self.disk.blocks[-1].tip
        return Tip(0, START, b"\0" * 32, b"\0" * 32, None)

    @property
    def configuration(self) -> Configuration:
        return self.world.configuration_at(self.tip.height + 1, self.index, member=self.member)

    def open(self) -> None:
        height = self.tip.height
        records = tuple(
            (kind, data) for kind, at, data in self.disk.log if at > height and kind not in {1, 3}
        )
        batches = tuple(data for kind, at, data in self.disk.log if kind == 1 and at > height)
        ordered = tuple(digest for block in self.disk.blocks for digest in block.tip.batches)
        self.give(events.Opened(self.tip, self.configuration, LIMITS, records, batches, ordered))

    def give(self, event: ReplicaInput) -> None:
        if not self.alive:
            return
        self.world.events += 1
        for action in self.replica.handle(event):
            self.actions.append(action)
            self.perform(action)

    def later(self, delay: int, event: ReplicaInput | Callable[[], ReplicaInput | None]) -> None:
        def run() -> None:
            if self.alive:
                answer = event() if callable(event) else event
                if answer is not None:
                    self.give(answer)

        self.world.at(self.world.now + delay, run)

    def write(self, delay: int, event: Callable[[], ReplicaInput | None]) -> None:
        self.write_free = max(self.write_free, self.world.now) + delay
        self.later(self.write_free - self.world.now, event)

    def submit(self, *ids: int, expiry: int = 600_000) -> None:
        self.pool.add(Group(ids), START + expiry)
        self.give(events.PoolChanged())

    def perform(self, action: Action) -> None:  # noqa: C901
        match action:
            case events.SendTo():
                self.check_durable(action.message)
                for peer in action.peers:
                    self.world.send(self, peer, action.message)
            case events.SetTimer():
                token = self.world.tokens = self.world.tokens + 1
                self.timers[action.timer] = token
                timer = action.timer

                def elapsed() -> ReplicaInput | None:
                    if self.timers.get(timer) != token:
                        return None
                    del self.timers[timer]
                    return events.Elapsed(timer)

                self.later(int(action.delay_ms * self.world.drift(self)), elapsed)
            case events.CancelTimer():
                self.timers.pop(action.timer, None)
            case events.SealBatch():
                ids = tuple(one for entry in action.entries for one in entry.group.ids)
                latest = max(entry.latest_expiry for entry in action.entries)
                size = sum(entry.group.bytes for entry in action.entries)
                batch = Batch(key_of(self.index), action.number, ids, latest, size)
                self.later(1, events.Sealed(action.number, batch))
            case events.CheckBatch():
                try:
                    found = pickle.loads(action.header)
                except Exception:
                    found = None
                fine = isinstance(found, Batch) and found.body == action.body
                self.later(
                    1,
                    events.BatchChecked(
                        action.digest, found if fine else None, "" if fine else "bad"
                    ),
                )
            case events.MakeProposal():
                time = max(self.tip.time + 1, self.world.clock(self))
                made = Proposal(
                    action.height,
                    time,
                    self.tip.digest,
                    action.parent_round,
                    tuple(batch.digest for batch in action.batches),
                )
                encoded = pickle.dumps(made)
                self.later(
                    1,
                    events.Proposed(
                        action.height, action.round, made.digest, encoded, made.payload
                    ),
                )
            case events.CheckProposal():
                self.write(1, lambda: self.check(action))
            case events.ExecuteProposal():
                self.later(2, lambda: self.execute(action))
            case events.Append():
                self.write(0, lambda: self.append(action.kind, action.height, action.data))
            case events.SyncLog():
                self.write(2, lambda: self.sync(action.number))
            case events.MirrorGuard():
                self.write(0, lambda: self.mirror(action.record))
            case events.Sign():
                key = key_of(self.index)
                self.later(0, events.Signed(action.request, signature(key, action.request)))
            case events.SignStatus():
                links = tuple(Link(peer, 100) for peer in self.peers)
                filled = replace(action.status, time=self.world.clock(self), links=links)
                if filled.validator is not None:
                    filled = replace(filled, signature=signature(key_of(self.index), filled))
                self.later(0, events.StatusSigned(filled))
            case events.Commit():
                self.begin_block()
                self.write(2, lambda: self.commit(action.certificate))
            case events.ApplyBlock():
                self.begin_block()
                self.write(2, lambda: self.apply(action.parts))
            case events.ReadBlocks():
                parts = tuple(
                    self.world.served(self, block.parts())
                    for block in self.disk.blocks[action.first - 1 : action.last]
                )
                self.later(1, events.BlocksRead(action.peer, action.number, parts))
            case events.SendTransactions():
                body = pickle.dumps([(e.group.ids, e.latest_expiry) for e in action.entries])
                self.watched += action.entries
                self.world.send(self, action.peer, Transactions(body))
            case events.Forwarded():
                for ids, expiry in pickle.loads(action.body):
                    self.pool.add(Group(ids), expiry)
                self.later(0, events.PoolChanged())
            case events.PenalisePeer():
                self.penalties.append(action)
            case events.Alarm():
                self.alarms.append(action)
            case events.Halt():
                self.halts.append(action)
            case events.Decided():
                assert action.height not in self.decided
                self.decided[action.height] = action
                block = self.disk.blocks[action.height - 1]
                ids = {one for batch in block.batches for one in batch.ids}
                # An observer finds out by the receipts.
                self.pool.decided([e for e in self.watched if ids & set(e.group.ids)])
            case events.Dropped():
                self.dropped += [one for entry in action.entries for one in entry.group.ids]
            case _:
                pass

    def begin_block(self) -> None:
        assert not self.deciding, "two blocks are being committed at a time"
        self.deciding = True

    def check_durable(self, message: PeerMessage) -> None:
        """A vote leaves only when its guard record is on the disk (protocol.md 5)."""
        if isinstance(message, Consensus) and message.message.signed.validator == self.index:
            signed = message.message.signed
            record = guard.encode(guard.GuardRecord(signed.request, signed.signature))
            durable = range(self.disk.durable - 1, -1, -1)
            assert any(self.disk.log[at][2] == record for at in durable), (
                "a vote was sent before it was durable"
            )

    # --- the ledger ---------------------------------------------------------------------

    def append(self, kind: int, height: int, data: Any) -> None:
        self.disk.log.append((kind, height, data))

    def sync(self, number: int) -> ReplicaInput:
        self.disk.durable = len(self.disk.log)
        return events.LogSynced(number)

    def mirror(self, record: bytes) -> None:
        self.disk.mirror = record

    def check(self, action: events.CheckProposal[Batch]) -> ReplicaInput:
        made: Proposal = pickle.loads(action.proposal)
        wrong = ""
        if made.digest != action.digest or made.payload != action.payload:
            wrong = "digest"
        elif made.height != self.tip.height + 1 or made.parent != self.tip.digest:
            wrong = "parent"
        elif tuple(batch.digest for batch in action.batches) != made.payload:
            wrong = "batches"
        elif action.parent_round is not None and made.parent_round != action.parent_round:
            wrong = f"parent round {made.parent_round} for {action.parent_round}"
        elif made.time <= self.tip.time:
            wrong = "time"
        if wrong:
            return events.ProposalChecked(action.height, action.digest, False, reason=wrong)
        for batch in action.batches:
            self.append(1, action.height, batch)
        return events.ProposalChecked(action.height, action.digest, True)

    def outcome(self, made: Proposal, batches: tuple[Batch, ...]) -> bytes:
        ids = tuple(batch.ids for batch in batches)
        return digest_of("outcome", made.digest, self.tip.state_root, ids, self.broken_outcome)

    def execute(self, action: events.ExecuteProposal[Batch]) -> ReplicaInput | None:
        if action.height != self.tip.height + 1:
            return None
        made: Proposal = pickle.loads(action.proposal)
        self.outcomes[action.digest] = made
        self.batches[action.digest] = action.batches
        return events.ProposalExecuted(
            action.height, action.digest, self.outcome(made, action.batches)
        )

    def commit(self, certificate: Certificate) -> ReplicaInput:
        self.deciding = False
        made = self.outcomes[certificate.request.digest]
        return self.add(made, self.batches[made.digest], certificate)

    def add(
        self, made: Proposal, batches: tuple[Batch, ...], certificate: Certificate
    ) -> ReplicaInput:
        assert made.height == self.tip.height + 1
        assert certificate.request.height == made.height
        outcome = self.outcome(made, batches)
        assert certificate.request.outcome == outcome, "committed another outcome"
        barrier = self.world.barrier_after(made.height)
        tip = Tip(made.height, made.time, made.digest, outcome, certificate, made.payload, barrier)
        self.disk.blocks.append(Block(tip, pickle.dumps(made), batches))
        self.disk.durable = len(self.disk.log)
        self.outcomes.clear()
        self.batches.clear()
        self.world.committed(self, tip)
        return events.Committed(tip, self.configuration, LIMITS)

    def apply(self, parts: BlockParts) -> ReplicaInput:
        self.deciding = False
        height = parts.height
        try:
            made: Proposal = pickle.loads(parts.proposal)
            certificate: Certificate = pickle.loads(parts.certificate)
            batches = tuple(pickle.loads(header) for header in parts.headers)
        except Exception:
            return events.ApplyFailed(height, "garbage")
        request = certificate.request
        voters = dict(certificate.votes)
        members = self.configuration.members
        good = [
            index
            for index, given in voters.items()
            if given == signature(members[index].key, request)
        ]
        bodies = tuple(batch.body for batch in batches)
        if (
            len(good) < self.configuration.quorum
            or request.digest != made.digest
            or request.height != height
            or made.height != self.tip.height + 1
            or tuple(batch.digest for batch in batches) != made.payload
            or bodies != parts.bodies
        ):
            return events.ApplyFailed(height, "not the decided block")
        if request.outcome != self.outcome(made, batches):
            return events.ApplyFailed(height, "another outcome", diverged=True)
        return self.add(made, batches, certificate)


class World:
    """Hosts, links and virtual milliseconds."""

    def __init__(
        self,
        engine: Engine[Any],
        validators: int,
        seed: int = 0,
        observers: int = 0,
        links: list[tuple[int, int]] | None = None,
        timeout_ms: int = 2_000,
    ) -> None:
        self.engine = engine
        self.checks = Checks()
        self.validators = validators
        self.timeout_ms = timeout_ms
        self.random = random.Random(seed)
        self.now = 0
        self.tokens = 0
        self.events = 0
        self.messages = 0
        self.starts = 1
        self.loss = 0.0
        self.delay = (1, 5)
        self.cut: set[frozenset[int]] = set()
        self.filter: Callable[[int, int, PeerMessage], PeerMessage | None] = lambda a, b, m: m
        self.serve: Callable[[int, BlockParts], BlockParts] = lambda a, parts: parts
        self.engines_run = self.runs
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._last: dict[tuple[int, int], int] = {}
        self.chain: dict[int, tuple[bytes, bytes]] = {}
        count = validators + observers
        self.links = (
            links
            if links is not None
            else [(a, b) for a in range(count) for b in range(a + 1, count)]
        )
        self.hosts = [Host(self, index, index < validators, Disk()) for index in range(count)]
        for host in self.hosts:
            host.open()
        for a, b in self.links:
            self.connect(a, b)

    runs: frozenset[str] | None = None

    def configuration(self, own: int | None) -> Configuration:
        return configuration_of(self.validators, own, self.engine.name, self.timeout_ms)

    def configuration_at(self, height: int, host: int, *, member: bool) -> Configuration:
        """What a host is told of a height; the same for all heights unless a test changes it."""
        return self.configuration(host if member else None)

    def barrier_after(self, height: int) -> int:
        """Up to which height blocks are wanted even if empty, told with the block of a height."""
        return 0

    def connect(self, a: int, b: int) -> None:
        for one, other in ((self.hosts[a], self.hosts[b]), (self.hosts[b], self.hosts[a])):
            one.peers.append(other.node)
            name = f"v{other.index}"
            one.give(events.PeerUp(other.node, name, f"org{other.index}", not other.member))

    def disconnect(self, a: int, b: int) -> None:
        for one, other in ((self.hosts[a], self.hosts[b]), (self.hosts[b], self.hosts[a])):
            if other.node in one.peers:
                one.peers.remove(other.node)
                one.give(events.PeerDown(other.node))

    def crash(self, index: int) -> None:
        self.hosts[index].alive = False
        for a, b in self.links:
            if index in {a, b}:
                self.disconnect(a, b)

    def restart(self, index: int) -> None:
        self.starts += 1
        old = self.hosts[index]
        self.hosts[index] = host = Host(self, index, old.member, old.disk)
        host.open()
        for a, b in self.links:
            if index in {a, b} and self.hosts[a].alive and self.hosts[b].alive:
                self.connect(a, b)

    def clock(self, _host: Host) -> int:
        return START + self.now

    def drift(self, _host: Host) -> float:
        return 1.0

    def served(self, host: Host, parts: BlockParts) -> BlockParts:
        return self.serve(host.index, parts)

    def at(self, time: int, run: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (time, self._count, run))

    def send(self, sender: Host, peer: bytes, message: PeerMessage) -> None:
        to = peer[0] - 100
        assert peer in sender.peers, "sent to a peer that is not connected"
        if frozenset({sender.index, to}) in self.cut or self.random.random() < self.loss:
            return
        kept = self.filter(sender.index, to, message)
        if kept is None:
            return
        self.messages += 1
        receiver = self.hosts[to]
        arrival = self.now + self.random.randint(*self.delay)
        # One connection keeps its order.
        arrival = max(arrival, self._last.get((sender.index, to), 0))
        self._last[sender.index, to] = arrival

        def deliver() -> None:
            host = self.hosts[to]
            if host is receiver and sender.node in host.peers:
                host.give(events.Received(sender.node, kept))

        self.at(arrival, deliver)

    def run(self, milliseconds: int) -> None:
        end = self.now + milliseconds
        while self._queue and self._queue[0][0] <= end:
            self.now, _, run = heapq.heappop(self._queue)
            run()
        self.now = end

    def until(self, done: Callable[[], bool], milliseconds: int) -> bool:
        end = self.now + milliseconds
        while self._queue and self._queue[0][0] <= end:
            if done():
                return True
            self.now, _, run = heapq.heappop(self._queue)
            run()
        return done()

    def committed(self, host: Host, tip: Tip) -> None:
        """Agreement and hash chain, at each commit."""
        assert self.chain.setdefault(tip.height, (tip.digest, tip.state_root)) == (
            tip.digest,
            tip.state_root,
        ), f"node {host.index} committed another block {tip.height}"

    def ordered(self, index: int = 0) -> list[int]:
        return [
            one
            for block in self.hosts[index].disk.blocks
            for batch in block.batches
            for one in batch.ids
        ]

    def heights(self) -> list[int]:
        return [host.tip.height for host in self.hosts]


def request(world: World, **fields: Any) -> VoteRequest:
    defaults: dict[str, Any] = {
        "epoch": 0,
        "engine": world.engine.name,
        "height": 1,
        "round": 0,
        "phase": guard.Phase.FIRST,
        "digest": b"d" * 32,
    }
    return VoteRequest(**{**defaults, **fields})


def vote(world: World, member: int, **fields: Any) -> VoteMessage:
    asked = request(world, **fields)
    return VoteMessage(member, asked, signature(key_of(member), asked))


def entry_ids(entries: tuple[Entry[Group], ...]) -> list[int]:
    return [one for entry in entries for one in entry.group.ids]

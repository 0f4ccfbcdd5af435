"""Dissemination: how transactions reach every validator before a leader names them. Pure.

The pool's groups become batches of this validator, signed by the host. A batch goes to every
direct peer; whoever has verified it says so, and that is both announcement and acknowledgement:
a peer that lacks it asks. A leader names verified batches in order of arrival, acknowledged ones
first. A batch stays here until a block holds it or all of it has expired, whoever made it and
whether or not its author still lives (protocol.md 4, Batches).

`Dissemination` is a table with rules; `replica.Replica` calls it and hands out what it asks for.
Nothing here waits for the disk: an announcement says "verified", never "durable".
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bubi.consensus.engine import Configuration, TimerId
from bubi.consensus.quorum import catch_up_weight
from bubi.mempool import Entry, Mempool
from bubi.messages import BatchBody, BatchHave, BatchWant
from bubi.replica.events import (
    Action,
    BatchHandle,
    CancelTimer,
    CheckBatch,
    Dropped,
    Limits,
    Peer,
    PenalisePeer,
    SealBatch,
    SendTo,
    SetTimer,
)

SEALED_AT_ONCE = 2
"""As long as fewer own batches wait for a block, the next group does not wait for company."""
OWN_UNORDERED_MAX = 8
"""Batches of this node that no block holds yet, those being sealed included."""
AUTHOR_BATCHES_MAX = 64
"""Unordered batches kept of one other author."""
AUTHOR_BYTES_MAX = 128 * 1024 * 1024
"""Bytes of the unordered batches kept of one other author."""
BATCHES_MAX = 2_048
"""Unordered batches kept in all."""
BYTES_MAX = 512 * 1024 * 1024
"""Bytes of the unordered batches kept in all."""
CHECKS_PER_PEER_MAX = 32
"""Batches of one peer that are being verified at a time."""
CHECK_BYTES_PER_PEER_MAX = 64 * 1024 * 1024
"""Bytes of the batches of one peer that are being verified at a time."""
WANTS_MAX = 4_096
"""Batches that are missing here and asked for, in all."""
WANTS_PER_PEER_MAX = 256
"""Missing batches that one peer announced."""
ANNOUNCERS_MAX = 8
"""Peers remembered as holders of a missing batch."""
SPARES_MAX = 4
"""Further bodies under the digest of one that is being verified, of one peer each: the first may
be wrong."""
ENTRIES_PER_PEER_MAX = CHECKS_PER_PEER_MAX + WANTS_PER_PEER_MAX + 1_024
"""What all tables here keep because of one peer: beyond its shares only what a proposal names."""
DIGESTS_PER_MESSAGE_MAX = 1_024
"""Digests in one announcement or request."""
BODIES_PER_PEER_MAX = 2_048
"""Bodies sent to one peer within a second because it asked."""
BODY_BYTES_PER_PEER_MAX = 128 * 1024 * 1024
"""Bytes of the same."""
ASKS_PER_BEAT_MAX = 16
"""Batches asked of one peer in one beat, those apart that a proposal names."""
PINNED_MAX = 16 * 1_024
"""Batches kept because proposals of the height in work name them; the oldest go first."""
ORDERED_MAX = 500_000
"""Digests of ordered batches remembered; the oldest go first."""
BLOCK_BATCHES_MAX = 1_024
"""Batches in one block."""
SEAL_MS = 50
"""Longest that a group waits for its batch while other own batches are under way."""
HAVE_MS = 50
"""Least time from one announcement to the next, which names all that was verified meanwhile."""
RIPE_MS = 50
"""After this time a leader names a batch though too few have acknowledged it."""
FETCH_MS = 100
"""Beat of requests for missing batches; also the grace for a body that is on its way."""
ASK_BEATS = 5
"""Beats after which the next holder is asked."""
ASK_URGENT_BEATS = 3
"""The same for a batch that a proposal names."""
FORGET_BEATS = 100
"""Beats after which an announced batch that nobody delivers is forgotten."""
SETTLED_TICKS = 2
"""Seconds (begun ones) after its acknowledgement when a batch may be seen as passed over."""
STARVED_BLOCKS = 3
"""Blocks of one leader in a row that pass over batches before it is suspected."""
STARVED_TICKS = 2
"""Seconds (begun ones) that they take at least: who lacks a batch is told of it every second."""
BLAME_BLOCKS = 256
"""Decided blocks without a suspicion after which those before are forgotten."""

SEAL_TIMER = TimerId(0, 0, "seal")
HAVE_TIMER = TimerId(0, 0, "have")
RIPE_TIMER = TimerId(0, 0, "ripe")
FETCH_TIMER = TimerId(0, 0, "fetch")


@dataclass(slots=True, eq=False)
class Held:
    """A verified batch that no decided block holds yet.

    `count`, `size` (bytes) and `expiry` are the batch's, which would count anew each time.
    `entries` are the pool's groups of an own batch, None for another author's. `acknowledged` says
    that enough weight has it. `waited` counts seconds since then, `level` those of them in which
    this node was not behind.
    """

    batch: BatchHandle
    digest: bytes
    author: bytes
    count: int
    size: int
    expiry: int
    entries: tuple[Entry[Any], ...] | None = None
    holders: dict[int, None] = field(default_factory=dict)
    weight: int = 0
    acknowledged: bool = False
    ripe: bool = False
    waited: int = 0
    level: int = 0


@dataclass(slots=True, eq=False)
class _Starving:
    """Blocks of one leader in a row that pass over batches, since the tick of the first one."""

    leader: int
    since: int
    blocks: int = 0


@dataclass(slots=True, eq=False)
class _Check:
    """A batch that the host verifies; `others` announced it meanwhile.

    `spares` came under the same digest from others; each is charged to whoever sent it. `liars`
    sent a wrong one.
    """

    peer: Peer
    size: int
    others: list[Peer] = field(default_factory=list)
    spares: dict[Peer, BatchBody] = field(default_factory=dict)
    liars: set[Peer] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Want:
    """A missing batch, who holds it, and how far asking has come.

    `charged` is the peer whose allowance it uses.
    """

    announcers: list[Peer]
    urgent: bool
    charged: Peer | None = None
    age: int = 0
    asked: int = 0
    next_ask: int = 1


@dataclass(slots=True, eq=False)
class _Author:
    """What is held of one author."""

    batches: int = 0
    bytes: int = 0


@dataclass(slots=True, eq=False)
class _PeerLoad:
    """What one connection uses here. `served` starts again every second."""

    checks: int = 0
    check_bytes: int = 0
    wants: int = 0
    served: int = 0
    served_bytes: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one batch may hold beside an author's share of a block."""

    transactions: int
    bytes: int


class Dissemination:
    """See the module. `out` receives the actions, in order."""

    def __init__(
        self,
        out: list[Action],
        pool: Mempool[Any],
        batch_limits: BatchLimits,
        first_number: int,
    ) -> None:
        self._out = out
        self._pool = pool
        self._batch_limits = batch_limits
        self._numbers = first_number
        self._limits = Limits(0, 0, 0, 0, 0)
        self._configuration: Configuration | None = None
        self._members: dict[bytes, int] = {}
        self._former: frozenset[bytes] = frozenset()
        self._enough = 0
        self._held: OrderedDict[bytes, Held] = OrderedDict()
        self._bytes = 0
        self._authors: dict[bytes, _Author] = {}
        self._sealing: OrderedDict[int, tuple[Entry[Any], ...]] = OrderedDict()
        self._own_unordered = 0
        self._checks: dict[bytes, _Check] = {}
        self._wants: OrderedDict[bytes, _Want] = OrderedDict()
        self._loads: dict[Peer, _PeerLoad] = {}
        self._ordered: OrderedDict[bytes, int] = OrderedDict()
        self._ordered_times: deque[tuple[int, tuple[bytes, ...]]] = deque()
        self._served: dict[bytes, BatchHandle] = {}
        self._pinned: OrderedDict[bytes, None] = OrderedDict()
        self._ticks = 0
        self._starving: _Starving | None = None
        self._blamed: dict[int, None] = {}
        self._blameless = 0
        self._time = 0
        self._member_of: Callable[[Peer], int | None] = lambda _peer: None
        self.behind = False
        """Whether this node is behind: then nobody is blamed for what it cannot keep."""
        self._seal_timer = self._ripe_timer = self._fetch_timer = False
        self._ripening: list[Held] = []
        self._have_timer = False
        self._unannounced: list[bytes] = []

    # --- what the replica asks ---------------------------------------------------------------

    @property
    def unordered(self) -> int:
        """Verified batches that no block holds."""
        return len(self._held)

    @property
    def own_unordered(self) -> int:
        """Own batches that no block holds, those being sealed included."""
        return self._own_unordered + len(self._sealing)

    @property
    def wanted(self) -> int:
        """Batches that peers announced or a proposal names, and that are not here."""
        return len(self._wants)

    @property
    def missing(self) -> int:
        """Batches that the proposal of the height in work names, and that are not here."""
        return sum(want.urgent for want in self._wants.values())

    def find(self, digest: bytes) -> BatchHandle | None:
        """A verified batch that no block holds, or one of the newest block."""
        held = self._held.get(digest)
        return held.batch if held is not None else self._served.get(digest)

    def waiting(self) -> tuple[BatchHandle, ...]:
        """Verified batches that no block holds."""
        return tuple(held.batch for held in self._held.values())

    def is_ordered(self, digest: bytes) -> bool:
        """Whether a decided block within the longest lifetime holds it."""
        return digest in self._ordered

    def has_work(self) -> bool:
        """Whether a verified batch with a transaction that may still count waits."""
        return any(self._counts(held) for held in self._held.values())

    def is_ready(self) -> bool:
        """Whether a leader that is in no hurry should name what is here now."""
        return any(
            (held.acknowledged or held.ripe) and self._counts(held) for held in self._held.values()
        )

    def fills(self, transactions: int) -> bool:
        """Whether so many transactions, or more, wait to be named."""
        for held in self._held.values():
            if self._counts(held):
                transactions -= held.count
            if transactions <= 0:
                return True
        return False

    def select(self, *, urgent: bool = False) -> tuple[BatchHandle, ...]:
        """Batches for a proposal on top of the newest block.

        In order of arrival, acknowledged ones first, within the block's limits and each
        author's share. When urgent, those that too few acknowledged are named at once.
        """
        limits = self._limits
        transactions, size = limits.transactions, limits.bytes
        shares: dict[bytes, list[int]] = {}
        chosen: list[BatchHandle] = []
        waiting = [held for held in self._held.values() if self._counts(held)]
        first = [held for held in waiting if held.acknowledged]
        later = [held for held in waiting if not held.acknowledged and (urgent or held.ripe)]
        for held in (*first, *later):
            if len(chosen) == BLOCK_BATCHES_MAX:
                break
            share = shares.get(held.author)
            if share is None:
                shares[held.author] = share = [limits.author_transactions, limits.author_bytes]
            count = held.count
            if count > share[0] or held.size > share[1]:
                # Later batches of this author must not overtake the one that did not fit.
                share[0] = share[1] = 0
                continue
            if count > transactions or held.size > size:
                share[0] = share[1] = 0
                continue
            share[0] -= count
            share[1] -= held.size
            transactions -= count
            size -= held.size
            chosen.append(held.batch)
        return tuple(chosen)

    def charged(self) -> dict[Peer, int]:
        """Entries of the tables here by the peer because of which they are kept."""
        found = dict.fromkeys(self._loads, 0)
        for check in self._checks.values():
            for peer in (check.peer, *check.spares):
                found[peer] = found.get(peer, 0) + 1
        for want in self._wants.values():
            if want.charged is not None:
                found[want.charged] = found.get(want.charged, 0) + 1
        return found

    # --- configuration and start -------------------------------------------------------------

    def configure(
        self,
        configuration: Configuration,
        limits: Limits,
        member_of: Callable[[Peer], int | None],
    ) -> None:
        """Takes the settings in force; `member_of` gives the member behind a peer, if known."""
        before = self._configuration
        changed = before is None or before is not configuration
        self._configuration = configuration
        self._limits = limits
        self._member_of = member_of
        if changed:
            if before is not None and before.epoch != configuration.epoch:
                self._former = frozenset(self._members)
            self._members = {member.key: member.index for member in configuration.members}
            self._enough = catch_up_weight(configuration.total, configuration.quorum)

    def restore(self, time: int, ordered: Iterable[bytes], batches: Iterable[BatchHandle]) -> None:
        """Takes what the ledger knows at the start: ordered digests and recovered bodies."""
        self._time = time
        self._remember_ordered(time, tuple(ordered))
        for batch in batches:
            if batch.digest not in self._ordered:
                self._hold(batch, batch.digest, None)

    def epoch_changed(self) -> None:
        """Counts acknowledgements again from nothing: members have other indexes now.

        Batches of an author that left the set stay valid for a while (spec/ledger.md, section 12).
        A node that lost its vote sees to its groups itself: they go back to the pool.
        """
        own = self._configuration.own if self._configuration is not None else None
        if own is None:
            for held in [held for held in self._held.values() if held.entries is not None]:
                self._drop(held)
                self._pool.give_back(held.entries or ())
        for held in self._held.values():
            held.holders.clear()
            held.weight = 0
            held.acknowledged = False
            held.ripe = True
            held.waited = held.level = 0
            if own is not None:
                self._acknowledge(held, own)
        self._starving = None
        self._blamed.clear()

    # --- own batches -------------------------------------------------------------------------

    def seal(self) -> None:
        """Cuts batches from the pool, as far as the rules want them now."""
        if self._configuration is None or self._configuration.own is None:
            return
        while self._pool.waiting and self.own_unordered < OWN_UNORDERED_MAX:
            if self.own_unordered >= SEALED_AT_ONCE and not self._fills_a_batch():
                if not self._seal_timer:
                    self._seal_timer = True
                    self._out.append(SetTimer(SEAL_TIMER, SEAL_MS))
                return
            if not self._cut():
                return

    def seal_elapsed(self) -> None:
        """The oldest waiting group has waited long enough."""
        self._seal_timer = False
        if self._configuration is None or self._configuration.own is None:
            return
        if self._pool.waiting and self.own_unordered < OWN_UNORDERED_MAX:
            self._cut()
        self.seal()

    def sealed(self, number: int, batch: BatchHandle, peers: tuple[Peer, ...]) -> None:
        """The host signed a batch: it goes to all direct peers."""
        entries = self._sealing.pop(number, None)
        if entries is None:
            return
        if self._configuration is None or self._configuration.own is None:
            # This node lost its vote meanwhile.
            self._pool.give_back(entries)
            return
        if batch.digest in self._held or batch.digest in self._ordered:
            self._made_by_a_twin(batch.digest, entries)
            self.seal()
            return
        self._hold(batch, batch.digest, entries)
        if peers:
            body = BatchBody(batch.digest, batch.header, batch.body)
            self._out.append(SendTo(peers, body))
        self.seal()

    def _made_by_a_twin(self, digest: bytes, entries: tuple[Entry[Any], ...]) -> None:
        """Another process with this node's key made the same batch; no block may name it twice."""
        held = self._held.get(digest)
        if held is None:
            self._pool.decided(entries)
            self._out.append(Dropped(entries))
        elif held.entries is None:
            held.entries = entries
            self._own_unordered += 1

    def _room(self) -> tuple[int, int]:
        limits, batch = self._limits, self._batch_limits
        return (
            min(batch.transactions, limits.author_transactions, limits.transactions),
            min(batch.bytes, limits.author_bytes, limits.bytes),
        )

    def _fills_a_batch(self) -> bool:
        transactions, size = self._room()
        return self._pool.waits_for(transactions, size)

    def _cut(self) -> bool:
        entries = self._pool.select(*self._room())
        if not entries:
            return False
        if self._seal_timer:
            self._seal_timer = False
            self._out.append(CancelTimer(SEAL_TIMER))
        self._numbers += 1
        taken = tuple(entries)
        self._sealing[self._numbers] = taken
        self._out.append(SealBatch(self._numbers, taken))
        return True

    # --- what peers say ----------------------------------------------------------------------

    def received_body(self, peer: Peer, message: BatchBody) -> None:
        """A peer sent a batch: verify it unless it is known."""
        digest = message.digest
        if digest in self._held or digest in self._ordered or digest in self._served:
            return
        check = self._checks.get(digest)
        if check is not None:
            self._announced_too(check, peer)
            self._keep_spare(check, peer, message)
            return
        want = self._wants.get(digest)
        load = self._load(peer)
        size = _size(message)
        full = (
            not self._may_check(load, size)
            or len(self._held) >= BATCHES_MAX
            or self._bytes + size > BYTES_MAX
        )
        if full and (want is None or not want.urgent):
            self._refuse(peer, load, "too many batches")
            return
        load.checks += 1
        load.check_bytes += size
        self._checks[digest] = _Check(peer, size)
        self._out.append(CheckBatch(digest, message.header, message.body))

    def checked(
        self, digest: bytes, batch: BatchHandle | None, reason: str, peers: tuple[Peer, ...]
    ) -> bool:
        """The host verified a batch; True if it is held now."""
        check = self._checks.pop(digest, None)
        if check is None:
            return False
        load = self._loads.get(check.peer, _PeerLoad())
        self._discharge(check.peer, check.size)
        if batch is None or batch.digest != digest:
            text = reason or "it is not the batch that the message names"
            self._out.append(PenalisePeer(check.peer, f"invalid batch: {text}"))
            if not self._check_spare(digest, check):
                self._want_again(digest, check)
            return False
        self._drop_spares(check)
        want = self._wants.get(digest)
        known = batch.author in self._members or batch.author in self._former
        if not known and (want is None or not want.urgent):
            self._forget_want(digest)
            self._out.append(PenalisePeer(check.peer, "a batch of no member of the set"))
            return False
        if digest in self._held or digest in self._ordered:
            self._forget_want(digest)
            return False
        if (want is None or not want.urgent) and self._is_full(batch):
            self._forget_want(digest)
            self._refuse(check.peer, load, "too many batches of one author")
            return False
        self._forget_want(digest)
        held = self._hold(batch, digest, None)
        self._add_holder(held, check.peer)
        for other in check.others:
            self._add_holder(held, other)
        self._unannounced.append(digest)
        if not self._have_timer:
            self.have_elapsed(peers)
        return True

    def _keep_spare(self, check: _Check, peer: Peer, message: BatchBody) -> None:
        """Keeps a second body under a digest: a wrong one first must not cost the right one.

        Without room it is asked for again, like any missing batch.
        """
        if (
            peer == check.peer
            or peer in check.liars
            or peer in check.spares
            or len(check.spares) >= SPARES_MAX
        ):
            return
        load, size = self._load(peer), _size(message)
        if self._may_check(load, size):
            check.spares[peer] = message
            load.checks += 1
            load.check_bytes += size

    def _check_spare(self, digest: bytes, check: _Check) -> bool:
        """Has the next body under this digest verified; False if there is none."""
        check.liars.add(check.peer)
        if check.peer in check.others:
            check.others.remove(check.peer)
        if not check.spares:
            return False
        peer = next(iter(check.spares))
        message = check.spares.pop(peer)
        check.others = [other for other in check.others if other != peer]
        check.peer, check.size = peer, _size(message)
        self._checks[digest] = check
        self._out.append(CheckBatch(digest, message.header, message.body))
        return True

    def _drop_spares(self, check: _Check) -> None:
        for peer, spare in check.spares.items():
            self._discharge(peer, _size(spare))

    def _discharge(self, peer: Peer, size: int) -> None:
        load = self._loads.get(peer)
        if load is not None:
            load.checks = max(0, load.checks - 1)
            load.check_bytes = max(0, load.check_bytes - size)

    @staticmethod
    def _may_check(load: _PeerLoad, size: int) -> bool:
        return (
            load.checks < CHECKS_PER_PEER_MAX
            and load.check_bytes + size <= CHECK_BYTES_PER_PEER_MAX
        )

    def have_elapsed(self, peers: tuple[Peer, ...]) -> None:
        """Announces what was verified since the last announcement; the first one at once."""
        digests = [digest for digest in self._unannounced if digest in self._held]
        self._unannounced = []
        self._have_timer = bool(digests)
        if digests:
            self._announce(digests, peers)
            self._out.append(SetTimer(HAVE_TIMER, HAVE_MS))

    def received_have(self, peer: Peer, message: BatchHave) -> bool:
        """A peer announced batches; True if one got enough acknowledgements by it."""
        if len(message.digests) > DIGESTS_PER_MESSAGE_MAX:
            self._out.append(PenalisePeer(peer, "an announcement of too many batches"))
            return False
        moved = False
        member = self._member_of(peer)
        mine: list[bytes] = []
        for digest in message.digests:
            held = self._held.get(digest)
            if held is not None:
                before = held.acknowledged
                if member is not None:
                    if self._members.get(held.author) == member and held.entries is None:
                        # Its author asks whether it arrived.
                        mine.append(digest)
                    self._acknowledge(held, member)
                moved = moved or before != held.acknowledged
            elif digest in self._checks:
                self._announced_too(self._checks[digest], peer)
            elif digest not in self._ordered and digest not in self._served:
                self._announced(digest, peer)
        if mine:
            self._out.append(SendTo((peer,), BatchHave(tuple(mine))))
        return moved

    def received_want(self, peer: Peer, message: BatchWant) -> None:
        """A peer asks for batches."""
        if len(message.digests) > DIGESTS_PER_MESSAGE_MAX:
            self._out.append(PenalisePeer(peer, "a request for too many batches"))
            return
        load = self._load(peer)
        for digest in message.digests:
            batch = self.find(digest)
            if batch is None:
                continue
            if (
                load.served >= BODIES_PER_PEER_MAX
                or load.served_bytes + batch.bytes > BODY_BYTES_PER_PEER_MAX
            ):
                self._refuse(peer, load, "asks for too many batches")
                return
            load.served += 1
            load.served_bytes += batch.bytes
            self._out.append(SendTo((peer,), BatchBody(digest, batch.header, batch.body)))

    # --- what a proposal names ---------------------------------------------------------------

    def need(self, digests: Iterable[bytes], sources: tuple[Peer, ...]) -> None:
        """Asks for batches that a proposal names, the first source first.

        One that nobody announced yet is probably on its way (a proposal overtakes bodies in the
        queues of a connection): it is asked for at the next beat. What an earlier proposal lacked
        is no longer in a hurry.
        """
        asks: dict[Peer, list[bytes]] = {}
        for want in self._wants.values():
            want.urgent = False
        for digest in digests:
            want = self._wants.setdefault(digest, _Want([], urgent=True))
            want.urgent = True
            known = want.announcers
            want.announcers = [*known, *(peer for peer in sources if peer not in known)]
            if want.age and want.announcers and digest not in self._checks:
                self._ask(digest, want, asks)
            else:
                want.next_ask = want.age + 1
        self._send_asks(asks)
        self._start_fetching()

    def pin(self, digests: Iterable[bytes]) -> None:
        """Keeps these batches, though they expire, until `release`."""
        for digest in digests:
            self._pinned[digest] = None
        while len(self._pinned) > PINNED_MAX:
            self._pinned.popitem(last=False)

    def release(self) -> None:
        """The height is decided: nothing is pinned, nothing is missing in a hurry."""
        self._pinned.clear()
        for digest in [digest for digest, want in self._wants.items() if want.urgent]:
            self._forget_want(digest)

    # --- decided blocks ----------------------------------------------------------------------

    def decided(
        self, time: int, batches: tuple[bytes, ...]
    ) -> tuple[tuple[int, tuple[Entry[Any], ...]], ...]:
        """A block was decided: returns the places and groups of this node's batches in it."""
        self._time = time
        self._blameless += 1
        if self._blameless > BLAME_BLOCKS:
            self._blamed.clear()
        own: list[tuple[int, tuple[Entry[Any], ...]]] = []
        served: dict[bytes, BatchHandle] = {}
        for place, digest in enumerate(batches):
            held = self._held.get(digest)
            self._forget_want(digest)
            if held is None:
                continue
            served[digest] = held.batch
            self._drop(held)
            if held.entries is not None:
                own.append((place, held.entries))
                self._pool.decided(held.entries)
        self._served = served
        self._remember_ordered(time, batches)
        return tuple(own)

    def expire(self) -> None:
        """Drops what is void for every later block; own groups come back as `Dropped`."""
        time = self._time
        dropped: list[Entry[Any]] = []
        void = [held for held in self._held.values() if held.expiry < time]
        for held in void:
            if held.digest in self._pinned:
                continue
            self._drop(held)
            if held.entries is not None:
                self._pool.decided(held.entries)
                dropped += held.entries
        dropped += self._pool.drop_expired(time)
        if dropped:
            self._out.append(Dropped(tuple(dropped)))

    def overtaken(self, leader: int, batches: tuple[bytes, ...]) -> str | None:
        """H10: whether this leader starves batches, by a block whose content it chose.

        Call before `decided`. As long as it goes on every block of it says so again: members
        come to the same conclusion within a second of each other, and only together can they act.
        """
        passed = self._passed_over(batches)
        if passed is None:
            self._starving = None
            return None
        found = self._starving
        if found is None or found.leader != leader:
            found = self._starving = _Starving(leader, self._ticks)
        found.blocks += 1
        if found.blocks < STARVED_BLOCKS or self._ticks - found.since < STARVED_TICKS:
            return None
        if not self._may_blame(leader):
            return None
        return f"passes over batch {passed.hex()[:16]} and others that all have"

    def _passed_over(self, batches: tuple[bytes, ...]) -> bytes | None:
        """H10: a batch that all have, that this block could hold and does not; None if none.

        What does not fit closes the block for its author (`select`), and an author with more
        batches than a correct one ever has waiting may have kept them from the leader.
        """
        limits = self._limits
        transactions, size = limits.transactions, limits.bytes
        shares: dict[bytes, list[int]] = {}
        for digest in batches:
            held = self._held.get(digest)
            if held is None:
                # What it weighs is unknown: nothing can be said of the room that was left.
                return None
            transactions -= held.count
            size -= held.size
            share = shares.setdefault(held.author, [0, 0])
            share[0] += held.count
            share[1] += held.size
        if len(batches) >= BLOCK_BATCHES_MAX:
            return None
        named = dict.fromkeys(batches)
        closed: dict[bytes, None] = {}
        left: list[Held] = []
        for held in self._held.values():
            if held.digest in named or not self._counts(held):
                continue
            used = shares.get(held.author, [0, 0])
            if (
                held.count > transactions
                or held.size > size
                or used[0] + held.count > limits.author_transactions
                or used[1] + held.size > limits.author_bytes
            ):
                closed[held.author] = None
            elif held.level >= SETTLED_TICKS:
                left.append(held)
        for held in left:
            if (
                held.author in self._members
                and held.author not in closed
                and self._authors[held.author].batches <= 2 * OWN_UNORDERED_MAX
            ):
                return held.digest
        return None

    def _may_blame(self, leader: int) -> bool:
        """H10: whether the leaders blamed lately can all be faulty, but for one.

        If they cannot, something else is wrong, and yet another leader would not cure it.
        """
        configuration = self._configuration
        assert configuration is not None
        members = configuration.members
        others = sum(members[one].weight for one in self._blamed if one != leader)
        if others > configuration.total - configuration.quorum:
            return False
        self._blamed[leader] = None
        self._blameless = 0
        return True

    # --- peers and time ----------------------------------------------------------------------

    def peer_up(self, peer: Peer) -> None:
        """Tells a new peer what waits here."""
        self._announce(list(self._held), (peer,))

    def peer_down(self, peer: Peer) -> None:
        """Forgets what a connection used and announced."""
        self._loads.pop(peer, None)
        for digest in list(self._wants):
            want = self._wants[digest]
            if peer in want.announcers:
                want.announcers.remove(peer)
                if not want.announcers and not want.urgent:
                    self._forget_want(digest)

    def tick(self, peers: tuple[Peer, ...]) -> None:
        """Once a second: announces own and older batches to those who did not say they have them.

        The author of a batch may be gone: whoever holds it sees to it that a leader hears of it.
        """
        for load in self._loads.values():
            load.served = load.served_bytes = 0
            load.refused = 0
        self._ticks += 1
        if self.behind:
            self._starving = None
        again: list[Held] = []
        for held in self._held.values():
            if held.acknowledged:
                held.waited += 1
                held.level = 0 if self.behind else held.level + 1
            if held.entries is not None or held.waited >= SETTLED_TICKS:
                again.append(held)
        for peer in peers if again else ():
            member = self._member_of(peer)
            digests = [
                held.digest for held in again if member is None or member not in held.holders
            ]
            if digests:
                part = tuple(digests[:DIGESTS_PER_MESSAGE_MAX])
                self._out.append(SendTo((peer,), BatchHave(part)))

    def ripe_elapsed(self) -> bool:
        """Batches that waited for acknowledgements may be named now; True if there are any."""
        self._ripe_timer = False
        changed = False
        for held in self._ripening:
            changed = changed or not held.ripe
            held.ripe = True
        self._ripening = []
        return changed

    def fetch_elapsed(self, peers: tuple[Peer, ...]) -> None:
        """Asks for missing batches; for those that a proposal names also silent peers."""
        self._fetch_timer = False
        asks: dict[Peer, list[bytes]] = {}
        for digest in list(self._wants):
            want = self._wants[digest]
            want.age += 1
            if want.age > FORGET_BEATS and not want.urgent:
                self._forget_want(digest)
                continue
            if want.age < want.next_ask or digest in self._checks:
                continue
            if want.urgent and want.asked >= len(want.announcers):
                known = want.announcers
                want.announcers = [*known, *(peer for peer in peers if peer not in known)]
            if want.announcers and (want.urgent or self._may_ask(want, asks)):
                self._ask(digest, want, asks)
        self._send_asks(asks)
        self._start_fetching()

    # --- inside ------------------------------------------------------------------------------

    def _hold(
        self, batch: BatchHandle, digest: bytes, entries: tuple[Entry[Any], ...] | None
    ) -> Held:
        held = Held(
            batch,
            digest,
            batch.author,
            len(batch),
            batch.bytes,
            batch.latest_expiry,
            entries,
        )
        self._held[digest] = held
        self._bytes += held.size
        author = self._authors.setdefault(held.author, _Author())
        author.batches += 1
        author.bytes += held.size
        if entries is not None:
            self._own_unordered += 1
        own = self._configuration.own if self._configuration is not None else None
        if own is not None:
            self._acknowledge(held, own)
        if (
            self._configuration is not None
            and (author_member := self._members.get(held.author)) is not None
        ):
            # Who signed it holds it.
            self._acknowledge(held, author_member)
        if not held.acknowledged:
            self._ripening.append(held)
            if not self._ripe_timer:
                self._ripe_timer = True
                self._out.append(SetTimer(RIPE_TIMER, RIPE_MS))
        return held

    def _announce(self, digests: list[bytes], peers: tuple[Peer, ...]) -> None:
        for start in range(0, len(digests) if peers else 0, DIGESTS_PER_MESSAGE_MAX):
            part = tuple(digests[start : start + DIGESTS_PER_MESSAGE_MAX])
            self._out.append(SendTo(peers, BatchHave(part)))

    def _counts(self, held: Held) -> bool:
        """Whether the next block may hold it: not void, and not too large since limits fell."""
        limits = self._limits
        return (
            held.expiry > self._time
            and held.count <= limits.author_transactions
            and held.count <= limits.transactions
            and held.size <= limits.author_bytes
            and held.size <= limits.bytes
        )

    def _drop(self, held: Held) -> None:
        del self._held[held.digest]
        self._bytes -= held.size
        author = self._authors[held.author]
        author.batches -= 1
        author.bytes -= held.size
        if not author.batches:
            del self._authors[held.author]
        if held.entries is not None:
            self._own_unordered -= 1

    def _is_full(self, batch: BatchHandle) -> bool:
        author = self._authors.get(batch.author)
        return (
            len(self._held) >= BATCHES_MAX
            or self._bytes + batch.bytes > BYTES_MAX
            or (
                author is not None
                and (
                    author.batches >= AUTHOR_BATCHES_MAX
                    or author.bytes + batch.bytes > AUTHOR_BYTES_MAX
                )
            )
        )

    def _acknowledge(self, held: Held, member: int) -> None:
        if member in held.holders or self._configuration is None:
            return
        held.holders[member] = None
        held.weight += self._configuration.members[member].weight
        if held.weight >= self._enough:
            held.acknowledged = True

    def _add_holder(self, held: Held, peer: Peer) -> None:
        member = self._member_of(peer)
        if member is not None:
            self._acknowledge(held, member)

    def _announced(self, digest: bytes, peer: Peer) -> None:
        want = self._wants.get(digest)
        if want is None:
            load = self._load(peer)
            if load.wants >= WANTS_PER_PEER_MAX or len(self._wants) >= WANTS_MAX:
                self._refuse(peer, load, "announces too many batches")
                return
            load.wants += 1
            self._wants[digest] = _Want([peer], urgent=False, charged=peer)
            self._start_fetching()
        elif peer not in want.announcers and len(want.announcers) < ANNOUNCERS_MAX:
            want.announcers.append(peer)

    @staticmethod
    def _announced_too(check: _Check, peer: Peer) -> None:
        if peer != check.peer and peer not in check.others and len(check.others) < ANNOUNCERS_MAX:
            check.others.append(peer)

    def _want_again(self, digest: bytes, check: _Check) -> None:
        want = self._wants.get(digest)
        if want is None:
            for peer in check.others:
                self._announced(digest, peer)
            return
        if check.peer in want.announcers and len(want.announcers) > 1:
            want.announcers.remove(check.peer)
        want.announcers += [peer for peer in check.others if peer not in want.announcers]
        want.next_ask = want.age + 1
        self._start_fetching()

    def _forget_want(self, digest: bytes) -> None:
        want = self._wants.pop(digest, None)
        if want is not None and want.charged is not None:
            load = self._loads.get(want.charged)
            if load is not None and load.wants:
                load.wants -= 1

    def _may_ask(self, want: _Want, asks: dict[Peer, list[bytes]]) -> bool:
        """Whether the peer whose turn it is can answer without exceeding what is checked here."""
        peer = want.announcers[want.asked % len(want.announcers)]
        load = self._loads.get(peer)
        checks = load.checks if load is not None else 0
        return len(asks.get(peer, ())) + checks < ASKS_PER_BEAT_MAX

    def _ask(self, digest: bytes, want: _Want, asks: dict[Peer, list[bytes]]) -> None:
        peer = want.announcers[want.asked % len(want.announcers)]
        want.asked += 1
        want.next_ask = want.age + (ASK_URGENT_BEATS if want.urgent else ASK_BEATS)
        asks.setdefault(peer, []).append(digest)

    def _send_asks(self, asks: dict[Peer, list[bytes]]) -> None:
        for peer, digests in asks.items():
            for start in range(0, len(digests), DIGESTS_PER_MESSAGE_MAX):
                part = tuple(digests[start : start + DIGESTS_PER_MESSAGE_MAX])
                self._out.append(SendTo((peer,), BatchWant(part)))

    def _start_fetching(self) -> None:
        if self._wants and not self._fetch_timer:
            self._fetch_timer = True
            self._out.append(SetTimer(FETCH_TIMER, FETCH_MS))

    def _remember_ordered(self, time: int, digests: tuple[bytes, ...]) -> None:
        if digests:
            self._ordered_times.append((time, digests))
            for digest in digests:
                self._ordered[digest] = time
        lifetime = self._limits.max_lifetime_ms
        times = self._ordered_times
        while times and (times[0][0] + lifetime < time or len(self._ordered) > ORDERED_MAX):
            for digest in times.popleft()[1]:
                self._ordered.pop(digest, None)

    def _load(self, peer: Peer) -> _PeerLoad:
        load = self._loads.get(peer)
        if load is None:
            self._loads[peer] = load = _PeerLoad()
        return load

    def _refuse(self, peer: Peer, load: _PeerLoad, reason: str) -> None:
        load.refused += 1
        if load.refused == 1 and not self.behind:
            # Said once a second: a flood must not become a flood of reports.
            self._out.append(PenalisePeer(peer, reason))


def _size(message: BatchBody) -> int:
    return len(message.header) + len(message.body)

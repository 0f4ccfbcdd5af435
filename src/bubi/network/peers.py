"""The peer table: whom this node knows, whom it dials, whom it refuses. Pure; time (s) is given.

Addresses come from the configuration (seeds), from neighbours, and from peers themselves. Nodes
are known by the hash of their certificate's key. Jitter comes from a hash, so that the same calls
give the same answers.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from bubi.network.addresses import (
    NEIGHBOURS_MAX,
    ROLE_VALIDATOR,
    Address,
    IpRules,
    Neighbour,
)

ADDRESSES_MAX = 1_024
ADDRESSES_PER_TEACHER_MAX = 128
HEARSAY_PER_NODE_MAX = 2
"""So many addresses of one node are kept that one peer told."""
NODES_MAX = 1_024
LEARNED_ATTEMPTS_MAX = 6
"""A learned address that never answered is forgotten after so many attempts."""


@dataclass(frozen=True, slots=True)
class TrustRules:
    """A node's own lists beside those of the network. `deny` wins; an empty `allow` is everyone.

    Organisations by name, nodes by id, certificates by fingerprint (SHA-256 of the DER).
    """

    allow_organisations: frozenset[str] = frozenset()
    deny_organisations: frozenset[str] = frozenset()
    allow_nodes: frozenset[bytes] = frozenset()
    deny_nodes: frozenset[bytes] = frozenset()
    allow_certificates: frozenset[bytes] = frozenset()

    def refuses(self, node: bytes, organisation: str, fingerprint: bytes) -> str | None:
        """`denied`, `not_trusted`, or None."""
        if node in self.deny_nodes or organisation in self.deny_organisations:
            return "denied"
        if not (self.allow_organisations or self.allow_nodes or self.allow_certificates):
            return None
        trusted = (
            organisation in self.allow_organisations
            or node in self.allow_nodes
            or fingerprint in self.allow_certificates
        )
        return None if trusted else "not_trusted"


@dataclass(frozen=True, slots=True)
class NodeLists:
    """The lists of nodes, by id, that the network's organisations voted for.

    `denied` is the black list. Only those on the white list `allowed` are let in, unless it is
    empty. Nodes of the organisations `voters`, which have validators in force, need not be on it:
    a list without them would end the network for good.
    """

    allowed: frozenset[bytes] = frozenset()
    denied: frozenset[bytes] = frozenset()
    voters: frozenset[str] = frozenset()

    def refuses(self, node: bytes, organisation: str) -> str | None:
        """`black_listed`, `not_white_listed`, or None."""
        if node in self.denied:
            return "black_listed"
        listed = not self.allowed or node in self.allowed or organisation in self.voters
        return None if listed else "not_white_listed"


@dataclass(frozen=True, slots=True)
class Policy:
    """How the table decides.

    Dialling goes on while fewer than `target` nodes are connected, validators first. `learn` says
    whether addresses from neighbours are used. Delays in s, doubling up to `dial_max`; up to
    `dial_refused_max` where a machine answers on which the node does not run. A violation bans for
    `ban_first`, doubled by every further one within `memory`, up to `ban_max`.
    """

    target: int = 16
    learn: bool = True
    dial_first: float = 0.5
    dial_max: float = 60.0
    dial_refused_max: float = 2.0
    dials_at_once: int = 8
    stable: float = 10.0
    ban_first: float = 10.0
    ban_max: float = 600.0
    memory: float = 600.0
    trust: TrustRules = field(default_factory=TrustRules)
    rules: IpRules = field(default_factory=IpRules)


REFUSED = frozenset({"refused", "proxy_unreachable"})
"""Reasons of a failed attempt: the address answers, or a proxy does, and no node is there."""


class Source(StrEnum):
    """Where an address comes from."""

    SEED = "seed"
    PEER = "peer"
    NEIGHBOUR = "neighbour"


@dataclass(slots=True)
class _Known:
    """An address.

    `node` is who answered there, said so of itself, or is looked for there on a neighbour's word.
    `said` is whom a neighbour named for a seed where nobody has answered: told to people only.
    """

    address: Address
    source: Source
    node: bytes | None = None
    roles: int = 0
    teacher: bytes | None = None
    attempts: int = 0
    due: float = 0.0
    dialling: bool = False
    reason: str = ""
    said: bytes | None = None


@dataclass(slots=True)
class PeerStatistics:
    """What connections with one node added up to, since the start of this one."""

    connects: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    messages_in: int = 0
    messages_out: int = 0
    dropped: int = 0
    throttled: int = 0
    replaced: int = 0
    violations: int = 0

    def add(self, other: "PeerStatistics") -> None:
        """Adds those of a connection that ended."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class NodeRecord:
    """What is known of a node whose certificate was seen valid."""

    node: bytes
    name: str
    organisation: str
    roles: int = 0
    address: Address | None = None
    connected: bool = False
    hearsay_next: bool = False
    """Whether the last attempt was at an address that is known first hand."""
    since: float = 0.0
    reason: str = ""
    banned_until: float = 0.0
    ban_reason: str = ""
    recent_violations: int = 0
    last_violation: float = 0.0
    statistics: PeerStatistics = field(default_factory=PeerStatistics)


class PeerTable:
    """Known addresses and nodes."""

    def __init__(self, own: bytes, policy: Policy, own_address: Address | None = None) -> None:
        self.policy = policy
        self.lists = NodeLists()
        self._own = own
        self._own_address = own_address
        self._known: dict[Address, _Known] = {}
        self._nodes: dict[bytes, NodeRecord] = {}
        self._bogus: dict[bytes, int] = {}
        self.revision = 0
        """Grows when what `neighbours` tells changes."""

    # --- addresses -------------------------------------------------------------------------------

    def add_seed(self, address: Address) -> None:
        """An address from the configuration: never forgotten."""
        if address != self._own_address:
            self._known[address] = _Known(address, Source.SEED)

    def learn(self, teacher: bytes, neighbours: Iterable[Neighbour], now: float) -> int:
        """Addresses that a peer told.

        Returns:
            How many were not taken: known ones, this node's own, against the rules, too many.
        """
        ignored = 0
        taught = Counter(one.node for one in self._known.values() if one.teacher == teacher)
        for one in neighbours:
            full = (
                taught.total() >= ADDRESSES_PER_TEACHER_MAX
                or taught[one.node] >= HEARSAY_PER_NODE_MAX
            )
            known = self._known.get(one.address)
            if known is not None and known.node is None:
                known.said, known.roles = one.node, one.roles
            if full or known is not None or not self._wanted(one):
                ignored += 1
                continue
            taught[one.node] += 1
            entry = _Known(one.address, Source.NEIGHBOUR, one.node, one.roles, teacher)
            entry.due = now + self._courtesy(one.node)
            self._known[one.address] = entry
        return ignored

    def _wanted(self, neighbour: Neighbour) -> bool:
        ip = neighbour.address.ip
        reachable = ip is None or not (ip.is_multicast or ip.is_unspecified)
        return (
            self.policy.learn
            and len(self._known) < ADDRESSES_MAX
            and neighbour.node != self._own
            and neighbour.address != self._own_address
            and reachable
            and (ip is None or self.policy.rules.permits(ip))
            and not self._has_better(neighbour.node)
        )

    def _has_better(self, node: bytes) -> bool:
        """Whether the node is connected and told its address: hearsay adds nothing.

        One that is away may have moved; then its new neighbours know it first.
        """
        record = self._nodes.get(node)
        return record is not None and record.connected and record.address is not None

    def due(self, now: float) -> list[Address]:
        """Addresses to dial now; each is marked until `dial_ended`.

        Anybody admitted can tell addresses of nodes and of nobody without end. While an address
        that is known first hand is due, hearsay has at most half of the attempts: of all at a
        time, and of those of one node, one after the other.
        """
        dialled = [one for one in self._known.values() if one.dialling]
        slots = min(self.policy.target - len(self.connected()), self.policy.dials_at_once)
        room = slots - len(dialled)
        if room <= 0:
            return []
        candidates = self._candidates(frozenset(one.node for one in dialled), now)
        hearsay = [one for one in candidates if not self._is_first_hand(one)]
        spare = slots // 2 - sum(not self._is_first_hand(one) for one in dialled)
        late = {one.address for one in hearsay[max(0, spare) :]}
        candidates.sort(key=lambda one: one.address in late)
        chosen = sorted(candidates[:room], key=self._preference)
        for one in chosen:
            self._dialled(one)
        return [one.address for one in chosen]

    def _dialled(self, known: _Known) -> None:
        known.dialling = True
        record = self._nodes.get(known.node) if known.node is not None else None
        if record is not None:
            record.hearsay_next = self._is_first_hand(known)

    def _candidates(self, under_way: frozenset[bytes | None], now: float) -> list[_Known]:
        """Addresses that may be dialled now, one of each node, the preferred ones first."""
        found = [one for one in self._known.values() if self._may_dial(one, under_way, now)]
        found.sort(key=lambda one: (not self._has_turn(one), *self._preference(one)))
        nodes: dict[bytes | Address, _Known] = {}
        for one in found:
            nodes.setdefault(one.node or one.address, one)
        return sorted(nodes.values(), key=self._preference)

    def _has_turn(self, known: _Known) -> bool:
        """Of the addresses of one node: first hand and hearsay take turns."""
        record = self._nodes.get(known.node) if known.node is not None else None
        return self._is_first_hand(known) is not (record is not None and record.hearsay_next)

    def _is_first_hand(self, known: _Known) -> bool:
        """Whether it stands in the configuration, or the node gave it as its own."""
        return known.source is not Source.NEIGHBOUR or self._is_its_own(known)

    def _may_dial(self, known: _Known, under_way: frozenset[bytes | None], now: float) -> bool:
        if known.dialling or known.due > now or known.node == self._own:
            return False
        if known.node is None:
            return True
        if known.node in under_way:
            return False
        record = self._nodes.get(known.node)
        return record is None or (not record.connected and record.banned_until <= now)

    def _preference(self, known: _Known) -> tuple[bool, bool, int, bytes]:
        validator = bool(known.roles & ROLE_VALIDATOR)
        order = hashlib.sha256(self._own + str(known.address).encode()).digest()
        return (
            known.source is not Source.SEED and not validator,
            not validator,
            known.attempts,
            order,
        )

    def dial_ended(
        self, address: Address, node: bytes | None, reason: str | None, now: float
    ) -> None:
        """A dialled connection got through its handshake (`reason` None), or did not.

        `node` is whose certificate was shown, if one was.
        """
        known = self._known.get(address)
        if known is None:
            return
        known.dialling = False
        if node is not None:
            known.node = node
        if reason is None:
            known.reason = ""
            return
        known.reason = reason
        known.due = now + self.delay(address, known.attempts, reason)
        known.attempts += 1
        if not self._is_first_hand(known) and known.attempts >= LEARNED_ATTEMPTS_MAX:
            del self._known[address]
            if known.teacher is not None:
                self._bogus[known.teacher] = self._bogus.get(known.teacher, 0) + 1

    def _is_its_own(self, known: _Known) -> bool:
        """Whether the node itself, once connected, gave this address as its own."""
        record = self._nodes.get(known.node) if known.node is not None else None
        return record is not None and record.address == known.address

    def delay(self, address: Address, attempt: int, reason: str = "") -> float:
        """How long to wait after an attempt: doubling to a cap, half of it jitter.

        Where the machine answers and the node does not, it is being started, most likely.
        """
        cap = self.policy.dial_refused_max if reason in REFUSED else self.policy.dial_max
        longest = min(cap, self.policy.dial_max, self.policy.dial_first * 2 ** min(attempt, 30))
        data = self._own + str(address).encode() + attempt.to_bytes(8, "little")
        share = int.from_bytes(hashlib.sha256(data).digest()[:4], "little") / 2**32
        return float(longest * (0.5 + 0.5 * share))

    # --- nodes -----------------------------------------------------------------------------------

    def refuses(
        self, node: bytes, organisation: str, fingerprint: bytes, now: float
    ) -> str | None:
        """Why a node with a good certificate is refused.

        A reason of `NodeLists` or `TrustRules`, or `banned`.
        """
        reason = self.lists.refuses(node, organisation)
        reason = reason or self.policy.trust.refuses(node, organisation, fingerprint)
        if reason is not None:
            return reason
        record = self._nodes.get(node)
        return "banned" if record is not None and record.banned_until > now else None

    def seen(self, node: bytes, name: str, organisation: str) -> NodeRecord:
        """The record of a node whose certificate is valid."""
        record = self._nodes.get(node)
        if record is None:
            self._make_room()
            record = self._nodes[node] = NodeRecord(node, name, organisation)
        record.name, record.organisation = name, organisation
        return record

    def _make_room(self) -> None:
        if len(self._nodes) < NODES_MAX:
            return
        idle = (one for one in self._nodes.values() if not one.connected)
        oldest = min(idle, key=lambda one: max(one.since, one.banned_until), default=None)
        if oldest is not None:
            del self._nodes[oldest.node]

    def up(self, record: NodeRecord, roles: int, address: Address | None, now: float) -> None:
        """A connection is established."""
        record.connected = True
        record.since = now
        record.roles = roles
        record.reason = ""
        record.statistics.connects += 1
        self.revision += 1
        self._forget_old_address(record, address)
        record.address = address
        if address is not None and address != self._own_address and self._dialable(address):
            known = self._known.get(address)
            if known is None and len(self._known) < ADDRESSES_MAX:
                known = self._known[address] = _Known(address, Source.PEER)
            if known is not None:
                known.node, known.roles = record.node, roles

    def _dialable(self, address: Address) -> bool:
        ip = address.ip
        return ip is None or self.policy.rules.permits(ip)

    def _forget_old_address(self, record: NodeRecord, address: Address | None) -> None:
        """A node that moved is not looked for at its old place."""
        known = self._known.get(record.address) if record.address else None
        if known is not None and record.address != address and known.source is not Source.SEED:
            del self._known[known.address]

    def down(self, node: bytes, reason: str, now: float) -> None:
        """The connection ended."""
        record = self._nodes[node]
        record.connected = False
        record.reason = reason
        self.revision += 1
        stable = now - record.since >= self.policy.stable
        record.since = now
        for known in self._known.values():
            if known.node == node:
                known.attempts = 0 if stable else known.attempts
                known.due = now + self.delay(known.address, known.attempts) + self._courtesy(node)
                known.attempts += 1

    def _courtesy(self, node: bytes) -> float:
        """Of two nodes that can both dial, the smaller id goes first: fewer double connections."""
        return self.policy.dial_first if self._own_address and self._own > node else 0.0

    def connected(self) -> list[NodeRecord]:
        """Nodes with an established connection."""
        return [one for one in self._nodes.values() if one.connected]

    def record(self, node: bytes) -> NodeRecord | None:
        """What is known of a node."""
        return self._nodes.get(node)

    def punish(self, node: bytes, reason: str, now: float, seconds: float | None = None) -> float:
        """Bans a node, for longer each time if no time is given; returns until when."""
        record = self._nodes[node]
        policy = self.policy
        if now - record.last_violation > policy.memory:
            record.recent_violations = 0
        record.last_violation = now
        record.statistics.violations += 1
        if seconds is None:
            seconds = min(
                policy.ban_max, policy.ban_first * 2 ** min(record.recent_violations, 30)
            )
        record.recent_violations += 1
        record.banned_until = max(record.banned_until, now + seconds)
        record.ban_reason = reason
        return record.banned_until

    def pardon(self, node: bytes) -> bool:
        """Lifts a ban; False if there was none."""
        record = self._nodes.get(node)
        if record is None or not record.banned_until:
            return False
        record.banned_until, record.recent_violations = 0.0, 0
        return True

    def neighbours(self, receiver: bytes) -> tuple[Neighbour, ...]:
        """The list for a peer: connected nodes that listen, validators first, in order of id."""
        listening = [
            Neighbour(one.node, one.roles, one.address)
            for one in self._nodes.values()
            if one.connected and one.address is not None and one.node != receiver
        ]
        listening.sort(key=lambda one: (not one.roles & ROLE_VALIDATOR, one.node))
        return tuple(sorted(listening[:NEIGHBOURS_MAX], key=lambda one: one.node))

    # --- telling ---------------------------------------------------------------------------------

    def totals(self) -> PeerStatistics:
        """Sums over all nodes, of connections that have ended."""
        result = PeerStatistics()
        for one in self._nodes.values():
            result.add(one.statistics)
        return result

    def snapshot(self, now: float) -> list[dict[str, object]]:
        """All nodes, in order of name and id.

        Their state is `connected`, `banned`, `dialling` or `waiting`.
        """
        dialling = {one.node for one in self._known.values() if one.dialling}
        records = sorted(self._nodes.values(), key=lambda one: (one.name, one.node))
        return [
            {
                "id": one.node.hex(),
                "name": one.name,
                "organisation": one.organisation,
                "state": _state(one, now, dialling=one.node in dialling),
                "validator": bool(one.roles & ROLE_VALIDATOR),
                "address": str(one.address) if one.address else None,
                "seconds": round(now - one.since, 3),
                "reason": one.ban_reason if one.banned_until > now else one.reason,
                "banned_seconds": round(max(0.0, one.banned_until - now), 3),
                "bogus_addresses": self._bogus.get(one.node, 0),
                **{name: getattr(one.statistics, name) for name in one.statistics.__slots__},
            }
            for one in records
        ]

    def addresses(self, now: float) -> list[dict[str, object]]:
        """All known addresses, in order."""
        return [
            {
                "address": str(one.address),
                "source": one.source.value,
                "node": node.hex() if (node := self._told_as(one)) else None,
                "attempts": one.attempts,
                "next_seconds": round(max(0.0, one.due - now), 3),
                "dialling": one.dialling,
                "reason": one.reason,
            }
            for one in sorted(self._known.values(), key=lambda one: one.address)
        ]

    def _told_as(self, known: _Known) -> bytes | None:
        """A neighbour's word does not put a seed beside a node that is known to be elsewhere."""
        return known.node or (None if known.said in self._nodes else known.said)


def _state(record: NodeRecord, now: float, *, dialling: bool) -> str:
    if record.connected:
        return "connected"
    if record.banned_until > now:
        return "banned"
    return "dialling" if dialling else "waiting"

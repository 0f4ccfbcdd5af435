"""Organisations at work: they vote other sets, engines and quorums into force while faults strike.

One of them proposes, all others agree, and every node says by itself that it is ready, as the
shipped node does. No change leaves the network with more faulty weight than its quorum bears. Only
the last member ever leaves by a vote, and comes back with a later one; others get other weights
and keys. Whom evidence accuses has its organisation vote against its removal.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from bubi import core
from bubi.consensus.quorum import NO_FAULT_TOLERANCE, live_faults, quorum, safe_faults
from bubi.ledger import signed_transaction
from bubi.simulation.host import EPOCH_MS
from bubi.simulation.ledger import Key
from bubi.simulation.scheduler import MILLISECOND, SECOND

if TYPE_CHECKING:
    from bubi.simulation.cluster import Cluster
    from bubi.simulation.host import Host, Place

EVERY = SECOND
LIFETIME_MS = 30_000
PROPOSAL_MS = 300_000
SILENCE = 5 * SECOND
"""How long an organisation waits for the effect of what it said before it says it again."""
PREFIX = "bubidev"
WEIGHTS = (1, 1, 2, 3)
RATIOS = ((0, 1), (3, 4), (4, 5), (9, 10))
MEMBERS_MIN = 3
CHANGES_MAX = 2
"""Kinds of changes in one proposal."""

Change = dict[str, Any]


class Governing:
    """See the module. `engines` are those that a change may name."""

    def __init__(self, cluster: "Cluster", random: Random, engines: tuple[str, ...]) -> None:
        self._cluster = cluster
        self._random = random
        self._engines = engines
        self._said: dict[tuple[int, str], int] = {}
        self._proposed: tuple[bytes, int] | None = None
        """Transaction of the newest proposal and the end of its life (ms)."""
        self._keys: dict[int, Key] = {}
        """Keys that votes may bring into force, by place."""
        self._kinds: tuple[tuple[str, Callable[[_Next], list[Change]]], ...] = (
            ("engine", self._engine),
            ("members", self._members),
            ("weight", self._weight),
            ("key", self._key),
            ("quorum", self._quorum),
            ("parameter", self._parameter),
        )

    def start(self) -> None:
        """Begins to vote on what is proposed."""
        self._cluster.scheduler.after(EVERY, self._tick)

    # --- a strike ----------------------------------------------------------------------------

    def propose(self) -> bool:
        """Opens a proposal unless one is open or under way; whether it did."""
        host = self._informed()
        if host is None or self._is_on_its_way(host):
            return False
        governance = host.ledger.governance
        if governance["open"] or governance["pending"] is not None or self._is_swapping(host):
            return False
        following = _Next(host.ledger.validators)
        changes: list[Change] = []
        count = self._random.randint(1, CHANGES_MAX)
        for name, kind in self._random.sample(self._kinds, count):
            tried = following.copied()
            some = kind(tried)
            if some and self._bears(tried):
                following = tried
                changes += some
                self._cluster.marks[f"proposed_{name}"] += 1
        if not changes:
            return False
        operation = {
            "propose": {
                "changes": changes,
                "expires": str(self._now() + PROPOSAL_MS),
                "not_before": None,
                "acknowledged": following.acknowledged(),
                "memo": "",
            }
        }
        self._proposed = self._say(self._random.randrange(len(self._cluster.voters)), operation)
        return True

    def _is_on_its_way(self, host: "Host") -> bool:
        """Whether the newest proposal may still come into a block, unknown to the next one."""
        if self._proposed is None:
            return False
        transaction, valid_until = self._proposed
        return host.ledger.time <= valid_until and host.ledger.outcome(transaction) is None

    def _bears(self, following: "_Next") -> bool:
        """Whether a set still bears its faulty members."""
        faulty = {place.name for place in self._cluster.places if place.faulty}
        weight = sum(value for name, value in following.weights.items() if name in faulty)
        total, needed = following.total, following.quorum
        return len(following.weights) >= MEMBERS_MIN and weight <= min(
            safe_faults(total, needed), live_faults(total, needed)
        )

    # --- kinds of changes ----------------------------------------------------------------

    def _engine(self, following: "_Next") -> list[Change]:
        others = [name for name in self._engines if name != following.engine]
        return [{"set_engine": {"name": self._random.choice(others)}}] if others else []

    def _members(self, following: "_Next") -> list[Change]:
        """The last member leaves, or comes back if it left by a vote."""
        cluster = self._cluster
        last = cluster.places[cluster.plan.nodes - 1]
        key = last.key.public
        if last.name in following.weights:
            del following.weights[last.name]
            cluster.checkers.asked.add(key)
            return [{"remove_validator": {"name": last.name}}]
        if key not in cluster.checkers.asked:
            return []
        following.weights[last.name] = 1
        fields = {"name": last.name, "organisation": last.organisation, "weight": 1}
        return [{"add_validator": {**fields, "key": _key_json(key)}}]

    def _weight(self, following: "_Next") -> list[Change]:
        name = self._random.choice(sorted(following.weights))
        weight = self._random.choice(WEIGHTS)
        following.weights[name] = weight
        return [{"change_validator": {"name": name, "weight": weight, "key": None}}]

    def _key(self, following: "_Next") -> list[Change]:
        """A member with one machine gets another key; twins would have to share it."""
        cluster = self._cluster
        machines = [place.member for place in cluster.places]
        able = [
            place
            for place in cluster.places
            if place.name in following.weights and machines.count(place.member) == 1
        ]
        if not able:
            return []
        place = self._random.choice(able)
        secret = self._random.randbytes(32)
        key = Key(core.SigningKey.from_bytes(core.Algorithm.ED25519, secret), cluster.ideal)
        self._keys = {place.index: key}
        cluster.owners[key.public] = place.index
        cluster.checkers.asked.add(place.key.public)
        changed = {"name": place.name, "weight": None, "key": _key_json(key.public)}
        return [{"change_validator": changed}]

    def _quorum(self, following: "_Next") -> list[Change]:
        following.ratio = self._random.choice(RATIOS)
        numerator, denominator = following.ratio
        return [{"set_quorum": {"numerator": numerator, "denominator": denominator}}]

    def _parameter(self, _: "_Next") -> list[Change]:
        value = self._random.choice((1_000, 2_000))
        return [{"set_parameter": {"name": "block_transactions", "value": str(value)}}]

    # --- what follows ------------------------------------------------------------------------

    def _tick(self, _: None) -> None:
        self._cluster.scheduler.after(EVERY, self._tick)
        host = self._informed()
        if host is None:
            return
        governance = host.ledger.governance
        for identity in governance["open"]:
            self._vote(identity, host.ledger.proposal(identity))
        for index, key in list(self._keys.items()):
            self._follow_key(host, governance["pending"], self._cluster.places[index], key)

    def _vote(self, identity: str, proposal: Mapping[str, Any]) -> None:
        given = {str(one["organisation"]) for one in proposal["votes"]}
        removed = [
            one["remove_validator"]["name"]
            for one in proposal["changes"]
            if proposal["evidence"] is not None and "remove_validator" in one
        ]
        for index in range(len(self._cluster.voters)):
            place = self._cluster.places[index]
            if place.organisation not in given and self._may_say(index, identity):
                approve = place.name not in removed
                self._say(index, {"vote": {"proposal": identity, "approve": approve}})

    def _is_swapping(self, host: "Host") -> bool:
        """Whether a member of the set in force does not run with its new key yet."""
        members = {one.key for one in host.configuration.members}
        places = self._cluster.places
        return any(
            key.public in members and places[index].key is not key
            for index, key in self._keys.items()
        )

    def _follow_key(
        self, host: "Host", pending: Mapping[str, Any] | None, place: "Place", key: Key
    ) -> None:
        """Its owner says that the new key is ready, and restarts the node with it in the epoch."""
        if place.key is key:
            return
        account = _account(key.secret)
        if (
            pending is not None
            and pending["activation"] is None
            and any(one["account"] == account and not one["ready"] for one in pending["members"])
            and self._may_say(-1 - place.index, pending["proposal"])
        ):
            self._submit(key.secret, {"ready": {"proposal": pending["proposal"]}})
        if any(one.key == key.public for one in host.configuration.members):
            place.key = key
            self._cluster.marks["key_changed"] += 1
            self._cluster.stop_node(place, "process", 0)

    def _may_say(self, who: int, what: str) -> bool:
        """Whether it was said long ago, or never; then it counts as said now."""
        now = self._cluster.scheduler.now
        last = self._said.get((who, what))
        if last is not None and now - last < SILENCE:
            return False
        self._said[who, what] = now
        return True

    # --- transactions ------------------------------------------------------------------------

    def _informed(self) -> "Host | None":
        """The correct node that is furthest."""
        up = [p.host for p in self._cluster.places if p.host is not None and not p.faulty]
        return max(up, key=lambda host: host.ledger.height, default=None)

    def _say(self, voter: int, operation: Mapping[str, Any]) -> tuple[bytes, int] | None:
        return self._submit(self._cluster.voters[voter], operation)

    def _submit(
        self, key: core.SigningKey, operation: Mapping[str, Any]
    ) -> tuple[bytes, int] | None:
        """Hands a transaction to some node; its hash and the end of its life if admitted."""
        identifier, now = self._random.randbytes(16), self._now()
        body = transaction(self._cluster.chain_id, key, operation, now, identifier)
        up: list[Place] = [place for place in self._cluster.places if place.host is not None]
        if not up:
            return None
        host = self._random.choice(up).host
        assert host is not None
        admission = host.submit(core.bulk_body([body]))
        return None if admission is None else (admission.hashes[:32], now + LIFETIME_MS)

    def _now(self) -> int:
        return EPOCH_MS + self._cluster.scheduler.now // MILLISECOND


class _Next:
    """The set that the changes of a proposal would bring."""

    def __init__(self, validators: Mapping[str, Any]) -> None:
        self.engine = str(validators["engine"])
        self.weights = {one["name"]: int(one["weight"]) for one in validators["validators"]}
        self.ratio = (validators["quorum_numerator"], validators["quorum_denominator"])

    def copied(self) -> "_Next":
        """One that may be changed apart."""
        other = object.__new__(_Next)
        other.engine, other.weights, other.ratio = self.engine, dict(self.weights), self.ratio
        return other

    @property
    def total(self) -> int:
        """Weight of all members."""
        return sum(self.weights.values())

    @property
    def quorum(self) -> int:
        """Weight that a certificate needs."""
        return quorum(self.total, *self.ratio)

    def acknowledged(self) -> list[str]:
        """What a proposal of this set has to name: members that can stop it alone."""
        spare = live_faults(self.total, self.quorum)
        heavy = sorted(name for name, weight in self.weights.items() if weight > spare)
        return [NO_FAULT_TOLERANCE] if len(heavy) == len(self.weights) else heavy


def transaction(
    chain_id: bytes,
    key: core.SigningKey,
    operation: Mapping[str, Any],
    now_ms: int,
    identifier: bytes,
) -> bytes:
    """A signed transaction with one operation, by the account of a key."""
    document = {
        "v1": {
            "source": _account(key),
            "replay": {"id": identifier.hex()},
            "valid_until": str(now_ms + LIFETIME_MS),
            "preconditions": [],
            "memo": "",
            "operations": [{"source": None, "body": operation}],
        }
    }
    return signed_transaction(
        chain_id, core.body_from_json(PREFIX, core.encode_json(document)), key
    )


def _account(key: core.SigningKey) -> str:
    return core.address_to_text(PREFIX, core.key_address(0, key.public_key))


def _key_json(key: bytes) -> dict[str, str]:
    return {"ed25519": key[1:].hex()}

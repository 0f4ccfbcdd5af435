"""Organisations at work: they vote other engines and members into force while faults strike.

One of them proposes, all others agree, and every node says by itself that it is ready, as the
shipped node does. Only the last member of the set ever leaves, so that the others keep their
numbers, and only if what remains bears the faulty ones; it comes back with a later change.
"""

from random import Random
from typing import TYPE_CHECKING, Any

from bubi import core
from bubi.consensus.quorum import live_faults, quorum, safe_faults
from bubi.ledger import signed_transaction
from bubi.simulation.host import EPOCH_MS
from bubi.simulation.scheduler import MILLISECOND, SECOND

if TYPE_CHECKING:
    from bubi.simulation.cluster import Cluster
    from bubi.simulation.host import Host, Place

EVERY = SECOND
LIFETIME_MS = 30_000
PROPOSAL_MS = 300_000
SILENCE = 5 * SECOND
"""How long a node or organisation waits for the effect of what it said before it says it again."""
PREFIX = "bubidev"


class Governing:
    """See the module. `engines` are those that a change may name."""

    def __init__(self, cluster: "Cluster", random: Random, engines: tuple[str, ...]) -> None:
        self._cluster = cluster
        self._random = random
        self._engines = engines
        self._said: dict[tuple[int, str], int] = {}
        self._epoch = 0

    def start(self) -> None:
        """Begins to vote on what is proposed."""
        self._cluster.scheduler.after(EVERY, self._tick)

    # --- a strike ----------------------------------------------------------------------------

    def propose(self) -> bool:
        """Opens a proposal unless one is open or under way; whether it did."""
        host = self._informed()
        if host is None:
            return False
        governance = host.ledger.governance
        if governance["open"] or governance["pending"] is not None:
            return False
        changes = self._changes(host)
        operation = {
            "propose": {
                "changes": changes,
                "expires": str(self._now() + PROPOSAL_MS),
                "not_before": None,
                "acknowledged": ["no_fault_tolerance"] if self._members(host) <= 4 else [],
                "memo": "",
            }
        }
        self._submit(self._random.randrange(len(self._cluster.voters)), operation)
        return True

    def _members(self, host: "Host") -> int:
        return len(host.configuration.members)

    def _changes(self, host: "Host") -> list[dict[str, Any]]:
        """Another engine, another set, or both."""
        others = [name for name in self._engines if name != host.configuration.engine]
        changes: list[dict[str, Any]] = []
        moved = self._set_change(host) if self._random.randrange(2) else None
        if moved is not None:
            changes.append(moved)
        if others and (not changes or self._random.randrange(2)):
            changes.append({"set_engine": {"name": self._random.choice(others)}})
        if not changes:
            value = self._random.choice((1_000, 2_000))
            changes.append({"set_parameter": {"name": "block_transactions", "value": str(value)}})
        return changes

    def _set_change(self, host: "Host") -> dict[str, Any] | None:
        """The last member leaves, or the one that left comes back."""
        cluster = self._cluster
        nodes = cluster.plan.nodes
        last = cluster.places[nodes - 1]
        if self._members(host) < nodes:
            return {
                "add_validator": {
                    "name": last.name,
                    "organisation": last.organisation,
                    "key": {"ed25519": last.key.public[1:].hex()},
                    "weight": 1,
                }
            }
        left = nodes - 1
        needed = quorum(left, *cluster.plan.quorum_ratio)
        faulty = sum(1 for member in cluster.plan.faulty if member != last.index)
        if left < 3 or faulty > min(safe_faults(left, needed), live_faults(left, needed)):
            return None
        return {"remove_validator": {"name": last.name}}

    # --- what follows ------------------------------------------------------------------------

    def _tick(self, _: None) -> None:
        self._cluster.scheduler.after(EVERY, self._tick)
        host = self._informed()
        if host is None:
            return
        for identity in host.ledger.governance["open"]:
            given = host.ledger.votes(identity)
            for index in range(len(self._cluster.voters)):
                if f"organisation-{index + 1}" not in given and self._may_say(index, identity):
                    self._submit(index, {"vote": {"proposal": identity, "approve": True}})

    def committed(self, host: "Host") -> None:
        """A node made a block durable: it says whether it is ready, as shipped nodes do."""
        epoch = host.ledger.configuration().epoch
        if epoch > self._epoch and not host.place.faulty:
            self._epoch = epoch
            self._cluster.injected["epoch_change"] += 1
            self._cluster.marks["epochs"] = epoch
        pending = host.ledger.governance["pending"]
        if pending is None or pending["activation"] is not None:
            return
        account = self._account(host.place.key.secret)
        awaited = any(one["account"] == account and not one["ready"] for one in pending["members"])
        if awaited and self._may_say(-1 - host.place.index, pending["proposal"]):
            body = self._body(account, {"ready": {"proposal": pending["proposal"]}})
            chain = self._cluster.chain_id
            host.submit(core.bulk_body([signed_transaction(chain, body, host.place.key.secret)]))

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

    def _submit(self, voter: int, operation: dict[str, Any]) -> None:
        key = self._cluster.voters[voter]
        body = self._body(self._account(key), operation)
        signed = signed_transaction(self._cluster.chain_id, body, key)
        up: list[Place] = [place for place in self._cluster.places if place.host is not None]
        if up:
            host = self._random.choice(up).host
            assert host is not None
            host.submit(core.bulk_body([signed]))

    def _account(self, key: core.SigningKey) -> str:
        return core.address_to_text(PREFIX, core.key_address(0, key.public_key))

    def _body(self, source: str, operation: dict[str, Any]) -> bytes:
        document = {
            "v1": {
                "source": source,
                "replay": {"id": self._random.randbytes(16).hex()},
                "valid_until": str(self._now() + LIFETIME_MS),
                "preconditions": [],
                "memo": "",
                "operations": [{"source": None, "body": operation}],
            }
        }
        return core.body_from_json(PREFIX, core.encode_json(document))

    def _now(self) -> int:
        return EPOCH_MS + self._cluster.scheduler.now // MILLISECOND

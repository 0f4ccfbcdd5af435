"""Clients: they submit real transfers to random nodes and remember what they were told.

A client without an answer submits the same bytes again to another node, as a careful client does.
Some transfers contend for the last units of an account, some reuse an id, some are short-lived.
"""

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from bubi import core
from bubi.simulation.host import EPOCH_MS
from bubi.simulation.scheduler import MILLISECOND, SECOND

if TYPE_CHECKING:
    from bubi.simulation.cluster import Cluster
    from bubi.simulation.host import Host, Place

PREFIX = "bubidev"
CODE = "coin"
SUPPLY_PER_CLIENT = 1_000
LIFETIME_MS = 60_000
SHORT_LIFETIME_MS = 1_500
RESUBMIT = 3 * SECOND
ID_MARK = b"\xa5" * 16
EXPIRY_MARK = 1_234_567_890_123_456


@dataclass(slots=True)
class Pending:
    """A transfer without an answer."""

    digest: bytes
    body: bytes
    valid_until: int
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a client was told, and by whom."""

    code: str
    height: int
    place: int


class Workload:
    """The clients of a run."""

    def __init__(self, cluster: "Cluster", keys: list[core.SigningKey], random: Random) -> None:
        self._cluster = cluster
        self._keys = keys
        self._random = random
        self._interval = int(SECOND / cluster.plan.transactions_per_second)
        self.addresses = [
            core.address_to_text(PREFIX, core.key_address(0, key.public_key)) for key in keys
        ]
        self.asset = asset_id(keys[0])
        self._templates: dict[tuple[int, int, int], bytes] = {}
        self.pending: dict[bytes, Pending] = {}
        self.acknowledged: dict[bytes, Acknowledged] = {}
        self.expired = 0
        self.submitted = 0
        self._used_ids: list[bytes] = []
        self.running = True

    def start(self) -> None:
        """Opens the asset; transfers follow."""
        operations: list[object] = [
            {
                "create_asset": {
                    "code": CODE,
                    "name": CODE,
                    "kind": "fungible",
                    "decimals": 0,
                    "cap": None,
                    "features": {"freeze": False, "whitelist": False, "clawback": False},
                }
            }
        ]
        operations += [
            {
                "issue": {
                    "asset": self.asset.hex(),
                    "to": address,
                    "amount": str(SUPPLY_PER_CLIENT),
                    "expires": None,
                }
            }
            for address in self.addresses
        ]
        body = self._body(0, operations)
        self._submit(0, self._fill(body, self._id(), LIFETIME_MS), LIFETIME_MS)
        self._cluster.scheduler.after(SECOND, self._tick)

    def stop(self) -> None:
        """No new transfers; the open ones are followed to their end."""
        self.running = False

    # --- making transfers --------------------------------------------------------------------

    def _tick(self, _: None) -> None:
        if not self.running:
            return
        self._cluster.scheduler.after(int(self._interval * 2 * self._random.random()), self._tick)
        self.transfer()

    def transfer(self, place: "Place | None" = None) -> None:
        """Submits one transfer, to a given node or to any."""
        random = self._random
        source = random.randrange(len(self._keys))
        target = (source + 1 + random.randrange(len(self._keys) - 1)) % len(self._keys)
        # One in five moves so much that accounts run dry, and some of these are rejected.
        amount = random.choice((1, 1, 2, 3, 700))
        lifetime = SHORT_LIFETIME_MS if random.randrange(12) == 0 else LIFETIME_MS
        identifier = self._id()
        if self._used_ids and random.randrange(15) == 0:
            # A second body under a used id must never take effect beside the first.
            identifier = random.choice(self._used_ids)
        key = (source, target, amount)
        template = self._templates.get(key)
        if template is None:
            operation = {
                "transfer": {
                    "asset": self.asset.hex(),
                    "to": self.addresses[target],
                    "amount": str(amount),
                }
            }
            template = self._templates[key] = self._body(source, [operation])
        self._submit(source, self._fill(template, identifier, lifetime), lifetime, place)

    def _id(self) -> bytes:
        identifier = self._random.randbytes(16)
        if len(self._used_ids) < 200:
            self._used_ids.append(identifier)
        return identifier

    def _body(self, source: int, operations: list[object]) -> bytes:
        document = {
            "v1": {
                "source": self.addresses[source],
                "replay": {"id": ID_MARK.hex()},
                "valid_until": str(EXPIRY_MARK),
                "preconditions": [],
                "memo": "",
                "operations": [{"source": None, "body": one} for one in operations],
            }
        }
        return core.body_from_json(PREFIX, core.encode_json(document))

    def _fill(self, template: bytes, identifier: bytes, lifetime_ms: int) -> bytes:
        valid_until = self._now() + lifetime_ms
        return template.replace(ID_MARK, identifier, 1).replace(
            EXPIRY_MARK.to_bytes(8, "little"), valid_until.to_bytes(8, "little"), 1
        )

    def _now(self) -> int:
        return EPOCH_MS + self._cluster.scheduler.now // MILLISECOND

    # --- following them ----------------------------------------------------------------------

    def _submit(
        self, source: int, body: bytes, lifetime_ms: int, place: "Place | None" = None
    ) -> None:
        key = self._keys[source]
        chain = self._cluster.chain_id
        message = core.signing_bytes(chain, body)
        signed = signed_transaction(body, key.public_key, core.ideal_sign(key.public_key, message))
        if not self._cluster.ideal:
            signed = signed_transaction(body, key.public_key, key.sign(message))
        digest = core.transaction_hash(0, chain, body)
        if digest in self.pending or digest in self.acknowledged:
            return
        self.submitted += 1
        pending = Pending(digest, core.bulk_body([signed]), self._now() + lifetime_ms)
        self.pending[digest] = pending
        self._send(pending, place)

    def _send(self, pending: Pending, place: "Place | None" = None) -> None:
        pending.tries += 1
        # A client cannot know who is faulty; what such a node tells it does not count.
        up = [one for one in self._cluster.places if one.host is not None]
        if place is None and up:
            place = self._random.choice(up)
        if place is not None and place.host is not None:
            place.host.submit(pending.body)
        self._cluster.scheduler.after(RESUBMIT, self._follow, pending)

    def _follow(self, pending: Pending) -> None:
        if pending.digest not in self.pending:
            return
        if self._look_up(pending):
            return
        if self._now() > pending.valid_until + 1_000:
            # Someone must make a block later than the expiry, so that the end is known.
            for place in self._cluster.places:
                if place.host is not None and not place.faulty:
                    place.host.need_block(pending.valid_until)
                    break
            self._cluster.scheduler.after(RESUBMIT, self._follow, pending)
            return
        self._send(pending)

    def _look_up(self, pending: Pending) -> bool:
        """Asks a node for the outcome, as a client does that lost its connection."""
        up = [one for one in self._cluster.places if one.host is not None and not one.faulty]
        if not up:
            return False
        host = self._random.choice(up).host
        assert host is not None
        if self.resolved(host, pending.digest):
            return True
        if host.ledger.time > pending.valid_until:
            del self.pending[pending.digest]
            self.expired += 1
            self._cluster.checkers.expired[pending.digest] = host.ledger.height
            return True
        return False

    def resolved(self, host: "Host", digest: bytes) -> bool:
        """A node tells the outcome of a transaction, if there is one."""
        if digest not in self.pending:
            return digest in self.acknowledged
        outcome = host.ledger.outcome(digest)
        if outcome is None:
            return False
        del self.pending[digest]
        if not host.place.faulty:
            self.acknowledged[digest] = Acknowledged(*outcome, host.place.index)
            self._cluster.checkers.acknowledged(digest, *outcome)
        return True


def asset_id(issuer: core.SigningKey) -> bytes:
    """Id of the one asset of a simulation."""
    domain = b"bubi:asset......"
    return core.hash(0, domain + core.key_address(0, issuer.public_key) + CODE.encode())


def signed_transaction(body: bytes, public_key: bytes, signature: bytes) -> bytes:
    """A signed transaction with one signature, encoded."""
    return b"".join([b"\x00", core.uleb128(len(body)), body, b"\x01", public_key, signature])

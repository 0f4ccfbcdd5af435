"""The ledger of one simulated node: the real core on a simulated disk.

Every call is made at the virtual time at which its work ends. The names are those of the actions
that the host performs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bubi import core
from bubi.applying import Applying
from bubi.consensus import guard
from bubi.consensus.engine import Certificate, Configuration
from bubi.ledger import LedgerView, encode_certificate, restored_guard
from bubi.mempool import Entry
from bubi.messages import BlockParts
from bubi.replica.events import Limits, Tip

PROPOSAL_RECORD = 2
GUARD_RECORD = 3
PREPARED_RECORD = 4


@dataclass(frozen=True, slots=True)
class Key:
    """A validator's or client's key. `ideal` signs with a hash that the simulation believes."""

    secret: core.SigningKey
    ideal: bool

    @property
    def public(self) -> bytes:
        """Tagged bytes."""
        return self.secret.public_key

    def sign(self, message: bytes) -> bytes:
        """Signature of a vote or status."""
        if self.ideal:
            return core.ideal_sign(self.public, message)
        return self.secret.sign(message)


class Ledger:
    """Ledger of one incarnation of a node. A restart opens another one on the same disk."""

    def __init__(self, disk: core.SimulatedDisk, genesis: bytes, key: Key | None) -> None:
        """Opens the ledger and recovers it.

        Raises:
            CoreError: it is damaged beyond what the node can repair, or the disk fails.
        """
        ideal = key is None or key.ideal
        self._chain = core.Chain.open_simulated(disk, genesis, ideal=ideal)
        self._view = LedgerView(self._chain, None if key is None else key.public)
        self._key = key
        self._executions: dict[bytes, core.Execution] = {}

    @property
    def chain(self) -> core.Chain:
        """The chain itself, for checkers."""
        return self._chain

    @property
    def view(self) -> LedgerView:
        """What consensus and declarations read of it."""
        return self._view

    @property
    def chain_id(self) -> bytes:
        """Id of the chain."""
        return self._chain.chain_id

    @property
    def height(self) -> int:
        """Newest decided height."""
        return self._chain.height

    @property
    def time(self) -> int:
        """Block time of the newest block (ms)."""
        return self._chain.time

    # --- what a replica starts from ----------------------------------------------------------

    def tip(self) -> Tip:
        """The newest block."""
        return self._view.tip()

    def configuration(self) -> Configuration:
        """What the next height is decided under."""
        return self._view.configuration()

    def limits(self) -> Limits:
        """Limits of the next block."""
        return self._view.limits()

    @property
    def governance(self) -> Mapping[str, Any]:
        """What governance is about."""
        return self._view.governance

    @property
    def validators(self) -> Mapping[str, Any]:
        """The validator set in force."""
        return self._view.validators

    def proposal(self, identity: str) -> Mapping[str, Any]:
        """A proposal that governance names."""
        text = self._chain.proposal_json(bytes.fromhex(identity))
        assert text is not None
        found: Mapping[str, Any] = core.decode_json(text)["v1"]
        return found

    def evidence(self) -> list[Mapping[str, Any]]:
        """All evidence that blocks recorded, in the order of its ids."""
        found: list[Mapping[str, Any]] = []
        after = b""
        while True:
            page = core.decode_json(self._chain.list_evidence(after, 1_000))
            found += [one["value"]["v1"] for one in page["items"]]
            if not page["next"]:
                return found
            after = bytes.fromhex(page["next"])

    def decided_under(self) -> Configuration:
        """What the newest block was decided under: also the last one of an epoch that ended."""
        first = int(self.governance["epoch_height"])
        epoch = int(self.governance["epoch"])
        return self._view.configuration_of(epoch if self.height >= first else epoch - 1)

    @property
    def clock_tolerance_ms(self) -> int:
        """How far a block's time may be from this node's clock."""
        return self._view.clock_tolerance_ms

    def records(self) -> tuple[tuple[int, bytes], ...]:
        """Records of the height in work that the log holds, oldest first."""
        above = self._chain.height + 1
        found = []
        for kind in (PROPOSAL_RECORD, PREPARED_RECORD):
            found += [(kind, data) for _, data in self._chain.log_records(kind, above)]
        return tuple(found)

    def bodies(self) -> tuple[core.Batch, ...]:
        """Batches that the log holds above the newest block."""
        return tuple(self._chain.pending_bodies())

    def ordered(self) -> tuple[bytes, ...]:
        """Digests of batches that blocks ordered within the longest lifetime."""
        return tuple(digest for _, digest in self._chain.ordered_batches())

    def restored_guard(self) -> guard.GuardState:
        """The signer guard from its two places.

        Raises:
            CoreError: the log is damaged, or the second place cannot be written.
        """
        return restored_guard(self._chain)

    # --- actions -----------------------------------------------------------------------------

    def admit(self, body: bytes, now: int) -> core.Admission:
        """Transactions at the door."""
        return self._chain.admit(body, now)

    def seal(self, entries: Sequence[Entry[Any]], number: int) -> core.Batch:
        """A batch of these groups."""
        assert self._key is not None
        groups = [entry.group for entry in entries]
        return self._chain.batch(groups, number, self._key.secret)

    def check_batch(self, header: bytes, body: bytes) -> core.Batch:
        """A batch of another author.

        Raises:
            CoreError: it is invalid.
        """
        return self._chain.decode_batch(header, body)

    def propose(
        self, time: int, parent_round: int, batches: Sequence[core.Batch]
    ) -> tuple[bytes, bytes]:
        """A proposal on top of the newest block, and its digest."""
        proposal = self._chain.propose(time, parent_round, list(batches))
        return proposal, self._chain.proposal_digest(proposal)

    def proposal_fields(self, proposal: bytes) -> tuple[int, int, bytes, int]:
        """Height, time, parent and parent round of a proposal.

        Raises:
            CoreError: it is none.
        """
        return self._chain.proposal_fields(proposal)

    def check_proposal(
        self,
        proposal: bytes,
        digest: bytes,
        batches: Sequence[core.Batch],
        parent_round: int | None,
    ) -> None:
        """Checks everything but the clock.

        Raises:
            CoreError: it is invalid.
        """
        self._chain.check_proposal(proposal, digest, list(batches), parent_round)

    def append_bodies(self, height: int, batches: Sequence[core.Batch]) -> None:
        """Appends the bodies of a proposal to the log."""
        self._chain.append_bodies(height, list(batches))

    def append(self, kind: int, height: int, data: bytes) -> None:
        """Appends a record to the log."""
        self._chain.append(kind, height, data)

    def sync(self) -> None:
        """Makes the log durable.

        Raises:
            StorageFull, StorageFatal: the disk failed.
        """
        self._chain.sync()

    def mirror(self, record: bytes) -> None:
        """Writes the second place of the guard."""
        self._chain.guard_write(record)

    def execute(self, proposal: bytes, digest: bytes, batches: Sequence[core.Batch]) -> bytes:
        """Executes a proposal and keeps the result; its outcome hash.

        Raises:
            CoreError: it does not fit the newest block.
        """
        execution = self._executions.get(digest)
        if execution is None:
            execution = self._chain.execute(proposal, list(batches))
            self._executions[digest] = execution
        return execution.outcome_hash

    def commit(self, certificate: Certificate) -> None:
        """Commits an executed proposal.

        Raises:
            StorageFull, StorageFatal: the disk failed.
        """
        execution = self._executions[certificate.request.digest]
        self._chain.commit(execution, encode_certificate(certificate))
        self._executions.clear()

    def apply(self, parts: BlockParts) -> str | None:
        """Verifies, executes and commits a block that others decided.

        The answer is None, or why not ("diverged": this node computed another outcome).

        Raises:
            StorageFull, StorageFatal: the disk failed.
        """
        applying = Applying(self._chain, parts, self._executions)
        try:
            applying.run()
        except (core.StorageFull, core.StorageFatal):
            raise
        except (core.CoreError, ValueError) as error:
            return str(error)
        if applying.diverges:
            return "diverged"
        self._executions.clear()
        return None

    def read_blocks(self, first: int, last: int, bytes_max: int) -> tuple[BlockParts, ...]:
        """Decided blocks in order, as many as fit, but one at least."""
        found: list[BlockParts] = []
        size = 0
        for height in range(first, last + 1):
            parts = self._chain.block_parts(height)
            if parts is None:
                break
            proposal, certificate, headers, bodies = parts
            size += len(proposal) + len(certificate) + sum(map(len, headers + bodies))
            if found and size > bytes_max:
                break
            found.append(BlockParts(height, proposal, certificate, tuple(headers), tuple(bodies)))
        return tuple(found)

    # --- what clients and checkers read ------------------------------------------------------

    def outcome(self, transaction: bytes) -> tuple[str, int] | None:
        """Code and height of a transaction's receipt."""
        text = self._chain.status_json(transaction, False)
        if text is None:
            return None
        document = core.decode_json(text)
        return str(document["code"]), int(document["height"])

    def receipts(self, height: int) -> list[tuple[bytes, str]]:
        """Transaction and code of each receipt of a block."""
        text = self._chain.block_json(height, True)
        assert text is not None
        return [
            (bytes.fromhex(one["id"]), str(one["code"]))
            for one in core.decode_json(text)["transactions"]
        ]

    def holders(self, asset: bytes) -> dict[str, int]:
        """Balance of each holder of an asset."""
        lease = self._chain.lease()
        found: dict[str, int] = {}
        after = b""
        while True:
            page, after = lease.page("holders", asset.hex(), after, 1_000)
            for one in json.loads(page):
                found[str(one["holder"])] = int(one["holding"]["v1"]["balance"])
            if not after:
                return found

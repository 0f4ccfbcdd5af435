"""The ledger of one simulated node: the real core on a simulated disk.

Every call is made at the virtual time at which its work ends. The names are those of the actions
that the host performs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bubi import core
from bubi.consensus import guard
from bubi.consensus.engine import Certificate, Configuration, Member
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.quorum import quorum
from bubi.mempool import Entry
from bubi.messages import BlockParts
from bubi.replica.events import Limits, Tip

LEADERS = 128
"""Rounds ahead that a configuration knows the leaders of."""
SHARE_VALIDATORS_MIN = 4
"""From so many validators on, one author may fill half a block at most (protocol.md 4)."""
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


def vote_bytes(chain: bytes, request: VoteRequest) -> bytes:
    """What a vote signs."""
    if request.phase is Phase.COMMIT:
        return core.commit_message(
            chain,
            request.epoch,
            request.engine,
            request.height,
            request.round,
            request.digest,
            request.outcome,
        )
    return core.vote_message(
        chain,
        request.epoch,
        request.engine,
        request.height,
        request.round,
        request.phase,
        request.digest,
    )


def encode_certificate(certificate: Certificate) -> bytes:
    """A commit certificate in the form that the ledger stores."""
    request = certificate.request
    return core.certificate(
        request.epoch,
        request.engine,
        request.height,
        request.round,
        request.digest,
        request.outcome,
        list(certificate.votes),
    )


def decode_certificate(data: bytes) -> Certificate:
    """A commit certificate from its stored form.

    Raises:
        CoreError: it is none.
    """
    epoch, engine, height, round_, digest, outcome, votes = core.certificate_fields(data)
    request = VoteRequest(epoch, engine, height, round_, Phase.COMMIT, digest, outcome)
    return Certificate(request, tuple((index, signature) for index, signature in votes))


class Ledger:
    """Ledger of one incarnation of a node. A restart opens another one on the same disk."""

    def __init__(self, disk: core.SimulatedDisk, genesis: bytes, key: Key | None) -> None:
        """Opens the ledger and recovers it.

        Raises:
            CoreError: it is damaged beyond what the node can repair, or the disk fails.
        """
        ideal = key is None or key.ideal
        self._chain = core.Chain.open_simulated(disk, genesis, ideal=ideal)
        self._key = key
        self._executions: dict[bytes, core.Execution] = {}
        self._parsed_from = (b"", b"")
        self._parsed: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {})
        self._members: tuple[Member, ...] = ()

    @property
    def chain(self) -> core.Chain:
        """The chain itself, for checkers."""
        return self._chain

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
        chain = self._chain
        data = chain.tip_certificate()
        certificate = None if data is None else decode_certificate(data)
        return Tip(
            chain.height,
            chain.time,
            chain.digest,
            chain.state_root,
            certificate,
            tuple(chain.tip_batches()),
        )

    def configuration(self) -> Configuration:
        """What the next height is decided under."""
        fields, parameters = self._settings()
        members = self._members
        own = None
        if self._key is not None:
            keys = [member.key for member in members]
            own = keys.index(self._key.public) if self._key.public in keys else None
        first_round, leaders = self._chain.leaders(LEADERS)
        return Configuration(
            int(fields["epoch"]),
            fields["engine"],
            members,
            quorum(
                sum(member.weight for member in members),
                fields["quorum_numerator"],
                fields["quorum_denominator"],
            ),
            own,
            timeout_ms=int(parameters["timeout"]),
            timeout_ms_max=int(parameters["timeout_max"]),
            first_round=first_round,
            leaders=tuple(leaders),
            turn_blocks=int(parameters["turn_blocks"]),
        )

    def limits(self) -> Limits:
        """Limits of the next block."""
        fields, parameters = self._settings()
        transactions = int(parameters["block_transactions"])
        size = int(parameters["block_bytes"])
        shares = 2 if len(fields["validators"]) >= SHARE_VALIDATORS_MIN else 1
        return Limits(
            transactions,
            size,
            transactions // shares,
            size // shares,
            int(parameters["max_lifetime"]),
        )

    @property
    def clock_tolerance_ms(self) -> int:
        """How far a block's time may be from this node's clock."""
        return int(self._settings()[1]["clock_tolerance"])

    def _settings(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Validator set and parameters in force; parsed again only when they changed."""
        chain = self._chain
        key = (chain.validator_set, chain.parameters_json())
        if key != self._parsed_from:
            fields = core.decode_json(core.validator_set_to_json(key[0]))["v1"]
            self._parsed = (fields, core.decode_json(key[1])["v1"])
            self._parsed_from = key
            self._members = tuple(
                Member(index, one["name"], one["organisation"], _tagged(one["key"]), one["weight"])
                for index, one in enumerate(fields["validators"])
            )
        return self._parsed

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

    def guard_records(self) -> tuple[list[bytes], bytes]:
        """Records of the guard in the log from the tip on, and the one in its second place."""
        records = self._chain.log_records(
            GUARD_RECORD, max(0, self._chain.height - guard.HEIGHTS_BELOW)
        )
        return [data for _, data in records], self._chain.guard_read()

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
        chain = self._chain
        try:
            certificate = decode_certificate(parts.certificate)
            chain.check_certificate(parts.certificate)
            batches = [
                chain.decode_batch(header, body)
                for header, body in zip(parts.headers, parts.bodies, strict=True)
            ]
            digest = certificate.request.digest
            chain.check_proposal(parts.proposal, digest, batches, None)
            execution = chain.execute(parts.proposal, batches)
        except (core.StorageFull, core.StorageFatal):
            raise
        except (core.CoreError, ValueError) as error:
            return str(error)
        if execution.outcome_hash != certificate.request.outcome:
            return "diverged"
        chain.append_bodies(parts.height, batches)
        chain.commit(execution, parts.certificate)
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


def _tagged(key: dict[str, str]) -> bytes:
    ((name, text),) = key.items()
    return bytes([core.Algorithm[name.upper().replace("-", "_")]]) + bytes.fromhex(text)

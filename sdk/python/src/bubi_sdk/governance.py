"""What organisations vote on, and evidence against a validator (core/codec/src/governance.rs)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from bubi_sdk import checks, hashes, limits
from bubi_sdk.address import Address
from bubi_sdk.codec import (
    U8,
    U32,
    U64,
    Blob,
    Hash,
    Shape,
    at_most,
    codec_of,
    uleb,
)
from bubi_sdk.errors import Malformed
from bubi_sdk.hashes import HashSuite
from bubi_sdk.keys import PublicKey

NO_FAULT_TOLERANCE = "no_fault_tolerance"
"""What a proposer acknowledges whose set of validators could not go on without one of them."""
COMMIT_PHASE = 4
"""Phase of a commit vote in what names a place of evidence."""


@dataclass(frozen=True, slots=True)
class Validator(Shape):
    """A validator."""

    name: str
    organisation: str
    key: PublicKey
    weight: U32

    def check(self) -> None:
        """Raises `TooLarge` or `Malformed` for a validator that can never be valid."""
        checks.text("validator name", self.name, limits.NAME_BYTES_MAX)
        checks.text("organisation", self.organisation, limits.NAME_BYTES_MAX)
        _check_weight(self.weight)


def _check_weight(weight: int | None) -> None:
    if weight == 0:
        raise Malformed("weight: it must be at least 1; remove the validator instead")


def check_organisation(name: str, certificate: Blob) -> None:
    """Checks the name and the certificate of an organisation."""
    checks.text("organisation", name, limits.NAME_BYTES_MAX)
    at_most(limits.AUTHORITY_BYTES_MAX, "bytes of a certificate", len(certificate))


def check_algorithms(what: str, numbers: tuple[int, ...]) -> None:
    """Checks a list of algorithm numbers."""
    if not numbers or max(numbers) > 3:
        raise Malformed(
            f"{what}: name at least one of 0 (Ed25519), 1 (secp256k1), 2 (P-256), 3 (SM2)"
        )
    checks.ascending(what, numbers)


# --- changes -------------------------------------------------------------------------------------


class ChangeShape(Shape):
    """A change; `check` decides what it alone decides."""

    __slots__ = ()


def _check_name(name: str) -> None:
    checks.text("name", name, limits.NAME_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class SetParameter(ChangeShape):
    """0: sets a parameter by its name in JSON."""

    name: str
    value: U64

    def check(self) -> None:
        """Raises for a change that can never be valid."""
        _check_name(self.name)


@dataclass(frozen=True, slots=True)
class AddValidator(ChangeShape):
    """1: adds a validator at the end of the set."""

    TRANSPARENT: ClassVar[bool] = True
    validator: Validator

    def check(self) -> None:
        """Raises for a change that can never be valid."""
        self.validator.check()


@dataclass(frozen=True, slots=True)
class RemoveValidator(ChangeShape):
    """2: removes a validator."""

    name: str

    def check(self) -> None:
        """Raises for a change that can never be valid."""
        _check_name(self.name)


@dataclass(frozen=True, slots=True)
class ChangeValidator(ChangeShape):
    """3: changes the weight or the key of a validator, or both."""

    name: str
    weight: U32 | None = None
    key: PublicKey | None = None

    def check(self) -> None:
        """Raises for a change that can never be valid."""
        _check_weight(self.weight)
        if self.weight is None and self.key is None:
            raise Malformed("change_validator: give a weight, a key or both")
        checks.text("validator name", self.name, limits.NAME_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class SetOrganisation(ChangeShape):
    """4: adds an organisation or replaces what is known of it."""

    name: str
    governance: Address | None
    certificate: bytes

    def check(self) -> None:
        """Raises for a change that can never be valid."""
        check_organisation(self.name, self.certificate)


@dataclass(frozen=True, slots=True)
class RemoveOrganisation(ChangeShape):
    """5: removes an organisation without validators."""

    name: str

    def check(self) -> None:
        """Raises for a change that can never be valid."""
        _check_name(self.name)


@dataclass(frozen=True, slots=True)
class SetEngine(ChangeShape):
    """6: sets the engine that decides."""

    name: str

    def check(self) -> None:
        """Raises for a change that can never be valid."""
        _check_name(self.name)


@dataclass(frozen=True, slots=True)
class SetQuorum(ChangeShape):
    """7: sets the quorum ratio."""

    numerator: U32
    denominator: U32


@dataclass(frozen=True, slots=True)
class SetAlgorithms(ChangeShape):
    """8: sets the algorithms that new keys may use.

    Signatures of accounts by one that is left out count until the block time `old_until` (ms).
    """

    accounts: tuple[U8, ...]
    votes: tuple[U8, ...]
    old_until: U64

    def check(self) -> None:
        """Raises for a change that can never be valid."""
        check_algorithms("accounts", self.accounts)
        check_algorithms("votes", self.votes)


@dataclass(frozen=True, slots=True)
class SetProtocolVersion(ChangeShape):
    """9: sets the protocol version: that in force plus one."""

    version: U32


@dataclass(frozen=True, slots=True)
class AllowNode(ChangeShape):
    """10: puts a node on the white list. While it is not empty, no other node is let in."""

    node: Hash


@dataclass(frozen=True, slots=True)
class DenyNode(ChangeShape):
    """11: puts a node on the black list."""

    node: Hash


@dataclass(frozen=True, slots=True)
class ClearNode(ChangeShape):
    """12: takes a node off either list."""

    node: Hash


@dataclass(frozen=True, slots=True)
class RevokeCertificate(ChangeShape):
    """13: revokes a certificate for ever, by the SHA-256 of its DER bytes."""

    fingerprint: Hash


Change: TypeAlias = (
    SetParameter
    | AddValidator
    | RemoveValidator
    | ChangeValidator
    | SetOrganisation
    | RemoveOrganisation
    | SetEngine
    | SetQuorum
    | SetAlgorithms
    | SetProtocolVersion
    | AllowNode
    | DenyNode
    | ClearNode
    | RevokeCertificate
)
"""Every change, in the order of its number on the wire."""


def check_proposal(changes: tuple[Change, ...], acknowledged: tuple[str, ...], memo: str) -> None:
    """Checks everything that a proposal alone decides."""
    at_most(limits.CHANGES_MAX, "changes", len(changes))
    if not changes:
        raise Malformed("changes: a proposal needs at least one")
    for change in changes:
        change.check()
    at_most(limits.VALIDATORS_MAX, "acknowledged", len(acknowledged))
    checks.ascending("acknowledged", [name.encode() for name in acknowledged])
    for name in acknowledged:
        checks.text("acknowledged", name, limits.NAME_BYTES_MAX)
    at_most(limits.MEMO_BYTES_MAX, "memo", checks.byte_length(memo))
    if memo:
        checks.text("memo", memo, limits.MEMO_BYTES_MAX)
    encoded = bytearray(uleb(len(changes)))
    for change in changes:
        codec_of(Change).write(encoded, change)
    codec_of(tuple[str, ...]).write(encoded, acknowledged)
    at_most(limits.PROPOSAL_BYTES_MAX, "bytes of a proposal", len(encoded))


# --- statements of validators --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommitStatement(Shape):
    """What a commit vote signs (after the domain `commit-vote` and the chain id)."""

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = 512
    epoch: U64
    engine: str
    height: U64
    round: U64
    digest: Hash
    outcome: Hash


@dataclass(frozen=True, slots=True)
class VoteStatement(Shape):
    """What a vote before the commit signs (after the domain `vote` and the chain id).

    `phase`: 0 asks for the round, 1 supports its leader, 2 proposes, 3 is a first-phase vote.
    """

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = 512
    epoch: U64
    engine: str
    height: U64
    round: U64
    phase: U8
    digest: Hash

    def check(self) -> None:
        """Raises `Malformed` for a statement that can never be valid."""
        if self.phase > 3:
            raise Malformed("phase: a vote before the commit has a phase of 0 to 3")


@dataclass(frozen=True, slots=True)
class Vote(Shape):
    """A vote before the commit."""

    TRANSPARENT: ClassVar[bool] = True
    statement: VoteStatement


@dataclass(frozen=True, slots=True)
class Commit(Shape):
    """A commit vote."""

    TRANSPARENT: ClassVar[bool] = True
    statement: CommitStatement


Statement: TypeAlias = Vote | Commit
"""What one member signed: one of the two halves of evidence."""


@dataclass(frozen=True, slots=True)
class Slot(Shape):
    """Where a member may sign one statement only; `phase` 4 is the commit vote."""

    epoch: U64
    engine: str
    height: U64
    round: U64
    phase: U8


def slot_of(statement: Statement) -> Slot:
    """The slot in which a statement was signed."""
    vote = statement.statement
    phase = vote.phase if isinstance(vote, VoteStatement) else COMMIT_PHASE
    return Slot(vote.epoch, vote.engine, vote.height, vote.round, phase)


def evidence_id(suite: HashSuite, chain: bytes, member: PublicKey, statement: Statement) -> bytes:
    """Key under which evidence of a member in the slot of a statement is recorded."""
    slot = slot_of(statement).encode()
    return suite.hash(hashes.EVIDENCE, chain, member.tagged, slot)


def statement_bytes(chain: bytes, statement: Statement) -> bytes:
    """The bytes that a member signs for a statement."""
    commit = isinstance(statement, Commit)
    return (
        (hashes.COMMIT_VOTE if commit else hashes.FIRST_VOTE)
        + chain
        + statement.statement.encode()
    )


def check_statements(one: Statement, two: Statement) -> None:
    """Checks the two halves of evidence as far as they alone decide."""
    for half in (one, two):
        half.statement.check()
        checks.text("engine", half.statement.engine, limits.NAME_BYTES_MAX)


# --- state ---------------------------------------------------------------------------------------


class ProposalStatus(enum.Enum):
    """What becomes of a proposal."""

    OPEN = "open"
    APPROVED = "approved"
    ACTIVE = "active"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class OrganisationVote(Shape):
    """The vote of an organisation."""

    organisation: str
    approve: bool


@dataclass(frozen=True, slots=True)
class ChangeProposal(Shape):
    """A proposal of changes."""

    VERSION: ClassVar[str] = "v1"
    proposer: str | None
    evidence: Hash | None
    changes: tuple[Change, ...]
    opened: U64
    expires: U64
    not_before: U64 | None
    acknowledged: tuple[str, ...]
    memo: str
    votes: tuple[OrganisationVote, ...]
    status: ProposalStatus
    changed: U64


@dataclass(frozen=True, slots=True)
class Organisation(Shape):
    """An organisation: its governance account and its authority's certificate (X.509, DER)."""

    VERSION: ClassVar[str] = "v1"
    governance: Address | None
    certificate: bytes


# --- what evidence led to ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ignored(Shape):
    """Nothing."""


@dataclass(frozen=True, slots=True)
class Alarmed(Shape):
    """Nodes alarm."""


@dataclass(frozen=True, slots=True)
class Proposed(Shape):
    """Organisations vote on the removal of the member."""

    TRANSPARENT: ClassVar[bool] = True
    proposal: Hash


@dataclass(frozen=True, slots=True)
class Scheduled(Shape):
    """The member goes at the next barrier."""

    TRANSPARENT: ClassVar[bool] = True
    proposal: Hash


@dataclass(frozen=True, slots=True)
class Queued(Shape):
    """The same once the pending change has ended."""


@dataclass(frozen=True, slots=True)
class Kept(Shape):
    """The set without the member would not be valid: it stays."""


@dataclass(frozen=True, slots=True)
class Gone(Shape):
    """The key is in the set no more."""


EvidenceAction: TypeAlias = Ignored | Alarmed | Proposed | Scheduled | Queued | Kept | Gone
"""What evidence led to, in the order of its number on the wire."""

"""What organisations vote on, what becomes of it, and evidence (core/codec/src/governance.rs)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from bubi_sdk import checks, hashes, limits
from bubi_sdk.address import Address
from bubi_sdk.codec import U8, U32, U64, Hash, Shape, TopLevel, at_most, codec_of
from bubi_sdk.errors import Malformed
from bubi_sdk.hashes import HashSuite
from bubi_sdk.keys import PublicKey
from bubi_sdk.statements import CommitStatement, VoteStatement
from bubi_sdk.validators import Validator, ValidatorSet

NO_FAULT_TOLERANCE: Final = "no_fault_tolerance"
"""Acknowledges a set of validators in which every single vote is needed."""
COMMIT_PHASE: Final = 4
"""Phase of a commit vote where phases are numbered (0 to 3: `VoteStatement`)."""


class ChangeShape(Shape):
    """One change of the network's rules or members."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SetParameter(ChangeShape):
    """0: sets a parameter, named as JSON spells it."""

    name: str
    value: U64

    def check(self) -> None:
        """Raises for a change that can never be valid."""
        checks.text("name", self.name, limits.NAME_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class AddValidator(ChangeShape):
    """1: adds a validator at the end of the set."""

    TRANSPARENT: ClassVar[bool] = True
    validator: Validator

    def check(self) -> None:
        """Raises for a change that can never be valid."""
        _check_weight(self.validator.weight)
        checks.text("validator name", self.validator.name, limits.NAME_BYTES_MAX)
        checks.text("organisation", self.validator.organisation, limits.NAME_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class RemoveValidator(ChangeShape):
    """2: removes a validator; those behind it move up."""

    name: str

    def check(self) -> None:
        """Raises for a change that can never be valid."""
        checks.text("name", self.name, limits.NAME_BYTES_MAX)


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
    """4: adds an organisation or replaces what is known of it.

    Without a governance account it has no voice; without a certificate (X.509, DER) it vouches for
    no node.
    """

    name: str
    governance: Address | None
    certificate: bytes

    def check(self) -> None:
        """Raises for a change that can never be valid."""
        check_organisation(self.name, self.certificate)


@dataclass(frozen=True, slots=True)
class RemoveOrganisation(ChangeShape):
    """5: removes an organisation, which must have no validator left."""

    name: str

    def check(self) -> None:
        """Raises for a change that can never be valid."""
        checks.text("name", self.name, limits.NAME_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class SetEngine(ChangeShape):
    """6: sets the engine that decides."""

    name: str

    def check(self) -> None:
        """Raises for a change that can never be valid."""
        checks.text("name", self.name, limits.NAME_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class SetQuorum(ChangeShape):
    """7: sets the quorum ratio."""

    numerator: U32
    denominator: U32


@dataclass(frozen=True, slots=True)
class SetAlgorithms(ChangeShape):
    """8: sets the signature algorithms that new keys may use.

    Signatures of accounts by an algorithm that is left out count until the block time `old_until`.
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
    """9: sets the protocol version, which is that in force plus one."""

    version: U32


@dataclass(frozen=True, slots=True)
class AllowNode(ChangeShape):
    """10: puts a node on the white list. While that is not empty, no other node is let in."""

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


@dataclass(frozen=True, slots=True)
class SignedVote(Shape):
    """A vote before the commit, as one half of evidence."""

    VARIANT: ClassVar[str] = "vote"
    TRANSPARENT: ClassVar[bool] = True
    vote: VoteStatement


@dataclass(frozen=True, slots=True)
class SignedCommit(Shape):
    """A commit vote, as one half of evidence."""

    VARIANT: ClassVar[str] = "commit"
    TRANSPARENT: ClassVar[bool] = True
    vote: CommitStatement


Statement: TypeAlias = SignedVote | SignedCommit


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
    vote = statement.vote
    phase = vote.phase if isinstance(vote, VoteStatement) else COMMIT_PHASE
    return Slot(vote.epoch, vote.engine, vote.height, vote.round, phase)


def evidence_id(suite: HashSuite, chain: bytes, member: PublicKey, statement: Statement) -> bytes:
    """Key under which evidence of a member in the slot of a statement is recorded."""
    slot = slot_of(statement).encode()
    return suite.hash(hashes.EVIDENCE, chain, member.tagged, slot)


def statement_bytes(chain: bytes, statement: Statement) -> bytes:
    """The bytes that a member signs for a statement."""
    commit = isinstance(statement, SignedCommit)
    return (hashes.COMMIT_VOTE if commit else hashes.FIRST_VOTE) + chain + statement.vote.encode()


def check_statement(statement: Statement) -> None:
    """Raises for a statement that no validator ever signs."""
    if isinstance(statement, SignedVote):
        statement.vote.check()
    checks.text("engine", statement.vote.engine, limits.NAME_BYTES_MAX)


# Cells


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
    """A proposal of changes. Without a proposer it was opened by evidence."""

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
class NextMember(Shape):
    """A validator of the set that a change leads to, and whether it said that it is ready."""

    name: str
    account: Address
    weight: U32
    ready: bool


@dataclass(frozen=True, slots=True)
class PendingChange(Shape):
    """An approved change that is not in force yet.

    It lapses at the block time `until` unless its `activation` (first height in force) is fixed.
    """

    proposal: Hash
    approved: U64
    until: U64
    activation: U64 | None
    quorum: U64
    members: tuple[NextMember, ...]


@dataclass(frozen=True, slots=True)
class Exclusion(Shape):
    """A member whose exclusion waits until no change is pending."""

    evidence: Hash
    member: PublicKey


@dataclass(frozen=True, slots=True)
class Governance(Shape):
    """What governance is about now: open proposals, the pending change, exclusions that wait."""

    VERSION: ClassVar[str] = "v1"
    open: tuple[Hash, ...]
    pending: PendingChange | None
    exclusions: tuple[Exclusion, ...]


@dataclass(frozen=True, slots=True)
class Organisation(Shape):
    """An organisation: the account that votes for it, and its authority's certificate."""

    VERSION: ClassVar[str] = "v1"
    governance: Address | None
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Voter(Shape):
    """For whom an account votes."""

    VERSION: ClassVar[str] = "v1"
    organisation: str


@dataclass(frozen=True, slots=True)
class EpochRecord(Shape):
    """The begin of an epoch: its first height, the time of the block before, its validators."""

    VERSION: ClassVar[str] = "v1"
    height: U64
    time: U64
    validators: ValidatorSet


@dataclass(frozen=True, slots=True)
class ProtocolVersion(Shape):
    """The protocol version in force; without this cell that of the genesis."""

    VERSION: ClassVar[str] = "v1"
    version: U32


class NodeListing(enum.Enum):
    """On which list a node stands."""

    ALLOWED = "allowed"
    DENIED = "denied"


NODE_LISTING: Final[TopLevel[NodeListing]] = TopLevel(
    "NodeListing", codec_of(NodeListing), limits.CELL_VALUE_BYTES_MAX
)
"""Canonical bytes of a listing."""


@dataclass(frozen=True, slots=True)
class Ignored(Shape):
    """0: evidence has no effect here."""


@dataclass(frozen=True, slots=True)
class Alarmed(Shape):
    """1: nodes alarm."""


@dataclass(frozen=True, slots=True)
class Proposed(Shape):
    """2: organisations vote on the removal of the member."""

    TRANSPARENT: ClassVar[bool] = True
    proposal: Hash


@dataclass(frozen=True, slots=True)
class Scheduled(Shape):
    """3: the member goes at the next barrier."""

    TRANSPARENT: ClassVar[bool] = True
    proposal: Hash


@dataclass(frozen=True, slots=True)
class Queued(Shape):
    """4: the same once the pending change has ended."""


@dataclass(frozen=True, slots=True)
class Kept(Shape):
    """5: the set without the member would not be valid; it stays."""


@dataclass(frozen=True, slots=True)
class Gone(Shape):
    """6: the key is in the set no more."""


EvidenceAction: TypeAlias = Ignored | Alarmed | Proposed | Scheduled | Queued | Kept | Gone


@dataclass(frozen=True, slots=True)
class EvidenceRecord(Shape):
    """Evidence that was recorded. `validator` is the member's name in the set of that epoch."""

    VERSION: ClassVar[str] = "v1"
    member: PublicKey
    validator: str
    epoch: U64
    engine: str
    height: U64
    round: U64
    phase: U8
    digest_one: Hash
    digest_two: Hash
    reporter: Address
    recorded: U64
    action: EvidenceAction


# Checks


def _check_weight(weight: int | None) -> None:
    if weight == 0:
        raise Malformed("weight: it must be at least 1; remove the validator instead")


def check_organisation(name: str, certificate: bytes) -> None:
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


def check_proposal(changes: tuple[Change, ...], acknowledged: tuple[str, ...], memo: str) -> None:
    """Checks everything that a proposal alone decides."""
    at_most(limits.CHANGES_MAX, "changes", len(changes))
    if not changes:
        raise Malformed("changes: a proposal needs at least one")
    for change in changes:
        change.check()
    at_most(limits.VALIDATORS_MAX, "acknowledged", len(acknowledged))
    checks.ascending("acknowledged", [checks.utf8(name) for name in acknowledged])
    for name in acknowledged:
        checks.text("acknowledged", name, limits.NAME_BYTES_MAX)
    at_most(limits.MEMO_BYTES_MAX, "memo", checks.byte_length(memo))
    if checks.has_control(memo):
        raise Malformed("memo: it must not hold control characters")
    out = bytearray()
    codec_of(tuple[Change, ...]).write(out, changes)
    codec_of(tuple[str, ...]).write(out, acknowledged)
    at_most(limits.PROPOSAL_BYTES_MAX, "bytes of a proposal", len(out))

"""Types of the ledger: what transactions ask for, what state holds, what blocks give.

Names and order of fields are those of `core/codec/src`; meaning is documented there and in
spec/ledger.md.
"""

from dataclasses import dataclass
from enum import IntEnum

from .bcs import U8, U16, U32, U64, U128, Hash, Id, PublicKey, SignatureBytes, enumeration

AMOUNT_MAX = 10**38 - 1
LOTS_MAX = 64
SEQUENCE_LIFETIME = 365 * 24 * 3600 * 1000


class Code(IntEnum):
    """Result codes, by number."""

    FINAL = 0
    INTERNAL = 1
    ID_CONFLICT = 2
    PRECONDITION_FAILED = 3
    QUOTA_EXCEEDED = 4
    ORGANISATION_QUOTA_EXCEEDED = 5
    ACCOUNT_MISSING = 100
    ACCOUNT_EXISTS = 101
    ACCOUNT_CLOSED = 102
    ACCOUNT_NOT_EMPTY = 103
    LOCK_OUT = 104
    ALGORITHM_DISABLED = 105
    KEY_INVALID = 106
    SIGNER_LIMIT_EXCEEDED = 107
    NOT_PERMITTED = 108
    DATA_VERSION_MISMATCH = 110
    DATA_MISSING = 111
    CLAIM_MISSING = 112
    MEMBERSHIP_MISSING = 113
    ASSET_MISSING = 120
    ASSET_EXISTS = 121
    ASSET_KIND_MISMATCH = 122
    CAP_EXCEEDED = 123
    BALANCE_INSUFFICIENT = 124
    ASSET_FROZEN = 125
    HOLDER_FROZEN = 126
    NOT_WHITELISTED = 127
    FEATURE_MISSING = 128
    EXPIRY_INVALID = 129
    LOTS_FULL = 130
    ITEM_EXISTS = 131
    ITEM_MISSING = 132
    HOLD_MISSING = 140
    HOLD_EXPIRED = 141
    HOLD_EXCEEDED = 142
    NAMESPACE_MISSING = 150
    NAMESPACE_EXISTS = 151
    NOT_WRITER = 152
    RECORD_VERSION_MISMATCH = 153
    PARENT_MISSING = 154
    PROPOSAL_MISSING = 160
    PROPOSAL_CLOSED = 161
    NOT_VOTER = 162
    PROPOSALS_FULL = 163
    CHANGE_PENDING = 164
    CHANGE_MISSING = 165
    NOT_VALIDATOR = 166
    READY_KNOWN = 167
    PARAMETER_UNKNOWN = 170
    PARAMETER_INVALID = 171
    VALIDATOR_MISSING = 172
    VALIDATOR_EXISTS = 173
    ORGANISATION_MISSING = 174
    ORGANISATION_IN_USE = 175
    ENGINE_UNKNOWN = 176
    QUORUM_INVALID = 177
    VALIDATORS_INVALID = 178
    NOT_ACKNOWLEDGED = 179
    GOVERNANCE_LOST = 180
    VERSION_INVALID = 181
    LISTING_INVALID = 182
    EVIDENCE_KNOWN = 190
    EVIDENCE_INVALID = 191
    EVIDENCE_DIVERGENCE = 192
    EVIDENCE_FOREIGN = 193
    EVIDENCE_SIGNATURE = 194
    EVIDENCE_OLD = 195
    EVIDENCE_FULL = 196


SKIP_REASONS = (
    "expired",
    "lifetime_too_long",
    "source_missing",
    "threshold_not_met",
    "duplicate",
    "sequence_mismatch",
)


# Accounts, assets, records: parts


@dataclass(frozen=True)
class AmountLimit:
    asset: Hash
    amount: U128
    period: U64


@dataclass(frozen=True)
class SignerLimits:
    operations: tuple[U8, ...] = ()
    assets: tuple[Hash, ...] = ()
    namespaces: tuple[Hash, ...] = ()
    amount: AmountLimit | None = None
    expires: U64 | None = None


@dataclass(frozen=True)
class Signer:
    key: PublicKey
    weight: U32
    limits: SignerLimits | None = None


@dataclass(frozen=True)
class OperationThreshold:
    """One entry of a map: operation number to threshold."""

    operation: U8
    threshold: U32


@dataclass(frozen=True)
class Thresholds:
    default: U32
    operations: tuple[OperationThreshold, ...] = ()


@dataclass(frozen=True)
class TargetKey:
    key: PublicKey


@dataclass(frozen=True)
class TargetDerived:
    pass


AccountTarget = TargetKey | TargetDerived


class AssetKind(IntEnum):
    FUNGIBLE = 0
    UNIQUE = 1
    DATED = 2


@dataclass(frozen=True)
class AssetFeatures:
    freeze: bool = False
    whitelist: bool = False
    clawback: bool = False


@dataclass(frozen=True)
class Everyone:
    pass


@dataclass(frozen=True)
class Listed:
    accounts: tuple[Hash, ...]


Writers = Everyone | Listed


class DigestAlgorithm(IntEnum):
    SHA256 = 0
    SM3 = 1
    SALTED_SHA256 = 2
    SALTED_SM3 = 3


@dataclass(frozen=True)
class Digest:
    algorithm: DigestAlgorithm
    value: Hash


class CipherSuite(IntEnum):
    AES_256_GCM = 0
    SM4_GCM = 1


@dataclass(frozen=True)
class NoContent:
    pass


@dataclass(frozen=True)
class Plain:
    data: bytes


@dataclass(frozen=True)
class Cipher:
    suite: CipherSuite
    data: bytes


Content = NoContent | Plain | Cipher


@dataclass(frozen=True, order=True)
class RecordReference:
    namespace: Hash
    key: str
    version: U32


# Governance: what is proposed, and what evidence consists of


@dataclass(frozen=True)
class Validator:
    name: str
    organisation: str
    key: PublicKey
    weight: U32


@dataclass(frozen=True)
class ValidatorSet:
    epoch: U64
    engine: str
    validators: tuple[Validator, ...]
    quorum_numerator: U32
    quorum_denominator: U32


@dataclass(frozen=True)
class SetParameter:
    name: str
    value: U64


@dataclass(frozen=True)
class AddValidator:
    validator: Validator


@dataclass(frozen=True)
class RemoveValidator:
    name: str


@dataclass(frozen=True)
class ChangeValidator:
    name: str
    weight: U32 | None = None
    key: PublicKey | None = None


@dataclass(frozen=True)
class SetOrganisation:
    name: str
    governance: Hash | None
    certificate: bytes = b""


@dataclass(frozen=True)
class RemoveOrganisation:
    name: str


@dataclass(frozen=True)
class SetEngine:
    name: str


@dataclass(frozen=True)
class SetQuorum:
    numerator: U32
    denominator: U32


@dataclass(frozen=True)
class SetAlgorithms:
    accounts: tuple[U8, ...]
    votes: tuple[U8, ...]
    old_until: U64


@dataclass(frozen=True)
class SetProtocolVersion:
    version: U32


@dataclass(frozen=True)
class AllowNode:
    node: Hash


@dataclass(frozen=True)
class DenyNode:
    node: Hash


@dataclass(frozen=True)
class ClearNode:
    node: Hash


@dataclass(frozen=True)
class RevokeCertificate:
    fingerprint: Hash


Change = (
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


@dataclass(frozen=True)
class VoteStatement:
    """What a vote before the commit signs."""

    epoch: U64
    engine: str
    height: U64
    round: U64
    phase: U8
    digest: Hash


@dataclass(frozen=True)
class CommitStatement:
    """What a commit vote signs."""

    epoch: U64
    engine: str
    height: U64
    round: U64
    digest: Hash
    outcome: Hash


@dataclass(frozen=True)
class SignedVote:
    vote: VoteStatement


@dataclass(frozen=True)
class SignedCommit:
    vote: CommitStatement


Statement = SignedVote | SignedCommit


# Operations, in the order of their numbers


@dataclass(frozen=True)
class CreateAccount:
    target: AccountTarget
    signers: tuple[Signer, ...] = ()
    thresholds: Thresholds | None = None


@dataclass(frozen=True)
class SetSigners:
    signers: tuple[Signer, ...]
    thresholds: Thresholds


@dataclass(frozen=True)
class SetData:
    name: str
    value: bytes | None
    expected_version: U64 | None = None


@dataclass(frozen=True)
class CloseAccount:
    pass


@dataclass(frozen=True)
class SetClaim:
    subject: Hash
    kind: str
    digest: Hash
    expires: U64 | None = None


@dataclass(frozen=True)
class RevokeClaim:
    issuer: Hash
    subject: Hash
    kind: str


@dataclass(frozen=True)
class CreateAsset:
    code: str
    name: str
    kind: AssetKind
    decimals: U8 = 0
    cap: U128 | None = None
    features: AssetFeatures = AssetFeatures()


@dataclass(frozen=True)
class Issue:
    asset: Hash
    to: Hash
    amount: U128
    expires: U64 | None = None


@dataclass(frozen=True)
class Transfer:
    asset: Hash
    to: Hash
    amount: U128


@dataclass(frozen=True)
class Burn:
    asset: Hash
    amount: U128


@dataclass(frozen=True)
class Clawback:
    asset: Hash
    from_: Hash
    to: Hash | None
    amount: U128


@dataclass(frozen=True)
class FreezeAsset:
    asset: Hash
    frozen: bool


@dataclass(frozen=True)
class FreezeHolder:
    asset: Hash
    holder: Hash
    frozen: bool


@dataclass(frozen=True)
class AuthoriseHolder:
    asset: Hash
    holder: Hash
    authorised: bool


@dataclass(frozen=True)
class IssueItem:
    asset: Hash
    item: str
    to: Hash
    digest: Hash | None = None


@dataclass(frozen=True)
class TransferItem:
    asset: Hash
    item: str
    to: Hash


@dataclass(frozen=True)
class BurnItem:
    asset: Hash
    item: str


@dataclass(frozen=True)
class ClawbackItem:
    asset: Hash
    item: str
    to: Hash | None


@dataclass(frozen=True)
class Reserve:
    asset: Hash
    beneficiary: Hash
    amount: U128
    expires: U64


@dataclass(frozen=True)
class Capture:
    holder: Hash
    hold: Hash
    amount: U128


@dataclass(frozen=True)
class Release:
    holder: Hash
    hold: Hash


@dataclass(frozen=True)
class CreateNamespace:
    name: str
    writers: Writers = Everyone()
    shared: bool = False


@dataclass(frozen=True)
class SetNamespace:
    namespace: Hash
    owner: Hash
    writers: Writers
    shared: bool


@dataclass(frozen=True)
class PutRecord:
    namespace: Hash
    key: str
    digest: Digest
    content: Content = NoContent()
    parents: tuple[RecordReference, ...] = ()
    expected_version: U32 | None = None


@dataclass(frozen=True)
class Propose:
    changes: tuple[Change, ...]
    expires: U64
    not_before: U64 | None = None
    acknowledged: tuple[str, ...] = ()
    memo: str = ""


@dataclass(frozen=True)
class Vote:
    proposal: Hash
    approve: bool


@dataclass(frozen=True)
class WithdrawProposal:
    proposal: Hash


@dataclass(frozen=True)
class Ready:
    proposal: Hash


@dataclass(frozen=True)
class ReportEvidence:
    member: PublicKey
    statement_one: Statement
    signature_one: SignatureBytes
    statement_two: Statement
    signature_two: SignatureBytes


@dataclass(frozen=True)
class AskMembership:
    organisation: str | None


@dataclass(frozen=True)
class SetMember:
    account: Hash
    member: bool


OperationBody = (
    CreateAccount
    | SetSigners
    | SetData
    | CloseAccount
    | SetClaim
    | RevokeClaim
    | CreateAsset
    | Issue
    | Transfer
    | Burn
    | Clawback
    | FreezeAsset
    | FreezeHolder
    | AuthoriseHolder
    | IssueItem
    | TransferItem
    | BurnItem
    | ClawbackItem
    | Reserve
    | Capture
    | Release
    | CreateNamespace
    | SetNamespace
    | PutRecord
    | Propose
    | Vote
    | WithdrawProposal
    | Ready
    | ReportEvidence
    | AskMembership
    | SetMember
)


@dataclass(frozen=True)
class Operation:
    source: Hash | None
    body: OperationBody


# Transactions


@dataclass(frozen=True)
class ReplayId:
    id: Id


@dataclass(frozen=True)
class Sequence:
    lane: U32
    number: U64


ReplayKey = ReplayId | Sequence


@dataclass(frozen=True)
class RequireBalance:
    account: Hash
    asset: Hash
    at_least: U128


@dataclass(frozen=True)
class RequireDataVersion:
    account: Hash
    name: str
    version: U64


@dataclass(frozen=True)
class RequireRecordVersion:
    namespace: Hash
    key: str
    version: U32


@dataclass(frozen=True)
class RequireHeight:
    from_: U64
    to: U64


@dataclass(frozen=True)
class RequireTime:
    from_: U64
    to: U64


Precondition = (
    RequireBalance | RequireDataVersion | RequireRecordVersion | RequireHeight | RequireTime
)


@dataclass(frozen=True)
class Body:
    source: Hash
    replay: ReplayKey
    valid_until: U64
    preconditions: tuple[Precondition, ...]
    memo: bytes
    operations: tuple[Operation, ...]


# State


@dataclass(frozen=True)
class OpenAccount:
    signers: tuple[Signer, ...]
    thresholds: Thresholds
    created: U64


@dataclass(frozen=True)
class ClosedAccount:
    height: U64


AccountHeader = OpenAccount | ClosedAccount


@dataclass(frozen=True)
class Lot:
    expires: U64
    amount: U128


@dataclass(frozen=True)
class Holding:
    balance: U128 = 0
    reserved: U128 = 0
    frozen: bool = False
    authorised: bool = False
    lots: tuple[Lot, ...] = ()
    reserved_lots: U8 = 0


@dataclass(frozen=True)
class DataEntry:
    version: U64
    value: bytes


@dataclass(frozen=True)
class Claim:
    digest: Hash
    expires: U64 | None


@dataclass(frozen=True)
class Hold:
    asset: Hash
    beneficiary: Hash
    amount: U128
    expires: U64
    lots: tuple[Lot, ...]


@dataclass(frozen=True)
class Use:
    period: U64
    used: U128


@dataclass(frozen=True)
class Membership:
    organisation: str | None = None
    asks: str | None = None


@dataclass(frozen=True)
class Asset:
    issuer: Hash
    code: str
    name: str
    kind: AssetKind
    decimals: U8
    cap: U128 | None
    features: AssetFeatures
    frozen: bool
    supply: U128


@dataclass(frozen=True)
class Item:
    holder: Hash
    digest: Hash | None


@dataclass(frozen=True)
class Namespace:
    name: str
    owner: Hash
    writers: Writers
    shared: bool


@dataclass(frozen=True)
class RecordHead:
    author: Hash
    version: U32


@dataclass(frozen=True)
class RecordVersion:
    writer: Hash
    time: U64
    digest: Digest
    content: Content
    parents: tuple[RecordReference, ...]


@dataclass(frozen=True)
class IdBucket:
    count: U64
    root: Hash


@dataclass(frozen=True)
class IdEntry:
    source: Hash
    id: Id
    transaction: Hash
    valid_until: U64


@dataclass(frozen=True)
class RetiredAlgorithm:
    algorithm: U8
    until: U64


@dataclass(frozen=True)
class ParameterFields:
    """Fields of the parameters; the genesis holds them without a version of their own."""

    max_lifetime: U64 = 600_000
    clock_tolerance: U64 = 5_000
    id_bucket: U64 = 10_000
    block_transactions: U32 = 20_000
    block_bytes: U32 = 33_554_432
    due_per_block: U32 = 1_000
    quota_window: U64 = 10_000
    quota_operations: U64 = 0
    algorithms: tuple[U8, ...] = (0, 1, 2, 3)
    turn_blocks: U32 = 128
    timeout: U64 = 2_000
    timeout_max: U64 = 30_000
    vote_algorithms: tuple[U8, ...] = (0, 1, 2, 3)
    retired_algorithms: tuple[RetiredAlgorithm, ...] = ()
    proposal_lifetime: U64 = 604_800_000
    ready_lifetime: U64 = 3_600_000
    evidence_policy: U32 = 1
    evidence_max_age: U64 = 1_000_000
    organisation_operations: U64 = 0


@dataclass(frozen=True)
class Parameters:
    v1: ParameterFields


@dataclass(frozen=True)
class Strike:
    validator: U32
    level: U8
    skip: U32


@dataclass(frozen=True)
class FormerSchedule:
    round: U64 = 0
    leader: U32 = 0
    strikes: tuple[Strike, ...] = ()


@dataclass(frozen=True)
class Schedule:
    round: U64 = 0
    leader: U32 = 0
    changed: U64 = 0
    strikes: tuple[Strike, ...] = ()
    decider: U32 = 0
    former: FormerSchedule = FormerSchedule()


# State of governance


class ProposalStatus(IntEnum):
    OPEN = 0
    APPROVED = 1
    ACTIVE = 2
    REJECTED = 3
    WITHDRAWN = 4
    EXPIRED = 5
    LAPSED = 6


@dataclass(frozen=True)
class OrganisationVote:
    organisation: str
    approve: bool


@dataclass(frozen=True)
class ChangeProposal:
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


@dataclass(frozen=True)
class NextMember:
    name: str
    account: Hash
    weight: U32
    ready: bool


@dataclass(frozen=True)
class PendingChange:
    proposal: Hash
    approved: U64
    until: U64
    activation: U64 | None
    quorum: U64
    members: tuple[NextMember, ...]


@dataclass(frozen=True)
class Exclusion:
    evidence: Hash
    member: PublicKey


@dataclass(frozen=True)
class Governance:
    open: tuple[Hash, ...] = ()
    pending: PendingChange | None = None
    exclusions: tuple[Exclusion, ...] = ()


@dataclass(frozen=True)
class Organisation:
    governance: Hash | None
    certificate: bytes


@dataclass(frozen=True)
class Voter:
    organisation: str


@dataclass(frozen=True)
class EpochRecord:
    height: U64
    time: U64
    validators: ValidatorSet


@dataclass(frozen=True)
class ProtocolVersion:
    version: U32


class NodeListing(IntEnum):
    ALLOWED = 0
    DENIED = 1


@dataclass(frozen=True)
class Ignored:
    pass


@dataclass(frozen=True)
class Alarmed:
    pass


@dataclass(frozen=True)
class Proposed:
    proposal: Hash


@dataclass(frozen=True)
class Scheduled:
    proposal: Hash


@dataclass(frozen=True)
class Queued:
    pass


@dataclass(frozen=True)
class Kept:
    pass


@dataclass(frozen=True)
class Gone:
    pass


EvidenceAction = Ignored | Alarmed | Proposed | Scheduled | Queued | Kept | Gone


@dataclass(frozen=True)
class Slot:
    """Where a member may sign one statement only."""

    epoch: U64
    engine: str
    height: U64
    round: U64
    phase: U8


@dataclass(frozen=True)
class EvidenceRecord:
    member: PublicKey
    validator: str
    epoch: U64
    engine: str
    height: U64
    round: U64
    phase: U8
    digest_one: Hash
    digest_two: Hash
    reporter: Hash
    recorded: U64
    action: EvidenceAction


# Genesis and what a block gives


class NetworkKind(IntEnum):
    MAIN = 0
    TEST = 1
    DEVELOPMENT = 2


class Suite(IntEnum):
    STANDARD = 0
    NATIONAL = 1


@dataclass(frozen=True)
class GenesisAccount:
    address: Hash
    signers: tuple[Signer, ...]
    thresholds: Thresholds
    organisation: str | None = None


@dataclass(frozen=True)
class GenesisOrganisation:
    name: str
    governance: Hash | None
    certificate: bytes = b""


@dataclass(frozen=True)
class Predecessor:
    chain: Hash
    certificate: Hash
    state_root: Hash


@dataclass(frozen=True)
class Genesis:
    nonce: Hash
    name: str
    kind: NetworkKind
    suite: Suite
    time: U64
    protocol_version: U32
    parameters: ParameterFields
    validators: ValidatorSet
    accounts: tuple[GenesisAccount, ...]
    organisations: tuple[GenesisOrganisation, ...] = ()
    predecessor: Predecessor | None = None


@dataclass(frozen=True)
class Receipt:
    transaction: Hash
    batch: U32
    index: U32
    code: U16
    operation: U8 | None
    events_root: Hash


@dataclass(frozen=True)
class Outcome:
    receipt_root: Hash
    state_root: Hash
    validators: Hash
    parameters: Hash


# Events, in the order of their numbers


@dataclass(frozen=True)
class AccountCreated:
    account: Hash
    creator: Hash


@dataclass(frozen=True)
class SignersChanged:
    account: Hash


@dataclass(frozen=True)
class AccountClosed:
    account: Hash


@dataclass(frozen=True)
class DataSet:
    account: Hash
    name: str
    version: U64


@dataclass(frozen=True)
class ClaimSet:
    issuer: Hash
    subject: Hash
    kind: str


@dataclass(frozen=True)
class ClaimRevoked:
    issuer: Hash
    subject: Hash
    kind: str


@dataclass(frozen=True)
class AssetCreated:
    asset: Hash
    issuer: Hash


@dataclass(frozen=True)
class AssetFrozen:
    asset: Hash
    frozen: bool


@dataclass(frozen=True)
class HolderFrozen:
    asset: Hash
    holder: Hash
    frozen: bool


@dataclass(frozen=True)
class HolderAuthorised:
    asset: Hash
    holder: Hash
    authorised: bool


@dataclass(frozen=True)
class Issued:
    asset: Hash
    to: Hash
    amount: U128
    expires: U64 | None


@dataclass(frozen=True)
class Transferred:
    asset: Hash
    from_: Hash
    to: Hash
    amount: U128


@dataclass(frozen=True)
class Burned:
    asset: Hash
    from_: Hash
    amount: U128


@dataclass(frozen=True)
class Lapsed:
    asset: Hash
    holder: Hash
    amount: U128
    expires: U64


@dataclass(frozen=True)
class ItemIssued:
    asset: Hash
    item: str
    to: Hash


@dataclass(frozen=True)
class ItemTransferred:
    asset: Hash
    item: str
    from_: Hash
    to: Hash


@dataclass(frozen=True)
class ItemBurned:
    asset: Hash
    item: str
    from_: Hash


@dataclass(frozen=True)
class Reserved:
    hold: Hash
    asset: Hash
    holder: Hash
    beneficiary: Hash
    amount: U128
    expires: U64


@dataclass(frozen=True)
class Captured:
    hold: Hash
    amount: U128


@dataclass(frozen=True)
class Released:
    hold: Hash


@dataclass(frozen=True)
class HoldExpired:
    hold: Hash
    holder: Hash


@dataclass(frozen=True)
class NamespaceCreated:
    namespace: Hash
    owner: Hash


@dataclass(frozen=True)
class NamespaceChanged:
    namespace: Hash
    owner: Hash


@dataclass(frozen=True)
class RecordPut:
    namespace: Hash
    key: str
    version: U32
    writer: Hash


@dataclass(frozen=True)
class ProposalChanged:
    proposal: Hash
    status: ProposalStatus


@dataclass(frozen=True)
class Voted:
    proposal: Hash
    organisation: str
    approve: bool


@dataclass(frozen=True)
class ValidatorReady:
    proposal: Hash
    validator: str


@dataclass(frozen=True)
class ActivationFixed:
    proposal: Hash
    height: U64


@dataclass(frozen=True)
class EpochBegins:
    epoch: U64
    height: U64


@dataclass(frozen=True)
class EvidenceRecorded:
    evidence: Hash
    validator: str
    action: EvidenceAction


@dataclass(frozen=True)
class MembershipChanged:
    account: Hash
    organisation: str | None
    asks: str | None


Event = (
    AccountCreated
    | SignersChanged
    | AccountClosed
    | DataSet
    | ClaimSet
    | ClaimRevoked
    | AssetCreated
    | AssetFrozen
    | HolderFrozen
    | HolderAuthorised
    | Issued
    | Transferred
    | Burned
    | Lapsed
    | ItemIssued
    | ItemTransferred
    | ItemBurned
    | Reserved
    | Captured
    | Released
    | HoldExpired
    | NamespaceCreated
    | NamespaceChanged
    | RecordPut
    | ProposalChanged
    | Voted
    | ValidatorReady
    | ActivationFixed
    | EpochBegins
    | EvidenceRecorded
    | MembershipChanged
)

for _kind in (
    *(AccountTarget, Writers, Content, OperationBody, ReplayKey, Precondition, AccountHeader),
    *(Event, Change, Statement, EvidenceAction),
    *(Body, Holding, DataEntry, Claim, Hold, Use, Membership, Asset, Item, Namespace, RecordHead),
    *(RecordVersion, IdBucket, VoteStatement, CommitStatement),
    *(ChangeProposal, Governance, Organisation, Voter, EpochRecord, ProtocolVersion),
    *(EvidenceRecord, Schedule, Parameters, ValidatorSet, Genesis, Receipt, Outcome),
):
    enumeration(_kind)

"""Operations: what a transaction asks for (the rules are in spec/ledger.md).

"The source" is the account that acts. Amounts are integers in the smallest unit of an asset,
times are milliseconds of
block time since 1970. Lists that must ascend are checked, not sorted; `TransactionBuilder` sorts.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Final, TypeAlias

from bubi_sdk import checks, governance, hashes, limits
from bubi_sdk.address import Address
from bubi_sdk.codec import (
    U8,
    U32,
    U64,
    U128,
    Blob,
    Hash,
    Integer,
    NumberMap,
    Shape,
    SignatureBytes,
    at_most,
)
from bubi_sdk.errors import Malformed
from bubi_sdk.governance import Change, Statement
from bubi_sdk.keys import PublicKey

OperationThresholds: TypeAlias = Annotated[Mapping[int, int], NumberMap(Integer(1), Integer(4))]


@dataclass(frozen=True, slots=True)
class AmountLimit(Shape):
    """An amount of one asset per period."""

    asset: Hash
    amount: U128
    period: U64


@dataclass(frozen=True, slots=True)
class SignerLimits(Shape):
    """Restrictions of one signer. An empty list or an absent value restricts nothing."""

    operations: tuple[U8, ...] = ()
    assets: tuple[Hash, ...] = ()
    namespaces: tuple[Hash, ...] = ()
    amount: AmountLimit | None = None
    expires: U64 | None = None

    def check(self) -> None:
        """Raises for limits that can never be valid."""
        limit = limits.SIGNER_LIMIT_ENTRIES_MAX
        for what, items in (
            ("operations of a signer", self.operations),
            ("assets of a signer", self.assets),
            ("namespaces of a signer", self.namespaces),
        ):
            at_most(limit, what, len(items))
        checks.ascending("operations of a signer", self.operations)
        checks.ascending("assets of a signer", self.assets)
        checks.ascending("namespaces of a signer", self.namespaces)
        if any(number >= OPERATION_TYPES for number in self.operations):
            raise Malformed("operations of a signer: there is no such operation number")
        if self.amount is not None:
            if self.amount.period == 0:
                raise Malformed("period: it must be at least 1 ms")
            checks.amount("amount limit", self.amount.amount)


@dataclass(frozen=True, slots=True)
class AccountSigner(Shape):
    """A key that may act for an account, its weight, and what it may sign."""

    key: PublicKey
    weight: U32 = 1
    limits: SignerLimits | None = None


@dataclass(frozen=True, slots=True)
class Thresholds(Shape):
    """Weights that operations of an account need: per operation number, else the default."""

    default: U32 = 1
    operations: OperationThresholds = field(default_factory=dict)


def check_authority(signers: tuple[AccountSigner, ...], thresholds: Thresholds) -> None:
    """Checks the shape of signers and thresholds.

    Whether they lock an account out is a rule of the ledger.
    """
    at_most(limits.SIGNERS_MAX, "signers", len(signers))
    checks.ascending("signers", [signer.key for signer in signers])
    for signer in signers:
        if signer.weight == 0:
            raise Malformed(
                "signer weight: it must be at least 1; leave the signer out to remove it"
            )
        if signer.limits is not None:
            signer.limits.check()
    if thresholds.default == 0 or 0 in thresholds.operations.values():
        raise Malformed("threshold: it must be at least 1, or anybody could act")
    if any(number >= OPERATION_TYPES for number in thresholds.operations):
        raise Malformed("threshold: there is no such operation number")


@dataclass(frozen=True, slots=True)
class KeyTarget(Shape):
    """The key's own account. Without signers, this key gets weight 1 and every threshold is 1."""

    VARIANT: ClassVar[str] = "key"
    TRANSPARENT: ClassVar[bool] = True
    key: PublicKey


@dataclass(frozen=True, slots=True)
class DerivedTarget(Shape):
    """A further account, derived from the creating transaction."""

    VARIANT: ClassVar[str] = "derived"


AccountTarget: TypeAlias = KeyTarget | DerivedTarget


class AssetKind(enum.Enum):
    """What can be held of an asset."""

    FUNGIBLE = "fungible"
    UNIQUE = "unique"
    DATED = "dated"


@dataclass(frozen=True, slots=True)
class AssetFeatures(Shape):
    """What the issuer may do; fixed at creation."""

    freeze: bool = False
    whitelist: bool = False
    clawback: bool = False


@dataclass(frozen=True, slots=True)
class Everyone(Shape):
    """Every account may write."""


@dataclass(frozen=True, slots=True)
class Listed(Shape):
    """These accounts (ascending) and the owner may write."""

    TRANSPARENT: ClassVar[bool] = True
    accounts: tuple[Address, ...]


Writers: TypeAlias = Everyone | Listed


def _check_writers(writers: Writers) -> None:
    if isinstance(writers, Listed):
        at_most(limits.WRITERS_MAX, "writers", len(writers.accounts))
        checks.ascending("writers", writers.accounts)


class DigestAlgorithm(enum.Enum):
    """How a digest was made."""

    SHA256 = "sha256"
    SM3 = "sm3"
    SALTED_SHA256 = "salted_sha256"
    SALTED_SM3 = "salted_sm3"


@dataclass(frozen=True, slots=True)
class Digest(Shape):
    """Digest of a document."""

    algorithm: DigestAlgorithm
    bytes: Hash

    @classmethod
    def of(
        cls,
        document: Blob,
        algorithm: DigestAlgorithm = DigestAlgorithm.SHA256,
        salt: Blob = b"",
    ) -> Digest:
        """Digest of a document.

        Salted algorithms need a secret salt of 32 bytes, which stays with the owner.
        """
        name = algorithm.value.removeprefix("salted_")
        function = hashes.sha256 if name == "sha256" else hashes.sm3
        plain = function(document)
        if name == algorithm.value:
            return cls(algorithm, plain)
        if len(salt) != 32:
            raise Malformed("salt: it must have 32 bytes")
        return cls(algorithm, function(hashes.SALTED_DIGEST + salt + plain))


@dataclass(frozen=True, slots=True)
class NoContent(Shape):
    """Only the digest."""

    VARIANT: ClassVar[str] = "none"


@dataclass(frozen=True, slots=True)
class PlainContent(Shape):
    """Bytes that everybody may read."""

    VARIANT: ClassVar[str] = "plain"
    TRANSPARENT: ClassVar[bool] = True
    bytes: Blob


class CipherSuite(enum.Enum):
    """Authenticated cipher of a record's content: 12-byte nonce first, 16-byte tag last."""

    AES256_GCM = "aes256_gcm"
    SM4_GCM = "sm4_gcm"


@dataclass(frozen=True, slots=True)
class CipherContent(Shape):
    """Ciphertext made by the application; the ledger cannot read it."""

    VARIANT: ClassVar[str] = "cipher"
    suite: CipherSuite
    bytes: Blob


Content: TypeAlias = NoContent | PlainContent | CipherContent


@dataclass(frozen=True, slots=True, order=True)
class RecordReference(Shape):
    """One version of one record. Sorts by namespace, key, version."""

    namespace: Hash
    key: str
    version: U32


class OperationShape(Shape):
    """An operation.

    `check` decides what the operation alone decides; `source` is the account that acts.
    """

    __slots__ = ()

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""


def _check_other(what: str, one: Address, other: Address) -> None:
    if one == other:
        raise Malformed(f"{what}: it must be another account")


def _check_item(item: str) -> None:
    checks.text("item", item, limits.ITEM_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class CreateAccount(OperationShape):
    """0: opens an account. Signers ascend by key and are empty only for a key's own account."""

    target: AccountTarget
    signers: tuple[AccountSigner, ...] = ()
    thresholds: Thresholds | None = None

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        if self.signers and self.thresholds is not None:
            check_authority(self.signers, self.thresholds)
        elif not self.signers and isinstance(self.target, DerivedTarget):
            raise Malformed("signers: a derived account needs at least one")
        elif self.signers or self.thresholds is not None:
            raise Malformed("thresholds: give them exactly when signers are given")


@dataclass(frozen=True, slots=True)
class SetSigners(OperationShape):
    """1: replaces the signers and thresholds of the source (rotation, multi-signature)."""

    signers: tuple[AccountSigner, ...]
    thresholds: Thresholds

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        check_authority(self.signers, self.thresholds)


@dataclass(frozen=True, slots=True)
class SetData(OperationShape):
    """2: writes a data entry of the source, or deletes it (no value)."""

    name: str
    value: bytes | None
    expected_version: U64 | None = None

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        checks.text("data name", self.name, limits.DATA_NAME_BYTES_MAX)
        at_most(limits.DATA_VALUE_BYTES_MAX, "data value", len(self.value or b""))


@dataclass(frozen=True, slots=True)
class CloseAccount(OperationShape):
    """3: closes the source for ever. It must hold nothing."""


@dataclass(frozen=True, slots=True)
class SetClaim(OperationShape):
    """4: states a claim of the source about an account."""

    subject: Address
    kind: str
    digest: Hash
    expires: U64 | None = None

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        checks.name("claim kind", self.kind, limits.CLAIM_TYPE_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class RevokeClaim(OperationShape):
    """5: withdraws a claim; its issuer and its subject may."""

    issuer: Address
    subject: Address
    kind: str

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        checks.name("claim kind", self.kind, limits.CLAIM_TYPE_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class CreateAsset(OperationShape):
    """6: defines an asset that the source issues."""

    code: str
    name: str
    kind: AssetKind
    decimals: U8
    cap: U128 | None
    features: AssetFeatures

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        checks.name("asset code", self.code, limits.ASSET_CODE_BYTES_MAX, upper=True)
        checks.text("asset name", self.name, limits.ASSET_NAME_BYTES_MAX)
        at_most(limits.ASSET_DECIMALS_MAX, "decimals", self.decimals)
        if self.kind is AssetKind.UNIQUE and self.decimals:
            raise Malformed("decimals: items of a unique asset have none")
        if self.cap is not None:
            checks.amount("cap", self.cap)


@dataclass(frozen=True, slots=True)
class Issue(OperationShape):
    """7.

    Issues an amount of a fungible or dated asset of the source; `expires` exactly for dated
    assets.
    """

    asset: Hash
    to: Address
    amount: U128
    expires: U64 | None = None

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        checks.amount("amount", self.amount)


@dataclass(frozen=True, slots=True)
class Transfer(OperationShape):
    """8: sends an amount of a fungible or dated asset."""

    asset: Hash
    to: Address
    amount: U128

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        _check_other("to", source, self.to)
        checks.amount("amount", self.amount)


@dataclass(frozen=True, slots=True)
class Burn(OperationShape):
    """9: destroys an amount that the source holds."""

    asset: Hash
    amount: U128

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        checks.amount("amount", self.amount)


@dataclass(frozen=True, slots=True)
class Clawback(OperationShape):
    """10.

    Takes an amount of an asset of the source away from a holder; without `to` it is destroyed.
    """

    asset: Hash
    from_: Address
    to: Address | None
    amount: U128

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        checks.amount("amount", self.amount)
        if self.to is not None:
            _check_other("to", self.from_, self.to)


@dataclass(frozen=True, slots=True)
class FreezeAsset(OperationShape):
    """11: freezes or thaws an asset of the source."""

    asset: Hash
    frozen: bool


@dataclass(frozen=True, slots=True)
class FreezeHolder(OperationShape):
    """12: freezes or thaws one holder of an asset of the source."""

    asset: Hash
    holder: Address
    frozen: bool


@dataclass(frozen=True, slots=True)
class AuthoriseHolder(OperationShape):
    """13: puts an account on the whitelist of an asset of the source, or takes it off."""

    asset: Hash
    holder: Address
    authorised: bool


@dataclass(frozen=True, slots=True)
class IssueItem(OperationShape):
    """14: issues an item of a unique asset of the source."""

    asset: Hash
    item: str
    to: Address
    digest: Hash | None = None

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        _check_item(self.item)


@dataclass(frozen=True, slots=True)
class TransferItem(OperationShape):
    """15: sends an item."""

    asset: Hash
    item: str
    to: Address

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        _check_other("to", source, self.to)
        _check_item(self.item)


@dataclass(frozen=True, slots=True)
class BurnItem(OperationShape):
    """16: destroys an item that the source holds."""

    asset: Hash
    item: str

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        _check_item(self.item)


@dataclass(frozen=True, slots=True)
class ClawbackItem(OperationShape):
    """17.

    Takes an item of an asset of the source away from its holder; without `to` it is destroyed.
    """

    asset: Hash
    item: str
    to: Address | None = None

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        _check_item(self.item)


@dataclass(frozen=True, slots=True)
class Reserve(OperationShape):
    """18: sets an amount of the source aside for a beneficiary until `expires`."""

    asset: Hash
    beneficiary: Address
    amount: U128
    expires: U64

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        _check_other("beneficiary", source, self.beneficiary)
        checks.amount("amount", self.amount)


@dataclass(frozen=True, slots=True)
class Capture(OperationShape):
    """19: the beneficiary takes all or part of a hold; the rest goes back to the holder."""

    holder: Address
    hold: Hash
    amount: U128

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        checks.amount("amount", self.amount)


@dataclass(frozen=True, slots=True)
class Release(OperationShape):
    """20: the beneficiary gives a hold up; everything goes back to the holder."""

    holder: Address
    hold: Hash


@dataclass(frozen=True, slots=True)
class CreateNamespace(OperationShape):
    """21: opens a namespace that the source owns."""

    name: str
    writers: Writers
    shared: bool

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        checks.name("namespace", self.name, limits.NAMESPACE_BYTES_MAX)
        _check_writers(self.writers)


@dataclass(frozen=True, slots=True)
class SetNamespace(OperationShape):
    """22: changes a namespace of the source."""

    namespace: Hash
    owner: Address
    writers: Writers
    shared: bool

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        _check_writers(self.writers)


@dataclass(frozen=True, slots=True)
class PutRecord(OperationShape):
    """23: writes the first or the next version of a record."""

    namespace: Hash
    key: str
    digest: Digest
    content: Content
    parents: tuple[RecordReference, ...] = ()
    expected_version: U32 | None = None

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        checks.text("record key", self.key, limits.RECORD_KEY_BYTES_MAX)
        length = 0 if isinstance(self.content, NoContent) else len(self.content.bytes)
        at_most(limits.RECORD_CONTENT_BYTES_MAX, "record content", length)
        if isinstance(self.content, CipherContent) and length < 28:
            raise Malformed("ciphertext: it is shorter than nonce and tag")
        at_most(limits.RECORD_PARENTS_MAX, "parents", len(self.parents))
        # Text sorts by its UTF-8 bytes, which Python's order by code point equals.
        checks.ascending("parents", self.parents)
        for parent in self.parents:
            checks.text("parent key", parent.key, limits.RECORD_KEY_BYTES_MAX)
            if parent.version == 0:
                raise Malformed("parent version: versions start at 1")


@dataclass(frozen=True, slots=True)
class Propose(OperationShape):
    """24: opens a proposal for the organisation whose governance account the source is.

    `expires` is the block time (ms) from which nobody may vote, `not_before` the height before
    which it must not be in force. `acknowledged` (ascending) names risks: `no_fault_tolerance`,
    and members heavier than what may be missing.
    """

    changes: tuple[Change, ...]
    expires: U64
    not_before: U64 | None = None
    acknowledged: tuple[str, ...] = ()
    memo: str = ""

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        governance.check_proposal(self.changes, self.acknowledged, self.memo)


@dataclass(frozen=True, slots=True)
class Vote(OperationShape):
    """25: votes for the organisation of the source; a later vote replaces an earlier one."""

    proposal: Hash
    approve: bool


@dataclass(frozen=True, slots=True)
class WithdrawProposal(OperationShape):
    """26: takes back an open proposal of the source's organisation."""

    proposal: Hash


@dataclass(frozen=True, slots=True)
class Ready(OperationShape):
    """27: the source, the first account of a next validator's key, is ready for a change."""

    proposal: Hash


@dataclass(frozen=True, slots=True)
class ReportEvidence(OperationShape):
    """28: reports two contradicting statements of one validator."""

    member: PublicKey
    statement_one: Statement
    signature_one: SignatureBytes
    statement_two: Statement
    signature_two: SignatureBytes

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        governance.check_statements(self.statement_one, self.statement_two)


@dataclass(frozen=True, slots=True)
class AskMembership(OperationShape):
    """29: asks an organisation to take the source in.

    Without a name the source takes that back and leaves the organisation it is in.
    """

    organisation: str | None = None

    def check_for(self, source: Address) -> None:
        """Raises for an operation that can never be valid."""
        if self.organisation is not None:
            checks.text("organisation", self.organisation, limits.NAME_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class SetMember(OperationShape):
    """30: the source's organisation takes in an account that asked for it, or lets it go."""

    account: Address
    member: bool


OperationBody: TypeAlias = (
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
"""Every operation, in the order of its number on the wire."""

OPERATIONS: Final[tuple[type[OperationShape], ...]] = OperationBody.__args__
OPERATION_TYPES: Final = len(OPERATIONS)
OPERATION_NAMES: Final = tuple(kind.variant_name() for kind in OPERATIONS)


@dataclass(frozen=True, slots=True)
class Operation(Shape):
    """One operation with its optional own source (default: the transaction's source)."""

    source: Address | None
    body: OperationBody

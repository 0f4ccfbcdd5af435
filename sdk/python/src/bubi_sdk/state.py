"""Cells: the pieces of state and the keys under which they stand (core/codec/src/state.rs)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from bubi_sdk import checks, limits
from bubi_sdk.address import Address
from bubi_sdk.codec import (
    U8,
    U32,
    U64,
    U128,
    Bytes16,
    Hash,
    Shape,
    TopLevel,
    at_most,
    codec_of,
)
from bubi_sdk.errors import Malformed
from bubi_sdk.governance import Validator, check_algorithms
from bubi_sdk.operations import (
    AccountSigner,
    AssetFeatures,
    AssetKind,
    Content,
    Digest,
    RecordReference,
    Thresholds,
    Writers,
)


class OwnerKind(enum.IntEnum):
    """First byte of an owner key: whose cells they are."""

    SYSTEM = 0
    ACCOUNT = 1
    ASSET = 2
    NAMESPACE = 3


def owner_key(kind: OwnerKind, identity: bytes = bytes(32)) -> bytes:
    """Owner key of 33 bytes."""
    return bytes([kind]) + identity


HEADER_KEY: Final = b"\x00"
"""Account, asset or namespace: its header or definition. System: parameters."""
VALIDATORS_KEY: Final = b"\x02"
"""System: validator set."""


SCHEDULE_KEY: Final = b"\x04"
"""System: leader schedule."""
GOVERNANCE_KEY: Final = b"\x06"
"""System: what governance is about."""
PROTOCOL_VERSION_KEY: Final = b"\x0a"
"""System: protocol version in force."""


def organisation_key(name: str) -> bytes:
    """System: an organisation."""
    return b"\x05" + name.encode()


def proposal_key(proposal: bytes) -> bytes:
    """System: a proposal of changes."""
    return b"\x07" + proposal


def epoch_key(epoch: int) -> bytes:
    """System: the begin of an epoch."""
    return b"\x08" + epoch.to_bytes(8, "big")


def evidence_key(evidence: bytes) -> bytes:
    """System: evidence, by its key."""
    return b"\x09" + evidence


def node_key(node: bytes) -> bytes:
    """System: a node on the black or the white list, by its id."""
    return b"\x0b" + node


def revoked_key(fingerprint: bytes) -> bytes:
    """System: a revoked certificate."""
    return b"\x0c" + fingerprint


def voter_key(account: Address) -> bytes:
    """System: for whom an account votes."""
    return b"\x0d" + account.raw


def organisation_use_key(name: str | None) -> bytes:
    """System: use of the quota of an organisation; None: of all accounts without one."""
    return b"\x0e" + (name or "").encode()


QUOTA_KEY: Final = b"\x09"
"""Account: use of its quota."""
MEMBERSHIP_KEY: Final = b"\x0a"
"""Account: the organisation to which it belongs."""


def holding_key(asset: bytes) -> bytes:
    """Account: holding of a fungible or dated asset, and the flags that an issuer sets."""
    return b"\x01" + asset


def data_key(name: str) -> bytes:
    """Account: a data entry."""
    return b"\x04" + name.encode()


def claim_key(issuer: Address, kind: str) -> bytes:
    """Account (the subject): a claim."""
    return b"\x05" + issuer.raw + kind.encode()


def hold_key(hold: bytes) -> bytes:
    """Account (the holder): a hold."""
    return b"\x07" + hold


def item_key(item: str) -> bytes:
    """Asset: an item."""
    return b"\x01" + item.encode()


def record_head_key(key: str) -> bytes:
    """Namespace: head of a record."""
    return b"\x01" + key.encode()


def record_version_key(key: str, version: int) -> bytes:
    """Namespace: a version of a record."""
    return b"\x02" + key.encode() + b"\x00" + version.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class OpenAccount(Shape):
    """An open account: its signers, thresholds, and the height at which it was opened."""

    VARIANT: ClassVar[str] = "v1"
    signers: tuple[AccountSigner, ...]
    thresholds: Thresholds
    created: U64


@dataclass(frozen=True, slots=True)
class ClosedAccount(Shape):
    """A closed account: its address is never used again."""

    VARIANT: ClassVar[str] = "closed"
    height: U64


AccountHeader: TypeAlias = OpenAccount | ClosedAccount
ACCOUNT_HEADER: Final[TopLevel[AccountHeader]] = TopLevel(
    "AccountHeader", codec_of(AccountHeader), limits.CELL_VALUE_BYTES_MAX
)
"""Canonical bytes of an account header."""


@dataclass(frozen=True, slots=True)
class Lot(Shape):
    """Part of a dated holding that lapses at one time."""

    expires: U64
    amount: U128


@dataclass(frozen=True, slots=True)
class Holding(Shape):
    """What an account holds of an asset, and the flags that the issuer sets."""

    VERSION: ClassVar[str] = "v1"
    balance: U128
    reserved: U128
    frozen: bool
    authorised: bool
    lots: tuple[Lot, ...]
    reserved_lots: U8


@dataclass(frozen=True, slots=True)
class DataEntry(Shape):
    """A data entry of an account."""

    VERSION: ClassVar[str] = "v1"
    version: U64
    value: bytes


@dataclass(frozen=True, slots=True)
class Claim(Shape):
    """A claim about an account."""

    VERSION: ClassVar[str] = "v1"
    digest: Hash
    expires: U64 | None


@dataclass(frozen=True, slots=True)
class Hold(Shape):
    """A two-phase hold."""

    VERSION: ClassVar[str] = "v1"
    asset: Hash
    beneficiary: Address
    amount: U128
    expires: U64
    lots: tuple[Lot, ...]


@dataclass(frozen=True, slots=True)
class Use(Shape):
    """What was used of a limit in its current period or window."""

    VERSION: ClassVar[str] = "v1"
    period: U64
    used: U128


@dataclass(frozen=True, slots=True)
class Membership(Shape):
    """To which organisation an account belongs, and which one it asks to take it in."""

    VERSION: ClassVar[str] = "v1"
    organisation: str | None
    asks: str | None


@dataclass(frozen=True, slots=True)
class AssetDefinition(Shape):
    """Definition of an asset."""

    VERSION: ClassVar[str] = "v1"
    issuer: Address
    code: str
    name: str
    kind: AssetKind
    decimals: U8
    cap: U128 | None
    features: AssetFeatures
    frozen: bool
    supply: U128


@dataclass(frozen=True, slots=True)
class Item(Shape):
    """An item of a unique asset."""

    VERSION: ClassVar[str] = "v1"
    holder: Address
    digest: Hash | None


@dataclass(frozen=True, slots=True)
class Namespace(Shape):
    """A record namespace."""

    VERSION: ClassVar[str] = "v1"
    name: str
    owner: Address
    writers: Writers
    shared: bool


@dataclass(frozen=True, slots=True)
class RecordHead(Shape):
    """Head of a record."""

    VERSION: ClassVar[str] = "v1"
    author: Address
    version: U32


@dataclass(frozen=True, slots=True)
class RecordVersion(Shape):
    """One version of a record."""

    VERSION: ClassVar[str] = "v1"
    writer: Address
    time: U64
    digest: Digest
    content: Content
    parents: tuple[RecordReference, ...]


@dataclass(frozen=True, slots=True)
class IdBucket(Shape):
    """Live ids of one bucket."""

    VERSION: ClassVar[str] = "v1"
    count: U64
    root: Hash


@dataclass(frozen=True, slots=True)
class IdEntry(Shape):
    """One live id."""

    source: Address
    id: Bytes16
    transaction: Hash
    valid_until: U64


@dataclass(frozen=True, slots=True)
class RetiredAlgorithm(Shape):
    """An algorithm whose signatures of accounts count no more from a block time (ms) on."""

    algorithm: U8
    until: U64


@dataclass(frozen=True, slots=True)
class Parameters(Shape):
    """Parameters that every node must share."""

    VERSION: ClassVar[str] = "v1"
    max_lifetime: U64
    clock_tolerance: U64
    id_bucket: U64
    block_transactions: U32
    block_bytes: U32
    due_per_block: U32
    quota_window: U64
    quota_operations: U64
    algorithms: tuple[U8, ...]
    turn_blocks: U32
    timeout: U64
    timeout_max: U64
    vote_algorithms: tuple[U8, ...]
    retired_algorithms: tuple[RetiredAlgorithm, ...]
    proposal_lifetime: U64
    ready_lifetime: U64
    evidence_policy: U32
    evidence_max_age: U64
    organisation_operations: U64


def check_parameters(parameters: Parameters) -> None:
    """Checks the parameters of a genesis against one another."""
    lifetime = parameters.max_lifetime
    if lifetime > 3_600_000 or lifetime < parameters.clock_tolerance * 20:
        raise Malformed(
            "max_lifetime: it must be at most one hour and at least 20 clock tolerances"
        )
    if parameters.clock_tolerance < 500:
        raise Malformed("clock_tolerance: it must be at least 500 ms")
    if not 0 < parameters.id_bucket <= lifetime:
        raise Malformed("id_bucket: it must be between 1 ms and max_lifetime")
    _check_blocks(parameters)
    check_algorithms("algorithms", parameters.algorithms)
    check_algorithms("vote_algorithms", parameters.vote_algorithms)
    _check_retired(parameters)
    if not 200 <= parameters.timeout <= 60_000:
        raise Malformed("timeout: it must be 200 ms to 60 s")
    if not parameters.timeout <= parameters.timeout_max <= 600_000:
        raise Malformed("timeout_max: it must be at least the timeout and at most 10 min")
    _check_governance(parameters)


def _check_blocks(parameters: Parameters) -> None:
    if not 1 <= parameters.quota_window <= 604_800_000:
        raise Malformed("quota_window: it must be 1 ms to seven days")
    if 0 < parameters.organisation_operations < limits.OPERATIONS_MAX:
        raise Malformed("organisation_operations: it must be 0 (no quota) or at least 100")
    smallest, largest = 2 * limits.TRANSACTION_BYTES_MAX, 268_435_456
    if (
        not 2 <= parameters.block_transactions <= 1_000_000
        or not smallest <= parameters.block_bytes <= largest
    ):
        raise Malformed("block_transactions: 2 to 1,000,000 transactions, 2 to 256 MiB")
    if not 1 <= parameters.due_per_block <= 100_000:
        raise Malformed("due_per_block: it must be 1 to 100,000")


def _check_retired(parameters: Parameters) -> None:
    numbers = [one.algorithm for one in parameters.retired_algorithms]
    checks.ascending("retired_algorithms", numbers)
    if any(number > 3 or number in parameters.algorithms for number in numbers):
        raise Malformed("retired_algorithms: one that new keys may use is not retired")


def _check_governance(parameters: Parameters) -> None:
    if not 10_000 <= parameters.proposal_lifetime <= 31_536_000_000:
        raise Malformed("proposal_lifetime: it must be 10 s to one year")
    if not 10_000 <= parameters.ready_lifetime <= 2_592_000_000:
        raise Malformed("ready_lifetime: it must be 10 s to 30 days")
    if parameters.evidence_policy > 3:
        raise Malformed("evidence_policy: 0 (ignore), 1 (alarm), 2 (vote) or 3 (exclude)")
    if not 1 <= parameters.evidence_max_age <= 1_000_000_000:
        raise Malformed("evidence_max_age: it must be 1 to 1,000,000,000 blocks")


@dataclass(frozen=True, slots=True)
class Strike(Shape):
    """A validator that failed as a leader: its level and the turns it is still passed over."""

    validator: U32
    level: U8
    skip: U32


@dataclass(frozen=True, slots=True)
class FormerSchedule(Shape):
    """A leader schedule that is in force no more."""

    round: U64
    leader: U32
    strikes: tuple[Strike, ...]


@dataclass(frozen=True, slots=True)
class Schedule(Shape):
    """Who leads which round (spec/consensus/schedule.md); `former` is what it replaced."""

    VERSION: ClassVar[str] = "v1"
    round: U64
    leader: U32
    changed: U64
    strikes: tuple[Strike, ...]
    decider: U32
    former: FormerSchedule


@dataclass(frozen=True, slots=True)
class ValidatorSet(Shape):
    """Validators in force, with the quorum ratio."""

    VERSION: ClassVar[str] = "v1"
    epoch: U64
    engine: str
    validators: tuple[Validator, ...]
    quorum_numerator: U32
    quorum_denominator: U32

    @property
    def total(self) -> int:
        """Sum of all weights."""
        return sum(validator.weight for validator in self.validators)

    @property
    def quorum(self) -> int:
        """Weight that a certificate needs: max(⌊2T/3⌋ + 1, ⌈T·num/den⌉)."""
        safe = self.total * 2 // 3 + 1
        return max(safe, -(-self.total * self.quorum_numerator // self.quorum_denominator))

    def check(self) -> None:
        """Raises `TooLarge` or `Malformed` for a set that can never be valid."""
        checks.text("engine", self.engine, limits.NAME_BYTES_MAX)
        at_most(limits.VALIDATORS_MAX, "validators", len(self.validators))
        if not self.validators or any(not one.weight for one in self.validators):
            raise Malformed("validators: give at least one, each with a weight of at least 1")
        if len({one.key for one in self.validators}) != len(self.validators):
            raise Malformed("validators: each needs a key of its own")
        for validator in self.validators:
            checks.text("validator name", validator.name, limits.NAME_BYTES_MAX)
            checks.text("organisation", validator.organisation, limits.NAME_BYTES_MAX)
        if self.total > 0xFFFFFFFF:
            raise Malformed("weights: their sum must be at most 2^32 - 1")
        if not self.quorum_denominator or self.quorum_numerator > self.quorum_denominator:
            raise Malformed("quorum ratio: it must lie between 0 and 1")

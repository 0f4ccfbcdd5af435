"""Cells of governance beside proposals and organisations (core/codec/src/governance.rs)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar, Final

from bubi_sdk import limits
from bubi_sdk.address import Address
from bubi_sdk.codec import U8, U32, U64, Hash, Shape, TopLevel, codec_of
from bubi_sdk.governance import EvidenceAction
from bubi_sdk.keys import PublicKey
from bubi_sdk.state import ValidatorSet


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

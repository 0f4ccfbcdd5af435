"""What happened to the ledger (core/codec/src/block.rs)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from bubi_sdk.address import Address
from bubi_sdk.codec import U32, U64, U128, Hash, Shape, TopLevel, codec_of
from bubi_sdk.governance import EvidenceAction, ProposalStatus


@dataclass(frozen=True, slots=True)
class AccountCreated(Shape):
    """0: an account was opened."""

    account: Address
    creator: Address


@dataclass(frozen=True, slots=True)
class SignersChanged(Shape):
    """1: signers or thresholds changed."""

    account: Address


@dataclass(frozen=True, slots=True)
class AccountClosed(Shape):
    """2: an account was closed."""

    account: Address


@dataclass(frozen=True, slots=True)
class DataSet(Shape):
    """3: a data entry was written (version 0: deleted)."""

    account: Address
    name: str
    version: U64


@dataclass(frozen=True, slots=True)
class ClaimSet(Shape):
    """4: a claim was stated."""

    issuer: Address
    subject: Address
    kind: str


@dataclass(frozen=True, slots=True)
class ClaimRevoked(Shape):
    """5: a claim was withdrawn."""

    issuer: Address
    subject: Address
    kind: str


@dataclass(frozen=True, slots=True)
class AssetCreated(Shape):
    """6: an asset was defined."""

    asset: Hash
    issuer: Address


@dataclass(frozen=True, slots=True)
class AssetFrozen(Shape):
    """7: an asset was frozen or thawed."""

    asset: Hash
    frozen: bool


@dataclass(frozen=True, slots=True)
class HolderFrozen(Shape):
    """8: a holder was frozen or thawed."""

    asset: Hash
    holder: Address
    frozen: bool


@dataclass(frozen=True, slots=True)
class HolderAuthorised(Shape):
    """9: a holder was put on a whitelist or taken off."""

    asset: Hash
    holder: Address
    authorised: bool


@dataclass(frozen=True, slots=True)
class Issued(Shape):
    """10: supply grew."""

    asset: Hash
    to: Address
    amount: U128
    expires: U64 | None


@dataclass(frozen=True, slots=True)
class Transferred(Shape):
    """11: an amount moved; also by claw-back and capture."""

    asset: Hash
    from_: Address
    to: Address
    amount: U128


@dataclass(frozen=True, slots=True)
class Burned(Shape):
    """12: supply shrank."""

    asset: Hash
    from_: Address
    amount: U128


@dataclass(frozen=True, slots=True)
class Lapsed(Shape):
    """13: a lot passed its expiry and was retired."""

    asset: Hash
    holder: Address
    amount: U128
    expires: U64


@dataclass(frozen=True, slots=True)
class ItemIssued(Shape):
    """14: an item was issued."""

    asset: Hash
    item: str
    to: Address


@dataclass(frozen=True, slots=True)
class ItemTransferred(Shape):
    """15: an item moved."""

    asset: Hash
    item: str
    from_: Address
    to: Address


@dataclass(frozen=True, slots=True)
class ItemBurned(Shape):
    """16: an item was destroyed."""

    asset: Hash
    item: str
    from_: Address


@dataclass(frozen=True, slots=True)
class Reserved(Shape):
    """17: an amount was set aside."""

    hold: Hash
    asset: Hash
    holder: Address
    beneficiary: Address
    amount: U128
    expires: U64


@dataclass(frozen=True, slots=True)
class Captured(Shape):
    """18: a hold was captured."""

    hold: Hash
    amount: U128


@dataclass(frozen=True, slots=True)
class Released(Shape):
    """19: a hold was given up."""

    hold: Hash


@dataclass(frozen=True, slots=True)
class HoldExpired(Shape):
    """20: a hold expired and went back."""

    hold: Hash
    holder: Address


@dataclass(frozen=True, slots=True)
class NamespaceCreated(Shape):
    """21: a namespace was opened."""

    namespace: Hash
    owner: Address


@dataclass(frozen=True, slots=True)
class NamespaceChanged(Shape):
    """22: a namespace was changed."""

    namespace: Hash
    owner: Address


@dataclass(frozen=True, slots=True)
class RecordPut(Shape):
    """23: a version of a record was written."""

    namespace: Hash
    key: str
    version: U32
    writer: Address


@dataclass(frozen=True, slots=True)
class ProposalChanged(Shape):
    """24: a proposal was opened or got another status."""

    proposal: Hash
    status: ProposalStatus


@dataclass(frozen=True, slots=True)
class Voted(Shape):
    """25: an organisation voted."""

    proposal: Hash
    organisation: str
    approve: bool


@dataclass(frozen=True, slots=True)
class ValidatorReady(Shape):
    """26: a next validator is ready for an approved change."""

    proposal: Hash
    validator: str


@dataclass(frozen=True, slots=True)
class ActivationFixed(Shape):
    """27: enough are ready; the height is fixed at which the change is in force."""

    proposal: Hash
    height: U64


@dataclass(frozen=True, slots=True)
class EpochBegins(Shape):
    """28: an epoch begins with the next block."""

    epoch: U64
    height: U64


@dataclass(frozen=True, slots=True)
class EvidenceRecorded(Shape):
    """29: evidence was recorded."""

    evidence: Hash
    validator: str
    action: EvidenceAction


@dataclass(frozen=True, slots=True)
class MembershipChanged(Shape):
    """30: an account belongs to another organisation than before, or asks for another one."""

    account: Address
    organisation: str | None
    asks: str | None


Event: TypeAlias = (
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
"""Every event, in the order of its number on the wire."""

EVENT: Final[TopLevel[Event]] = TopLevel("Event", codec_of(Event), 1_024)
"""Canonical bytes of an event."""

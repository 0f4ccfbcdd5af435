"""Transactions: a body that is hashed and signed, and signatures that stand outside."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from bubi_sdk import checks, hashes, limits
from bubi_sdk.address import Address
from bubi_sdk.codec import (
    U32,
    U64,
    U128,
    Bytes16,
    Hash,
    Json,
    Shape,
    SignatureBytes,
    at_most,
    parse_json,
    uleb,
)
from bubi_sdk.errors import Malformed, MalformedJson, SignatureInvalid
from bubi_sdk.keys import PublicKey, SecretKey
from bubi_sdk.network import Network
from bubi_sdk.operations import Operation
from bubi_sdk.signer import MemorySigner, Signer


@dataclass(frozen=True, slots=True)
class Id(Shape):
    """A 128-bit id, unique among the source's live transactions."""

    TRANSPARENT: ClassVar[bool] = True
    id: Bytes16

    def fixed_bytes(self) -> bytes:
        """The key as 17 bytes, for identifiers derived from it."""
        return b"\x00" + self.id


@dataclass(frozen=True, slots=True)
class Sequence(Shape):
    """A position in one of the source's lanes, counted from 0 without gaps."""

    lane: U32
    number: U64

    def fixed_bytes(self) -> bytes:
        """The key as 17 bytes, for identifiers derived from it."""
        return (
            b"\x01"
            + self.lane.to_bytes(4, "little")
            + self.number.to_bytes(8, "little")
            + bytes(4)
        )


ReplayKey: TypeAlias = Id | Sequence


@dataclass(frozen=True, slots=True)
class BalancePrecondition(Shape):
    """An account can spend at least this much of an asset."""

    VARIANT: ClassVar[str] = "balance"
    account: Address
    asset: Hash
    at_least: U128

    def check(self) -> None:
        """Raises for a condition that can never be valid."""
        if self.at_least > limits.AMOUNT_MAX:
            raise Malformed("at_least: it must be at most 10^38 - 1")


@dataclass(frozen=True, slots=True)
class DataVersionPrecondition(Shape):
    """A data entry stands at this version (0: absent)."""

    VARIANT: ClassVar[str] = "data_version"
    account: Address
    name: str
    version: U64

    def check(self) -> None:
        """Raises for a condition that can never be valid."""
        checks.text("data name", self.name, limits.DATA_NAME_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class RecordVersionPrecondition(Shape):
    """A record stands at this version (0: absent)."""

    VARIANT: ClassVar[str] = "record_version"
    namespace: Hash
    key: str
    version: U32

    def check(self) -> None:
        """Raises for a condition that can never be valid."""
        checks.text("record key", self.key, limits.RECORD_KEY_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class HeightPrecondition(Shape):
    """The height of the block lies in this window, both ends included."""

    VARIANT: ClassVar[str] = "height"
    from_: U64
    to: U64

    def check(self) -> None:
        """Raises for a condition that can never be valid."""
        if self.from_ > self.to:
            raise Malformed("window: it ends before it begins")


@dataclass(frozen=True, slots=True)
class TimePrecondition(Shape):
    """The block time (ms) lies in this window, both ends included."""

    VARIANT: ClassVar[str] = "time"
    from_: U64
    to: U64

    def check(self) -> None:
        """Raises for a condition that can never be valid."""
        if self.from_ > self.to:
            raise Malformed("window: it ends before it begins")


Precondition: TypeAlias = (
    BalancePrecondition
    | DataVersionPrecondition
    | RecordVersionPrecondition
    | HeightPrecondition
    | TimePrecondition
)


@dataclass(frozen=True, slots=True)
class TransactionBody(Shape):
    """Body of a transaction: all of its operations happen, or none."""

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = limits.TRANSACTION_BYTES_MAX
    source: Address
    replay: ReplayKey
    valid_until: U64
    preconditions: tuple[Precondition, ...]
    memo: bytes
    operations: tuple[Operation, ...]

    def check(self) -> None:
        """Raises `TooLarge` or `Malformed` for a body that can never be valid."""
        at_most(limits.MEMO_BYTES_MAX, "memo", len(self.memo))
        at_most(limits.PRECONDITIONS_MAX, "preconditions", len(self.preconditions))
        at_most(limits.OPERATIONS_MAX, "operations", len(self.operations))
        if not self.operations:
            raise Malformed("operations: a transaction needs at least one")
        for precondition in self.preconditions:
            precondition.check()
        for operation in self.operations:
            operation.body.check_for(operation.source or self.source)


@dataclass(frozen=True, slots=True)
class SignatureEntry(Shape):
    """One signature with the key that made it, so that it can be checked without state."""

    key: PublicKey
    signature: SignatureBytes


@dataclass(frozen=True, slots=True)
class SignedTransaction(Shape):
    """A transaction as it is sent: the encoded body and the signatures, ascending by key."""

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = limits.TRANSACTION_BYTES_MAX
    body: bytes
    signatures: tuple[SignatureEntry, ...]

    def check(self) -> None:
        """Raises `TooLarge` or `Malformed` for a transaction that can never be valid."""
        at_most(limits.SIGNATURES_MAX, "signatures", len(self.signatures))
        if not self.signatures:
            raise Malformed("signatures: a transaction needs at least one")
        checks.ascending("signatures", [entry.key for entry in self.signatures])


class Transaction:
    """A body made for one network, ready to be signed."""

    def __init__(self, network: Network, body: TransactionBody | bytes) -> None:
        """Takes a body, or its bytes, which are kept as they are."""
        self.network = network
        self.body = TransactionBody.decode(body) if isinstance(body, bytes) else body
        self.body_bytes = body if isinstance(body, bytes) else body.encode()

    @functools.cached_property
    def signing_bytes(self) -> bytes:
        """What each signer signs: domain tag, chain id, body."""
        return hashes.TRANSACTION + self.network.chain_id + self.body_bytes

    @functools.cached_property
    def hash(self) -> bytes:
        """The transaction's name for ever; signatures do not enter it."""
        return self.network.suite.hash(self.signing_bytes)

    def derived_account(self, index: int = 0) -> Address:
        """Address of the account that operation `index` derives."""
        return Address(self._derived(hashes.DERIVED_ADDRESS, index))

    def hold_id(self, index: int = 0) -> bytes:
        """The hold that operation `index` makes."""
        return self._derived(hashes.HOLD, index)

    def proposal_id(self, index: int = 0) -> bytes:
        """The proposal of changes that operation `index` opens."""
        return self._derived(hashes.GOVERNANCE, index)

    def _derived(self, domain: bytes, index: int) -> bytes:
        acting = self.body.operations[index].source or self.body.source
        replay = self.body.replay.fixed_bytes()
        return self.network.suite.hash(
            domain, self.network.chain_id, acting.raw, replay, index.to_bytes(4, "little")
        )

    def sign(self, *signers: Signer) -> Envelope:
        """Signs with each signer; needs no network. Signatures of foreign signers are checked."""
        made = {}
        for one in signers:
            entry = SignatureEntry(one.public_key, one.sign(self.signing_bytes))
            if not isinstance(one, MemorySigner | SecretKey):
                self._check(entry)
            made[entry.key] = entry
        return self._join(made)

    def with_signatures(self, signatures: Iterable[SignatureEntry]) -> Envelope:
        """Joins signatures made elsewhere; each is checked."""
        found = {entry.key: entry for entry in signatures}
        for entry in found.values():
            self._check(entry)
        return self._join(found)

    def _check(self, entry: SignatureEntry) -> None:
        if not entry.key.verify(self.signing_bytes, entry.signature):
            raise SignatureInvalid(
                f"{entry.key!r} did not sign this transaction", transaction=self.hash
            )

    def _join(self, entries: dict[PublicKey, SignatureEntry]) -> Envelope:
        ordered = tuple(entries[key] for key in sorted(entries))
        return Envelope(self, SignedTransaction(self.body_bytes, ordered))

    def to_json(self) -> Json:
        """The body's JSON form."""
        return self.body.to_json(self.network.prefix)


class Envelope:
    """A signed transaction that knows its hash. Sending it any number of times has one outcome."""

    def __init__(self, transaction: Transaction, signed: SignedTransaction) -> None:
        self.transaction = transaction
        self.signed = signed
        self.encoded = signed.encode()

    @classmethod
    def decode(cls, network: Network, data: bytes) -> Envelope:
        """Reads an encoded signed transaction."""
        signed = SignedTransaction.decode(data)
        return cls(Transaction(network, signed.body), signed)

    @classmethod
    def from_json(cls, network: Network, text: str | bytes) -> Envelope:
        """Reads the API's JSON form, whose body is an object (or hex)."""
        value = parse_json(text)
        inner = value.get("v1") if isinstance(value, dict) else None
        if (
            isinstance(value, dict)
            and isinstance(inner, dict)
            and isinstance(inner.get("body"), dict)
        ):
            body = TransactionBody.from_json(inner["body"], network.prefix)
            value = {**value, "v1": {**inner, "body": body.encode().hex()}}
        signed = SignedTransaction.from_json(value, network.prefix)
        return cls(Transaction(network, signed.body), signed)

    def to_json(self) -> Json:
        """The API's JSON form, whose body is an object."""
        value = self.signed.to_json(self.network.prefix)
        if not isinstance(value, dict) or not isinstance(inner := value["v1"], dict):
            raise MalformedJson("a signed transaction is an object")
        return {"v1": {**inner, "body": self.transaction.to_json()}}

    @property
    def network(self) -> Network:
        """The network it was made for."""
        return self.transaction.network

    @property
    def hash(self) -> bytes:
        """The transaction's hash."""
        return self.transaction.hash

    @property
    def valid_until(self) -> int:
        """Block time (ms) up to which it may be decided."""
        return self.transaction.body.valid_until

    def __repr__(self) -> str:
        return f"Envelope({self.hash.hex()}, {len(self.signed.signatures)} signatures)"


def bulk_body(transactions: Iterable[Envelope | bytes]) -> bytes:
    """Many signed transactions as one request body (`application/vnd.bubi.transactions`)."""
    parts = [one if isinstance(one, bytes) else one.encoded for one in transactions]
    return uleb(len(parts)) + b"".join(uleb(len(part)) + part for part in parts)

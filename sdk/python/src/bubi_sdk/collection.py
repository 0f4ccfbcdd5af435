"""Collecting signatures: a file that travels between signers until the transaction is complete."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bubi_sdk.codec import Json, parse_json
from bubi_sdk.errors import (
    CollectionMismatch,
    EncodingError,
    InvalidInput,
    SignatureInvalid,
)
from bubi_sdk.keys import PublicKey
from bubi_sdk.network import Network
from bubi_sdk.operations import AccountSigner
from bubi_sdk.signer import Signer
from bubi_sdk.transaction import Envelope, SignatureEntry, Transaction

_KIND: Final = "bubi-collection"


@dataclass(frozen=True, slots=True)
class Completeness:
    """How far a collection is from a threshold."""

    weight: int
    threshold: int
    missing: tuple[PublicKey, ...]
    unknown: tuple[PublicKey, ...]

    @property
    def complete(self) -> bool:
        """Whether the threshold is reached."""
        return self.weight >= self.threshold


class Collection:
    """One transaction and the signatures collected so far.

    Every signature is checked when it comes in.
    """

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self._signatures: dict[PublicKey, SignatureEntry] = {}

    @property
    def signatures(self) -> tuple[SignatureEntry, ...]:
        """The signatures so far, ascending by key."""
        return tuple(self._signatures[key] for key in sorted(self._signatures))

    def add(self, *signers: Signer) -> Collection:
        """Signs with each signer."""
        for one in signers:
            self.add_signature(one.public_key, one.sign(self.transaction.signing_bytes))
        return self

    def add_signature(self, key: PublicKey, signature: bytes) -> Collection:
        """Takes a signature made elsewhere."""
        if not key.verify(self.transaction.signing_bytes, signature):
            raise SignatureInvalid(
                f"{key!r} did not sign this transaction", transaction=self.transaction.hash
            )
        self._signatures[key] = SignatureEntry(key, signature)
        return self

    def merge(self, other: Collection) -> Collection:
        """Takes the signatures of another copy."""
        if other.transaction.hash != self.transaction.hash:
            raise CollectionMismatch(
                f"this collects {self.transaction.hash.hex()}, the other "
                f"{other.transaction.hash.hex()}",
                transaction=self.transaction.hash,
            )
        self._signatures.update(other._signatures)
        return self

    def completeness(self, signers: Iterable[AccountSigner], threshold: int = 1) -> Completeness:
        """Weight collected from these signers of an account, and whose signature is missing.

        Limits of signers are not judged here: whether a limited signer counts is decided by the
        ledger.
        """
        listed = list(signers)
        keys = {one.key for one in listed}
        weight = sum(one.weight for one in listed if one.key in self._signatures)
        missing = tuple(one.key for one in listed if one.key not in self._signatures)
        unknown = tuple(sorted(key for key in self._signatures if key not in keys))
        return Completeness(weight, threshold, missing, unknown)

    def envelope(self) -> Envelope:
        """The signed transaction, ready to be submitted."""
        return self.transaction.with_signatures(self.signatures)

    def to_json(self) -> dict[str, Json]:
        """The file's JSON."""
        transaction = self.transaction
        signatures: list[Json] = [
            {
                "key": {entry.key.algorithm.value: entry.key.raw.hex()},
                "signature": entry.signature.hex(),
            }
            for entry in self.signatures
        ]
        return {
            "schema": 1,
            "kind": _KIND,
            "network": transaction.network.to_json(),
            "transaction": transaction.hash.hex(),
            "valid_until": str(transaction.body.valid_until),
            "body": transaction.body_bytes.hex(),
            "signatures": signatures,
        }

    @classmethod
    def from_json(cls, value: Json) -> Collection:
        """Reads the file's JSON; every signature is checked again."""
        if not isinstance(value, dict) or value.get("schema") != 1 or value.get("kind") != _KIND:
            raise InvalidInput("not a collection of schema 1")
        body, entries = value.get("body"), value.get("signatures")
        if not isinstance(body, str) or not isinstance(entries, list):
            raise InvalidInput("the collection has no body or no list of signatures")
        network = Network.from_json(value.get("network"))
        try:
            transaction = Transaction(network, bytes.fromhex(body))
        except EncodingError:
            raise
        except ValueError as error:
            raise InvalidInput("the body of the collection is not hex") from error
        if value.get("transaction") != transaction.hash.hex():
            raise CollectionMismatch("the body is not that of the transaction named beside it")
        found = cls(transaction)
        for item in entries:
            entry = SignatureEntry.from_json(item, network.prefix)
            found.add_signature(entry.key, entry.signature)
        return found

    def save(self, path: str | Path) -> None:
        """Writes the file, replacing an older one at once."""
        target = Path(path)
        text = json.dumps(self.to_json(), indent=1) + "\n"
        draft = target.with_name(f"{target.name}.{os.getpid()}.new")
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)

    @classmethod
    def load(cls, path: str | Path) -> Collection:
        """Reads the file."""
        return cls.from_json(parse_json(Path(path).read_bytes()))

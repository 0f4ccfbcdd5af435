"""Transactions made by filling in places of encoded ones: the SDK encodes the first of a kind."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from bubi_sdk import Envelope, MemorySigner
from bubi_sdk.hashes import TRANSACTION

if TYPE_CHECKING:
    from bubi import core

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
AMOUNT_BYTES: Final = 16
_AMOUNTS: Final = 10**38


def amount_marker() -> int:
    """An amount whose bytes occur nowhere else."""
    return 10**37 + secrets.randbelow(_AMOUNTS - 10**37)


def amount_bytes(amount: int) -> bytes:
    """An amount as the ledger encodes it."""
    return amount.to_bytes(AMOUNT_BYTES, "little")


def markers_of_keys(count: int) -> list[MemorySigner]:
    """Signers whose keys mark places, ascending by key as the ledger wants signatures."""
    return sorted((MemorySigner.generate() for _ in range(count)), key=lambda one: one.public_key)


class Template:
    """A signed Ed25519 transaction of which some bytes are to be filled in.

    Each of `markers` stands once in the body; values are given in the order of the markers and
    have their lengths.
    """

    def __init__(self, envelope: Envelope, markers: Sequence[bytes]) -> None:
        body = envelope.transaction.body_bytes
        if any(body.count(marker) != 1 for marker in markers):
            raise ValueError("a marker must stand in the body exactly once")
        self._body = body
        self._places = [(body.index(marker), len(marker)) for marker in markers]
        self._head = TRANSACTION + envelope.network.chain_id
        encoded = envelope.encoded
        ends = [encoded.index(body) + len(body)]
        self._pieces = [encoded[: encoded.index(body)]]
        for entry in envelope.signed.signatures:
            key = encoded.index(entry.key.raw, ends[-1])
            self._pieces.append(encoded[ends[-1] : key])
            signature = encoded.index(entry.signature, key)
            self._pieces.append(encoded[key + KEY_BYTES : signature])
            ends.append(signature + SIGNATURE_BYTES)
        self._pieces.append(encoded[ends[-1] :])

    def fill(self, values: Iterable[bytes]) -> bytes:
        """The body with these values in its places."""
        body = bytearray(self._body)
        for (place, length), value in zip(self._places, values, strict=True):
            if len(value) != length:
                raise ValueError("a value must be as long as its marker")
            body[place : place + length] = value
        return bytes(body)

    def sign(self, body: bytes, signers: Sequence[tuple[bytes, core.SigningKey]]) -> bytes:
        """The signed transaction. As many signers (raw key, key) as the template has."""
        message = self._head + body
        parts = [self._pieces[0], body]
        ordered = sorted(signers, key=_raw) if len(signers) > 1 else signers
        for number, (raw, key) in enumerate(ordered):
            parts += (self._pieces[2 * number + 1], raw, self._pieces[2 * number + 2])
            parts.append(key.sign(message))
        parts.append(self._pieces[-1])
        return b"".join(parts)


def _raw(signer: tuple[bytes, core.SigningKey]) -> bytes:
    return signer[0]

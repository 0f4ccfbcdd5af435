"""Who signs.

An interface, and keys in memory. Hardware and hosted keys implement the same two members.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from bubi_sdk import pkcs8
from bubi_sdk.keys import Algorithm, PublicKey, SecretKey


@runtime_checkable
class Signer(Protocol):
    """Something that signs with one key."""

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies its signatures."""

    def sign(self, message: bytes) -> bytes:
        """Signature of 64 bytes over `message`."""


class MemorySigner:
    """Signs with a key in the memory of this process."""

    def __init__(self, key: SecretKey) -> None:
        self._key = key

    @classmethod
    def generate(cls, algorithm: Algorithm = Algorithm.ED25519) -> MemorySigner:
        """A new key from the operating system's randomness."""
        return cls(SecretKey.generate(algorithm))

    @classmethod
    def from_pkcs8(cls, data: bytes, password: bytes | None = None) -> MemorySigner:
        """Takes a PKCS#8 key, PEM or DER."""
        return cls(pkcs8.load(data, password))

    @property
    def public_key(self) -> PublicKey:
        """The public key."""
        return self._key.public_key

    @property
    def secret_key(self) -> SecretKey:
        """The key itself, for storing it."""
        return self._key

    def sign(self, message: bytes) -> bytes:
        """Signature of 64 bytes."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.public_key!r})"

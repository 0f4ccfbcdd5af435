"""Hash suites and domain tags (spec/encoding.md, sections 2 and 4)."""

from __future__ import annotations

import enum
import hashlib
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from bubi_sdk.sm3 import sm3 as _sm3_in_python

GENESIS: Final = b"bubi:genesis...."
TRANSACTION: Final = b"bubi:transaction"
BATCH: Final = b"bubi:batch......"
PROPOSAL: Final = b"bubi:proposal..."
OUTCOME: Final = b"bubi:outcome...."
FIRST_VOTE: Final = b"bubi:vote......."
COMMIT_VOTE: Final = b"bubi:commit-vote"
NODE_STATUS: Final = b"bubi:node-status"
KEY_ADDRESS: Final = b"bubi:address-key"
DERIVED_ADDRESS: Final = b"bubi:address-new"
ASSET: Final = b"bubi:asset......"
NAMESPACE: Final = b"bubi:namespace.."
HOLD: Final = b"bubi:hold......."
VALIDATORS: Final = b"bubi:validators."
PARAMETERS: Final = b"bubi:parameters."
SALTED_DIGEST: Final = b"bubi:salted....."
GOVERNANCE: Final = b"bubi:governance."
EVIDENCE: Final = b"bubi:evidence..."
CONTENT: Final = b"bubi:content...."


def sha256(data: bytes) -> bytes:
    """SHA-256 of `data`."""
    return hashlib.sha256(data).digest()


def sm3(data: bytes) -> bytes:
    """SM3 of `data`, by OpenSSL where it has it."""
    try:
        state = hashes.Hash(hashes.SM3())
    except UnsupportedAlgorithm:
        return _sm3_in_python(data)
    state.update(data)
    return state.finalize()


class HashSuite(enum.Enum):
    """Hash suite of a chain, fixed by its genesis. The order is the number on the wire."""

    STANDARD = "standard"
    NATIONAL = "national"

    def hash(self, *parts: bytes) -> bytes:
        """Digest of the concatenation of `parts`."""
        data = b"".join(parts)
        return sha256(data) if self is HashSuite.STANDARD else sm3(data)

"""What stands in a block of CometBFT, and what its nodes pass on before. Pure.

A block is empty, or our proposal header and then the batches that it names, bodies included. A
wake asks for a block although no batch waits, so that an expiry can be certain; it is signed by a
validator, and no block holds it.
"""

from dataclasses import dataclass
from typing import Final

from bubi import core
from bubi.ledger import is_signed

ENGINE: Final = "cometbft"
"""Name of the engine in a validator set."""
PROPOSAL: Final = 0
BATCH: Final = 1
WAKE: Final = 2
WAKE_DOMAIN: Final = b"bubi:comet-wake."

_LENGTH_BYTES: Final = 4
_TIME_BYTES: Final = 8
_SIGNATURE_BYTES: Final = 64


class PayloadError(ValueError):
    """Bytes that mean nothing here."""


@dataclass(frozen=True, slots=True)
class BatchBytes:
    """A batch: its encoded signed header and its transactions as a bulk body."""

    header: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Wake:
    """A validator asks for a block later than `time` (ms)."""

    time: int
    key: bytes
    signature: bytes


def encode_proposal(proposal: bytes) -> bytes:
    """The first transaction of a block of CometBFT."""
    return bytes([PROPOSAL]) + proposal


def encode_batch(header: bytes, body: bytes) -> bytes:
    """A batch as a transaction of CometBFT."""
    return bytes([BATCH]) + len(header).to_bytes(_LENGTH_BYTES, "little") + header + body


def wake_message(chain_id: bytes, time: int) -> bytes:
    """What a validator signs to ask for a block."""
    return WAKE_DOMAIN + chain_id + time.to_bytes(_TIME_BYTES, "little")


def encode_wake(chain_id: bytes, time: int, key: core.SigningKey) -> bytes:
    """A signed wake."""
    signature = key.sign(wake_message(chain_id, time))
    return bytes([WAKE]) + time.to_bytes(_TIME_BYTES, "little") + signature + key.public_key


def decode(transaction: bytes) -> bytes | BatchBytes | Wake:
    """A proposal header (bytes), a batch or a wake; nothing is verified.

    Raises:
        PayloadError: it is none of them.
    """
    kind, rest = transaction[:1], transaction[1:]
    if kind == bytes([PROPOSAL]):
        return rest
    if kind == bytes([BATCH]) and len(rest) >= _LENGTH_BYTES:
        end = _LENGTH_BYTES + int.from_bytes(rest[:_LENGTH_BYTES], "little")
        if end <= len(rest):
            return BatchBytes(rest[_LENGTH_BYTES:end], rest[end:])
    if kind == bytes([WAKE]) and len(rest) > _TIME_BYTES + _SIGNATURE_BYTES:
        place = _TIME_BYTES + _SIGNATURE_BYTES
        return Wake(
            int.from_bytes(rest[:_TIME_BYTES], "little"), rest[place:], rest[_TIME_BYTES:place]
        )
    raise PayloadError("no proposal, batch or wake")


def is_wake_signed(chain_id: bytes, wake: Wake) -> bool:
    """Whether the key that a wake names signed it."""
    return is_signed(wake.key, wake_message(chain_id, wake.time), wake.signature)

"""Façade of the compiled core: the only module that imports it.

It adds names for numbers (suites, algorithms, kinds of log records) and nothing else: no logic
lives here. Objects such as `Admission` and `Execution` are opaque; no Python object exists per
transaction. Start with `Chain`.
"""

import json
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, cast

from bubi._core import (
    Admission,
    Batch,
    BlockRows,
    Chain,
    CoreError,
    Damaged,
    Execution,
    Lease,
    SigningKey,
    SimulatedDisk,
    StorageFatal,
    StorageFull,
    address_from_text,
    address_to_text,
    bench_ledger,
    body_from_json,
    certificate,
    certificate_fields,
    chain_id,
    check,
    comet_app_hash,
    comet_certificate,
    comet_certificate_fields,
    comet_chain_name,
    commit_message,
    continues,
    genesis_accounts,
    genesis_from_json,
    genesis_to_json,
    hash,  # noqa: A004 - the noun of the field
    ideal_sign,
    inherited_rows,
    key_address,
    light_block_from_json,
    limits,
    newest_protocol_version,
    open,  # noqa: A004 - the counterpart of `seal`
    operation_names,
    proposal_binds,
    read_end,
    result_codes,
    seal,
    sign_off,
    status_message,
    transaction_from_json,
    transaction_hash,
    transaction_to_json,
    validator_set_from_json,
    validator_set_to_json,
    verify_certificate,
    verify_rate,
    verify_receipt_proof,
    verify_vote,
    version,
    vote_message,
)

__all__ = [
    "HASH_BYTES",
    "SKIPPED",
    "Admission",
    "Algorithm",
    "Batch",
    "BlockRows",
    "Chain",
    "CoreError",
    "Damaged",
    "Execution",
    "Lease",
    "RecordKind",
    "SigningKey",
    "SimulatedDisk",
    "StorageFatal",
    "StorageFull",
    "Suite",
    "address_from_text",
    "address_to_text",
    "bench_ledger",
    "body_from_json",
    "bulk_body",
    "certificate",
    "certificate_fields",
    "chain_id",
    "check",
    "code_names",
    "comet_app_hash",
    "comet_certificate",
    "comet_certificate_fields",
    "comet_chain_name",
    "commit_message",
    "continues",
    "decode_json",
    "encode_json",
    "error_code",
    "error_detail",
    "genesis_accounts",
    "genesis_from_json",
    "genesis_to_json",
    "hash",
    "ideal_sign",
    "inherited_rows",
    "key_address",
    "light_block_from_json",
    "limits",
    "newest_protocol_version",
    "open",
    "operation_names",
    "proposal_binds",
    "read_end",
    "result_codes",
    "seal",
    "sign_off",
    "signing_bytes",
    "status_message",
    "transaction_from_json",
    "transaction_hash",
    "transaction_to_json",
    "uleb128",
    "unsigned_transaction",
    "validator_set_from_json",
    "validator_set_to_json",
    "verify_certificate",
    "verify_rate",
    "verify_receipt_proof",
    "verify_vote",
    "version",
    "vote_message",
]

HASH_BYTES = 32
SKIPPED = 65_535
"""Stands in `Execution.codes` for a transaction without a receipt."""

_TRANSACTION_DOMAIN = b"bubi:transaction"


for _exception in (CoreError, Damaged, StorageFatal, StorageFull):
    # By this name other processes find it: an exception that a worker raises travels pickled.
    _exception.__module__ = __name__


class Suite(IntEnum):
    """Hash suite of a chain, fixed by its genesis."""

    STANDARD = 0
    NATIONAL = 1


class Algorithm(IntEnum):
    """Signature algorithm; the first byte of a key's tagged bytes."""

    ED25519 = 0
    SECP256K1 = 1
    P256 = 2
    SM2 = 3


class RecordKind(IntEnum):
    """Kinds of log records that the node writes itself."""

    PROPOSAL = 2
    GUARD = 3
    PREPARED = 4


def error_code(error: CoreError) -> str:
    """The stable code of a refusal."""
    return str(error.args[0]) if error.args else "internal"


def error_detail(error: CoreError) -> str:
    """The sentence that explains a refusal."""
    return str(error.args[1]) if len(error.args) > 1 else ""


def code_names() -> dict[int, str]:
    """Name of every result code by its number."""
    return dict(result_codes())


def decode_json(text: bytes) -> Mapping[str, Any]:
    """JSON object written by the core."""
    return cast(Mapping[str, Any], json.loads(text))


def encode_json(document: Any) -> bytes:
    """JSON for the core."""
    return json.dumps(document).encode()


def uleb128(number: int) -> bytes:
    """Length prefix of BCS: seven bits per byte, lowest first, shortest form."""
    out = bytearray()
    while number > 0x7F:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def bulk_body(transactions: list[bytes]) -> bytes:
    """Encoded signed transactions as one bulk body (a BCS list of byte strings)."""
    parts = [uleb128(len(transactions))]
    for transaction in transactions:
        parts.append(uleb128(len(transaction)))
        parts.append(transaction)
    return b"".join(parts)


def unsigned_transaction(body: bytes) -> bytes:
    """An encoded body in the envelope of a signed transaction with no signature.

    Only simulation takes it.
    """
    return b"\x00" + uleb128(len(body)) + body + b"\x00"


def signing_bytes(chain: bytes, body: bytes) -> bytes:
    """What each signer of a transaction signs."""
    return _TRANSACTION_DOMAIN + chain + body

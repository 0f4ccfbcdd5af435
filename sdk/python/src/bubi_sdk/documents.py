"""Receipts of documents: what the ledger recorded about a document, provable with a trust file.

A receipt holds the proof of the transaction and says which of its operations record the document's
digests. Every other member follows from these, and a receipt is only accepted in exactly the bytes
that `render` writes: a changed character anywhere is found.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes as openssl

from bubi_sdk import hashes, limits
from bubi_sdk.codec import parse_json
from bubi_sdk.errors import InvalidInput, ProofInvalid
from bubi_sdk.network import Trust
from bubi_sdk.operations import Digest, DigestAlgorithm, PutRecord
from bubi_sdk.proof import ProvenReceipt, verify_receipt
from bubi_sdk.sm3 import sm3 as sm3_in_python

SCHEMA: Final = 1
KIND: Final = "document"
_PIECE: Final = 1 << 20
_MEMBERS: Final = frozenset(
    (
        "schema",
        "kind",
        "path",
        "chain_id",
        "transaction",
        "height",
        "time",
        "entries",
        "statement",
        "proof",
    )
)
_STATEMENT: Final = {
    "en": "Block {height} of the ledger {chain}, decided at {time}, records these digests of the "
    "document. With a trust file of that ledger the proof shows that the document existed in "
    "exactly these bytes no later than that time. It does not show who wrote the document, nor "
    "that what it says is true.",
    "zh": "账本 {chain} 的第 {height} 号区块（共识时间 {time}）记录了该文件的摘要。"
    "凭该账本的信任文件，本证明表明：该文件最迟在此时间已经存在，且内容逐字节相同。"
    "本证明不表明文件由谁撰写，也不表明其内容属实。",
}


class _State(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def finalize(self) -> bytes: ...


class _Sha256:
    def __init__(self) -> None:
        self._state = hashlib.sha256()

    def update(self, data: bytes, /) -> None:
        self._state.update(data)

    def finalize(self) -> bytes:
        return self._state.digest()


class _Sm3InPython:
    """For machines whose OpenSSL has no SM3: keeps the document in memory."""

    def __init__(self) -> None:
        self._data = bytearray()

    def update(self, data: bytes, /) -> None:
        self._data += data

    def finalize(self) -> bytes:
        return sm3_in_python(bytes(self._data))


def _state(algorithm: DigestAlgorithm) -> _State:
    if algorithm in (DigestAlgorithm.SHA256, DigestAlgorithm.SALTED_SHA256):
        return _Sha256()
    try:
        return openssl.Hash(openssl.SM3())
    except UnsupportedAlgorithm:
        return _Sm3InPython()


def digests_of_file(
    path: Path, algorithms: Sequence[DigestAlgorithm], salts: Sequence[bytes] = ()
) -> list[Digest]:
    """Digests of a file in one reading, however large; one salt per salted algorithm, in order."""
    states = [_state(algorithm) for algorithm in algorithms]
    with path.open("rb") as document:
        while piece := document.read(_PIECE):
            for state in states:
                state.update(piece)
    left = iter(salts)
    return [
        _digest(algorithm, state.finalize(), left)
        for algorithm, state in zip(algorithms, states, strict=True)
    ]


def _digest(algorithm: DigestAlgorithm, plain: bytes, salts: Iterable[bytes]) -> Digest:
    function = {
        DigestAlgorithm.SALTED_SHA256: hashes.sha256,
        DigestAlgorithm.SALTED_SM3: hashes.sm3,
    }
    salted = function.get(algorithm)
    if salted is None:
        return Digest(algorithm, plain)
    salt = next(iter(salts), b"")
    if len(salt) != 32:
        raise InvalidInput("a salt has 32 bytes")
    return Digest(algorithm, salted(hashes.SALTED_DIGEST + salt + plain))


def utc(milliseconds: int) -> str:
    """A time of the ledger as text, in UTC."""
    at = datetime.datetime.fromtimestamp(milliseconds // 1000, datetime.UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03d} UTC"


def record_key(path: str, algorithm: DigestAlgorithm, salt: bytes = b"") -> str:
    """Key of a document's record: its path if that fits and is no secret, else a hash of it.

    A path that begins with a colon is hashed too: written out it could read like a hash.
    """
    key = f"{algorithm.value}:{path}"
    readable = (
        not salt
        and not path.startswith(":")
        and path.isprintable()
        and len(key.encode(errors="replace")) <= limits.RECORD_KEY_BYTES_MAX
    )
    if readable:
        return key
    named = hashes.sha256(salt + path.encode(errors="surrogateescape"))
    return f"{algorithm.value}::{named.hex()}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One recorded digest of the document: which operation records it, and its salt if any."""

    operation: int
    digest: Digest
    key: str
    salt: bytes = b""

    def to_json(self) -> dict[str, Any]:
        """Its JSON form."""
        return {
            "operation": self.operation,
            "algorithm": self.digest.algorithm.value,
            "digest": self.digest.bytes.hex(),
            "salt": self.salt.hex() or None,
            "key": self.key,
        }

    @classmethod
    def from_json(cls, value: Any) -> Entry:
        """Reads the JSON form."""
        digest = Digest(DigestAlgorithm(value["algorithm"]), bytes.fromhex(value["digest"]))
        salt = bytes.fromhex(value["salt"] or "")
        return cls(int(value["operation"]), digest, str(value["key"]), salt)


@dataclass(frozen=True, slots=True)
class DocumentReceipt:
    """The receipt of one document."""

    path: str
    chain_id: bytes
    transaction: bytes
    height: int
    time: int
    """Block time (ms since 1970)."""
    entries: tuple[Entry, ...]
    proof: bytes

    @property
    def statement(self) -> dict[str, str]:
        """What the receipt shows together with its proof, by language."""
        values = {"height": self.height, "chain": self.chain_id.hex(), "time": utc(self.time)}
        return {name: text.format(**values) for name, text in _STATEMENT.items()}

    def render(self) -> str:
        """The only text of this receipt."""
        value = {
            "schema": SCHEMA,
            "kind": KIND,
            "path": self.path,
            "chain_id": self.chain_id.hex(),
            "transaction": self.transaction.hex(),
            "height": self.height,
            "time": self.time,
            "statement": self.statement,
            "entries": [entry.to_json() for entry in self.entries],
            "proof": self.proof.hex(),
        }
        text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
        # Names of files need not be UTF-8; what is not becomes an escape of JSON.
        return text.encode("utf-8", "backslashreplace").decode()

    @classmethod
    def parse(cls, text: str) -> DocumentReceipt:
        """Reads a receipt; every second form is refused.

        Raises:
            ProofInvalid: it is no receipt, or a character of it was changed.
        """
        try:
            value: Any = parse_json(text)
            receipt = cls._from_json(value)
            rendered = receipt.render()
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError) as error:
            raise ProofInvalid(
                f"not a receipt of a document: {error}", code="receipt_malformed"
            ) from error
        if rendered != text:
            raise ProofInvalid("the receipt was changed or reformatted", code="receipt_malformed")
        return receipt

    @classmethod
    def _from_json(cls, value: Any) -> DocumentReceipt:
        if set(value) != _MEMBERS or value["schema"] != SCHEMA or value["kind"] != KIND:
            raise ValueError("it has other members")
        return cls(
            str(value["path"]),
            bytes.fromhex(value["chain_id"]),
            bytes.fromhex(value["transaction"]),
            int(value["height"]),
            int(value["time"]),
            tuple(Entry.from_json(entry) for entry in value["entries"]),
            bytes.fromhex(value["proof"]),
        )

    def verify(self, trust: Trust, document: Path | None = None) -> ProvenReceipt:
        """Checks every link: certificate, receipt, transaction, record, and a document if given.

        Raises:
            ProofInvalid: a link does not hold; `code` says which.
        """
        proven = verify_receipt(trust, self.proof)
        found = (
            proven.block.chain_id,
            proven.receipt.transaction,
            proven.block.height,
            proven.block.time,
        )
        if found != (self.chain_id, self.transaction, self.height, self.time):
            raise ProofInvalid(
                "the receipt and its proof name different blocks", code="receipt_mismatch"
            )
        if proven.code != "final" or proven.body is None:
            raise ProofInvalid(f"the transaction ended as {proven.code}", code="not_final")
        self.check_operations([operation.body for operation in proven.body.operations])
        if document is not None:
            self.check_document(document)
        return proven

    def check_operations(self, operations: Sequence[object]) -> None:
        """Checks that the operations of the proven transaction record what the receipt says.

        Raises:
            ProofInvalid: they do not.
        """
        if not self.entries:
            raise ProofInvalid("the receipt names no digest", code="receipt_mismatch")
        for entry in self.entries:
            known = 0 <= entry.operation < len(operations)
            body = operations[entry.operation] if known else None
            if not isinstance(body, PutRecord) or (body.digest, body.key) != (
                entry.digest,
                entry.key,
            ):
                raise ProofInvalid(
                    f"operation {entry.operation} of the transaction does not record this digest",
                    code="receipt_mismatch",
                )
            if record_key(self.path, entry.digest.algorithm, entry.salt) != entry.key:
                raise ProofInvalid("the record belongs to another path", code="receipt_mismatch")

    def check_document(self, document: Path) -> None:
        """Checks that a file is the document.

        Raises:
            ProofInvalid: its digest is another.
        """
        algorithms = [entry.digest.algorithm for entry in self.entries]
        salts = [entry.salt for entry in self.entries if entry.salt]
        if digests_of_file(document, algorithms, salts) != [
            entry.digest for entry in self.entries
        ]:
            raise ProofInvalid(
                f"{document} is not the document that was recorded: its digest is another",
                code="document_mismatch",
            )

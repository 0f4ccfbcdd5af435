"""Answers of a node that carry a proof, checked as a whole.

A proof says nothing about the JSON that stands beside it. `verify_answer` compares the two: what
an answer shows must be what its proof proves, and what the proof cannot know is named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from bubi_sdk import governance, governance_state, state
from bubi_sdk.address import Address
from bubi_sdk.codec import Json, TopLevel
from bubi_sdk.codes import operation_codes
from bubi_sdk.errors import EncodingError, ProofInvalid
from bubi_sdk.events import EVENT
from bubi_sdk.network import Trust
from bubi_sdk.proof import (
    AccountProof,
    CellProof,
    FinalityProof,
    ProvenBlock,
    ProvenReceipt,
    ReceiptProof,
    verify_account,
    verify_cell,
    verify_finality,
    verify_receipt,
)
from bubi_sdk.state import OwnerKind

Shown: TypeAlias = dict[str, Json]
"""Members of an answer as its proof has them."""


@dataclass(frozen=True, slots=True)
class ProvenCell:
    """One cell; its value is None if it is absent."""

    owner: bytes
    key: bytes
    value: bytes | None


@dataclass(frozen=True, slots=True)
class ProvenCells:
    """All cells of one owner, with nothing left out."""

    owner: bytes
    cells: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class ProvenAnswer:
    """An answer whose proof holds and proves what stands beside it."""

    kind: Literal["cell", "account", "receipt", "finality"]
    block: ProvenBlock
    found: ProvenCell | ProvenCells | ProvenReceipt | None
    """What was proven besides the block itself."""
    not_proven: tuple[str, ...] = ()
    """Members that the proof says nothing about.

    Of a record, `newest` and `author`; of an account, `organisation` and `quota`; of a holding,
    `lapsed` and `spendable`.
    """


_CELL_TYPES: Final[Mapping[tuple[int, int], TopLevel[Any]]] = {
    (OwnerKind.SYSTEM, 0): TopLevel.of(state.Parameters),
    (OwnerKind.SYSTEM, 2): TopLevel.of(state.ValidatorSet),
    (OwnerKind.SYSTEM, 4): TopLevel.of(state.Schedule),
    (OwnerKind.SYSTEM, 5): TopLevel.of(governance.Organisation),
    (OwnerKind.SYSTEM, 6): TopLevel.of(governance_state.Governance),
    (OwnerKind.SYSTEM, 7): TopLevel.of(governance.ChangeProposal),
    (OwnerKind.SYSTEM, 8): TopLevel.of(governance_state.EpochRecord),
    (OwnerKind.SYSTEM, 9): TopLevel.of(governance_state.EvidenceRecord),
    (OwnerKind.SYSTEM, 10): TopLevel.of(governance_state.ProtocolVersion),
    (OwnerKind.SYSTEM, 11): governance_state.NODE_LISTING,
    (OwnerKind.SYSTEM, 13): TopLevel.of(governance_state.Voter),
    (OwnerKind.SYSTEM, 14): TopLevel.of(state.Use),
    (OwnerKind.ACCOUNT, 0): state.ACCOUNT_HEADER,
    (OwnerKind.ACCOUNT, 1): TopLevel.of(state.Holding),
    (OwnerKind.ACCOUNT, 4): TopLevel.of(state.DataEntry),
    (OwnerKind.ACCOUNT, 5): TopLevel.of(state.Claim),
    (OwnerKind.ACCOUNT, 7): TopLevel.of(state.Hold),
    (OwnerKind.ACCOUNT, 9): TopLevel.of(state.Use),
    (OwnerKind.ACCOUNT, 10): TopLevel.of(state.Membership),
    (OwnerKind.ASSET, 0): TopLevel.of(state.AssetDefinition),
    (OwnerKind.ASSET, 1): TopLevel.of(state.Item),
    (OwnerKind.NAMESPACE, 0): TopLevel.of(state.Namespace),
    (OwnerKind.NAMESPACE, 1): TopLevel.of(state.RecordHead),
    (OwnerKind.NAMESPACE, 2): TopLevel.of(state.RecordVersion),
}

_HOLDING: Final = (OwnerKind.ACCOUNT, 1)
"""Kind of owner and first byte of the key of a holding."""

_NEVER_PROVEN: Final = frozenset(("newest", "author"))
"""Of a record: they stand in another cell than the version that is proven."""
_NEVER_PROVEN_OF_HOLDINGS: Final = frozenset(("lapsed", "spendable"))
"""Of a holding: they depend on the time at which the node was asked."""
_NEVER_PROVEN_OF_ACCOUNTS: Final = frozenset(("organisation", "quota"))
"""Of an account: they depend on cells of the network as well."""


def verify_answer(trust: Trust, answer: Json) -> ProvenAnswer:
    """Checks the proof of an answer (`?proof=1`) and that it proves the rest of the answer.

    Raises:
        ProofInvalid: the proof shows nothing (`proof_invalid`), or something else than the answer
            (`answer_mismatch`).
    """
    if not isinstance(answer, dict):
        raise ProofInvalid("not an answer with a proof")
    proof = answer.get("proof")
    if not isinstance(proof, dict):
        return _verify_text(trust, answer, _unhex(proof))
    finality = _unhex(proof.get("finality"))
    if "account" in proof:
        return _verify_account(trust, answer, finality, _unhex(proof["account"]))
    return _verify_cell(trust, answer, finality, _unhex(proof.get("cell")))


def verify_bare(trust: Trust, proof: bytes) -> ProvenAnswer:
    """Checks a receipt proof, else a finality proof; the first refusal counts if it is neither."""
    try:
        receipt = verify_receipt(trust, proof)
    except ProofInvalid as refusal:
        try:
            return ProvenAnswer("finality", verify_finality(trust, proof), None)
        except ProofInvalid:
            raise refusal from None
    return ProvenAnswer("receipt", receipt.block, receipt)


def _verify_text(trust: Trust, answer: Shown, proof: bytes) -> ProvenAnswer:
    proven = verify_bare(trust, proof)
    prefix = trust.network.prefix
    if isinstance(proven.found, ProvenReceipt):
        index = ReceiptProof.decode(proof).path.index
        shown = _receipt_members(proven.found, index, prefix)
    else:
        found = FinalityProof.decode(proof)
        kind = found.variant_name()
        member = _member(found.to_json(prefix), kind)
        shown = {"height": str(proven.block.height), kind: member}
    return _compared(answer, shown, proven.kind, proven.block, proven.found)


def _receipt_members(proven: ProvenReceipt, index: int, prefix: str) -> Shown:
    receipt, body = proven.receipt, proven.body
    count = 0 if body is None else len(body.operations)
    operations: list[Json] = [
        {"code": code} for code in operation_codes(receipt.code, receipt.operation, count)
    ]
    return {
        "id": receipt.transaction.hex(),
        "status": "final" if receipt.code == 0 else "rejected",
        "code": proven.code,
        "height": str(proven.block.height),
        "time": str(proven.block.time),
        "index": index,
        "operations": operations,
        "valid_until": None if body is None else str(body.valid_until),
        "events": [EVENT.to_json(event, prefix) for event in proven.events],
        "body": None if body is None else body.to_json(prefix),
    }


def _verify_account(trust: Trust, answer: Shown, finality: bytes, proof: bytes) -> ProvenAnswer:
    block, cells = verify_account(trust, finality, proof)
    owner = AccountProof.decode(proof).owner
    shown: Shown = {"height": str(block.height), "address": None, "header": None}
    if owner[0] == OwnerKind.ACCOUNT:
        prefix = trust.network.prefix
        shown["address"] = Address(owner[1:]).text(prefix)
        header = cells.get(state.HEADER_KEY)
        shown["header"] = _typed(owner, state.HEADER_KEY, header, prefix)
        membership = cells.get(state.MEMBERSHIP_KEY)
        shown["membership"] = _typed(owner, state.MEMBERSHIP_KEY, membership, prefix)
    return _compared(answer, shown, "account", block, ProvenCells(owner, cells))


def _verify_cell(trust: Trust, answer: Shown, finality: bytes, proof: bytes) -> ProvenAnswer:
    block, value = verify_cell(trust, finality, proof)
    stated = CellProof.decode(proof)
    shown: Shown = {"height": str(block.height)}
    if isinstance(answer.get("value"), dict):
        shown["value"] = _typed(stated.owner, stated.key, value, trust.network.prefix)
    else:
        shown["value"] = None if value is None else value.hex()
    if stated.owner[0] == OwnerKind.NAMESPACE and stated.key[:1] == b"\x02":
        # The key of a record's version ends in a zero byte and the version.
        name, version = stated.key[1:-5], stated.key[-4:]
        shown["key"] = name.decode(errors="replace")
        shown["version"] = int.from_bytes(version, "big")
    return _compared(answer, shown, "cell", block, ProvenCell(stated.owner, stated.key, value))


def _typed(owner: bytes, key: bytes, value: bytes | None, prefix: str) -> Json:
    kind = _CELL_TYPES.get((owner[0], key[0]))
    if value is None or kind is None:
        return None if value is None else value.hex()
    try:
        return kind.to_json(kind.decode(value), prefix)
    except EncodingError as error:
        raise ProofInvalid(f"the proven cell is not what its key says: {error.detail}") from error


def _compared(
    answer: Shown,
    shown: Shown,
    kind: Literal["cell", "account", "receipt", "finality"],
    block: ProvenBlock,
    found: ProvenCell | ProvenCells | ProvenReceipt | None,
) -> ProvenAnswer:
    shown = {"schema": 1, **shown}
    rest = {name: value for name, value in answer.items() if name != "proof"}
    beyond = rest.keys() - shown.keys()
    if foreign := sorted(beyond - _never_proven(kind, found)):
        raise ProofInvalid(
            f"the proof says nothing about {', '.join(foreign)}", code="answer_mismatch"
        )
    for name in rest.keys() & shown.keys():
        if _canonical(rest[name]) != _canonical(shown[name]):
            raise ProofInvalid(
                f"the member {name} is not what the proof proves", code="answer_mismatch"
            )
    return ProvenAnswer(kind, block, found, tuple(sorted(beyond)))


def _never_proven(
    kind: Literal["cell", "account", "receipt", "finality"],
    found: ProvenCell | ProvenCells | ProvenReceipt | None,
) -> frozenset[str]:
    if kind == "account":
        return _NEVER_PROVEN_OF_ACCOUNTS
    if isinstance(found, ProvenCell) and (found.owner[0], found.key[0]) == _HOLDING:
        return _NEVER_PROVEN_OF_HOLDINGS
    return _NEVER_PROVEN


def _canonical(value: Json) -> str:
    """Text that is equal for equal JSON only: in Python 1, 1.0 and True are equal too."""
    return json.dumps(value, sort_keys=True)


def _member(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, dict) else None


def _unhex(text: Json) -> bytes:
    if not isinstance(text, str) or not re.fullmatch("(?:[0-9a-f]{2})+", text, re.ASCII):
        raise ProofInvalid("the member proof is missing or not hex")
    return bytes.fromhex(text)

"""Answers with proofs: what stands beside the proof must be what it proves."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import samples
from bubi_sdk import HashSuite, ProofInvalid, proof, state, verify_answer
from bubi_sdk.answers import ProvenCell, ProvenCells
from bubi_sdk.operations import Digest, NoContent
from samples import World

WORLD = World(HashSuite.STANDARD)
PREFIX = samples.PREFIX
HOLDING = state.Holding(1_000, 0, False, True, (), 0)
VERSION = state.RecordVersion(samples.ALICE, 5, Digest.of(b"a document"), NoContent(), ())
ACCOUNT = state.owner_key(state.OwnerKind.ACCOUNT, samples.ALICE.raw)
NAMESPACE = state.owner_key(state.OwnerKind.NAMESPACE, samples.NAMESPACE)


def cell_answer(owner: bytes, key: bytes, value: bytes, /, **shown: Any) -> dict[str, Any]:
    """What a node answers about the only cell of its ledger."""
    suite = WORLD.suite
    root = proof.owner_leaf(suite, owner, proof.cell_leaf(suite, key, value))
    finality = WORLD.finality(samples.HASHES[5], root, 0)
    cell = proof.CellProof(owner, key, proof.CellPresent(value, (), ()))
    proven = {"cell": cell.encode().hex(), "finality": finality.encode().hex()}
    return {"schema": 1, "height": "5", **shown, "proof": proven}


def account_answer() -> dict[str, Any]:
    opened = state.OpenAccount((), samples.THRESHOLDS, 1)
    encoded = state.ACCOUNT_HEADER.encode(opened)
    answer = cell_answer(ACCOUNT, state.HEADER_KEY, encoded)
    complete = proof.AccountComplete(((state.HEADER_KEY, encoded),), ())
    answer["proof"].pop("cell")
    answer["proof"]["account"] = proof.AccountProof(ACCOUNT, complete).encode().hex()
    answer["address"] = samples.ALICE.text(PREFIX)
    answer["header"] = state.ACCOUNT_HEADER.to_json(opened, PREFIX)
    return answer


BALANCE = cell_answer(
    ACCOUNT,
    state.holding_key(samples.ASSET),
    HOLDING.encode(),
    value=HOLDING.to_json(PREFIX),
)
RAW = cell_answer(ACCOUNT, b"\x06", b"\x01\x02", value="0102")
RECORD = cell_answer(
    NAMESPACE,
    state.record_version_key("a/b", 3),
    VERSION.encode(),
    value=VERSION.to_json(PREFIX),
    key="a/b",
    version=3,
    newest=7,
    author=samples.ALICE.text(PREFIX),
)
FINALITY = WORLD.finality(samples.HASHES[5], samples.HASHES[6], 1)
BLOCK: dict[str, Any] = {
    "schema": 1,
    **FINALITY.to_json(PREFIX),  # type: ignore[dict-item]
    "proof": FINALITY.encode().hex(),
}
RECEIPT = WORLD.receipt_proof()
TRANSACTION: dict[str, Any] = {
    "schema": 1,
    "id": RECEIPT.receipt.transaction.hex(),
    "status": "final",
    "code": "final",
    "height": "25",
    "index": 2,
    "operations": [{"code": "final"}],
    "proof": RECEIPT.encode().hex(),
}


def test_what_was_proven_is_given_back() -> None:
    balance = verify_answer(WORLD.trust, BALANCE)
    assert isinstance(balance.found, ProvenCell)
    assert balance.found.value == HOLDING.encode()
    assert balance.not_proven == ()
    account = verify_answer(WORLD.trust, account_answer())
    assert isinstance(account.found, ProvenCells)
    assert list(account.found.cells) == [state.HEADER_KEY]
    assert verify_answer(WORLD.trust, RECORD).not_proven == ("author", "newest")
    assert verify_answer(WORLD.trust, RAW).kind == "cell"
    assert verify_answer(WORLD.trust, BLOCK).kind == "finality"
    assert verify_answer(WORLD.trust, TRANSACTION).kind == "receipt"


@pytest.mark.parametrize("answer", [BALANCE, RAW, RECORD, BLOCK, TRANSACTION, account_answer()])
def test_every_changed_member_is_refused(answer: dict[str, Any]) -> None:
    for name in answer.keys() - {"proof", "newest", "author"}:
        for value in (None, True, "x", 1.0, 6, [], {}, {"v1": {}}):
            changed = {**answer, name: value}
            with pytest.raises(ProofInvalid) as refused:
                verify_answer(WORLD.trust, changed)
            assert refused.value.code == "answer_mismatch"
    with pytest.raises(ProofInvalid, match="says nothing about balance"):
        verify_answer(WORLD.trust, {**answer, "balance": "1000000"})


def test_where_an_account_belongs_is_proven_as_far_as_its_own_cells_say() -> None:
    standing = {"membership": None, "organisation": "a", "quota": None}
    proven = verify_answer(WORLD.trust, {**account_answer(), **standing})
    assert proven.not_proven == ("organisation", "quota")
    standing["membership"] = state.Membership("a", None).to_json(PREFIX)
    with pytest.raises(ProofInvalid, match="membership") as refused:
        verify_answer(WORLD.trust, {**account_answer(), **standing})
    assert refused.value.code == "answer_mismatch"
    with pytest.raises(ProofInvalid, match="says nothing about organisation"):
        verify_answer(WORLD.trust, {**BALANCE, "organisation": "a"})


def test_what_has_lapsed_is_told_of_holdings_and_never_proven() -> None:
    marks = {"lapsed": "0", "spendable": "1000"}
    assert verify_answer(WORLD.trust, {**BALANCE, **marks}).not_proven == ("lapsed", "spendable")
    for answer in (RAW, RECORD, BLOCK, TRANSACTION, account_answer()):
        with pytest.raises(ProofInvalid, match="says nothing about lapsed, spendable"):
            verify_answer(WORLD.trust, {**answer, **marks})
    with pytest.raises(ProofInvalid, match="says nothing about newest"):
        verify_answer(WORLD.trust, {**BALANCE, "newest": 1})


def test_a_changed_number_inside_the_value_is_refused() -> None:
    changed = copy.deepcopy(BALANCE)
    changed["value"]["v1"]["balance"] = "1000000"
    with pytest.raises(ProofInvalid, match="value"):
        verify_answer(WORLD.trust, changed)
    # In Python True equals 1; in JSON it does not.
    changed = copy.deepcopy(BALANCE)
    changed["value"]["v1"]["authorised"] = 1
    with pytest.raises(ProofInvalid, match="value"):
        verify_answer(WORLD.trust, changed)


@pytest.mark.parametrize("proof", [None, "", "zz", "AB", {}, {"cell": "00"}, {"account": 5}, []])
def test_no_proof_is_refused(proof: Any) -> None:
    with pytest.raises(ProofInvalid):
        verify_answer(WORLD.trust, {**BALANCE, "proof": proof})

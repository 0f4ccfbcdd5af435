from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
import samples
import vectors
from bubi_sdk import (
    Algorithm,
    HashSuite,
    ProofInvalid,
    Trust,
    block,
    documents,
    events,
    merkle,
    state,
)
from bubi_sdk import proof as proofs
from bubi_sdk.errors import MalformedJson
from bubi_sdk.proof import CellProof, ReceiptProof, account_cells, cell_value, verify_receipt
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import World

WORLD = World(HashSuite.STANDARD)
GOOD = WORLD.receipt_proof()
replace: Callable[..., Any] = dataclasses.replace


@pytest.mark.parametrize("suite", list(HashSuite))
@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("epochs", [0, 1, 3])
def test_an_honest_proof(suite: HashSuite, algorithm: Algorithm, epochs: int) -> None:
    world = World(suite, algorithm)
    proven = verify_receipt(world.trust, world.receipt_proof(epochs=epochs).encode())
    assert proven.code == "final"
    assert proven.block.signers == ("v0", "v1", "v3")
    assert proven.block.weight == proven.block.quorum == 3
    assert proven.records_of(b"a document")


def refused(proof: ReceiptProof | bytes, trust: Trust | None = None) -> None:
    with pytest.raises(ProofInvalid):
        verify_receipt(trust or WORLD.trust, proof)


def finality(**changes: Any) -> ReceiptProof:
    return dataclasses.replace(GOOD, finality=replace(GOOD.finality, **changes))


def test_every_link_is_checked() -> None:
    refused(replace(GOOD, body=samples.body(samples.TRANSFER).encode()))
    refused(replace(GOOD, body=b""))
    refused(replace(GOOD, receipt=replace(GOOD.receipt, code=1)))
    refused(replace(GOOD, receipt=replace(GOOD.receipt, transaction=bytes(32))))
    refused(replace(GOOD, events=()))
    refused(replace(GOOD, events=(*GOOD.events, *GOOD.events)))
    refused(replace(GOOD, path=replace(GOOD.path, index=3)))
    refused(replace(GOOD, path=replace(GOOD.path, size=3)))
    refused(replace(GOOD, path=replace(GOOD.path, siblings=GOOD.path.siblings[:-1])))
    refused(replace(GOOD, path=replace(GOOD.path, siblings=(bytes(32),) * 65)))
    refused(finality(outcome=replace(GOOD.finality.outcome, state_root=bytes(32))))
    refused(finality(proposal=replace(GOOD.finality.proposal, height=26)))
    refused(finality(handovers=()))
    refused(finality(handovers=GOOD.finality.handovers[::-1]))
    refused(finality(handovers=GOOD.finality.handovers[:1]))


def test_an_event_beyond_its_limit_is_a_proof_error() -> None:
    long = events.DataSet(samples.ALICE, "a" * 2_000, 1)
    refused(replace(GOOD, events=(long,)))


def test_certificates_are_counted_strictly() -> None:
    certificate = GOOD.finality.certificate
    votes = certificate.votes

    def with_votes(*changed: block.CertificateVote) -> ReceiptProof:
        return finality(certificate=replace(certificate, votes=changed))

    refused(with_votes(*votes[:2]))
    refused(with_votes(votes[0], votes[0], votes[1]))
    refused(with_votes(votes[2], votes[1], votes[0]))
    refused(with_votes(*votes[:2], replace(votes[2], validator=4)))
    refused(with_votes(*votes[:2], replace(votes[2], validator=2)))
    refused(with_votes(*votes[:2], replace(votes[2], signature=bytes(64))))
    order = 2**252 + 27742317777372353535851937790883648493
    signature = votes[0].signature
    second = int.from_bytes(signature[32:], "little") + order
    twin = signature[:32] + second.to_bytes(32, "little")
    refused(with_votes(replace(votes[0], signature=twin), *votes[1:]))


def test_a_set_that_nobody_handed_over_is_refused() -> None:
    stranger = World(HashSuite.STANDARD, Algorithm.P256)
    foreign = stranger.receipt_proof(epochs=2)
    refused(foreign)
    # The first hand-over is honest, the set it gives is not the one that its block names.
    handover = replace(GOOD.finality.handovers[0], next=stranger.set_of(1))
    refused(finality(handovers=(handover, *foreign.finality.handovers[1:])))


def test_epochs_follow_one_another() -> None:
    skipping = WORLD.set_of(2)
    past, result = WORLD.made_block(9, samples.HASHES[5], samples.HASHES[6], 0, 2)
    handover = proofs.Handover(past, result, WORLD.certify(past, result, 0), skipping)
    proposal, outcome = WORLD.made_block(25, samples.HASHES[5], samples.HASHES[6], 2, 2)
    certificate = WORLD.certify(proposal, outcome, 2)
    with pytest.raises(ProofInvalid, match="follow"):
        proofs.verify_finality(
            WORLD.trust, proofs.FinalityProof(proposal, outcome, certificate, (handover,))
        )


def test_an_unknown_result_code_is_refused() -> None:
    receipt = replace(GOOD.receipt, code=999, events_root=merkle.root(WORLD.suite, []))
    root = merkle.leaf_hash(WORLD.suite, merkle.LeafTag.RECEIPT, receipt.encode())
    path = proofs.ListPath(0, 1, ())
    finality = WORLD.finality(root, samples.HASHES[6])
    with pytest.raises(ProofInvalid, match="result code"):
        verify_receipt(WORLD.trust, proofs.ReceiptProof(GOOD.body, receipt, (), path, finality))


def test_a_receipt_of_a_document_with_an_impossible_time_is_malformed() -> None:
    text = documents.DocumentReceipt("a", bytes(32), bytes(32), 1, 1, (), b"").render()
    assert documents.DocumentReceipt.parse(text).time == 1
    for time in (10**20, -(10**20)):
        with pytest.raises(ProofInvalid) as caught:
            documents.DocumentReceipt.parse(text.replace('"time": 1,', f'"time": {time},'))
        assert caught.value.code == "receipt_malformed"


def test_another_chain_or_trust_is_refused() -> None:
    trust = WORLD.trust
    other = Trust(
        dataclasses.replace(trust.network, chain_id=bytes(32)), trust.kind, trust.validator_set
    )
    refused(GOOD, other)
    refused(GOOD, World(HashSuite.NATIONAL).trust)
    refused(GOOD, Trust(trust.network, trust.kind, WORLD.set_of(7)))
    assert Trust.parse(json.dumps(trust.to_json())) == trust


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD.encode()) - 1), st.integers(1, 255))
def test_no_changed_byte_proves_the_same(at: int, mask: int) -> None:
    changed = bytearray(GOOD.encode())
    changed[at] ^= mask
    refused(bytes(changed))


def test_what_fell_due_by_itself() -> None:
    lapsed = (events.Lapsed(samples.ASSET, samples.BOB, 5, samples.TIME),)
    leaves = [merkle.leaf_hash(WORLD.suite, merkle.LeafTag.EVENT, events.EVENT.encode(lapsed[0]))]
    receipt = block.Receipt(bytes(32), 1, 0, 0, None, merkle.root(WORLD.suite, leaves))
    root = merkle.leaf_hash(WORLD.suite, merkle.LeafTag.RECEIPT, receipt.encode())
    made = ReceiptProof(
        b"", receipt, lapsed, proofs.ListPath(0, 1, ()), WORLD.finality(root, bytes(32))
    )
    assert verify_receipt(WORLD.trust, made).body is None
    refused(replace(made, body=b"\x00"))


# Cells


def tree(suite: HashSuite, owners: dict[bytes, dict[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    roots = {
        owner: proofs.trie_root(suite, list(cells.items())) for owner, cells in owners.items()
    }
    return sorted(
        (suite.hash(b"\x02", owner), proofs.owner_leaf(suite, owner, root))
        for owner, root in roots.items()
    )


def siblings(suite: HashSuite, leaves: list[tuple[bytes, bytes]], way: bytes) -> tuple[bytes, ...]:
    found, level = [], 0
    while len(leaves) > 1:
        mine = [one for one in leaves if proofs._bit(one[0], level) == proofs._bit(way, level)]
        others = [one for one in leaves if one not in mine]
        found.append(proofs._subtrie(suite, others, level + 1))
        leaves, level = mine, level + 1
    return tuple(found)


def ledger() -> dict[bytes, dict[bytes, bytes]]:
    owners = {}
    for number in range(9):
        key = state.owner_key(state.OwnerKind.ACCOUNT, samples.filled(f"owner {number}"))
        owners[key] = {
            bytes([at, number]): samples.filled(f"cell {at}") for at in range(number + 1)
        }
    return owners


@pytest.mark.parametrize("suite", list(HashSuite))
def test_cells_present_and_absent(suite: HashSuite) -> None:
    owners = ledger()
    leaves = tree(suite, owners)
    root = proofs._subtrie(suite, leaves, 0)
    kinds = set()
    for owner, cells in owners.items():
        upper = siblings(suite, leaves, suite.hash(b"\x02", owner))
        lower_leaves = sorted(
            (suite.hash(b"\x02", key), proofs.cell_leaf(suite, key, value))
            for key, value in cells.items()
        )
        complete = proofs.AccountProof(
            owner, proofs.AccountComplete(tuple(sorted(cells.items())), upper)
        )
        assert account_cells(suite, root, complete.encode()) == cells
        if len(cells) > 1:
            less = replace(complete.evidence, cells=tuple(sorted(cells.items()))[1:])
            with pytest.raises(ProofInvalid):
                account_cells(suite, root, replace(complete, evidence=less))
        for key, value in cells.items():
            lower = siblings(suite, lower_leaves, suite.hash(b"\x02", key))
            present = CellProof(owner, key, proofs.CellPresent(value, lower, upper))
            assert cell_value(suite, root, present.encode()) == value
            for evidence in (
                replace(present.evidence, value=b"other"),
                replace(present.evidence, lower=(*lower, proofs.EMPTY_ROOT)),
                proofs.CellAbsent(proofs.OtherCell(key, value), lower, upper),
                proofs.CellAbsent(proofs.NothingThere(), lower, upper),
            ):
                with pytest.raises(ProofInvalid):
                    cell_value(suite, root, replace(present, evidence=evidence))
        absent, gap = absence(suite, owner, cells, lower_leaves, upper)
        assert cell_value(suite, root, absent.encode()) is None
        kinds.add(type(gap))
    assert proofs.OtherCell in kinds


def absence(
    suite: HashSuite,
    owner: bytes,
    cells: dict[bytes, bytes],
    leaves: list[tuple[bytes, bytes]],
    upper: tuple[bytes, ...],
) -> tuple[CellProof, Any]:
    key = b"no such key"
    way = suite.hash(b"\x02", key)
    lower = siblings(suite, leaves, way)
    standing = [
        (name, value)
        for name, value in cells.items()
        if all(
            proofs._bit(suite.hash(b"\x02", name), level) == proofs._bit(way, level)
            for level in range(len(lower))
        )
    ]
    gap = proofs.OtherCell(*standing[0]) if standing else proofs.NothingThere()
    return CellProof(owner, key, proofs.CellAbsent(gap, lower, upper)), gap


def test_owners_absent_and_proofs_tied_to_a_block() -> None:
    suite, owners = HashSuite.STANDARD, ledger()
    leaves = tree(suite, owners)
    root = proofs._subtrie(suite, leaves, 0)
    nobody = state.owner_key(state.OwnerKind.ASSET, samples.filled("nobody"))
    way = suite.hash(b"\x02", nobody)
    upper = siblings(suite, leaves, way)
    standing = [
        one
        for one in owners
        if all(
            proofs._bit(suite.hash(b"\x02", one), level) == proofs._bit(way, level)
            for level in range(len(upper))
        )
    ]
    gap: Any = proofs.NothingThere()
    if standing:
        cells_root = proofs.trie_root(suite, list(owners[standing[0]].items()))
        gap = proofs.OtherOwner(standing[0], cells_root)
    made = proofs.AccountProof(nobody, proofs.AccountAbsent(gap, upper))
    proven, cells = proofs.verify_account(WORLD.trust, WORLD.finality(bytes(32), root), made)
    assert (cells, proven.height) == ({}, 25)
    absent = CellProof(nobody, b"k", proofs.CellOwnerAbsent(gap, upper))
    assert proofs.verify_cell(WORLD.trust, WORLD.finality(bytes(32), root), absent)[1] is None
    with pytest.raises(ProofInvalid):
        proofs.verify_account(WORLD.trust, WORLD.finality(bytes(32), bytes(32)), made)


STATE_TREE = json.loads((vectors.FOLDER / "state_tree.json").read_text(encoding="utf-8"))


def shown(case: Any) -> Any:
    suite, root = HashSuite(case["suite"]), bytes.fromhex(case["root"])
    data = bytes.fromhex(case["proof"])
    if case["kind"] == "cell":
        value = cell_value(suite, root, data)
        return None if value is None else value.hex()
    return [[key.hex(), value.hex()] for key, value in account_cells(suite, root, data).items()]


def test_the_state_tree_of_the_core() -> None:
    for case in STATE_TREE["sets"]:
        for suite in HashSuite:
            owners: dict[bytes, dict[bytes, bytes]] = {}
            for owner, key, value in case["cells"]:
                cells = owners.setdefault(bytes.fromhex(owner), {})
                cells[bytes.fromhex(key)] = bytes.fromhex(value)
            root = proofs._subtrie(suite, tree(suite, owners), 0)
            assert root.hex() == case["roots"][suite.value], case["name"]


@pytest.mark.parametrize("case", STATE_TREE["proofs"])
def test_proofs_of_the_core(case: Any) -> None:
    expected = case.get("value") if case["kind"] == "cell" else case["cells"]
    assert shown(case) == expected
    with pytest.raises(ProofInvalid):
        shown(case | {"root": "00" * 32})


@pytest.mark.parametrize("case", STATE_TREE["invalid"], ids=lambda case: case["what"])
def test_proofs_that_the_core_refuses(case: Any) -> None:
    with pytest.raises(ProofInvalid):
        shown(case)


@pytest.mark.parametrize(
    ("name", "value"), [("genesis_hash", "00" * 32), ("validators", []), ("quorum", 1)]
)
def test_a_trust_file_that_tells_people_something_else_is_refused(name: str, value: Any) -> None:
    honest = WORLD.trust.to_json()
    assert Trust.parse(json.dumps(honest)).to_json() == honest
    with pytest.raises(MalformedJson, match=name):
        Trust.parse(json.dumps({**honest, name: value}))
    del honest[name]
    assert Trust.parse(json.dumps(honest)) == WORLD.trust


def handed_over(*steps: tuple[int, int], height: int) -> ReceiptProof:
    """A receipt proof after hand-overs, each of (height, epoch that it hands over to)."""
    handovers, epoch = [], 0
    for at, following in steps:
        past, result = WORLD.made_block(at, samples.HASHES[5], samples.HASHES[6], epoch, following)
        certificate = WORLD.certify(past, result, epoch)
        handovers.append(proofs.Handover(past, result, certificate, WORLD.set_of(following)))
        epoch = following
    root = GOOD.finality.outcome.receipt_root
    proposal, outcome = WORLD.made_block(height, root, samples.HASHES[7], epoch, epoch)
    certificate = WORLD.certify(proposal, outcome, epoch)
    finality = proofs.FinalityProof(proposal, outcome, certificate, tuple(handovers))
    return dataclasses.replace(GOOD, finality=finality)


@pytest.mark.parametrize(
    ("steps", "height", "good"),
    [
        ([], 1, True),
        ([(9, 1), (10, 2)], 11, True),
        ([(9, 2)], 25, False),
        ([(9, 1), (19, 3)], 25, False),
        ([(9, 0)], 25, False),
        ([(9, 1), (9, 2)], 25, False),
        ([(19, 1), (9, 2)], 25, False),
        ([(0, 1)], 25, False),
        ([(9, 1)], 9, False),
        ([(9, 1)], 8, False),
    ],
)
def test_hand_overs_are_judged_alike_by_core_and_sdk(
    steps: list[tuple[int, int]], height: int, good: bool
) -> None:
    proof = handed_over(*steps, height=height).encode()
    core = pytest.importorskip("bubi.core")
    trust = json.dumps(WORLD.trust.to_json()).encode()
    if good:
        assert verify_receipt(WORLD.trust, proof).block.height == height
        assert json.loads(core.verify_receipt_proof(trust, proof))["height"] == str(height)
        return
    refused(proof)
    with pytest.raises(core.CoreError) as error:
        core.verify_receipt_proof(trust, proof)
    assert error.value.args[0] == "proof_invalid"

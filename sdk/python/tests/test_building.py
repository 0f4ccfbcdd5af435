from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import samples
from bubi_sdk import (
    AccountSigner,
    Address,
    Algorithm,
    Collection,
    Envelope,
    HashSuite,
    InvalidInput,
    MemorySigner,
    Network,
    TransactionBuilder,
)
from bubi_sdk import operations as ops
from bubi_sdk import transaction as tx
from bubi_sdk.codec import Reader
from bubi_sdk.errors import CollectionMismatch, NotCanonical, SignatureInvalid
from bubi_sdk.transaction import TransactionBody, bulk_body
from hypothesis import given
from hypothesis import strategies as st

NETWORK = Network(samples.CHAIN, samples.PREFIX, HashSuite.STANDARD, "sample")
ALICE, BOB, CAROL = (MemorySigner.generate(one) for one in list(Algorithm)[:3])


def builder() -> TransactionBuilder:
    return TransactionBuilder(NETWORK, ALICE.public_key)


def test_the_builder_has_a_verb_for_every_operation() -> None:
    assert all(hasattr(TransactionBuilder, name) for name in ops.OPERATION_NAMES)


def test_a_transaction_from_start_to_bytes() -> None:
    made = (
        builder()
        .transfer(samples.ASSET, BOB.public_key, 5)
        .transfer(samples.ASSET.hex(), NETWORK.text(CAROL.public_key), 6, acting=BOB.public_key)
        .memo("hello")
        .valid_for(60)
        .require_height(1, 9)
        .build(now=1_000)
    )
    assert made.body.valid_until == 61_000
    assert made.body.operations[1].source == NETWORK.address(BOB.public_key)
    assert TransactionBody.decode(made.body_bytes) == made.body
    envelope = made.sign(BOB, ALICE)
    assert [entry.key for entry in envelope.signed.signatures] == sorted(
        [ALICE.public_key, BOB.public_key]
    )
    assert Envelope.decode(NETWORK, envelope.encoded).hash == envelope.hash


class BrokenToken:
    """A signer whose device makes wrong signatures."""

    public_key = BOB.public_key

    def sign(self, message: bytes) -> bytes:
        return BOB.sign(message + b"!")


def test_signatures_of_foreign_signers_are_checked() -> None:
    with pytest.raises(SignatureInvalid):
        builder().close_account().build().sign(BrokenToken())


def test_two_transactions_never_share_an_id() -> None:
    one, two = (builder().close_account().build(now=0) for _ in range(2))
    assert one.hash != two.hash
    assert isinstance(one.body.replay, tx.Id)
    numbered = builder().close_account().sequence(1, 2).build()
    assert numbered.body.replay == tx.Sequence(1, 2)


def test_mistakes_show_where_they_are_made() -> None:
    with pytest.raises(InvalidInput):
        builder().transfer(samples.ASSET, ALICE.public_key, 5)
    with pytest.raises(InvalidInput):
        builder().transfer(samples.ASSET, BOB.public_key, 0)
    with pytest.raises(InvalidInput):
        builder().transfer("ab", BOB.public_key, 1)
    with pytest.raises(InvalidInput):
        builder().build()
    with pytest.raises(InvalidInput):
        builder().transfer(samples.ASSET, samples.BOB.text("bubi"), 1)
    with pytest.raises(InvalidInput):
        builder().transfer(samples.ASSET, BOB.public_key, 1.5).build().body_bytes  # type: ignore[arg-type] # noqa: B018


def test_lists_are_sorted_by_the_builder() -> None:
    signers = [AccountSigner(one.public_key) for one in (CAROL, ALICE, BOB)]
    made = (
        builder()
        .set_signers(signers, 2)
        .create_namespace("n", writers=[CAROL.public_key, BOB.public_key, BOB.public_key])
    )
    body = made.build().body
    assert isinstance(body.operations[0].body, ops.SetSigners)
    assert len(TransactionBody.decode(body.encode()).operations) == 2


numbers = st.integers(0, 2**64 - 1)
amounts = st.integers(1, 10**38 - 1)
hashes = st.binary(min_size=32, max_size=32)
addresses = hashes.map(Address)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=16)
operations = st.one_of(
    st.builds(ops.Transfer, hashes, addresses, amounts),
    st.builds(ops.Issue, hashes, addresses, amounts, st.none() | numbers),
    st.builds(ops.SetData, texts, st.none() | st.binary(max_size=80), st.none() | numbers),
    st.builds(ops.Clawback, hashes, addresses, st.none() | addresses, amounts),
    st.builds(
        ops.PutRecord,
        hashes,
        texts,
        st.builds(ops.Digest, st.sampled_from(ops.DigestAlgorithm), hashes),
        st.builds(ops.NoContent) | st.builds(ops.PlainContent, st.binary(max_size=80)),
    ),
    st.builds(
        ops.CreateNamespace,
        st.from_regex("[a-z0-9.-]{1,20}", fullmatch=True),
        st.sets(addresses, max_size=4).map(lambda found: ops.Listed(tuple(sorted(found)))),
        st.booleans(),
    ),
)
bodies = st.builds(
    tx.TransactionBody,
    st.just(Address(bytes(32))),
    st.builds(tx.Id, st.binary(min_size=16, max_size=16))
    | st.builds(tx.Sequence, st.integers(0, 2**32 - 1), numbers),
    numbers,
    st.just(()),
    st.binary(max_size=256),
    st.lists(st.builds(ops.Operation, st.none(), operations), min_size=1, max_size=5).map(tuple),
)


@given(bodies)
def test_bodies_survive_bytes_and_json(body: TransactionBody) -> None:
    try:
        data = body.encode()
    except InvalidInput:
        return  # two generated addresses were equal
    assert TransactionBody.decode(data) == body
    text = json.dumps(body.to_json("bubi"))
    assert TransactionBody.from_json(json.loads(text), "bubi") == body


@given(bodies, st.data())
def test_a_changed_byte_is_refused_or_another_value(
    body: TransactionBody, data: st.DataObject
) -> None:
    try:
        good = body.encode()
    except InvalidInput:
        return
    at = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        value = TransactionBody.decode(bytes(changed))
    except InvalidInput:
        return
    assert value != body
    assert value.encode() == bytes(changed)


@given(st.binary(max_size=200))
def test_random_bytes_never_do_anything_but_fail_or_round_trip(data: bytes) -> None:
    for kind in samples.TYPES.values():
        try:
            value = kind.decode(data)
        except InvalidInput:
            continue
        assert kind.encode(value) == data


def test_depth_is_limited() -> None:
    """No type of the ledger nests so deep; a future one that could is stopped all the same."""
    reader = Reader(b"")
    for _ in range(16):
        reader.enter()
    with pytest.raises(NotCanonical):
        reader.enter()


def test_lengths() -> None:
    assert Reader(b"\xff\xff\xff\xff\x07").length() == 2**31 - 1
    for bad in (b"\x80\x80\x80\x80\x08", b"\x80\x00", b"\xff\xff\xff\xff\x1f", b"\x80" * 9):
        with pytest.raises(NotCanonical):
            Reader(bad).length()


def test_bulk_body() -> None:
    envelopes = [builder().close_account().build().sign(ALICE) for _ in range(200)]
    data = bulk_body(envelopes)
    assert data == bulk_body([one.encoded for one in envelopes])
    reader = Reader(data)
    assert reader.length() == 200
    assert [reader.take(reader.length()) for _ in range(200)] == [one.encoded for one in envelopes]
    reader.end()


# Signatures collected in files


def collection(memo: str = "") -> Collection:
    made = builder().transfer(samples.ASSET, BOB.public_key, 5).sequence(0, 0).valid_for(86_400)
    made.memo(memo)
    return Collection(made.build())


def test_a_collection_travels(tmp_path: Path) -> None:
    first = collection().add(ALICE)
    first.save(tmp_path / "one.json")
    second = Collection.load(tmp_path / "one.json").add(BOB)
    third = Collection.load(tmp_path / "one.json").add(CAROL)
    second.save(tmp_path / "two.json")
    merged = third.merge(Collection.load(tmp_path / "two.json"))
    signers = [AccountSigner(ALICE.public_key, 1), AccountSigner(BOB.public_key, 2)]
    assert not first.completeness(signers, 3).complete
    assert first.completeness(signers, 3).missing == (BOB.public_key,)
    state = merged.completeness(signers, 3)
    assert state.complete
    assert (state.weight, state.unknown) == (3, (CAROL.public_key,))
    assert len(merged.envelope().signed.signatures) == 3
    assert merged.envelope().hash == first.transaction.hash
    assert sorted(one.name for one in tmp_path.iterdir()) == ["one.json", "two.json"]


def test_signatures_of_something_else_do_not_enter(tmp_path: Path) -> None:
    one, two = collection().add(ALICE), collection("another").add(BOB)
    with pytest.raises(CollectionMismatch):
        one.merge(two)
    with pytest.raises(SignatureInvalid):
        one.add_signature(BOB.public_key, two.signatures[0].signature)
    document = json.loads(json.dumps(one.to_json()))
    document["signatures"][0]["signature"] = "00" * 64
    with pytest.raises(SignatureInvalid):
        Collection.from_json(document)
    document = json.loads(json.dumps(one.to_json()))
    document["body"] = two.transaction.body_bytes.hex()
    with pytest.raises(CollectionMismatch):
        Collection.from_json(document)
    document = json.loads(json.dumps(one.to_json()))
    document["network"]["chain_id"] = "00" * 32
    with pytest.raises(CollectionMismatch):
        Collection.from_json(document)
    broken: Any
    for broken in (None, [], {"schema": 2}, {"schema": 1, "kind": "bubi-collection"}):
        with pytest.raises(InvalidInput):
            Collection.from_json(broken)
